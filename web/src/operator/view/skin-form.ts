// The form of a skin: for each name of slots of art the art that is in it, seen in the layouts that have such slots.

import { attribute, h, text } from "../../dom";
import type { Layout } from "../../api";
import type { Asset, Skin } from "../api";
import { artNames, assetWords, shortId, type ArtName } from "../art";
import type { Desk } from "../desk";
import { assetStill } from "./asset-still";
import { canvases } from "./canvas";
import { field, formBox, mistake, type FormBox } from "./form";
import type { Pictures } from "./pictures";

const ASSETS_AT_FIRST = 12;

/** The choice of art for one name. */
interface Chooser {
  readonly element: HTMLElement;
  readonly name: string;
  show(art: Readonly<Record<string, string>>): void;
}

function option(name: string, value: string, words: string, ...content: (Node | string)[]): HTMLLabelElement {
  const input = h("input", { type: "radio", name: `art-${name}`, value, "aria-label": words });
  return h("label", { class: "art-choice", title: words }, input, ...content);
}

function assetOption(name: string, asset: Asset, layouts: readonly Layout[], pictures: Pictures): HTMLLabelElement {
  const still = assetStill(pictures);
  still.show(asset, layouts);
  return option(name, asset.id, `${assetWords(asset)}, ${shortId(asset.id)}`, still.element, h("span", { class: "art-choice-words", "aria-hidden": "true" }, `${asset.width}×${asset.height}`));
}

function chooser({ name, layouts }: ArtName, assets: readonly Asset[], pictures: Pictures, choose: (asset: string) => void): Chooser {
  const drawn = canvases(layouts, pictures);
  const options = h("div", { class: "art-choices" }, option(name, "", "Nothing", h("span", { class: "asset-still nothing" }, "Nothing")));
  let made = 0;
  const more = h("button", { type: "button", class: "quiet-button" });
  const offer = (until: number) => {
    options.append(...assets.slice(made, until).map((asset) => assetOption(name, asset, layouts, pictures)));
    made = Math.min(assets.length, Math.max(made, until));
    attribute(more, "hidden", made >= assets.length);
    text(more, `Show all ${assets.length}`);
  };
  offer(ASSETS_AT_FIRST);
  more.addEventListener("click", () => {
    const first = made;
    offer(assets.length);
    options.querySelectorAll("input")[first + 1]?.focus();
  });
  options.addEventListener("change", (event) => choose((event.target as HTMLInputElement).value));
  const none = h("p", { class: "hint", hidden: assets.length > 0 }, "There is no art yet: take some in first.");
  return {
    name,
    element: h("fieldset", { class: "form-group art-group", "data-art": name }, h("legend", {}, name), drawn.element, options, more, none),
    show: (art) => {
      const chosen = art[name] ?? "";
      // What was chosen before may lie beyond what is offered at first.
      if (assets.findIndex(({ id }) => id === chosen) >= made) offer(assets.length);
      for (const input of options.querySelectorAll("input")) {
        input.checked = input.value === chosen;
        input.parentElement?.classList.toggle("chosen", input.checked);
      }
      drawn.show(art);
    },
  };
}

export interface SkinForm {
  readonly element: HTMLElement;
  /** Null makes a new skin. */
  open(skin: Skin | null): void;
}

export function skinForm(desk: Desk, pictures: Pictures): SkinForm {
  const id = h("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: 64, required: true });
  const groups = h("div", { class: "art-groups" });
  let art: Record<string, string> = {};
  let choosers: Chooser[] = [];
  const show = () => choosers.forEach((one) => one.show(art));
  const box: FormBox = formBox(desk, {
    name: "skin",
    wide: true,
    saveWords: "Save skin",
    fields: [field("skin-id", "Name", id, "id", "Letters, digits, dots, hyphens and underscores. Sessions name it so."), groups],
    save: async () => {
      const name = id.value.trim();
      if (name === "") return mistake("id", "A skin needs a name.");
      if (!id.disabled && desk.state.skins.value?.some((skin) => skin.id === name)) return mistake("id", `There is a skin ${name} already: edit that one.`);
      return desk.change((client) => client.putSkin(name, art), `Skin ${name} is saved. Sessions that name it from now on show it`, "skins");
    },
    // Pictures that nobody looks at are not kept.
    closed: () => groups.replaceChildren(),
  });
  return {
    element: box.element,
    open: (skin) => {
      art = { ...skin?.art };
      id.value = skin?.id ?? "";
      id.disabled = skin !== null;
      const assets = desk.state.assets.value ?? [];
      choosers = artNames(desk.state.layouts.value ?? []).map((name) =>
        chooser(name, assets, pictures, (asset) => {
          if (asset === "") delete art[name.name];
          else art[name.name] = asset;
          show();
        }),
      );
      groups.replaceChildren(...choosers.map(({ element }) => element));
      show();
      box.open(skin === null ? "A new skin" : `Skin ${skin.id}`);
    },
  };
}
