// The picture: the video, and over it the slots, which can be chosen, dropped on, listened to and emptied. Before a
// session plays, the same slots preview the mosaic with stills.

import type { Layout, Rect } from "../api";
import { attribute, h, icon, keyed, placeAt, text, toggle } from "../dom";
import type { Picks } from "../picks";
import type { Viewer, ViewerState } from "../viewer";
import { gameOfSound } from "../tracks";

export const GAME_DRAG = "application/x-quadrille-game";
const SLOT_DRAG = "application/x-quadrille-slot";
// After this long without a move of the pointer the labels leave the picture alone.
const QUIET_AFTER_MS = 3_000;

function iconButton(label: string, name: string, click: () => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label }, icon(name));
  button.addEventListener("click", click);
  return button;
}

function acceptDrops(slot: HTMLElement, at: number, viewer: Viewer): void {
  const known = (event: DragEvent) => event.dataTransfer?.types.some((type) => type === GAME_DRAG || type === SLOT_DRAG) ?? false;
  slot.addEventListener("dragover", (event) => {
    if (!known(event)) return;
    event.preventDefault();
    slot.classList.add("over");
  });
  slot.addEventListener("dragleave", () => slot.classList.remove("over"));
  slot.addEventListener("drop", (event) => {
    slot.classList.remove("over");
    if (!known(event)) return;
    event.preventDefault();
    const game = event.dataTransfer?.getData(GAME_DRAG) ?? "";
    const from = event.dataTransfer?.getData(SLOT_DRAG) ?? "";
    if (game !== "") viewer.picking.put(game, at);
    else if (from !== "") viewer.picking.exchangeSlots(Number(from), at);
  });
}

function makeSlot(viewer: Viewer, at: number): HTMLLIElement {
  const pick = h(
    "button",
    { type: "button", class: "slot-pick", draggable: "true" },
    h("img", { class: "slot-still", alt: "", hidden: true, draggable: "false" }),
    h("span", { class: "slot-label" }, h("span", { class: "slot-at" }, String(at + 1)), h("span", { class: "slot-title" })),
    h("span", { class: "slot-note" }),
  );
  pick.addEventListener("click", () => viewer.picking.selectSlot(at));
  pick.addEventListener("dragstart", (event) => event.dataTransfer?.setData(SLOT_DRAG, String(at)));
  const game = () => viewer.state.picks.games[at] ?? "";
  const listen = iconButton("Listen", "headphones", () => viewer.listen(game()));
  listen.classList.add("listen");
  const remove = iconButton("Remove", "close", () => viewer.picking.remove(at));
  remove.classList.add("remove");
  const slot = h("li", { class: "slot", "data-slot": at }, pick, h("div", { class: "slot-tools" }, listen, remove));
  acceptDrops(slot, at, viewer);
  return slot;
}

interface Shape {
  layout: Layout;
  /** What each slot shows now. */
  picks: Picks;
  /** Whether the session's wish has another layout, so that slots on the picture are not those of the wish. */
  foreign: boolean;
}

function shapeOf(state: ViewerState): Shape | null {
  const picks = state.shown ?? state.picks;
  const layout = state.layouts.find((one) => one.id === picks.layout);
  if (layout === undefined || layout.slots.length !== picks.games.length) return null;
  return { layout, picks, foreign: picks.layout !== state.picks.layout };
}

function updateSlot(viewer: Viewer, slot: HTMLElement, at: number, state: ViewerState, shape: Shape): void {
  const { layout, picks, foreign } = shape;
  const shown = picks.games[at] ?? "";
  const wanted = foreign ? shown : (state.picks.games[at] ?? shown);
  const playing = state.phase === "watching";
  const pick = slot.querySelector(".slot-pick") as HTMLButtonElement;
  placeAt(slot, layout.slots[at] as Rect, layout.canvas);
  toggle(slot, "selected", state.selectedSlot === at && !foreign);
  toggle(slot, "coming", wanted !== shown && !state.rewound);
  const heard = gameOfSound(state.audio);
  toggle(slot, "heard", shown === heard && state.phase !== "idle");
  attribute(pick, "aria-pressed", state.selectedSlot === at ? "true" : "false");
  attribute(pick, "disabled", foreign);
  text(pick.querySelector(".slot-title") as Element, viewer.title(shown));
  text(pick.querySelector(".slot-note") as Element, slotNote(viewer, state, shown, wanted, at));
  const name = `Slot ${at + 1}: ${viewer.title(wanted)}`;
  attribute(pick, "aria-label", state.heldGame === null ? name : `${name}. Put ${viewer.title(state.heldGame)} here`);
  const still = pick.querySelector("img") as HTMLImageElement;
  const url = playing ? null : (state.games.find((game) => game.id === shown)?.thumbnail_url ?? null);
  attribute(still, "hidden", url === null);
  if (url !== null) attribute(still, "src", url);
  const [listen, remove] = [slot.querySelector(".listen") as HTMLElement, slot.querySelector(".remove") as HTMLElement];
  for (const [button, label] of [[listen, `Listen to ${viewer.title(wanted)}`], [remove, `Remove ${viewer.title(wanted)}`]] as const) {
    attribute(button, "aria-label", label);
    attribute(button, "title", label);
    attribute(button, "disabled", foreign);
  }
  attribute(listen, "aria-pressed", wanted === heard ? "true" : "false");
  attribute(remove, "hidden", picks.games.length === 1 && state.phase !== "idle" && state.phase !== "ended");
}

function slotNote(viewer: Viewer, state: ViewerState, shown: string, wanted: string, at: number): string {
  // In the past nothing changes any more.
  if (wanted !== shown) return state.rewound ? "" : `${viewer.title(wanted)} in a moment`;
  if (state.heldGame !== null) return `Put ${viewer.title(state.heldGame)} here`;
  return state.selectedSlot === at ? "Choose a game" : "";
}

/** Labels go when the pointer rests, and come back when it moves. */
function hideWhenQuiet(screen: HTMLElement): void {
  let timer: number | undefined;
  const wake = () => {
    screen.classList.remove("quiet");
    window.clearTimeout(timer);
    timer = window.setTimeout(() => screen.classList.add("quiet"), QUIET_AFTER_MS);
  };
  screen.addEventListener("pointermove", wake);
  screen.addEventListener("pointerdown", wake);
  screen.addEventListener("keydown", wake);
  screen.addEventListener("pointerleave", () => screen.classList.add("quiet"));
  wake();
}

export function stage(viewer: Viewer, video: HTMLVideoElement, over: readonly HTMLElement[]): HTMLElement {
  const slots = h("ul", { class: "slots", "aria-label": "Slots" });
  const screen = h("div", { class: "screen", role: "group", "aria-label": "Picture" }, video, slots, ...over);
  const elements = new Map<string, HTMLLIElement>();
  hideWhenQuiet(screen);
  viewer.onChange((state: ViewerState) => {
    const shape = shapeOf(state);
    const items = shape?.picks.games ?? [];
    const list = keyed(slots, elements, items, (_, at) => String(at), (_, at) => makeSlot(viewer, at));
    if (shape !== null) list.forEach((slot, at) => updateSlot(viewer, slot, at, state, shape));
    toggle(screen, "playing", state.phase === "watching");
    toggle(screen, "choosing", state.selectedSlot !== null || state.heldGame !== null);
    // Names that may be wrong are worse than none.
    attribute(slots, "hidden", state.phase === "ended" || !state.knowsShown);
  });
  return screen;
}
