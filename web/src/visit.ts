// What a page finds when it opens: the picks of a link or of before, and the session that this tab was watching.

import { picksIn, termsIn } from "./link";
import { NO_PICKS, samePicks, type Picks } from "./picks";
import { read, tab, write } from "./storage";
import { NO_TERMS, sameTerms, type Terms } from "./terms";

export interface Visit {
  readonly picks: Picks;
  readonly terms: Terms;
  readonly audio: string | null;
  /** The session that played here; null when none did. */
  readonly session: string | null;
}

export const NO_VISIT: Visit = { picks: NO_PICKS, terms: NO_TERMS, audio: null, session: null };

const ITEM = "quadrille.visit";

/** Where a viewer's visit is kept. */
export interface Visits {
  /** What was kept; `linked` says that its picks or terms come from a link and differ from what the session has. */
  begin(): { visit: Visit; linked: boolean };
  keep(visit: Visit): void;
}

export const KEPT_NOWHERE: Visits = { begin: () => ({ visit: NO_VISIT, linked: false }), keep: () => undefined };

/** Reads a kept visit; anything else than one, such as that of a later version, is no visit. */
export function visitOf(text: string | null): Visit | null {
  try {
    const { picks, audio, session, terms } = JSON.parse(text ?? "") as Visit;
    const games = picks.games;
    const sound = typeof audio === "string" ? audio : null;
    if (typeof picks.layout !== "string" || !games.every((game) => typeof game === "string")) return null;
    const named = (value: unknown) => (typeof value === "string" && value !== "" ? value : null);
    // An earlier version kept no terms.
    const kept = { market: named(terms?.market), skin: named(terms?.skin) };
    return { picks: { layout: picks.layout, games: [...games] }, terms: kept, audio: sound, session: named(session) };
  } catch {
    return null;
  }
}

/**
 * The picks and terms of an address come before those that were kept, and this tab's before those of another. Only a tab keeps a session: two
 * tabs with one session would take its games from each other.
 */
export function visitFrom(search: string, ofTab: Visit | null, ofBrowser: Visit | null): { visit: Visit; linked: boolean } {
  const kept = ofTab ?? (ofBrowser === null ? NO_VISIT : { ...ofBrowser, session: null });
  const asked = picksIn(search);
  const named = termsIn(search);
  // An address with nothing of it in it is no link, and one with games alone means no market.
  const terms = asked === null && sameTerms(named, NO_TERMS) ? kept.terms : named;
  const picks = asked ?? kept.picks;
  if (samePicks(picks, kept.picks) && sameTerms(terms, kept.terms)) return { visit: kept, linked: false };
  return { visit: { ...kept, picks, terms }, linked: true };
}

export const VISITS: Visits = {
  begin: () => visitFrom(location.search, visitOf(tab.read(ITEM)), visitOf(read(ITEM))),
  keep: (visit) => {
    tab.write(ITEM, JSON.stringify(visit));
    write(ITEM, JSON.stringify({ ...visit, session: null }));
  },
};
