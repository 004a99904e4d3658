import Hls from "hls.js";
import { watch } from "./watcher.js";

const video = document.querySelector("video");
let hls;

async function hasParts(url) {
  const index = await (await fetch(url)).text();
  const first = index.split("\n").find((line) => line !== "" && !line.startsWith("#"));
  return (await (await fetch(new URL(first, url))).text()).includes("#EXT-X-PART-INF");
}

function play(url, config) {
  hls = new Hls(config);
  const { error } = watch(video, () => hls.playingDate?.getTime());
  hls.on(Hls.Events.ERROR, (_, { details, fatal, reason }) => error(`hls.js: ${details}${fatal ? ", fatal" : ""} ${reason ?? ""}`));
  hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  hls.loadSource(url);
  hls.attachMedia(video);
}

window.players = {
  hlsjs: { play: (url) => play(url, { lowLatencyMode: false }) },
  // Parts say themselves how far to stay behind; without them one segment is as near as it goes.
  hlsjs_low: { play: async (url) => play(url, { lowLatencyMode: true, ...(!(await hasParts(url)) && { liveSyncDurationCount: 1 }) }) },
  // Comes as near as it is told to by hurrying a little, for which the browser leaves pictures out.
  hlsjs_near: { play: (url) => play(url, { lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.05 }) },
};
window.showCaptions = (name) => {
  hls.subtitleDisplay = true;
  hls.subtitleTrack = hls.subtitleTracks.findIndex((track) => track.name === name);
  return hls.subtitleTrack >= 0;
};
window.chooseSound = (name) => {
  hls.audioTrack = hls.audioTracks.findIndex((track) => track.name === name);
};
