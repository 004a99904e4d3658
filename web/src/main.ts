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

let key = keyAtStart(location.search);
const useKey = (entered: string) => {
  key = entered;
  void viewer.connect(key);
};
// Only a key that was accepted is kept, and only one that is kept leaves the address bar.
let kept = "";
viewer.onChange(({ connection }) => {
  if (connection !== "ready" || kept === key) return;
  kept = key;
  rememberKey(key);
});

function retry(): void {
  if (viewer.state.connection === "ready") viewer.retry();
  else useKey(key);
}

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
app.append(header(viewer, key, useKey), notice(viewer, retry), main, announcer(viewer));

window.addEventListener("pagehide", () => viewer.abandon());
if (!Player.supported()) {
  app.prepend(h("p", { class: "noscript" }, "This browser can not play the stream on this page (no Media Source Extensions). Its address plays in any HLS player."));
}
viewer.run();
void viewer.connect(key);
