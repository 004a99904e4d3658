// The art that there is: taken in, looked at, let go of.

import { attribute, h, keyed, text } from "../../dom";
import type { Asset } from "../api";
import { assetWords, kindOf, shortId, size, skinsWith } from "../art";
import type { Desk, DeskState } from "../desk";
import { count } from "../figures";
import { list } from "../../format";
import { assetStill, type AssetStill } from "./asset-still";
import { pager, panel, showTrouble } from "./panel";
import type { Pictures } from "./pictures";
import type { Question } from "./question";
import { uploadArea } from "./upload";

const ASSETS_A_PAGE = 24;

interface Item extends HTMLLIElement {
  asset?: Asset;
  still?: AssetStill;
}

function makeItem(pictures: Pictures, remove: (item: Item) => void): Item {
  const button = h("button", { type: "button", class: "quiet-button end" }, "Delete");
  const still = assetStill(pictures);
  const item: Item = h(
    "li",
    { class: "asset" },
    still.element,
    h("p", { class: "asset-words" }),
    h("p", { class: "asset-used hint" }),
    h("p", { class: "asset-line" }, h("code", {}), button),
  );
  item.still = still;
  button.addEventListener("click", () => remove(item));
  return item;
}

function showItem(item: Item, asset: Asset, state: DeskState): void {
  item.asset = asset;
  item.still?.show(asset, state.layouts.value ?? []);
  text(item.querySelector(".asset-words") as Element, `${kindOf(asset)} · ${asset.width}×${asset.height} · ${size(asset.bytes)}`);
  const skins = skinsWith(asset.id, state.skins.value ?? []);
  text(item.querySelector(".asset-used") as Element, state.skins.value === null ? "" : skins.length === 0 ? "In no skin" : `In ${skins.length === 1 ? "skin" : "skins"} ${list(skins)}`);
  const code = item.querySelector("code") as HTMLElement;
  text(code, shortId(asset.id));
  attribute(code, "title", asset.id);
  attribute(item.querySelector("button") as Element, "aria-label", `Delete ${assetWords(asset)}, ${shortId(asset.id)}`);
}

export function assetsPanel(desk: Desk, pictures: Pictures, question: Question): HTMLElement {
  const parts = panel("assets", "Art", () => desk.refresh("assets"));
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally);
  const items = h("ul", { class: "asset-list" });
  const empty = h("p", { class: "hint empty" });
  let from = 0;
  const pages = pager("Pages of art", "Back", "On", (step) => {
    from = Math.max(0, from + step * ASSETS_A_PAGE);
    draw(desk.state);
  });
  parts.element.append(uploadArea(desk), empty, items, pages.element);
  const elements = new Map<string, Item>();

  const remove = (item: Item) => {
    const { asset } = item;
    if (asset === undefined) return;
    question.ask({
      title: "Delete this art?",
      who: `${assetWords(asset)}, ${shortId(asset.id)}.`,
      what: "The file is gone then. Art that a skin has or a session shows stays until it has not.",
      keep: "Keep it",
      go: "Delete it",
      act: () => desk.change((client) => client.removeAsset(asset.id), "The art is deleted", "assets"),
      // The button goes with its item: then the heading takes the focus.
      closed: (done) => done && parts.heading.focus(),
    });
  };

  function draw(state: DeskState): void {
    const { assets } = state;
    showTrouble(parts.trouble, assets);
    const all = assets.value ?? [];
    from = Math.min(from, Math.max(0, ASSETS_A_PAGE * (Math.ceil(all.length / ASSETS_A_PAGE) - 1)));
    const shown = all.slice(from, from + ASSETS_A_PAGE);
    const held = items.contains(document.activeElement) ? document.activeElement : null;
    keyed(items, elements, shown, ({ id }) => id, () => makeItem(pictures, remove)).forEach((item, at) => showItem(item, shown[at] as Asset, state));
    if (held !== null && !held.isConnected) parts.heading.focus();
    const bytes = all.reduce((sum, asset) => sum + asset.bytes, 0);
    text(tally, assets.value === null ? "" : `${count(all.length)} ${all.length === 1 ? "file" : "files"}, ${size(bytes)}`);
    attribute(items, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, assets.value !== null ? "There is no art yet." : assets.trouble === null ? "Reading the art…" : "");
    pages.show(`${count(from + 1)}–${count(from + shown.length)} of ${count(all.length)}`, from > 0, from + ASSETS_A_PAGE < all.length);
  }
  desk.onChange(draw);
  return parts.element;
}
