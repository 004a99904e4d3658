// The bar of the past: where playback is between the oldest picture there is and live, and the way to everywhere in between.

import { inBreak, marks } from "../breaks";
import { attribute, h, icon, text, toggle } from "../dom";
import { clock, LEAP_S, placeWords, spokenPlace, STEP_S, type Reach } from "../past";
import { Thumbnails } from "../thumbnails";
import type { Viewer, ViewerState } from "../viewer";

// As wide as the style makes it.
const THUMB_PX = 16;
// A focused slider that changes by itself is read out again and again.
const TOLD_ANEW_S = 5;

const KEY_STEPS: Record<string, number> = {
  ArrowLeft: -STEP_S,
  ArrowDown: -STEP_S,
  ArrowRight: STEP_S,
  ArrowUp: STEP_S,
  PageDown: -LEAP_S,
  PageUp: LEAP_S,
};

function stepButton(viewer: Viewer, seconds: number): HTMLButtonElement {
  const [label, key] = seconds < 0 ? ["Back 10 seconds", "J"] : ["Forward 10 seconds", "L"];
  const figure = h("span", { class: "rewind-step", "aria-hidden": "true" }, String(Math.abs(seconds)));
  const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: `${label} (${key})` }, icon(seconds < 0 ? "back" : "forward"), figure);
  button.addEventListener("click", () => viewer.rewind.by(seconds));
  if (seconds > 0) viewer.onChange(({ reach }: ViewerState) => attribute(button, "disabled", reach?.isLive ?? true));
  return button;
}

function liveButton(viewer: Viewer): HTMLButtonElement {
  const button = h("button", { type: "button", class: "rewind-live" }, h("span", { class: "dot", "aria-hidden": "true" }), "Live");
  button.addEventListener("click", () => viewer.goLive());
  viewer.onChange(({ reach }: ViewerState) => {
    const isLive = reach?.isLive ?? true;
    toggle(button, "on", isLive);
    attribute(button, "disabled", isLive);
    attribute(button, "title", isLive ? "This is live" : "Go to live");
  });
  return button;
}

interface Preview {
  readonly element: HTMLElement;
  /** `share`: how far along the bar, 0 to 1. */
  show(at: number, share: number, reach: Reach): void;
  hide(): void;
}

function preview(viewer: Viewer): Preview {
  const canvas = h("canvas", { class: "rewind-picture", width: 320, height: 180, hidden: true });
  const [time, words] = [h("strong", {}), h("span", {})];
  const breaks = h("span", { class: "rewind-in-break" });
  const element = h("div", { class: "rewind-preview", "aria-hidden": "true", hidden: true }, canvas, h("p", {}, time, words, breaks));
  const thumbnails = new Thumbnails(canvas, () => viewer.rewind.staleKeys());
  return {
    element,
    show(at, share, reach) {
      attribute(element, "hidden", false);
      text(time, clock(at));
      text(words, placeWords(at, reach));
      const games = inBreak(viewer.state.breaks, at, (game) => viewer.title(game));
      text(breaks, games.length === 0 ? "" : `Break: ${games.join(", ")}`);
      element.style.setProperty("--share", String(share));
      thumbnails.want(viewer.rewind.pictureAt(at));
    },
    hide() {
      thumbnails.cancel();
      attribute(element, "hidden", true);
    },
  };
}

/** Where games were in a break, each to be read out; told by their form, too: stripes below the bar. */
function breakMarks(viewer: Viewer): HTMLElement {
  const list = h("ul", { class: "rewind-breaks", "aria-label": "Breaks", hidden: true });
  const items = new Map<string, HTMLElement>();
  viewer.onChange(({ reach, breaks }: ViewerState) => {
    const shown = reach === null ? [] : marks(breaks, reach, (game) => viewer.title(game));
    attribute(list, "hidden", shown.length === 0);
    for (const [id, item] of items) {
      if (shown.some((mark) => mark.id === id)) continue;
      item.remove();
      items.delete(id);
    }
    shown.forEach((mark, at) => {
      const item = items.get(mark.id) ?? h("li", {}, h("span", {}));
      items.set(mark.id, item);
      if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
      text(item.firstElementChild as HTMLElement, mark.words);
      item.style.setProperty("--from", mark.from.toFixed(4));
      item.style.setProperty("--to", mark.to.toFixed(4));
    });
  });
  return list;
}

