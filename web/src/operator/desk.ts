// What the operators' page knows, and how it learns it. Knows nothing of the page's elements.

import type { Game, Layout, Problem } from "../api";
import type { Asset, FillReport, Format, Key, Market, OperatedSession, OperatorClient, RegisteredGame, SessionPage, Skin, UsageReport, Webhook } from "./api";
import { fileName, monthOf, todayByHour, wholeMonth } from "./figures";
import { Poll, type SetTimer } from "./poll";
import { asProblem, refusal, refusesKey, refusesOperator, trouble, type Trouble } from "./problems";
import { goOn, search, type Found, type Question } from "./search";

export const SESSIONS_A_PAGE = 20;
const SESSIONS_EVERY_MS = 3_000;
const GAMES_EVERY_MS = 5_000;
const TODAY_EVERY_MS = 20_000;
const MONTH_EVERY_MS = 60_000;
const ACCESS_EVERY_MS = 5_000;
const WEBHOOKS_EVERY_MS = 5_000;
// What people change, seldom.
const STOCK_EVERY_MS = 15_000;

export type Access = "no_key" | "checking" | "open" | "refused" | "unreachable";

/** Something read again and again: its last answer stays while a newer one fails. */
export interface Part<T> {
  readonly value: T | null;
  /** When `value` came, milliseconds of Unix time. */
  readonly atMs: number | null;
  readonly trouble: Trouble | null;
  /** What was asked for is on its way, and `value` is not it. */
  readonly waits: boolean;
}

/** A registered game, with what devices are offered of it. */
export interface DeskGame extends RegisteredGame {
  thumbnail_url: string | null;
  /** Its sounds and texts; null while devices are not offered it. */
  offered: Game | null;
}

/** Of the page's views one is open. */
export const VIEWS = ["overview", "art", "markets", "keys", "webhooks", "audit"] as const;
export type View = (typeof VIEWS)[number];

export interface MonthChoice {
  /** `2026-11`. */
  readonly month: string;
  /** `session`, `day`, `game`, `layout`, `tier` or `label:NAME`. */
  readonly groupBy: string;
}

export interface DeskState {
  readonly access: Access;
  readonly accessTrouble: Trouble | null;
  readonly paused: boolean;
  readonly sessions: Part<SessionPage>;
  /** From 0. */
  readonly sessionsPage: number;
  readonly games: Part<readonly DeskGame[]>;
  readonly today: Part<UsageReport>;
  readonly month: Part<UsageReport>;
  readonly assets: Part<readonly Asset[]>;
  readonly skins: Part<readonly Skin[]>;
  readonly layouts: Part<readonly Layout[]>;
  readonly markets: Part<readonly Market[]>;
  readonly keys: Part<readonly Key[]>;
  readonly webhooks: Part<readonly Webhook[]>;
  readonly fill: Part<FillReport>;
  readonly view: View;
  /** What was looked for among the sessions; null while those that are live are listed. */
  readonly found: Part<Found> | null;
  readonly choice: MonthChoice;
  readonly downloading: Format | null;
  readonly downloadTrouble: Trouble | null;
  /** For a screen reader: what just happened. */
  readonly said: string;
}

export type PartName = "sessions" | "games" | "today" | "month" | "assets" | "skins" | "layouts" | "markets" | "keys" | "webhooks" | "fill";

/** What is read again and again while a view is open. */
const PARTS_OF: Record<View, readonly PartName[]> = {
  overview: ["sessions", "games", "today", "month"],
  art: ["assets", "skins", "layouts"],
  markets: ["markets", "skins", "games", "layouts", "fill"],
  keys: ["keys", "markets"],
  webhooks: ["webhooks"],
  audit: ["keys"],
};

const NOTHING = { value: null, atMs: null, trouble: null, waits: true } as const;

/** Nothing is read yet. */
const NO_PARTS = {
  sessions: NOTHING,
  sessionsPage: 0,
  games: NOTHING,
  today: NOTHING,
  month: NOTHING,
  assets: NOTHING,
  skins: NOTHING,
  layouts: NOTHING,
  markets: NOTHING,
  keys: NOTHING,
  webhooks: NOTHING,
  fill: NOTHING,
  found: null,
} as const;

export interface DeskParts {
  makeClient: (key: string) => OperatorClient;
  nowMs: () => number;
  /** Hands a file to the person. */
  save: (name: string, content: Blob) => void;
  setTimer?: SetTimer;
}

export class Desk {
  state: DeskState;
  private client: OperatorClient | null = null;
  private readonly listeners: ((state: DeskState) => void)[] = [];
  private scheduled = false;
  private hidden = false;
  /** The cursors of the pages before this one, this one's last. */
  private cursors: (string | null)[] = [null];
  private readonly questions: Record<PartName, number> = { sessions: 0, games: 0, today: 0, month: 0, assets: 0, skins: 0, layouts: 0, markets: 0, keys: 0, webhooks: 0, fill: 0 };
  private searches = 0;
  private readonly polls: Record<PartName, Poll>;
  private readonly accessPoll: Poll;
  private key = "";

