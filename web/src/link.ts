// A mosaic as a link: its games, its layout, market and skin, and never who watches it. Pure.

import type { Game, Layout } from "./api";
import { layoutFor, MAX_GAMES, NO_PICKS, samePicks, type Picks } from "./picks";
import { NO_TERMS, type Terms } from "./terms";

const GAMES = "games";
const LAYOUT = "layout";
const MARKET = "market";
const SKIN = "skin";

/** The picks that an address names; null when it names none. They may be of games that are not there. */
export function picksIn(search: string): Picks | null {
  const asked = new URLSearchParams(search);
  const games = (asked.get(GAMES) ?? "")
    .split(",")
    .map((game) => game.trim())
    .filter((game) => game !== "");
  return games.length === 0 ? null : { layout: asked.get(LAYOUT)?.trim() ?? "", games };
}

/** The terms that an address names. */
export function termsIn(search: string): Terms {
  const asked = new URLSearchParams(search);
  const named = (name: string) => asked.get(name)?.trim() || null;
  return { market: named(MARKET), skin: named(SKIN) };
}

/** Where the address says that its viewer is: the code of a country. It is no part of a link: who is given one may be elsewhere. */
export function regionIn(search: string): string | null {
  return new URLSearchParams(search).get("region")?.trim().toUpperCase() || null;
}

/** `href` with the picks and the terms in it; everything else of it stays. */
export function withPicks(href: string, picks: Picks, terms: Terms = NO_TERMS): string {
  const url = new URL(href);
  for (const name of [GAMES, LAYOUT, MARKET, SKIN]) url.searchParams.delete(name);
  // By hand, since URLSearchParams would write the comma between two games as %2C.
  const own = picks.games.length === 0 ? [] : [`${GAMES}=${picks.games.map(encodeURIComponent).join(",")}`, `${LAYOUT}=${encodeURIComponent(picks.layout)}`];
  if (terms.market !== null) own.push(`${MARKET}=${encodeURIComponent(terms.market)}`);
  if (terms.skin !== null) own.push(`${SKIN}=${encodeURIComponent(terms.skin)}`);
  if (own.length > 0) url.search = [...(url.search === "" ? [] : [url.search]), ...own].join("&");
  return url.href;
}

/** A link to the picks on this page: nothing else of its address goes along, since a key may stand in it. */
export function shareLink(href: string, picks: Picks, terms: Terms = NO_TERMS): string {
  const { origin, pathname } = new URL(href);
  return withPicks(origin + pathname, picks, terms);
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
