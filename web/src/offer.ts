// The offer: what the service has for a key, read when the page opens and again and again after that.

import { Problem, type Client, type Game, type Layout } from "./api";
import type { ViewerState } from "./state";
import { fitTerms, type Choices, type Terms } from "./terms";

/** What there is to choose from. */
export interface Offered extends Choices {
  readonly layouts: readonly Layout[];
  /** Those of the market that is named. */
  readonly games: readonly Game[];
}

/** What the offer needs of the viewer. */
export interface OfferHost {
  client(): Client | null;
  state(): ViewerState;
  set(change: Partial<ViewerState>): void;
  /** It could not be read. */
  failed(error: unknown): void;
}

const POLL_MS = 5_000;
// Markets and skins come and go more seldom than games.
const CHOICES_EVERY = 6;

/** Reads all of it. `terms`: what was wished for before it was known what there is; `missing` is what of that is not. */
export async function offeredBy(client: Client, wished: Terms): Promise<{ offered: Offered; terms: Terms; missing: string[] }> {
  const [layouts, markets, skins] = await Promise.all([client.layouts(), client.markets(), client.skins()]);
  const { terms, missing } = fitTerms(wished, { markets, skins });
  return { offered: { layouts, markets, skins, games: await client.games(terms.market) }, terms, missing };
}

/** Keeps the offer as it is now. */
export class Offer {
  private round = 0;

  constructor(private readonly host: OfferHost) {}

  run(): void {
    window.setInterval(() => {
      if (!document.hidden) void this.refresh();
    }, POLL_MS);
  }

  async refresh(): Promise<void> {
    const { host } = this;
    const client = host.client();
    const { connection, terms, layouts } = host.state();
    if (client === null || connection === "refused") return;
    this.round += 1;
    const all = layouts.length === 0 || this.round % CHOICES_EVERY === 0;
    try {
      const news = all ? await this.everything(client, terms) : { games: await client.games(terms.market) };
      // Another key or another market was chosen meanwhile.
      if (client !== host.client() || terms !== host.state().terms) return;
      const back = host.state().connection !== "ready";
      host.set({ ...news, connection: "ready", ...(back ? { problem: null } : {}) });
    } catch (error) {
      if (client !== host.client() || terms !== host.state().terms) return;
      // The market is gone: what else there is shows with the next look.
      if (error instanceof Problem && error.code === "market_unknown" && terms.market !== null) host.set({ terms: { ...terms, market: null } });
      else host.failed(error);
    }
  }

  private async everything(client: Client, wished: Terms): Promise<Partial<ViewerState>> {
    const { offered, terms, missing } = await offeredBy(client, wished);
    return missing.length === 0 ? offered : { ...offered, terms };
  }
}
