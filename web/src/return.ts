// The return of a viewer: what the page began with, taken up by the first key that is accepted.

import { Problem, type Client, type Session, type Tagged } from "./api";
import { reasonOf, wasWanted } from "./ending";
import { fit } from "./link";
import { audioFor, picksOf } from "./picks";
import { notOffered, type Explained } from "./problems";
import type { ViewerState } from "./state";
import { sameTerms, termsOf, type Terms } from "./terms";
import { NO_VISIT, type Visit, type Visits } from "./visit";

/** What a return needs of the viewer. */
export interface ReturnHost {
  state(): ViewerState;
  set(change: Partial<ViewerState>): void;
  /** Begins an attempt to play; what it answers says whether that is still the newest. */
  attempt(): () => boolean;
  play(tagged: Tagged): void;
  over(session: Session): void;
  watch(): Promise<void>;
  /** Wishes for the skin that is named of the session that is taken up. */
  wishForSkin(): void;
  explained(error: unknown): Explained;
  log(event: { kind: string; [detail: string]: unknown }): void;
}

export class Return {
  /** What is not taken up yet. */
  private begun: { visit: Visit; linked: boolean } | null;

  constructor(
    private readonly host: ReturnHost,
    private readonly visits: Visits,
  ) {
    this.begun = visits.begin();
  }

  /** Whether there is still something to be taken up. */
  get waits(): boolean {
    return this.begun !== null;
  }

  get terms(): Terms {
    return (this.begun?.visit ?? NO_VISIT).terms;
  }

  /** The viewer wants something else. */
  forget(): void {
    this.begun = null;
  }

  /** So that a reload finds it. `session`: the one that plays. */
  keep(session: string | null): void {
    const { picks, terms, audio, layouts } = this.host.state();
    if (!this.waits && layouts.length > 0) this.visits.keep({ picks, terms, audio, session });
  }

  /**
   * Brings back the picks of a link or of the last visit, and the session of before a reload. `others`: what of the link there is not,
   * beside games.
   */
  async takeUp(client: Client, others: readonly string[] = []): Promise<void> {
    const { host } = this;
    const { visit, linked } = this.begun ?? { visit: NO_VISIT, linked: false };
    this.begun = null;
    const { games, layouts } = host.state();
    const { picks, missing } = fit(visit.picks, games, layouts);
    const audio = audioFor(picks, visit.audio, visit.picks);
    host.set({ picks, audio, ...(missing.length + others.length > 0 && linked ? { problem: notOffered(missing, others) } : {}) });
    if (visit.session !== null) await this.resume(client, visit.session, linked && picks.games.length > 0);
    else this.keep(null);
  }

  /** Goes on with a session of before; begins another when it went by itself. `linked`: the picks of a link are wished of it. */
  private async resume(client: Client, id: string, linked: boolean): Promise<void> {
    const { host } = this;
    const isNewest = host.attempt();
    host.set({ phase: "starting", said: "Going on with your session" });
    try {
      const tagged = await client.get(id);
      if (!isNewest()) return;
      const { session } = tagged;
      if (session.state === "active") {
        if (await this.settle(client, session, linked)) {
          if (!isNewest()) return;
          host.log({ kind: "resumed_session", session: id });
          return host.play(tagged);
        }
      } else if (wasWanted(reasonOf(session.end_reason))) return host.over(session);
    } catch (error) {
      if (!isNewest()) return;
      const gone = error instanceof Problem && (error.status === 404 || error.status === 410);
      if (!gone) {
        const { picks, terms, audio } = host.state();
        // It may be there when the service answers again.
        this.begun = { visit: { picks, terms, audio, session: id }, linked };
        return host.set({ phase: "idle", problem: host.explained(error) });
      }
    }
    host.set({ phase: "idle" });
    await host.watch();
  }

  /** Settles what is wanted of a session that goes on: what it is, or what the link wants. Answers false where it can not go on for that. */
  private async settle(client: Client, session: Session, linked: boolean): Promise<boolean> {
    const { host } = this;
    const { terms, games, audio } = host.state();
    const its = termsOf(session, host.state());
    if (linked) {
      // A session stays in its market.
      if (its.market !== terms.market) await client.end(session.id);
      else if (its.skin !== terms.skin) host.wishForSkin();
      return its.market === terms.market;
    }
    // Its market's games may be others than those that were read.
    const offered = its.market === terms.market ? games : await client.games(its.market);
    host.set({ picks: picksOf(session), audio: session.audio ?? audio, games: offered, terms: sameTerms(its, terms) ? terms : its });
    return true;
  }
}
