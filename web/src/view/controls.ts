// Under the picture: Watch and Leave, sound level, rendition, full screen.

import { attribute, h, icon, text, toggle } from "../dom";
import { seconds } from "../format";
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

function volume(video: HTMLVideoElement): HTMLElement {
  const mute = h("button", { type: "button", class: "icon-button" });
  const level = h("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "Volume", class: "volume" });
  const show = () => {
    const silent = video.muted || video.volume === 0;
    mute.replaceChildren(icon(silent ? "muted" : "sound"));
    attribute(mute, "aria-label", silent ? "Unmute" : "Mute");
    attribute(mute, "title", silent ? "Unmute" : "Mute");
    level.value = String(video.muted ? 0 : video.volume);
  };
  mute.addEventListener("click", () => {
    video.muted = !video.muted;
    if (!video.muted && video.volume === 0) video.volume = 0.5;
  });
  level.addEventListener("input", () => {
    video.muted = false;
    video.volume = Number(level.value);
  });
  video.addEventListener("volumechange", show);
  show();
  return h("div", { class: "volume-group" }, mute, level);
}

function renditionChooser(viewer: Viewer): HTMLElement {
  const select = h("select", { id: "rendition" }, h("option", { value: -1 }, "Auto"));
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
  return h("div", { class: "quality" }, h("label", { for: "rendition" }, "Quality"), select);
}

function fullScreenButton(screen: HTMLElement): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": "Full screen", title: "Full screen" }, icon("full"));
  button.addEventListener("click", () => {
    // A browser may refuse; the picture is then simply not larger.
    void (document.fullscreenElement ? document.exitFullscreen() : screen.requestFullscreen()).catch(() => undefined);
  });
  return button;
}

// Further behind than any start or short stall leaves it.
const FAR_BEHIND_S = 20;

/** Shown when playback stands still or lags: the way back to now. */
function goLiveButton(viewer: Viewer): HTMLButtonElement {
  const button = h("button", { type: "button", class: "quiet-button", hidden: true }, "Go live");
  button.addEventListener("click", () => viewer.goLive());
  viewer.onChange(({ phase, sample }: ViewerState) => {
    const behind = sample !== null && (sample.paused || (sample.latency_to_edge_s ?? 0) > FAR_BEHIND_S);
    attribute(button, "hidden", phase !== "watching" || !behind);
  });
  return button;
}

export function controls(viewer: Viewer, video: HTMLVideoElement, screen: HTMLElement): HTMLElement {
  const live = h("span", { class: "live-chip", hidden: true }, h("span", { class: "dot", "aria-hidden": "true" }), h("span", { class: "live-words" }));
  viewer.onChange((state: ViewerState) => {
    attribute(live, "hidden", state.phase !== "watching");
    const behind = state.sample?.glass_to_glass_s ?? null;
    text(live.querySelector(".live-words") as Element, behind === null ? "Live" : `Live · ${seconds(behind)} behind`);
  });
  return h(
    "div",
    { class: "controls", role: "group", "aria-label": "Playback" },
    watchButton(viewer),
    live,
    goLiveButton(viewer),
    h("span", { class: "spring" }),
    renditionChooser(viewer),
    volume(video),
    fullScreenButton(screen),
  );
}
