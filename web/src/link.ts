// A mosaic as a link: its games and its layout, and never who watches it. Pure.

import type { Game, Layout } from "./api";
import { layoutFor, MAX_GAMES, NO_PICKS, samePicks, type Picks } from "./picks";

const GAMES = "games";
const LAYOUT = "layout";

/** The picks that an address names; null when it names none. They may be of games that are not there. */
export function picksIn(search: string): Picks | null {
  const asked = new URLSearchParams(search);
  const games = (asked.get(GAMES) ?? "")
    .split(",")
    .map((game) => game.trim())
    .filter((game) => game !== "");
  return games.length === 0 ? null : { layout: asked.get(LAYOUT)?.trim() ?? "", games };
}

/** `href` with the picks in it; everything else of it stays. */
export function withPicks(href: string, picks: Picks): string {
  const url = new URL(href);
  url.searchParams.delete(GAMES);
  url.searchParams.delete(LAYOUT);
  if (picks.games.length === 0) return url.href;
  // By hand, since URLSearchParams would write the comma between two games as %2C.
  const own = `${GAMES}=${picks.games.map(encodeURIComponent).join(",")}&${LAYOUT}=${encodeURIComponent(picks.layout)}`;
  url.search = url.search === "" ? own : `${url.search}&${own}`;
  return url.href;
}

/** A link to the picks on this page: nothing else of its address goes along, since a key may stand in it. */
export function shareLink(href: string, picks: Picks): string {
  const { origin, pathname } = new URL(href);
  return withPicks(origin + pathname, picks);
}

export interface Fitted {
  readonly picks: Picks;
  /** Games that are not offered here. */
  readonly missing: readonly string[];
}

/** What of `picks` can be had here: the games that are offered, and a layout with a slot for each. */
export function fit(picks: Picks, games: readonly Game[], layouts: readonly Layout[]): Fitted {
  const offered = new Set(games.map((game) => game.id));
  const kept = picks.games.filter((game) => offered.has(game)).slice(0, MAX_GAMES);
  const missing = [...new Set(picks.games.filter((game) => !offered.has(game)))];
  const layout = layoutFor(kept.length, layouts, picks.layout);
  const fitted = kept.length === 0 || layout === "" ? NO_PICKS : { layout, games: kept };
  return { picks: samePicks(fitted, picks) ? picks : fitted, missing };
}
