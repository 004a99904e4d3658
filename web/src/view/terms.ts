// The market and the skin, each chosen where the service has any.

import { attribute, h, keyed, text } from "../dom";
import { dresses, skinOf, skinOfMarket } from "../terms";
import type { Viewer, ViewerState } from "../viewer";

interface Option {
  /** Empty: none is named. */
  readonly id: string;
  readonly words: string;
}

interface Chooser {
  readonly element: HTMLElement;
  show(options: readonly Option[], chosen: string): void;
}

function chooser(id: string, label: string, choose: (id: string | null) => void): Chooser {
  const select = h("select", { id });
  const elements = new Map<string, HTMLOptionElement>();
  select.addEventListener("change", () => choose(select.value || null));
  return {
    element: h("div", { class: "term" }, h("label", { for: id }, label), select),
    show(options, chosen) {
      const made = keyed(select, elements, options, (one) => one.id, (one) => h("option", { value: one.id }));
      made.forEach((option, at) => text(option, options[at]?.words ?? ""));
      // Without the comparison a render would take back a choice that is being made.
      if (select.value !== chosen) select.value = chosen;
    },
  };
}

/** What the skin has for the layout, where that is not seen. */
function hintOf(state: ViewerState): string {
  const layout = state.layouts.find(({ id }) => id === state.picks.layout);
  const skin = state.skins.find(({ id }) => id === skinOf(state.terms, state));
  if (skin === undefined) return layout === undefined || layout.art.length === 0 ? "" : "Without a skin the slots of art are empty.";
  return layout === undefined || dresses(skin, layout) ? "" : "In this layout it has nothing to show: take one with art.";
}

export function termsPanel(viewer: Viewer): HTMLElement {
  const market = chooser("market", "Market", (id) => void viewer.naming.chooseMarket(id));
  const skin = chooser("skin", "Skin", (id) => viewer.naming.chooseSkin(id));
  const note = h("p", { class: "hint", id: "market-note" }, "Another market begins another session.");
  attribute(market.element.querySelector("select") as Element, "aria-describedby", "market-note");
  const hint = h("p", { class: "hint", role: "status" });
  const panel = h("fieldset", { class: "panel terms-panel", hidden: true }, h("legend", {}, "Market and skin"), h("div", { class: "terms" }, market.element, skin.element), note, hint);
  viewer.onChange((state: ViewerState) => {
    const { markets, skins, terms } = state;
    attribute(panel, "hidden", markets.length === 0 && skins.length === 0);
    attribute(market.element, "hidden", markets.length === 0);
    attribute(skin.element, "hidden", skins.length === 0);
    attribute(note, "hidden", markets.length === 0 || state.phase !== "watching");
    const legend = panel.querySelector("legend") as HTMLElement;
    text(legend, markets.length === 0 ? "Skin" : skins.length === 0 ? "Market" : "Market and skin");
    const ofMarket = skinOfMarket(terms.market, state);
    market.show([{ id: "", words: "None named" }, ...markets.map(({ id, title }) => ({ id, words: title }))], terms.market ?? "");
    skin.show([{ id: "", words: ofMarket === null ? "None" : `The market's: ${ofMarket}` }, ...skins.map(({ id }) => ({ id, words: id }))], terms.skin ?? "");
    text(hint, skins.length === 0 ? "" : hintOf(state));
  });
  return panel;
}
