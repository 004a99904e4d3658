// The games: whether they are well, what they look like, where they come from, how many watch them.

import { attribute, h, keyed, text } from "../../dom";
import { initials } from "../../format";
import type { Desk, DeskGame, DeskState } from "../desk";
import { count, labelList } from "../figures";
import { losses, madeOf, why } from "../health";
import { mark } from "./marks";
import { panel, showTrouble } from "./panel";

// How often a still is fetched anew.
const THUMBNAIL_MS = 10_000;

interface Item {
  readonly element: HTMLLIElement;
  show(game: DeskGame, nowMs: number): void;
}

/** Shows the newest still without a flash: the old one stays until the new one is there. */
function stills(image: HTMLImageElement): (url: string | null) => void {
  let wanted = "";
  return (url) => {
    if (url === null) {
      wanted = "";
      return attribute(image, "hidden", true);
    }
    const at = new URL(url, location.href);
    at.searchParams.set("at", String(Math.floor(Date.now() / THUMBNAIL_MS)));
    if (at.href === wanted) return;
    wanted = at.href;
    const next = new Image();
    next.addEventListener("load", () => {
      if (next.src !== wanted) return;
      image.src = next.src;
      image.hidden = false;
    });
    next.src = at.href;
  };
}

function makeItem(game: DeskGame): Item {
  const image = h("img", { alt: "", hidden: true });
  const showStill = stills(image);
  const title = h("h3", {});
  const health = mark(game.status);
  const watched = h("span", { class: "watched" });
  const id = h("code", {});
  const labels = h("span", { class: "game-labels" });
  const reason = h("p", { class: "game-why" });
  const made = h("p", { class: "game-made dim" });
  const lost = h("p", { class: "game-lost dim" });
  const sources = h("ol", { class: "sources", "aria-label": "Sources, the first preferred" });
  const urls = new Map<string, HTMLElement>();
  const element = h(
    "li",
    { class: "game" },
    h("span", { class: "still" }, h("span", { class: "initials", "aria-hidden": "true" }, initials(game.title)), image),
    h("div", { class: "game-words" }, title, h("p", { class: "game-line" }, health.element, watched), reason, h("p", { class: "game-line dim" }, id, labels), made, sources, lost),
  );
  return {
    element,
    show: (now, nowMs) => {
      text(title, now.title);
      attribute(element, "data-status", now.status);
      health.show(now.status);
      const sessions = now.active_sessions ?? 0;
      text(watched, sessions === 1 ? "1 session" : `${count(sessions)} sessions`);
      text(id, now.id);
      const told = labelList(now.labels);
      text(labels, told === "–" ? "" : told);
      // A source may stand in the list twice.
      const items = keyed(sources, urls, now.sources, (source, at) => `${at} ${source}`, (source) => h("li", {}, h("span", { class: "source" }, source), h("span", { class: "source-state" })));
      attribute(sources, "hidden", items.length === 0);
      for (const [line, words] of [[reason, why(now.health, nowMs)], [made, madeOf(now.health)], [lost, losses(now.health)]] as const) {
        text(line, words);
        attribute(line, "hidden", words === "");
      }
      // Of one source it goes without saying.
      const used = now.status === "live" ? " in use" : now.status === "slate" ? " being tried" : "";
      items.forEach((item, at) => text(item.lastElementChild as HTMLElement, items.length > 1 && at === now.health.source_index ? used : ""));
      showStill(now.thumbnail_url);
    },
  };
}

export function gamesPanel(desk: Desk): HTMLElement {
  const parts = panel("games", "Games", () => desk.refresh("games"));
  const list = h("ul", { class: "game-list" });
  const empty = h("p", { class: "hint empty" });
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally);
  parts.element.append(empty, list);
  const elements = new Map<string, HTMLLIElement>();
  const items = new WeakMap<HTMLElement, Item>();
  desk.onChange((state: DeskState) => {
    showTrouble(parts.trouble, state.games);
    const games = state.games.value ?? [];
    const make = (game: DeskGame) => {
      const item = makeItem(game);
      items.set(item.element, item);
      return item.element;
    };
    keyed(list, elements, games, ({ id }) => id, make).forEach((element, at) => items.get(element)?.show(games[at] as DeskGame, state.games.atMs ?? 0));
    const not = games.filter((game) => game.status !== "live").length;
    text(tally, games.length === 0 ? "" : not === 0 ? "All live" : `${count(not)} of ${count(games.length)} without a picture`);
    attribute(list, "hidden", games.length === 0);
    attribute(empty, "hidden", games.length > 0);
    text(empty, state.games.value !== null ? "No games are registered." : state.games.trouble === null ? "Reading the games…" : "");
  });
  return parts.element;
}