  constructor(private readonly parts: DeskParts) {
    const { setTimer } = parts;
    const poll = (ask: () => Promise<number | null>, everyMs: number) =>
      setTimer === undefined ? new Poll(ask, everyMs) : new Poll(ask, everyMs, setTimer);
    this.polls = {
      sessions: poll(() => this.readSessions(), SESSIONS_EVERY_MS),
      games: poll(() => this.readGames(), GAMES_EVERY_MS),
      today: poll(() => this.readToday(), TODAY_EVERY_MS),
      month: poll(() => this.readMonth(), MONTH_EVERY_MS),
      assets: poll(() => this.readPart("assets", (client) => client.assets()), STOCK_EVERY_MS),
      skins: poll(() => this.readPart("skins", (client) => client.skins()), STOCK_EVERY_MS),
      layouts: poll(() => this.readPart("layouts", (client) => client.layouts()), STOCK_EVERY_MS),
      markets: poll(() => this.readPart("markets", (client) => client.markets()), STOCK_EVERY_MS),
      keys: poll(() => this.readPart("keys", (client) => client.keys()), STOCK_EVERY_MS),
      webhooks: poll(() => this.readPart("webhooks", (client) => client.webhooks()), WEBHOOKS_EVERY_MS),
      fill: poll(() => this.readPart("fill", (client) => client.fill()), STOCK_EVERY_MS),
    };
    this.accessPoll = poll(() => this.readAccess(), ACCESS_EVERY_MS);
    this.state = {
      access: "no_key",
      accessTrouble: null,
      paused: false,
      ...NO_PARTS,
      view: "overview",
      choice: { month: monthOf(parts.nowMs()), groupBy: "day" },
      downloading: null,
      downloadTrouble: null,
      said: "",
    };
  }

  onChange(listener: (state: DeskState) => void): void {
    this.listeners.push(listener);
    listener(this.state);
  }

  // ---- the key -------------------------------------------------------------------------------------------------

  /** Works with another key from now on; an empty one closes the page. */
  useKey(key: string): void {
    this.close();
    this.key = key;
    if (key === "") return this.set({ access: "no_key", accessTrouble: null });
    this.client = this.parts.makeClient(key);
    this.set({ access: "checking", accessTrouble: null });
    this.accessPoll.start();
  }

  /** The key that was accepted, for the browser to keep. */
  acceptedKey(): string | null {
    return this.state.access === "open" ? this.key : null;
  }

  private close(): void {
    this.client = null;
    this.accessPoll.stop();
    for (const poll of Object.values(this.polls)) poll.stop();
    for (const name of Object.keys(this.questions) as PartName[]) this.questions[name] += 1;
    this.cursors = [null];
    this.searches += 1;
    this.set({ ...NO_PARTS, downloading: null, downloadTrouble: null, said: "" });
  }

  private async readAccess(): Promise<number | null> {
    const { client } = this;
    if (client === null) return null;
    try {
      const page = await client.sessions(null, SESSIONS_A_PAGE);
      if (client !== this.client) return null;
      return this.open(this.read(page));
    } catch (error) {
      if (client !== this.client) return null;
      const problem = asProblem(error);
      if (refusesOperator(problem)) return this.refuse(problem);
      // An operator's key that may not see sessions may see other things.
      if (problem.status === 403) return this.open({ ...NOTHING, trouble: trouble(problem), waits: false });
      this.set({ access: "unreachable", accessTrouble: trouble(problem) });
      return trouble(problem).retryAfterMs;
    }
  }

  private open(sessions: Part<SessionPage>): null {
    this.accessPoll.stop();
    this.set({ access: "open", accessTrouble: null, said: "The key is accepted", sessions });
    this.wake();
    return null;
  }

  private refuse(problem: Problem): null {
    this.close();
    this.set({ access: "refused", accessTrouble: refusal(problem) });
    return null;
  }

  // ---- when to read --------------------------------------------------------------------------------------------

  setPaused(paused: boolean): void {
    this.set({ paused, said: paused ? "Updates are paused" : "Updates go on" });
    this.wake();
  }

  /** A page that nobody sees asks nothing. */
  setHidden(hidden: boolean): void {
    if (hidden === this.hidden) return;
    this.hidden = hidden;
    this.wake();
  }

