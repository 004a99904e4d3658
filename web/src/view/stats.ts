// Figures about the session that is playing.

import { copy } from "../clipboard";
import { h, icon, text } from "../dom";
import { billed, bitrate, dropped, seconds } from "../format";
import type { Viewer, ViewerState } from "../viewer";

type Reader = (state: ViewerState) => string;

const FIGURES: [name: string, label: string, read: Reader][] = [
  ["billed", "Billed so far", (state) => (state.session === null ? "–" : billed(state.session.billable_seconds))],
  ["edge", "Behind live edge", (state) => seconds(state.sample?.latency_to_edge_s ?? null)],
  ["hold", "Held back", holdWords],
  ["glass", "Glass to glass", (state) => seconds(state.sample?.glass_to_glass_s ?? null)],
  ["rendition", "Rendition", renditionWords],
  ["frames", "Frames dropped", (state) => (state.sample === null ? "–" : dropped(state.sample.frames_dropped, state.sample.frames_total))],
  ["stalls", "Stalls", (state) => (state.sample === null ? "–" : `${state.sample.stalls} (${seconds(state.sample.stalled_ms / 1000)})`)],
  ["buffer", "Buffered", (state) => seconds(state.sample?.buffer_s ?? null)],
  ["sound", "Sound", (state) => state.sample?.sound ?? "–"],
  ["segment", "Segment on screen", (state) => state.sample?.segment?.toString() ?? "–"],
  ["swap", "Last change", swapWords],
  ["engine", "Engine", (state) => state.session?.engine ?? "–"],
  ["session", "Session", (state) => state.session?.id ?? "–"],
];

function renditionWords(state: ViewerState): string {
  const { sample } = state;
  if (sample === null || sample.rendition === null) return "–";
  return sample.rendition_bitrate_bps === null ? sample.rendition : `${sample.rendition}, ${bitrate(sample.rendition_bitrate_bps)}`;
}

/** How far behind the edge the player means to stay, and by what it is fed. */
function holdWords({ sample }: ViewerState): string {
  if (sample === null || sample.hold_back_s === null) return "–";
  return `${seconds(sample.hold_back_s)}, ${sample.parts ? "parts" : "segments"}`;
}

function swapWords(state: ViewerState): string {
  const { lastSwapSegment, pending } = state;
  if (lastSwapSegment === null) return "–";
  return pending === null ? `at segment ${lastSwapSegment}` : `from segment ${lastSwapSegment}, coming`;
}

/** The address that any HLS player takes, to copy onto a television. */
function addressRow(viewer: Viewer): HTMLElement {
  const field = h("input", { id: "playback-url", type: "text", readonly: true, placeholder: "once you watch" });
  const said = h("span", { class: "copied", role: "status" });
  const button = h("button", { type: "button", class: "icon-button", "aria-label": "Copy the playback address", title: "Copy" }, icon("copy"));
  button.addEventListener("click", () => {
    if (field.value === "") return;
    void copy(field.value).then((copied) => {
      if (!copied) field.select();
      text(said, copied ? "Copied" : "Selected: copy it with the keyboard");
    });
    window.setTimeout(() => text(said, ""), 3_000);
  });
  viewer.onChange((state: ViewerState) => {
    const playing = state.session !== null && state.session.state === "active" && state.phase !== "idle";
    const url = playing && state.session ? new URL(state.session.playback_url, location.href).href : "";
    if (field.value !== url) field.value = url;
    button.disabled = url === "";
  });
  return h("div", { class: "address" }, h("label", { for: "playback-url" }, "Play it elsewhere"), h("div", { class: "address-row" }, field, button), said);
}

export function statsPanel(viewer: Viewer): HTMLElement {
  const list = h("dl", { class: "stats" });
  const values = FIGURES.map(([name, label, read]) => {
    const value = h("dd", { "data-figure": name }, "–");
    list.append(h("div", { class: `figure ${name}` }, h("dt", {}, label), value));
    return { value, read };
  });
  viewer.onChange((state: ViewerState) => {
    for (const { value, read } of values) text(value, read(state));
  });
  return h("section", { class: "panel stats-panel", "aria-labelledby": "stats-title" }, h("h2", { id: "stats-title" }, "This session"), list, addressRow(viewer));
}
