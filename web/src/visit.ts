// What a page finds when it opens: the picks of a link or of before, and the session that this tab was watching.

import { picksIn } from "./link";
import { NO_PICKS, samePicks, type Picks } from "./picks";
import { read, tab, write } from "./storage";

export interface Visit {
  readonly picks: Picks;
  readonly audio: string | null;
  /** The session that played here; null when none did. */
  readonly session: string | null;
}

export const NO_VISIT: Visit = { picks: NO_PICKS, audio: null, session: null };

const ITEM = "quadrille.visit";

/** Where a viewer's visit is kept. */
export interface Visits {
  /** What was kept; `linked` says that its picks come from a link and differ from what the session shows. */
  begin(): { visit: Visit; linked: boolean };
  keep(visit: Visit): void;
}

export const KEPT_NOWHERE: Visits = { begin: () => ({ visit: NO_VISIT, linked: false }), keep: () => undefined };

/** Reads a kept visit; anything else than one, such as that of a later version, is no visit. */
export function visitOf(text: string | null): Visit | null {
  try {
    const { picks, audio, session } = JSON.parse(text ?? "") as Visit;
    const games = picks.games;
    const sound = typeof audio === "string" ? audio : null;
    if (typeof picks.layout !== "string" || !games.every((game) => typeof game === "string")) return null;
    return { picks: { layout: picks.layout, games: [...games] }, audio: sound, session: typeof session === "string" ? session : null };
  } catch {
    return null;
  }
}

/**
 * The picks of an address come before those that were kept, and this tab's before those of another. Only a tab keeps a session: two
 * tabs with one session would take its games from each other.
 */
export function visitFrom(search: string, ofTab: Visit | null, ofBrowser: Visit | null): { visit: Visit; linked: boolean } {
  const kept = ofTab ?? (ofBrowser === null ? NO_VISIT : { ...ofBrowser, session: null });
  const asked = picksIn(search);
  if (asked === null || samePicks(asked, kept.picks)) return { visit: kept, linked: false };
  return { visit: { picks: asked, audio: kept.audio, session: kept.session }, linked: true };
}

export const VISITS: Visits = {
  begin: () => visitFrom(location.search, visitOf(tab.read(ITEM)), visitOf(read(ITEM))),
  keep: (visit) => {
    tab.write(ITEM, JSON.stringify(visit));
    write(ITEM, JSON.stringify({ ...visit, session: null }));
  },
};
