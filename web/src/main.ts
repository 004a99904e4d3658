// Puts the viewer page together.

import { Client } from "./api";
import { h } from "./dom";
import { deviceId, keyAtStart, rememberKey } from "./keys";
import { Player } from "./player";
import { controls } from "./view/controls";
import { layoutChooser, soundChooser } from "./view/choosers";
import { gameList } from "./view/games";
import { header } from "./view/header";
import { announcer, notice } from "./view/notice";
import { stage } from "./view/stage";
import { statsPanel } from "./view/stats";
import { Viewer } from "./viewer";

declare global {
  interface Window {
    /** For tests and support: what the page knows, and what happened. */
    quadrille: { readonly state: Viewer["state"]; readonly events: Viewer["events"]; readonly player: Player };
  }
}

const viewer = new Viewer(deviceId(), (key) => new Client(key));
const video = h("video", { playsinline: true, "aria-label": "Multiview picture" });
video.preload = "auto";
const player = new Player(video, (event) => viewer.hear(event));
viewer.usePlayer(player);

Object.defineProperty(window, "quadrille", {
  value: {
    get state() {
      return viewer.state;
    },
    events: viewer.events,
    player,
  },
});

async function connect(key: string): Promise<void> {
  // A key that was refused is not kept, nor is it left in the address bar once it is kept.
  if (await viewer.connect(key)) rememberKey(key);
}

function retry(): void {
  if (viewer.state.connection !== "ready") void connect(lastKey);
  else void viewer.watch();
}

let lastKey = keyAtStart(location.search);
const useKey = (key: string) => {
  lastKey = key;
  void connect(key);
};

const screen = stage(viewer, video);
const main = h(
  "main",
  {},
  h(
    "div",
    { class: "left" },
    h("section", { class: "player", "aria-label": "Player" }, screen, controls(viewer, video, screen)),
    h("div", { class: "under" }, layoutChooser(viewer), soundChooser(viewer)),
  ),
  h("div", { class: "right" }, gameList(viewer), statsPanel(viewer)),
);
const app = document.getElementById("app") ?? document.body;
app.append(header(viewer, lastKey, useKey), notice(viewer, retry), main, announcer(viewer));

window.addEventListener("pagehide", () => viewer.abandon());
if (!Player.supported()) {
  app.prepend(h("p", { class: "noscript" }, "This browser can not play the stream on this page (no Media Source Extensions). Its address plays in any HLS player."));
}
viewer.run();
void connect(lastKey);