  private wake(): void {
    const runs = this.state.access === "open" && !this.state.paused && !this.hidden;
    const wanted = PARTS_OF[this.state.view];
    for (const [name, poll] of Object.entries(this.polls) as [PartName, Poll][]) {
      const seen = wanted.includes(name);
      if (runs && seen) poll.start();
      else poll.stop();
      // What was never read is read even so: a pause stops what changes, not what is asked for.
      if (!runs && seen && this.state.access === "open" && this.state[name].value === null) poll.now();
    }
  }

  /** Opens a view: what it shows is read, and what others show is not. */
  setView(view: View): void {
    if (view === this.state.view) return;
    this.set({ view });
    this.wake();
  }

  /** Reads a part at once, as a person asked. */
  refresh(name: PartName): void {
    if (this.client !== null) this.polls[name].now();
  }

  private read<T>(value: T): Part<T> {
    return { value, atMs: this.parts.nowMs(), trouble: null, waits: false };
  }

  /** Reads one part. The answer to a question that was asked anew in between is dropped. */
  private async readPart<N extends PartName>(
    name: N,
    ask: (client: OperatorClient) => Promise<NonNullable<DeskState[N]["value"]>>,
    accept: (value: NonNullable<DeskState[N]["value"]>) => Partial<DeskState> = () => ({}),
  ): Promise<number | null> {
    const { client } = this;
    if (client === null) return null;
    const question = ++this.questions[name];
    try {
      const value = await ask(client);
      if (question !== this.questions[name]) return null;
      this.set({ [name]: this.read(value), ...accept(value) });
      return null;
    } catch (error) {
      if (question !== this.questions[name]) return null;
      const problem = asProblem(error);
      if (refusesKey(problem)) return this.refuse(problem);
      const told = trouble(problem);
      this.set({ [name]: { ...this.state[name], trouble: told, waits: false } });
      return told.retryAfterMs;
    }
  }

  /** Tells a screen reader. */
  say(said: string): void {
    this.set({ said });
  }

  // ---- changes -------------------------------------------------------------------------------------------------

  /** Asks for a change; answers what stood in the way, or null. `said`: what to tell then; `renews`: the parts that it changes. */
  async change(ask: (client: OperatorClient) => Promise<unknown>, said: string, ...renews: PartName[]): Promise<Trouble | null> {
    const { client } = this;
    if (client === null) return null;
    try {
      await ask(client);
    } catch (error) {
      if (client !== this.client) return null;
      const problem = asProblem(error);
      return refusesKey(problem) ? this.refuse(problem) : trouble(problem);
    }
    if (client !== this.client) return null;
    this.set({ said });
    for (const name of renews) {
      // An answer on its way is of before.
      this.questions[name] += 1;
      this.polls[name].now();
    }
    return null;
  }

  /** Asks for something that is not kept here. Rejects as a client does; without a key it answers null. */
  async ask<T>(question: (client: OperatorClient) => Promise<T>): Promise<T | null> {
    const { client } = this;
    if (client === null) return null;
    try {
      const answer = await question(client);
      return client === this.client ? answer : null;
    } catch (error) {
      const problem = asProblem(error);
      if (client === this.client && refusesKey(problem)) this.refuse(problem);
      throw problem;
    }
  }

  // ---- sessions ------------------------------------------------------------------------------------------------

  private async readSessions(): Promise<number | null> {
    const cursor = this.cursors.at(-1) ?? null;
    return this.readPart("sessions", (client) => client.sessions(cursor, SESSIONS_A_PAGE));
  }

  /** Goes to the older (1) or the newer (-1) page. */
  turnPage(step: 1 | -1): void {
    const { value, waits } = this.state.sessions;
    if (waits) return;
    if (step === 1) {
      if (!value?.next_cursor) return;
      this.cursors.push(value.next_cursor);
    } else {
      if (this.cursors.length === 1) return;
      this.cursors.pop();
    }
    const sessionsPage = this.cursors.length - 1;
    this.questions.sessions += 1;
    this.set({ sessionsPage, sessions: { ...this.state.sessions, waits: true }, said: `Page ${sessionsPage + 1} of the sessions` });
    this.polls.sessions.now();
  }

  /** Ends a session; answers what stood in the way, or null. */
  async endSession(session: OperatedSession): Promise<Trouble | null> {
    const end = async (client: OperatorClient) => {
      await client.end(session.id).catch((error: unknown) => {
        // One that is gone needs no ending.
        if (asProblem(error).status !== 404) throw error;
      });
    };
    const stood = await this.change(end, `The session of ${session.device_id ?? session.id} has ended`, "sessions", "games");
    const { sessions, found } = this.state;
    if (stood !== null || this.client === null) return stood;
    const others = (list: readonly OperatedSession[]) => list.filter(({ id }) => id !== session.id);
    if (sessions.value !== null) this.set({ sessions: { ...sessions, value: { ...sessions.value, sessions: others(sessions.value.sessions) } } });
    if (found !== null && found.value !== null) this.set({ found: { ...found, value: { ...found.value, sessions: others(found.value.sessions) } } });
    return null;
  }

