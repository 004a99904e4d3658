// The list of games: a card each, with its picture and whether it is live.

import type { Game, GameStatus } from "../api";
import { attribute, h, keyed, text, toggle } from "../dom";
import { initials } from "../format";
import type { Viewer, ViewerState } from "../viewer";
import { GAME_DRAG } from "./stage";

const STATUS_WORDS: Record<GameStatus, string> = { live: "Live", slate: "Slate", off: "Off" };
// How often a still is fetched anew.
const THUMBNAIL_MS = 10_000;

interface Card extends HTMLLIElement {
  thumbnailUrl?: string;
}

/** Shows the newest still without a flash: the old one stays until the new one is there. */
function showThumbnail(card: Card, game: Game): void {
  const image = card.querySelector("img") as HTMLImageElement;
  if (game.thumbnail_url === null || game.thumbnail_url === undefined) {
    attribute(image, "hidden", true);
    return;
  }
  const url = new URL(game.thumbnail_url, location.href);
  url.searchParams.set("at", String(Math.floor(Date.now() / THUMBNAIL_MS)));
  if (card.thumbnailUrl === url.href) return;
  card.thumbnailUrl = url.href;
  const next = new Image();
  next.addEventListener("load", () => {
    image.src = next.src;
    image.hidden = false;
  });
  next.src = url.href;
}

function makeCard(viewer: Viewer, game: Game): Card {
  const button = h(
    "button",
    { type: "button", class: "card" },
    h(
      "span",
      { class: "still" },
      h("span", { class: "initials", "aria-hidden": "true" }, initials(game.title)),
      h("img", { alt: "", hidden: true, draggable: "false" }),
      h("span", { class: "badge" }),
      h("span", { class: "slot-number", hidden: true }),
    ),
    h("span", { class: "card-title" }),
    h("span", { class: "card-note" }),
  );
  button.addEventListener("click", () => viewer.picking.chooseGame(game.id));
  const card: Card = h("li", { draggable: "true", "data-game": game.id }, button);
  card.addEventListener("dragstart", (event) => {
    event.dataTransfer?.setData(GAME_DRAG, game.id);
    event.dataTransfer?.setData("text/plain", game.title);
    if (event.dataTransfer) event.dataTransfer.effectAllowed = "copy";
    document.body.classList.add("dragging");
  });
  card.addEventListener("dragend", () => document.body.classList.remove("dragging"));
  return card;
}

function note(state: ViewerState, game: Game, slots: number[]): string {
  if (state.heldGame === game.id) return "Choose a slot";
  if (state.selectedSlot !== null) {
    return state.picks.games[state.selectedSlot] === game.id ? "Here now" : `Put into slot ${state.selectedSlot + 1}`;
  }
  if (slots.length > 0) return slots.length === 1 ? `In slot ${slots[0]}` : `In slots ${slots.join(" and ")}`;
  if (game.status === "slate") return "No picture right now";
  return game.status === "off" ? "Not running" : "";
}

function update(card: Card, state: ViewerState, game: Game): void {
  const slots = state.picks.games.flatMap((id, at) => (id === game.id ? [at + 1] : []));
  const button = card.querySelector("button") as HTMLButtonElement;
  const badge = card.querySelector(".badge") as HTMLElement;
  const number = card.querySelector(".slot-number") as HTMLElement;
  attribute(button, "aria-pressed", slots.length > 0 ? "true" : "false");
  toggle(button, "held", state.heldGame === game.id);
  toggle(button, "picked", slots.length > 0);
  text(badge, STATUS_WORDS[game.status] ?? game.status);
  badge.className = `badge ${game.status}`;
  text(number, slots.join(" "));
  attribute(number, "aria-hidden", "true");
  attribute(number, "hidden", slots.length === 0);
  text(card.querySelector(".card-title") as Element, game.title);
  text(card.querySelector(".card-note") as Element, note(state, game, slots));
  showThumbnail(card, game);
}

function hint(state: ViewerState): string {
  if (state.connection === "no_key") return "Enter a device key to see the games.";
  if (state.connection === "connecting") return "Reading the games…";
  if (state.games.length === 0) return state.connection === "ready" ? "No games are offered." : "";
  if (state.heldGame !== null) return "Now choose a slot on the picture.";
  if (state.selectedSlot !== null) return `Choose the game for slot ${state.selectedSlot + 1}.`;
  if (state.phase === "watching") return "To swap: choose a slot on the picture, then a game. Or drag a game onto a slot.";
  return "Pick one to four, in the order of the slots.";
}

export function gameList(viewer: Viewer): HTMLElement {
  const list = h("ul", { class: "games" });
  const hintLine = h("p", { class: "hint" });
  const elements = new Map<string, Card>();
  viewer.onChange((state: ViewerState) => {
    const cards = keyed(list, elements, state.games, (game) => game.id, (game) => makeCard(viewer, game));
    cards.forEach((card, at) => update(card, state, state.games[at] as Game));
    text(hintLine, hint(state));
    toggle(list, "choosing", state.selectedSlot !== null);
  });
  return h("section", { class: "panel games-panel", "aria-labelledby": "games-title" }, h("h2", { id: "games-title" }, "Games"), hintLine, list);
}
