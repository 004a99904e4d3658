// Under the picture: watching, pausing, how live it is, latency, rendition, sound level, sharing, keys, full screen.

import { captionLike, captionName } from "../captions";
import { attribute, h, icon, text, toggle } from "../dom";
import { seconds } from "../format";
import { toggleFullScreen } from "../fullscreen";
import { lengthOf } from "../past";
import { behindS } from "../pulse";
import { keepLowLatency, keepVolume } from "../settings";
import type { Viewer, ViewerState } from "../viewer";

function watchButton(viewer: Viewer): HTMLButtonElement {
  const label = h("span", {});
  const button = h("button", { type: "button", class: "main-button" }, icon("play"), icon("stop"), label);
  button.addEventListener("click", () => {
    const { phase } = viewer.state;
    void (phase === "watching" || phase === "starting" ? viewer.leave() : viewer.watch());
  });
  viewer.onChange((state: ViewerState) => {
    const on = state.phase === "watching" || state.phase === "starting";
    text(label, on ? "Leave" : "Watch");
    toggle(button, "on", on);
    attribute(button, "disabled", !on && (state.picks.games.length === 0 || state.connection !== "ready"));
  });
  return button;
}

function pauseButton(viewer: Viewer): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button", hidden: true });
  let shown = "";
  button.addEventListener("click", () => viewer.playOrPause());
  viewer.onChange(({ phase, pulse }: ViewerState) => {
    attribute(button, "hidden", phase !== "watching");
    const name = pulse === "paused" ? "play" : "pause";
    if (name === shown) return;
    shown = name;
    button.replaceChildren(icon(name));
    const label = name === "play" ? "Play" : "Pause";
    attribute(button, "aria-label", label);
    attribute(button, "title", `${label} (space)`);
  });
  return button;
}

/** As the viewer wants it; what a browser does to the sound by itself is not kept. */
function keep(video: HTMLVideoElement): void {
  keepVolume({ level: video.volume, muted: video.muted });
}

/** Answers what it did, in words. */
export function toggleMute(video: HTMLVideoElement): string {
  video.muted = !video.muted;
  if (!video.muted && video.volume === 0) video.volume = 0.5;
  keep(video);
  return video.muted ? "Sound off" : "Sound on";
}

function volume(video: HTMLVideoElement): HTMLElement {
  const mute = h("button", { type: "button", class: "icon-button" });
  const level = h("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Volume", class: "volume" });
  const show = () => {
    const silent = video.muted || video.volume === 0;
    mute.replaceChildren(icon(silent ? "muted" : "sound"));
    attribute(mute, "aria-label", silent ? "Unmute" : "Mute");
    attribute(mute, "title", silent ? "Unmute (M)" : "Mute (M)");
    level.value = String(video.muted ? 0 : video.volume);
  };
  mute.addEventListener("click", () => toggleMute(video));
  level.addEventListener("input", () => {
    video.muted = false;
    video.volume = Number(level.value);
    keep(video);
  });
  video.addEventListener("volumechange", show);
  show();
  return h("div", { class: "volume-group" }, mute, level);
}

function renditionChooser(viewer: Viewer): HTMLElement {
  const select = h("select", { id: "rendition", title: "Quality" }, h("option", { value: -1 }, "Auto"));
  select.addEventListener("change", () => viewer.chooseRendition(Number(select.value)));
  let known = "";
  viewer.onChange((state: ViewerState) => {
    const names = state.renditions.map((one) => `${one.index}:${one.name}`).join();
    if (names !== known) {
      known = names;
      const options = state.renditions.map((one) => h("option", { value: one.index }, one.name));
      select.replaceChildren(h("option", { value: -1 }, "Auto"), ...options.reverse());
    }
    if (select.value !== String(state.rendition)) select.value = String(state.rendition);
    attribute(select, "disabled", state.renditions.length === 0);
  });
  return h("div", { class: "quality" }, h("label", { for: "rendition", class: "unseen" }, "Quality"), select);
}