  /** Looks for sessions; what is found stands in place of those that are live until `endSearch`. */
  async search(question: Question): Promise<void> {
    await this.find((client, isNewest) => search(client, question, isNewest), null);
  }

  /** Looks further back than the search came. */
  async searchOn(): Promise<void> {
    const found = this.state.found?.value ?? null;
    if (found !== null && found.next !== null) await this.find((client, isNewest) => goOn(client, found, isNewest), found);
  }

  private async find(ask: (client: OperatorClient, isNewest: () => boolean) => Promise<Found>, before: Found | null): Promise<void> {
    const { client } = this;
    if (client === null) return;
    const own = ++this.searches;
    const isNewest = () => own === this.searches;
    this.set({ found: { ...(this.state.found ?? NOTHING), trouble: null, waits: true }, said: "Looking through the sessions" });
    try {
      const found = await ask(client, isNewest);
      if (!isNewest()) return;
      this.set({ found: this.read(found), said: found.sessions.length === 1 ? "1 session found" : `${found.sessions.length} sessions found` });
    } catch (error) {
      if (!isNewest()) return;
      const problem = asProblem(error);
      if (refusesKey(problem)) this.refuse(problem);
      else this.set({ found: { value: before, atMs: before === null ? null : this.parts.nowMs(), trouble: trouble(problem), waits: false } });
    }
  }

  endSearch(): void {
    this.searches += 1;
    this.set({ found: null, said: "Live sessions" });
  }

  // ---- games ---------------------------------------------------------------------------------------------------

  private async readGames(): Promise<number | null> {
    const ask = async (client: OperatorClient): Promise<DeskGame[]> => {
      const [registered, offered] = await Promise.all([client.registered(), client.offered()]);
      const devices = new Map(offered.map((game) => [game.id, game]));
      return registered.map((game) => ({ ...game, offered: devices.get(game.id) ?? null, thumbnail_url: game.thumbnail_url ?? devices.get(game.id)?.thumbnail_url ?? null }));
    };
    const before = new Map((this.state.games.value ?? []).map((game) => [game.id, game.status]));
    return this.readPart("games", ask, (games) => {
      const turned = games.filter((game) => before.has(game.id) && before.get(game.id) !== game.status);
      return turned.length === 0 ? {} : { said: turned.map((game) => `${game.title}: ${game.status}`).join(". ") };
    });
  }

  game(id: string): DeskGame | null {
    return this.state.games.value?.find((one) => one.id === id) ?? null;
  }

  title(game: string): string {
    return this.state.games.value?.find((one) => one.id === game)?.title ?? game;
  }

  // ---- usage ---------------------------------------------------------------------------------------------------

  private async readToday(): Promise<number | null> {
    return this.readPart("today", (client) => client.usage(todayByHour(this.parts.nowMs())));
  }

  private async readMonth(): Promise<number | null> {
    const { choice, month } = this.state;
    // What is final does not change, and a month's sessions are too much to read every minute.
    const kept = month.value !== null && !month.waits && (month.value.state === "final" || choice.groupBy === "session");
    if (kept && month.trouble === null && !this.monthAsked) return null;
    this.monthAsked = false;
    return this.readPart("month", (client) => client.usage(wholeMonth(choice.month, choice.groupBy)));
  }

  /** A person asked for the month anew. */
  private monthAsked = false;

  refreshMonth(): void {
    this.monthAsked = true;
    this.set({ said: "Reading the month again" });
    this.refresh("month");
  }

  chooseMonth(choice: MonthChoice): void {
    const { choice: before } = this.state;
    if (choice.month === before.month && choice.groupBy === before.groupBy) return;
    this.questions.month += 1;
    this.set({ choice, month: NOTHING, downloadTrouble: null });
    this.refresh("month");
  }

  async download(format: Format): Promise<void> {
    const { client } = this;
    const { month, groupBy } = this.state.choice;
    if (client === null || this.state.downloading !== null) return;
    this.set({ downloading: format, downloadTrouble: null, said: "The file is on its way" });
    try {
      const content = await client.download(wholeMonth(month, groupBy), format);
      if (client !== this.client) return;
      const name = fileName(month, groupBy, format);
      this.parts.save(name, content);
      this.set({ downloading: null, said: `${name} is saved` });
    } catch (error) {
      if (client !== this.client) return;
      const problem = asProblem(error);
      if (refusesKey(problem)) this.refuse(problem);
      else this.set({ downloading: null, downloadTrouble: trouble(problem), said: "" });
    }
  }

  private set(change: Partial<DeskState>): void {
    this.state = { ...this.state, ...change };
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener(this.state);
    });
  }
}
