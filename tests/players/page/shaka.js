import shaka from "shaka-player/dist/shaka-player.compiled.js";
import { watch } from "./watcher.js";

const video = document.querySelector("video");
let player;

async function play(url) {
  player = new shaka.Player();
  const { error } = watch(video, () => player.getPlayheadTimeAsDate()?.getTime());
  player.addEventListener("error", ({ detail }) => error(`Shaka: ${detail.code} ${JSON.stringify(detail.data).slice(0, 300)}`));
  await player.attach(video);
  await player.load(url);
  await video.play();
}

window.players = { shaka: { play } };
// Of the old sound it keeps so much; without that it throws away what it is about to play, and stalls whatever it plays.
const KEPT_S = 3;
window.images = async () => {
  const [track] = player.getImageTracks();
  const all = track === undefined ? [] : await player.getAllThumbnails(track.id);
  return all.map(({ uris, width, height }) => ({ uri: new URL(uris[0]).pathname, width, height }));
};
window.showCaptions = (name) => {
  const track = player.getTextTracks().find(({ label }) => label === name);
  player.selectTextTrack(track ?? null);
  return track !== undefined;
};
window.chooseSound = (name) => player.selectAudioTrack(player.getAudioTracks().find((track) => track.label === name), KEPT_S);