function captionChooser(viewer: Viewer): HTMLElement {
  const select = h("select", { id: "captions", title: "Captions (C)" });
  select.addEventListener("change", () => viewer.chooseCaptions(select.value || null));
  const chooser = h("div", { class: "quality captions", hidden: true }, h("label", { for: "captions", class: "unseen" }, "Captions"), select);
  let known = "";
  viewer.onChange(({ captions, caption, shown, picks }: ViewerState) => {
    const { games } = shown ?? picks;
    const named = captions.map((one) => ({ id: one.id, name: captionName(one, games, (game) => viewer.title(game)) }));
    const there = named.filter((one) => one.name !== null);
    const names = there.map((one) => `${one.id}:${one.name}`).join();
    if (names !== known) {
      known = names;
      const options = there.map((one) => h("option", { value: one.id }, one.name ?? ""));
      select.replaceChildren(h("option", { value: "" }, "Captions off"), ...options);
    }
    attribute(chooser, "hidden", there.length === 0);
    const chosen = caption === null ? "" : (captionLike(captions, caption)?.id ?? "");
    if (select.value !== chosen) select.value = chosen;
  });
  return chooser;
}

function latencySwitch(viewer: Viewer): HTMLElement {
  const input = h("input", { type: "checkbox", role: "switch" });
  input.addEventListener("change", () => {
    keepLowLatency(input.checked);
    viewer.setLowLatency(input.checked);
  });
  viewer.onChange(({ lowLatency }: ViewerState) => {
    if (input.checked !== lowLatency) input.checked = lowLatency;
  });
  return h("label", { class: "switch", title: "Plays nearer to live, with less in hand when the network falters" }, input, h("span", {}, "Low latency"));
}

function fullScreenButton(screen: HTMLElement): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": "Full screen", title: "Full screen (F)" }, icon("full"));
  button.addEventListener("click", () => toggleFullScreen(screen));
  return button;
}

function helpButton(toggleHelp: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button help-button", "aria-label": "Keys", title: "Keys (?)" }, icon("keyboard"));
  button.addEventListener("click", toggleHelp);
  return button;
}

/** The way back to now, for who paused or fell behind; the bar has its own. */
function goLiveButton(viewer: Viewer): HTMLButtonElement {
  const button = h("button", { type: "button", class: "quiet-button go-live", hidden: true }, "Go live");
  button.addEventListener("click", () => viewer.goLive());
  viewer.onChange(({ phase, pulse, reach }: ViewerState) =>
    attribute(button, "hidden", phase !== "watching" || reach !== null || (pulse !== "behind" && pulse !== "paused")),
  );
  return button;
}

/** How live the picture is. "Live" stands here only while it moves, near the edge, and nobody went back. */
export function liveWords({ phase, pulse, stands, sample, rewound }: Pick<ViewerState, "phase" | "pulse" | "stands" | "sample" | "rewound">): string {
  if (phase !== "watching") return "";
  const lag = behindS(sample);
  // A player that has just loaded the past does not know yet how far from the edge that is.
  switch (rewound && pulse === "live" ? "behind" : pulse) {
    case "live":
      if (stands) return "Starting";
      return lag === null ? "Live" : `Live · ${seconds(lag)} behind`;
    case "behind":
      return lag === null ? "Behind live" : `${lengthOf(lag)} behind live`;
    case "paused":
      return lag === null ? "Paused" : `Paused · ${lengthOf(lag)} behind`;
    case "buffering":
      return "Buffering";
    case "reconnecting":
      return "Reconnecting";
    case "none":
      return "";
  }
}

function liveChip(viewer: Viewer): HTMLElement {
  const words = h("span", { class: "live-words" });
  const chip = h("span", { class: "live-chip", hidden: true }, h("span", { class: "dot", "aria-hidden": "true" }), words);
  viewer.onChange((state: ViewerState) => {
    const told = liveWords(state);
    text(words, told);
    attribute(chip, "hidden", told === "");
    attribute(chip, "data-pulse", state.pulse);
  });
  return chip;
}

export interface ControlsParts {
  readonly video: HTMLVideoElement;
  readonly screen: HTMLElement;
  readonly share: HTMLElement;
  readonly rewind: HTMLElement;
  readonly toggleHelp: () => void;
}

export function controls(viewer: Viewer, { video, screen, share, rewind, toggleHelp }: ControlsParts): HTMLElement {
  return h(
    "div",
    { class: "controls", role: "group", "aria-label": "Playback" },
    rewind,
    watchButton(viewer),
    pauseButton(viewer),
    liveChip(viewer),
    goLiveButton(viewer),
    h("span", { class: "spring" }),
    latencySwitch(viewer),
    captionChooser(viewer),
    renditionChooser(viewer),
    volume(video),
    h("div", { class: "icon-buttons" }, share, helpButton(toggleHelp), fullScreenButton(screen)),
  );
}
