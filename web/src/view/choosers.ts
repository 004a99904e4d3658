// The layout chooser and the sound chooser: two groups of radio buttons.

import type { Game, Layout } from "../api";
import { attribute, h, icon, keyed, text, toggle } from "../dom";
import { layoutsOffered } from "../terms";
import { soundId, soundNote } from "../tracks";
import type { Viewer, ViewerState } from "../viewer";
import { diagram } from "./diagram";

function radio(group: string, value: string, chosen: (value: string) => void, ...content: (Node | string)[]): HTMLLabelElement {
  const input = h("input", { type: "radio", name: group, value });
  input.addEventListener("change", () => {
    if (input.checked) chosen(value);
  });
  return h("label", { class: "choice" }, input, ...content);
}

function check(label: HTMLLabelElement, checked: boolean): void {
  const input = label.querySelector("input");
  // Without the comparison a render would take back a choice that is being made.
  if (input !== null && input.checked !== checked) input.checked = checked;
  toggle(label, "chosen", checked);
}

export function layoutChooser(viewer: Viewer): HTMLElement {
  const list = h("div", { class: "choices layouts" });
  const elements = new Map<string, HTMLLabelElement>();
  const make = (layout: Layout) => {
    const [count, art] = [layout.slots.length, layout.art.length];
    return radio(
      "layout",
      layout.id,
      (id) => viewer.picking.takeLayout(id),
      diagram(layout),
      h("span", { class: "choice-name" }, layout.name),
      // Those who see count the slots.
      h("span", { class: "unseen" }, `${count === 1 ? "1 game" : `${count} games`}${art === 0 ? "" : ", with art"}`),
    );
  };
  viewer.onChange((state: ViewerState) => {
    const offered = layoutsOffered(state.layouts, state.skins, state.picks.layout);
    const labels = keyed(list, elements, offered, (layout) => layout.id, make);
    labels.forEach((label, at) => check(label, offered[at]?.id === state.picks.layout));
  });
  return h("fieldset", { class: "panel layout-panel" }, h("legend", {}, "Layout"), list);
}

export function soundChooser(viewer: Viewer): HTMLElement {
  const list = h("div", { class: "choices sounds" });
  const elements = new Map<string, HTMLLabelElement>();
  const empty = h("p", { class: "hint" }, "Pick a game to choose its sound.");
  const make = (sound: Choice) =>
    radio("sound", sound.id, (id) => viewer.listen(id), icon("headphones"), h("span", { class: "choice-name" }), h("span", { class: "choice-note" }));
  viewer.onChange((state: ViewerState) => {
    // A game that stands in two slots has its sounds once.
    const ids = [...new Set(state.picks.games)];
    const sounds = ids.flatMap((id) => choicesOf(state.games.find((game) => game.id === id) ?? missing(id)));
    const labels = keyed(list, elements, sounds, (sound) => sound.id, make);
    labels.forEach((label, at) => {
      const sound = sounds[at] as Choice;
      check(label, sound.id === state.audio);
      text(label.querySelector(".choice-name") as Element, sound.title);
      text(label.querySelector(".choice-note") as Element, sound.note);
    });
    attribute(empty, "hidden", sounds.length > 0);
  });
  return h("fieldset", { class: "panel sound-panel" }, h("legend", {}, "Sound"), list, empty);
}

/** A game on the mosaic that the list no longer has. */
function missing(id: string): Game {
  return { id, title: id, status: "off", audio: [], thumbnail_url: null };
}

/** A sound to be chosen. */
interface Choice {
  readonly id: string;
  readonly title: string;
  readonly note: string;
}

function choicesOf(game: Game): Choice[] {
  const { id, title, audio } = game;
  const tracks = audio.length === 0 ? [undefined] : audio;
  return tracks.map((track) => ({ id: soundId(id, track), title, note: soundNote(title, track) }));
}
