// Naming a market and a skin: for the session to come, and as far as that can be for the one that plays.

import type { Client } from "./api";
import { fit } from "./link";
import { audioFor } from "./picks";
import type { Explained } from "./problems";
import type { ViewerState } from "./state";
import { skinOf } from "./terms";

/** What naming needs of the viewer. */
export interface NamingHost {
  client(): Client | null;
  state(): ViewerState;
  set(change: Partial<ViewerState>): void;
  /** Whether there is a session. */
  plays(): boolean;
  /** Changes the session until it is what is wanted. */
  bringAbout(): void;
  watch(): Promise<void>;
  leave(): Promise<void>;
  keepVisit(): void;
  explained(error: unknown): Explained;
}

export class Naming {
  /** The skin that is yet to be asked for; empty: none. */
  private wish: string | null = null;

  constructor(private readonly host: NamingHost) {}

  /** What of a change of the session is a matter of skins. */
  change(): { skin?: string } {
    return this.wish === null ? {} : { skin: this.wish };
  }

  /** `change` was asked for; what was chosen meanwhile is still to be. */
  asked(change: { skin?: string }): void {
    if (change.skin === this.wish) this.wish = null;
  }

  drop(): void {
    this.wish = null;
  }

  /** Wishes for the skin that is named of the session that plays. */
  wishForSkin(): void {
    const state = this.host.state();
    this.wish = skinOf(state.terms, state) ?? "";
  }

  /** Names another skin, also for the session that plays; null names none, so that the market's is shown, if it has one. */
  chooseSkin(skin: string | null): void {
    const { host } = this;
    const { terms } = host.state();
    if (skin === terms.skin) return;
    host.set({ terms: { ...terms, skin }, said: skin === null ? "No skin named" : `Skin: ${skin}` });
    host.keepVisit();
    if (!host.plays()) return;
    this.wishForSkin();
    host.bringAbout();
  }

  /** Names another market. A session stays in the one that it was made in: where one plays, another begins. */
  async chooseMarket(market: string | null): Promise<void> {
    const { host } = this;
    const client = host.client();
    const { terms, markets, layouts, phase } = host.state();
    if (client === null || market === terms.market) return;
    const title = markets.find(({ id }) => id === market)?.title ?? "none";
    host.set({ terms: { ...terms, market }, said: `Market: ${title}` });
    const isLate = () => client !== host.client() || host.state().terms.market !== market;
    try {
      const games = await client.games(market);
      if (isLate()) return;
      const plays = phase === "watching" || phase === "starting";
      if (plays) await host.leave();
      const { picks, audio } = host.state();
      const fitted = fit(picks, games, layouts).picks;
      host.set({ games, picks: fitted, audio: audioFor(fitted, audio, picks) });
      host.keepVisit();
      if (plays) await host.watch();
    } catch (error) {
      if (!isLate()) host.set({ terms, problem: host.explained(error) });
    }
  }
}
