// The breaks of the games that are shown, for the bar of the past: when they were, and where on the bar that is.

import type { Client, Cue } from "./api";
import { clock, type Reach } from "./past";
import type { ViewerState } from "./state";

/** A break of a game. Instants are milliseconds of Unix time. */
export interface GameBreak {
  /** Of the event; with the game it tells one from another. */
  readonly id: string;
  readonly game: string;
  readonly from: number;
  /** When the game is back; null where nobody knows yet. */
  readonly to: number | null;
}

/** A break on the bar, from share to share of it, 0 to 1. */
export interface Mark {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  /** For people. */
  readonly words: string;
}

const POLL_MS = 5_000;
// What begins within the next poll is known in time.
const AHEAD_MS = 60_000;

/** The breaks among what was signalled of a game. */
export function breaksOf(game: string, cues: readonly Cue[]): GameBreak[] {
  const breaks = cues.filter((cue) => cue.kind === "break" && cue.direction === "out");
  const at = (text: string | null) => (text === null ? null : Date.parse(text));
  const list = breaks.map((cue) => ({ id: `${game} ${cue.id}`, game, from: Date.parse(cue.starts_at), to: at(cue.ends_at) }));
  return list.filter(({ from, to }) => Number.isFinite(from) && (to === null || to > from));
}

/** `Break in Hawks at Ravens from 20:14:05 to 20:16:05`; `since` while it runs. */
export function breakWords({ from, to }: GameBreak, title: string, live: number): string {
  return to === null || to > live ? `Break in ${title} since ${clock(from)}` : `Break in ${title} from ${clock(from)} to ${clock(to)}`;
}

/** What of `breaks` is on the bar, the earliest first. */
export function marks(breaks: readonly GameBreak[], reach: Reach, title: (game: string) => string): Mark[] {
  const { oldest, live } = reach;
  const share = (at: number) => Math.min(1, Math.max(0, (at - oldest) / Math.max(1, live - oldest)));
  const shown = breaks.filter(({ from, to }) => from < live && (to === null || to > oldest)).sort((one, other) => one.from - other.from);
  return shown.map((one) => ({ id: one.id, from: share(one.from), to: share(one.to ?? live), words: breakWords(one, title(one.game), live) }));
}

/** The titles of the games that were in a break at `at`, each once. */
export function inBreak(breaks: readonly GameBreak[], at: number, title: (game: string) => string): string[] {
  const running = breaks.filter(({ from, to }) => from <= at && (to === null || at < to));
  return [...new Set(running.map(({ game }) => title(game)))];
}

/** Asks for them now and then, while there is a bar to show them on. */
export class BreakWatch {
  constructor(
    private readonly client: () => Client | null,
    private readonly state: () => ViewerState,
    private readonly set: (breaks: readonly GameBreak[]) => void,
  ) {}

  run(): void {
    window.setInterval(() => {
      if (!document.hidden) void this.look();
    }, POLL_MS);
  }

  async look(): Promise<void> {
    const { reach, shown, breaks } = this.state();
    const client = this.client();
    if (client === null || reach === null || shown === null) return;
    const games = [...new Set(shown.games)];
    const asked = games.map(async (game) => breaksOf(game, await client.cues(game, reach.oldest, reach.live + AHEAD_MS)));
    const answers = await Promise.allSettled(asked);
    // What cannot be read now is as it was.
    const before = (game: string) => breaks.filter((one) => one.game === game);
    const now = answers.flatMap((answer, at) => (answer.status === "fulfilled" ? answer.value : before(games[at] ?? "")));
    if (client === this.client() && this.state().reach !== null) this.set(now);
  }
}
