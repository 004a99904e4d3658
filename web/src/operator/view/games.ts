// The games: whether they are well, what they look like, where they come from, how many watch them; and what can be done with them.

import { attribute, h, keyed, text } from "../../dom";
import { initials } from "../../format";
import { breakWords } from "../breaks";
import type { Desk, DeskGame, DeskState } from "../desk";
import { count, labelList } from "../figures";
import { limitWords } from "../game";
import { losses, madeOf, why } from "../health";
import type { BreakForm } from "./break-form";
import type { GameForm } from "./game-form";
import { mark } from "./marks";
import { panel, showTrouble, TroubleLine } from "./panel";
import type { Question } from "./question";
import { stills } from "./stills";

interface Item {
  readonly element: HTMLLIElement;
  show(game: DeskGame, nowMs: number): void;
}

/** What can be done with games. */
interface Doing {
  readonly form: GameForm;
  readonly breaks: BreakForm;
  readonly question: Question;
  /** The game's item went with its button. */
  removed(): void;
}

/** A game's buttons; `game` is what it is now. */
function buttons(desk: Desk, doing: Doing, game: () => DeskGame): { element: HTMLElement; show: (game: DeskGame) => void } {
  const button = (words: string, act: () => void, name = "quiet-button small") => {
    const made = h("button", { type: "button", class: name }, words);
    made.addEventListener("click", act);
    return made;
  };
  const trouble = new TroubleLine(() => void endBreak(), "end the break");
  const endBreak = async () => {
    const { id, title, current_break: running } = game();
    if (!running) return;
    trouble.show(await desk.change((client) => client.endBreak(id, running.id), `The break of ${title} has ended`, "games"));
    begin.focus();
  };
  const begin = button("Start a break", () => (game().current_break ? void endBreak() : doing.breaks.open(game())));
  const edit = button("Edit", () => doing.form.open(game()));
  const remove = button("Remove", () => {
    const { id, title, active_sessions: sessions } = game();
    doing.question.ask({
      title: "Remove this game?",
      who: `${title} (${id})${sessions > 0 ? `, watched in ${count(sessions)} ${sessions === 1 ? "session" : "sessions"}` : ""}.`,
      what: "Who watches it sees a slate in its slot from then on.",
      keep: "Keep it",
      go: "Remove it",
      act: () => desk.change((client) => client.removeGame(id), `${title} is removed`, "games"),
      closed: (done) => done && doing.removed(),
    });
  }, "quiet-button end");
  return {
    element: h("div", { class: "game-doing" }, h("div", { class: "game-buttons" }, begin, edit, remove), trouble.element),
    show: ({ title, origin, current_break: running }) => {
      // One and the same button, so that the focus stays.
      text(begin, running ? "End the break" : "Start a break");
      attribute(begin, "aria-label", running ? `End the break of ${title}` : `Start a break of ${title}`);
      for (const [one, what] of [[edit, "Edit"], [remove, "Remove"]] as const) {
        attribute(one, "aria-label", `${what} ${title}`);
        // Those of the configuration are its owner's.
        attribute(one, "hidden", origin === "config");
      }
    },
  };
}

function makeItem(desk: Desk, doing: Doing, game: DeskGame): Item {
  let latest = game;
  const image = h("img", { alt: "", hidden: true });
  const showStill = stills(image);
  const title = h("h3", {});
  const health = mark(game.status);
  const watched = h("span", { class: "watched" });
  const id = h("code", {});
  const labels = h("span", { class: "game-labels" });
  const reason = h("p", { class: "game-why" });
  const limited = h("p", { class: "game-limits" });
  const inBreak = h("p", { class: "game-break" });
  const made = h("p", { class: "game-made dim" });
  const lost = h("p", { class: "game-lost dim" });
  const sources = h("ol", { class: "sources", "aria-label": "Sources, the first preferred" });
  const urls = new Map<string, HTMLElement>();
  const tools = buttons(desk, doing, () => latest);
  const words = [title, h("p", { class: "game-line" }, health.element, watched), reason, limited, inBreak, h("p", { class: "game-line dim" }, id, labels), made, sources, lost, tools.element];
  const element = h(
    "li",
    { class: "game", "data-game": game.id },
    h("span", { class: "still" }, h("span", { class: "initials", "aria-hidden": "true" }, initials(game.title)), image),
    h("div", { class: "game-words" }, ...words),
  );
  return {
    element,
    show: (now, nowMs) => {
      latest = now;
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
      for (const [line, words] of [[reason, why(now.health, nowMs)], [limited, limitWords(now.rights, nowMs)], [inBreak, breakWords(now.current_break, nowMs)], [made, madeOf(now.health)], [lost, losses(now.health)]] as const) {
        text(line, words);
        attribute(line, "hidden", words === "");
      }
      // Of one source it goes without saying.
      const used = now.status === "live" ? " in use" : now.status === "slate" ? " being tried" : "";
      items.forEach((item, at) => text(item.lastElementChild as HTMLElement, items.length > 1 && at === now.health.source_index ? used : ""));
      showStill(now.thumbnail_url);
      tools.show(now);
    },
  };
}

export function gamesPanel(desk: Desk, form: GameForm, breaks: BreakForm, question: Question): HTMLElement {
  const parts = panel("games", "Games", () => desk.refresh("games"));
  const doing: Doing = { form, breaks, question, removed: () => parts.heading.focus() };
  const list = h("ul", { class: "game-list" });
  const empty = h("p", { class: "hint empty" });
  const tally = h("span", { class: "tally" });
  const add = h("button", { type: "button", class: "quiet-button" }, "Add a game");
  add.addEventListener("click", () => form.open(null));
  parts.aside.append(tally, add);
  parts.element.append(empty, list);
  const elements = new Map<string, HTMLLIElement>();
  const items = new WeakMap<HTMLElement, Item>();
  desk.onChange((state: DeskState) => {
    showTrouble(parts.trouble, state.games);
    const games = state.games.value ?? [];
    const make = (game: DeskGame) => {
      const item = makeItem(desk, doing, game);
      items.set(item.element, item);
      return item.element;
    };
    const held = list.contains(document.activeElement) ? document.activeElement : null;
    keyed(list, elements, games, ({ id }) => id, make).forEach((element, at) => items.get(element)?.show(games[at] as DeskGame, state.games.atMs ?? 0));
    if (held !== null && !held.isConnected) parts.heading.focus();
    const not = games.filter((game) => game.status !== "live").length;
    text(tally, games.length === 0 ? "" : not === 0 ? "All live" : `${count(not)} of ${count(games.length)} without a picture`);
    attribute(list, "hidden", games.length === 0);
    attribute(empty, "hidden", games.length > 0);
    text(empty, state.games.value !== null ? "No games are registered." : state.games.trouble === null ? "Reading the games…" : "");
  });
  return parts.element;
}
