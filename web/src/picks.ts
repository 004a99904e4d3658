// What a viewer has picked: a layout and a game for each of its slots. Pure; every change gives new picks.

import type { Game, Layout, Session } from "./api";
import { gameOfSound } from "./tracks";

/** The contract's limit. */
export const MAX_GAMES = 4;

/** Either nothing (`games` empty, `layout` empty) or one game for each slot of `layout`, in slot order. */
export interface Picks {
  readonly layout: string;
  readonly games: readonly string[];
}

export const NO_PICKS: Picks = { layout: "", games: [] };

const DEFAULT_LAYOUTS: Record<number, string> = { 1: "1", 2: "2EH", 3: "3EL", 4: "4E" };

export function picksOf(session: Session): Picks {
  return { layout: session.layout, games: session.games };
}

export function samePicks(a: Picks, b: Picks): boolean {
  return a.layout === b.layout && a.games.length === b.games.length && a.games.every((game, slot) => game === b.games[slot]);
}

/** The layout for `count` games: `current` if it has that many slots, else the contract's default, else any that fits. */
export function layoutFor(count: number, layouts: readonly Layout[], current = ""): string {
  const fitting = layouts.filter((layout) => layout.slots.length === count);
  const named = (id: string | undefined) => fitting.find((layout) => layout.id === id);
  return (named(current) ?? named(DEFAULT_LAYOUTS[count]) ?? fitting[0])?.id ?? "";
}

function withGames(games: readonly string[], layouts: readonly Layout[], current: string): Picks {
  if (games.length === 0) return NO_PICKS;
  const layout = layoutFor(games.length, layouts, current);
  return layout === "" ? NO_PICKS : { layout, games };
}

/** Adds a game in a new last slot. Null when there is no room, or no layout with one slot more. */
export function addGame(picks: Picks, game: string, layouts: readonly Layout[]): Picks | null {
  if (picks.games.length >= MAX_GAMES) return null;
  const grown = withGames([...picks.games, game], layouts, picks.layout);
  return grown.games.length === 0 ? null : grown;
}

/** Takes the game out of a slot; the games behind it move up. */
export function removeSlot(picks: Picks, slot: number, layouts: readonly Layout[]): Picks {
  return withGames(picks.games.filter((_, at) => at !== slot), layouts, picks.layout);
}

/** Puts `game` into `slot`; if it is on the mosaic already, the two slots exchange their games. */
export function placeGame(picks: Picks, slot: number, game: string): Picks {
  if (slot < 0 || slot >= picks.games.length) return picks;
  const from = picks.games.indexOf(game);
  if (from >= 0) return exchange(picks, from, slot);
  return { layout: picks.layout, games: picks.games.map((old, at) => (at === slot ? game : old)) };
}

export function exchange(picks: Picks, a: number, b: number): Picks {
  const [gameA, gameB] = [picks.games[a], picks.games[b]];
  if (gameA === undefined || gameB === undefined) return picks;
  return { layout: picks.layout, games: picks.games.map((game, at) => (at === a ? gameB : at === b ? gameA : game)) };
}

/** Takes another layout: keeps the first games, and fills further slots with games not yet picked, live ones first. */
export function chooseLayout(picks: Picks, layout: Layout, games: readonly Game[]): Picks {
  const kept = picks.games.slice(0, layout.slots.length);
  const spare = games.filter((game) => !kept.includes(game.id));
  const ordered = [...spare.filter((game) => game.status === "live"), ...spare.filter((game) => game.status !== "live")];
  const filled = [...kept];
  for (const game of ordered) {
    if (filled.length === layout.slots.length) break;
    filled.push(game.id);
  }
  // A game twice is allowed, so a short list of games still fills every slot.
  for (let at = 0; filled.length > 0 && filled.length < layout.slots.length; at++) filled.push(filled[at] as string);
  return filled.length === 0 ? NO_PICKS : { layout: layout.id, games: filled };
}

/** The sound to listen to: `wanted` if its game is on the mosaic, else that of what stands in the slot it had, else the first slot's. */
export function audioFor(picks: Picks, wanted: string | null, before: Picks): string | null {
  const game = gameOfSound(wanted);
  if (game !== null && picks.games.includes(game)) return wanted;
  const slot = game === null ? -1 : before.games.indexOf(game);
  return picks.games[slot] ?? picks.games[0] ?? null;
}

/** What differs between a session and what is wanted of it, as the body of a PATCH; null when nothing does. */
export function difference(
  has: { layout: string; games: readonly string[]; audio: string | null },
  wanted: Picks,
  audio: string | null,
): { games?: string[]; layout?: string; audio?: string } | null {
  const change: { games?: string[]; layout?: string; audio?: string } = {};
  if (!samePicks({ layout: has.layout, games: has.games }, wanted)) {
    // Both together: between a change of one and of the other, slots and games would not match.
    change.games = [...wanted.games];
    change.layout = wanted.layout;
  }
  if (audio !== null && audio !== has.audio) change.audio = audio;
  return Object.keys(change).length === 0 ? null : change;
}

/** What a change from what is shown to `picks` brings, in words. */
export function changeWords(shown: Picks | null, picks: Picks, title: (game: string) => string): string {
  if (shown === null || shown.layout !== picks.layout) return "The new layout comes with the next segments";
  const slot = picks.games.findIndex((game, at) => game !== shown.games[at]);
  const game = picks.games[slot];
  return game === undefined ? "" : `${title(game)} comes into slot ${slot + 1} with the next segments`;
}
