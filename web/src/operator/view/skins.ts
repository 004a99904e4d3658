// The skins: what stands in which slot of which layout, made and edited.

import { attribute, h, keyed, text } from "../../dom";
import type { Skin } from "../api";
import { dressed } from "../art";
import type { Desk, DeskState } from "../desk";
import { count } from "../figures";
import { canvases } from "./canvas";
import { panel, showTrouble } from "./panel";
import type { Pictures } from "./pictures";
import type { Question } from "./question";
import type { SkinForm } from "./skin-form";

interface Item extends HTMLLIElement {
  skin?: Skin;
  /** Which layouts are drawn. */
  drawn?: string;
  show?: (art: Readonly<Record<string, string>>) => void;
}

export function skinsPanel(desk: Desk, pictures: Pictures, form: SkinForm, question: Question): HTMLElement {
  const parts = panel("skins", "Skins", () => desk.refresh("skins"));
  const add = h("button", { type: "button", class: "quiet-button" }, "New skin");
  add.addEventListener("click", () => form.open(null));
  parts.aside.append(add);
  const list = h("ul", { class: "skin-list" });
  const empty = h("p", { class: "hint empty" });
  parts.element.append(empty, list);
  const elements = new Map<string, Item>();

  const remove = (item: Item) => {
    const { skin } = item;
    if (skin === undefined) return;
    question.ask({
      title: "Delete this skin?",
      who: `Skin ${skin.id}.`,
      what: "Who watches it goes on seeing it; nobody else can name it any more. Its art stays.",
      keep: "Keep it",
      go: "Delete it",
      act: () => desk.change((client) => client.removeSkin(skin.id), `Skin ${skin.id} is deleted`, "skins"),
      closed: (done) => done && parts.heading.focus(),
    });
  };

  function make(): Item {
    const edit = h("button", { type: "button", class: "quiet-button" }, "Edit");
    const drop = h("button", { type: "button", class: "quiet-button end" }, "Delete");
    const item: Item = h("li", { class: "skin" }, h("div", { class: "skin-head" }, h("h3", {}), h("span", { class: "hint" }), h("span", { class: "skin-buttons" }, edit, drop)), h("div", { class: "skin-drawn" }));
    edit.addEventListener("click", () => item.skin !== undefined && form.open(item.skin));
    drop.addEventListener("click", () => remove(item));
    return item;
  }

  function showItem(item: Item, skin: Skin, state: DeskState): void {
    item.skin = skin;
    text(item.querySelector("h3") as Element, skin.id);
    const fixed = skin.origin === "config";
    const layouts = dressed(skin, state.layouts.value ?? []);
    text(item.querySelector(".hint") as Element, fixed ? "Of the configuration: to be looked at" : Object.keys(skin.art).length === 0 ? "Empty" : "");
    const [edit, drop] = item.querySelectorAll("button");
    for (const [button, what] of [[edit, "Edit"], [drop, "Delete"]] as const) {
      attribute(button as Element, "aria-label", `${what} skin ${skin.id}`);
      attribute(button as Element, "hidden", fixed);
    }
    const drawn = layouts.map(({ id }) => id).join(" ");
    if (drawn !== item.drawn) {
      const made = canvases(layouts, pictures);
      item.drawn = drawn;
      item.show = made.show;
      item.querySelector(".skin-drawn")?.replaceChildren(made.element);
    }
    item.show?.(skin.art);
  }

  desk.onChange((state: DeskState) => {
    const { skins } = state;
    showTrouble(parts.trouble, skins);
    const all = skins.value ?? [];
    keyed(list, elements, all, ({ id }) => id, make).forEach((item, at) => showItem(item, all[at] as Skin, state));
    attribute(add, "disabled", state.layouts.value === null || state.assets.value === null);
    attribute(list, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, skins.value !== null ? "There are no skins yet." : skins.trouble === null ? "Reading the skins…" : "");
    attribute(list, "aria-label", `${count(all.length)} skins`);
  });
  return parts.element;
}
