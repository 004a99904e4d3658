// rx-player has no HLS of its own: it drives the browser's, which is one more implementation of HLS.

import RxPlayer from "rx-player";
import { watch } from "./watcher.js";

/**
 * Where sound has playlists of its own, Chromium 156 gives up at every second or third start of a live stream: "Segment queue never had any
 * data", when all it asked for was answered. Whoever is not tested here asks again, too.
 */
const STARTS = 6;
const START_UP_S = 1;

const video = document.querySelector("video");
const player = new RxPlayer({ videoElement: video });

function play(url) {
  const { error, shown, anew } = watch(video);
  const load = () => player.loadVideo({ transport: "directfile", url, autoPlay: true });
  let starts = 1;
  player.addEventListener("error", ({ message }) => {
    if (shown() > START_UP_S || starts === STARTS) return error(`rx-player: ${message}`);
    starts += 1;
    anew(`start ${starts}, after ${message}`);
    load();
  });
  player.addEventListener("warning", ({ message }) => error(`rx-player: ${message}`));
  load();
}

window.players = { rx: { play } };
window.chooseSound = (name) => {
  const track = player.getAvailableAudioTracks().find((one) => one.label === name);
  if (track === undefined) return false;
  player.setAudioTrack(track.id);
  return true;
};
