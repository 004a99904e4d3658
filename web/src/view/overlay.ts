// What stands over the picture: what is going on while it does not speak for itself, and what a key has just done.

import { attribute, h, icon, text, toggle } from "../dom";
import { seconds } from "../format";
import { clock } from "../past";
import type { Viewer, ViewerState } from "../viewer";

interface Words {
  readonly title: string;
  readonly note: string;
  readonly busy?: boolean;
  /** What its button says; none when there is nothing to press. */
  readonly action?: string;
  /** The picture behind it still says something. */
  readonly soft?: boolean;
}

/** Null when the picture speaks for itself. */
export function wordsOver(state: ViewerState): Words | null {
  switch (state.phase) {
    case "starting":
      return starting(state);
    case "watching":
      return standing(state);
    case "ended":
      return { title: state.ending?.title ?? "Session ended", note: state.ending?.note ?? "", action: "Watch again" };
    case "idle":
      return state.picks.games.length === 0 ? { title: "Pick up to four games", note: "They come back as one picture, live." } : null;
  }
}

function starting(state: ViewerState): Words {
  if (state.blocked) return { title: "Ready", note: "Your browser waits for you before it plays.", action: "Play" };
  const buffered = state.sample?.buffer_s ?? 0;
  const note = buffered > 0 ? `${seconds(buffered)} gathered` : "The first pictures come within a few seconds.";
  return { title: "Starting", note, busy: true };
}

function standing(state: ViewerState): Words | null {
  switch (state.pulse) {
    case "buffering":
      return { title: "Buffering", note: "Waiting for the next pictures.", busy: true, soft: true };
    case "reconnecting":
      return { title: "Reconnecting", note: "The service does not answer. It goes on by itself.", busy: true, soft: true };
    case "paused":
      return { title: "Paused", note: "The session stays open, and its minutes count.", action: "Play", soft: true };
    case "none":
      return state.reach === null ? null : { title: state.rewound ? "Going back" : "Going live", note: state.rewound ? clock(state.reach.at) : "", busy: true };
    case "live":
    case "behind":
      return null;
  }
}

export function curtain(viewer: Viewer): HTMLElement {
  const title = h("p", { class: "curtain-title" });
  const note = h("p", { class: "curtain-note" });
  const spinner = h("span", { class: "spinner", "aria-hidden": "true" });
  const words = h("span", {});
  const button = h("button", { type: "button", class: "main-button curtain-button" }, icon("play"), words);
  button.addEventListener("click", () => viewer.playOrPause());
  const cover = h("div", { class: "curtain" }, spinner, title, note, button);
  viewer.onChange((state: ViewerState) => {
    const over = wordsOver(state);
    attribute(cover, "hidden", over === null);
    attribute(spinner, "hidden", !(over?.busy ?? false));
    toggle(cover, "soft", over?.soft ?? false);
    text(title, over?.title ?? "");
    text(note, over?.note ?? "");
    text(words, over?.action ?? "");
    attribute(button, "hidden", over?.action === undefined);
    // The end of a session is no reason to press without a look at what is left.
    attribute(button, "disabled", state.phase === "ended" && (state.picks.games.length === 0 || state.connection !== "ready"));
  });
  return cover;
}

function pendingWords(state: ViewerState): string {
  if (state.phase !== "watching" || state.pending === null) return "";
  if (state.rewound) return "The change shows live";
  return state.pending.picks.layout === state.shown?.layout ? "Swapping…" : "New layout coming…";
}

/** A change that was asked for and is not on the screen yet. */
export function pendingFlag(viewer: Viewer): HTMLElement {
  const flag = h("p", { class: "flag" });
  viewer.onChange((state: ViewerState) => {
    const words = pendingWords(state);
    text(flag, words);
    attribute(flag, "hidden", words === "");
  });
  return flag;
}

/** Browsers let a page begin with sound only once somebody has pressed something on it. */
export function soundOffer(viewer: Viewer, video: HTMLVideoElement): HTMLElement {
  const button = h("button", { type: "button", class: "sound-offer", hidden: true }, icon("muted"), "Turn the sound on");
  button.addEventListener("click", () => {
    video.muted = false;
  });
  video.addEventListener("volumechange", () => {
    if (!video.muted) viewer.heard();
  });
  viewer.onChange(({ silenced, phase }: ViewerState) => attribute(button, "hidden", !silenced || phase !== "watching"));
  return button;
}

const CUE_MS = 1_400;

/** A word about what a key did, for as long as it takes to read it. Screen readers are told by the page's own line. */
export function cue(): { element: HTMLElement; show: (words: string) => void } {
  const element = h("p", { class: "cue", "aria-hidden": "true", hidden: true });
  let timer: number | undefined;
  const show = (words: string) => {
    text(element, words);
    attribute(element, "hidden", false);
    window.clearTimeout(timer);
    timer = window.setTimeout(() => attribute(element, "hidden", true), CUE_MS);
  };
  return { element, show };
}
