// Puts the viewer page together.

import { Client } from "./api";
import { h } from "./dom";
import { deviceId, keyAtStart, rememberKey } from "./keys";
import { regionIn, withPicks } from "./link";
import { Player } from "./player";
import { lowLatencyKept, volumeKept } from "./settings";
import { controls, toggleMute } from "./view/controls";
import { layoutChooser, soundChooser } from "./view/choosers";
import { gameList } from "./view/games";
import { header } from "./view/header";
import { help } from "./view/help";
import { listenToKeys } from "./view/keyboard";
import { announcer, notice } from "./view/notice";
import { cue, curtain, pendingFlag, soundOffer } from "./view/overlay";
import { rewindBar } from "./view/rewind";
import { shareButton } from "./view/share";
import { stage } from "./view/stage";
import { statsPanel } from "./view/stats";
import { termsPanel } from "./view/terms";
import { Viewer } from "./viewer";
import { VISITS } from "./visit";

declare global {
  interface Window {
    /** For tests and support: what the page knows, and what happened. */
    quadrille: { readonly state: Viewer["state"]; readonly events: Viewer["events"]; readonly player: Player };
  }
}

const lowLatency = lowLatencyKept();
const clientWith = (key: string) => Object.assign(new Client(key), { region: regionIn(location.search) });
const viewer = new Viewer(deviceId(), clientWith, VISITS, lowLatency);
const video = h("video", { playsinline: true, "aria-label": "Multiview picture" });
video.preload = "auto";
const volume = volumeKept();
if (volume !== null) {
  video.volume = volume.level;
  video.muted = volume.muted;
}
const player = new Player(video, (event) => viewer.hear(event), lowLatency);
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

// The address names the picks and the terms, so that a bookmark and a copied address are links to the mosaic, too.
viewer.onChange(({ picks, terms, layouts }) => {
  if (layouts.length === 0) return;
  const href = withPicks(location.href, picks, terms);
  if (href !== location.href) history.replaceState(history.state, "", href);
});

function retry(): void {
  if (viewer.state.connection === "ready") viewer.retry();
  else useKey(key);
}

const keys = help(viewer);
const hint = cue();
const screen = stage(viewer, video, [curtain(viewer), pendingFlag(viewer), soundOffer(viewer, video), hint.element]);
const rewind = rewindBar(viewer);
const bars = controls(viewer, { video, screen, share: shareButton(viewer), rewind, toggleHelp: keys.toggle });
// A screen that is full shows nothing but the picture: the bar goes there.
document.addEventListener("fullscreenchange", () => (document.fullscreenElement === screen ? screen.append(rewind) : bars.prepend(rewind)));
const main = h(
  "main",
  {},
  h(
    "div",
    { class: "left" },
    h("section", { class: "player", "aria-label": "Player" }, screen, bars),
    h("div", { class: "under" }, layoutChooser(viewer), soundChooser(viewer)),
  ),
  h("div", { class: "right" }, gameList(viewer), termsPanel(viewer), statsPanel(viewer)),
);
const app = document.getElementById("app") ?? document.body;
app.append(header(viewer, key, useKey), notice(viewer, retry), main, announcer(viewer), keys.dialog);
listenToKeys({ viewer, screen, toggleHelp: keys.toggle, toggleMute: () => toggleMute(video), cue: hint.show });

// A page that goes away says nothing: it may be a reload, which takes the session up again. One that is not taken up asks for no
// playlist any more, so that its meter stands, and the service ends it.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) void viewer.comeBack();
});
if (!Player.supported()) {
  app.prepend(h("p", { class: "noscript" }, "This browser can not play the stream on this page (no Media Source Extensions). Its address plays in any HLS player."));
}
viewer.run();
void viewer.connect(key);