export function rewindBar(viewer: Viewer): HTMLElement {
  const slider = h("input", { type: "range", class: "rewind-slider", "aria-label": "Rewind", min: -1, max: 0, step: 1, value: 0 });
  const words = h("span", { class: "rewind-words", "aria-hidden": "true" });
  const shown = preview(viewer);
  const track = h("div", { class: "rewind-track" }, slider, breakMarks(viewer), shown.element);
  const bar = h(
    "div",
    { class: "rewind", role: "group", "aria-label": "Going back", hidden: true },
    stepButton(viewer, -STEP_S),
    track,
    stepButton(viewer, STEP_S),
    words,
    liveButton(viewer),
  );
  /** From a press to its end: the bar is the viewer's then. */
  let dragged = false;
  let hovered: number | null = null;

  const lengthS = (reach: Reach) => Math.max(1, Math.round((reach.live - reach.oldest) / 1000));
  const shareOf = (reach: Reach, at: number) => Math.min(1, Math.max(0, (at - reach.oldest) / Math.max(1, reach.live - reach.oldest)));
  const instantOf = (reach: Reach, share: number) => reach.oldest + share * (reach.live - reach.oldest);
  const chosen = (reach: Reach) => reach.live + 1000 * Number(slider.value);

  function tell(reach: Reach, at: number): void {
    attribute(slider, "aria-valuetext", spokenPlace(at, reach));
    slider.style.setProperty("--share", String(shareOf(reach, at)));
  }

  function follow(reach: Reach): void {
    attribute(slider, "min", -lengthS(reach));
    const value = Math.round((reach.at - reach.live) / 1000);
    const isQuiet = document.activeElement === slider && Math.abs(Number(slider.value) - value) < TOLD_ANEW_S && slider.hasAttribute("aria-valuetext");
    if (isQuiet && reach.isLive === (Number(slider.value) === 0)) return slider.style.setProperty("--share", String(shareOf(reach, reach.at)));
    slider.value = String(value);
    tell(reach, reach.at);
  }

  function showPreview(): void {
    const { reach } = viewer.state;
    if (reach === null) return shown.hide();
    if (dragged) shown.show(chosen(reach), shareOf(reach, chosen(reach)), reach);
    else if (hovered !== null) shown.show(instantOf(reach, hovered), hovered, reach);
    else shown.hide();
  }

  slider.addEventListener("pointerdown", () => (dragged = true));
  slider.addEventListener("input", () => {
    const { reach } = viewer.state;
    dragged = true;
    if (reach !== null) tell(reach, chosen(reach));
    showPreview();
  });
  slider.addEventListener("change", () => {
    const { reach } = viewer.state;
    dragged = false;
    if (reach === null) return;
    if (Number(slider.value) === 0) viewer.goLive();
    else viewer.rewind.to(chosen(reach));
    showPreview();
  });
  // A press that moved nothing changes nothing, and one that the system took away ends, too.
  for (const end of ["pointerup", "pointercancel"]) {
    slider.addEventListener(end, () =>
      window.setTimeout(() => {
        dragged = false;
        showPreview();
      }),
    );
  }
  slider.addEventListener("pointermove", (event) => {
    const { left, width } = slider.getBoundingClientRect();
    // Of a finger there is nothing but the drag.
    hovered = event.pointerType === "touch" ? null : Math.min(1, Math.max(0, (event.clientX - left - THUMB_PX / 2) / Math.max(1, width - THUMB_PX)));
    showPreview();
  });
  slider.addEventListener("pointerleave", () => {
    hovered = null;
    showPreview();
  });
  slider.addEventListener("keydown", (event) => {
    const { reach } = viewer.state;
    if (reach === null || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = KEY_STEPS[event.key];
    if (step !== undefined) viewer.rewind.by(step);
    else if (event.key === "Home") viewer.rewind.to(reach.oldest);
    else if (event.key === "End") viewer.goLive();
    else return;
    event.preventDefault();
  });

  viewer.onChange(({ phase, reach }: ViewerState) => {
    attribute(bar, "hidden", phase !== "watching" || reach === null);
    if (reach === null) return shown.hide();
    if (!dragged) follow(reach);
    text(words, reach.isLive ? "" : placeWords(reach.at, reach));
  });
  return bar;
}
