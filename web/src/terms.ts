// On which terms a session is made: its market and its skin. Pure.

import type { Layout, MarketChoice, Session, SkinChoice } from "./api";

export interface Terms {
  /** The market that is named; null: none is. */
  readonly market: string | null;
  /** The skin that is named; null: none is, so that the market's counts, if it has one. */
  readonly skin: string | null;
}

export const NO_TERMS: Terms = { market: null, skin: null };

/** What a key may name. */
export interface Choices {
  readonly markets: readonly MarketChoice[];
  readonly skins: readonly SkinChoice[];
}

export function sameTerms(a: Terms, b: Terms): boolean {
  return a.market === b.market && a.skin === b.skin;
}

/** What of `terms` can be had here, and in words what can not. */
export function fitTerms(terms: Terms, { markets, skins }: Choices): { terms: Terms; missing: string[] } {
  const market = markets.some(({ id }) => id === terms.market) ? terms.market : null;
  const skin = skins.some(({ id }) => id === terms.skin) ? terms.skin : null;
  const lost = (what: string, asked: string | null, got: string | null) => (asked !== null && got === null ? [`${what} ${asked}`] : []);
  return { terms: { market, skin }, missing: [...lost("market", terms.market, market), ...lost("skin", terms.skin, skin)] };
}

/** The skin that sessions of a market begin with; null without one. */
export function skinOfMarket(market: string | null, { markets, skins }: Choices): string | null {
  const skin = markets.find(({ id }) => id === market)?.skin ?? null;
  return skins.some(({ id }) => id === skin) ? skin : null;
}

/** The skin that `terms` lead to; null without one. */
export function skinOf(terms: Terms, choices: Choices): string | null {
  return terms.skin ?? skinOfMarket(terms.market, choices);
}

/** The terms that a session has; a skin that is its market's needs no naming. */
export function termsOf(session: Session, choices: Choices): Terms {
  const market = session.market ?? null;
  const skin = session.skin ?? null;
  return { market, skin: skin === skinOfMarket(market, choices) ? null : skin };
}

/** Whether a skin has something for a layout's slots of art. */
export function dresses(skin: SkinChoice, layout: Layout): boolean {
  return layout.art.some(({ name }) => skin.slots.includes(name));
}

/** The layouts to choose from: with slots of art those alone that a skin has something for, and the one that is chosen. */
export function layoutsOffered(layouts: readonly Layout[], skins: readonly SkinChoice[], chosen: string): Layout[] {
  return layouts.filter((layout) => layout.art.length === 0 || layout.id === chosen || skins.some((skin) => dresses(skin, layout)));
}
