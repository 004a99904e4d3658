import videojs from "video.js";
import { watch } from "./watcher.js";

const player = videojs(document.querySelector("video"), { html5: { vhs: { overrideNative: true } }, liveui: true });
const video = player.el().querySelector("video");

/** From the segment under the play head: video.js has no call that tells it. */
function playingDate() {
  const segments = player.tech({ IWillNotUseThisInPlugins: true }).vhs?.playlists.media()?.segments ?? [];
  const now = video.currentTime;
  const shown = segments.find((segment) => segment.start <= now && now < segment.end);
  return shown?.dateTimeObject && shown.dateTimeObject.getTime() + (now - shown.start) * 1000;
}

async function play(url) {
  const { error } = watch(video, playingDate);
  player.on("error", () => error(`video.js: ${player.error()?.code} ${player.error()?.message}`));
  player.src({ src: url, type: "application/vnd.apple.mpegurl" });
  await player.play();
}

window.players = { videojs: { play } };
// Its own, not the element's.
window.textTracks = () => Array.from(player.textTracks());
window.showCaptions = (name) => {
  const track = window.textTracks().find(({ label }) => label === name);
  if (track !== undefined) track.mode = "showing";
  return track !== undefined;
};
window.chooseSound = (name) => {
  const tracks = player.audioTracks();
  for (let at = 0; at < tracks.length; at++) tracks[at].enabled = tracks[at].label === name;
};
