// Trying sources before there is a game with them: one after the other, each with what it turned out to be.

import { attribute, h, text } from "../../dom";
import type { Tried } from "../api";
import type { Desk } from "../desk";
import { triedFacts, triedWords } from "../health";
import { asProblem, trouble } from "../problems";
import { mark } from "./marks";

export interface Trying {
  readonly element: HTMLElement;
  /** `sources`: those that are in the form; `game`: the one that they are of, which may have them masked. */
  begin(sources: readonly string[], game: string | null): Promise<void>;
  /** Gives up, and shows nothing any more. */
  clear(): void;
}

/** What a source turned out to be. */
function card(tried: Tried): HTMLElement {
  const { word, sentence } = triedWords(tried);
  const state = mark(tried.works ? "works" : "fails");
  const still = tried.thumbnail === null ? null : h("span", { class: "still" }, h("img", { src: tried.thumbnail, alt: "" }));
  const facts = tried.video === null ? [] : triedFacts(tried).flatMap(([name, words]) => [h("dt", {}, name), h("dd", {}, words)]);
  return h(
    "li",
    { class: "tried", "data-works": String(tried.works), "aria-label": `${tried.source}: ${word}` },
    h("p", { class: "tried-source" }, h("span", { class: "source" }, tried.source)),
    h(
      "div",
      { class: still === null ? "trial-state" : "trial" },
      still,
      h("div", { class: "trial-state" }, state.element, sentence === "" ? null : h("p", { class: tried.works ? "hint" : "game-why" }, sentence), facts.length === 0 ? null : h("dl", { class: "facts" }, ...facts)),
    ),
  );
}

/** One that the service did not try. */
function refused(source: string, words: string): HTMLElement {
  return h("li", { class: "tried", "data-works": "false" }, h("p", { class: "tried-source" }, h("span", { class: "source" }, source)), mark("fails").element, h("p", { class: "game-why" }, words));
}

export function trying(desk: Desk): Trying {
  const progress = h("p", { class: "hint", role: "status" });
  const list = h("ul", { class: "tried-list", "aria-label": "What came of it", hidden: true });
  let under: AbortController | null = null;

  function clear(): void {
    under?.abort();
    under = null;
    text(progress, "");
    list.replaceChildren();
    attribute(list, "hidden", true);
  }

  return {
    element: h("div", { class: "trying" }, progress, list),
    clear,
    begin: async (sources, game) => {
      clear();
      const own = new AbortController();
      under = own;
      const words: string[] = [];
      for (const [at, source] of sources.entries()) {
        text(progress, sources.length === 1 ? "Trying the source, which takes some seconds…" : `Trying source ${at + 1} of ${sources.length}, which takes some seconds…`);
        let shown: HTMLElement;
        try {
          const tried = await desk.ask((client) => client.trySource(source, game, own.signal));
          if (under !== own || tried === null) return;
          shown = card(tried);
          words.push(triedWords(tried).word.toLowerCase());
        } catch (error) {
          if (under !== own) return;
          const { title, detail } = trouble(asProblem(error));
          shown = refused(source, `${title}. ${detail}`);
          words.push("was not tried");
        }
        attribute(list, "hidden", false);
        list.append(shown);
        shown.scrollIntoView({ block: "nearest" });
      }
      under = null;
      text(progress, words.length === 1 ? `The source ${words[0]}.` : words.map((word, at) => `Source ${at + 1} ${word}.`).join(" "));
    },
  };
}
