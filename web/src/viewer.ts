// One viewer at this page: what is picked, the session that shows it, and everything that keeps the two together.

import { Client, Problem, type Game, type Layout, type Session, type Tagged } from "./api";
import { addGame, audioFor, chooseLayout, difference, exchange, NO_PICKS, placeGame, removeSlot, samePicks, type Picks } from "./picks";
import type { Player, PlayerEvent, Rendition, Sample } from "./player";
import { explain, type Explained } from "./problems";
import { ScreenTimeline, type Splice } from "./timeline";

export type Phase = "idle" | "starting" | "watching" | "ended";
export type Connection = "no_key" | "connecting" | "ready" | "refused" | "unreachable";

export interface ViewerState {
  readonly connection: Connection;
  readonly phase: Phase;
  readonly games: readonly Game[];
  readonly layouts: readonly Layout[];
  /** What is wanted. */
  readonly picks: Picks;
  /** What is on the screen; null while nothing plays. */
  readonly shown: Picks | null;
  readonly pending: Splice | null;
  readonly audio: string | null;
  readonly selectedSlot: number | null;
  /** A game chosen first, waiting for a slot. */
  readonly heldGame: string | null;
  readonly session: Session | null;
  /** From which segment the last change shows; null when nothing was changed yet. */
  readonly lastSwapSegment: number | null;
  readonly problem: Explained | null;
  readonly renditions: readonly Rendition[];
  readonly rendition: number;
  readonly sample: Sample | null;
  /** The last thing that happened, for a screen reader. */
  readonly said: string;
}

export interface Logged {
  readonly at_ms: number;
  readonly kind: string;
  readonly [detail: string]: unknown;
}

const EVENTS_MAX = 500;
const SESSION_POLL_MS = 3_000;
const GAMES_POLL_MS = 5_000;
const SAMPLE_MS = 500;
const CONFLICTS_MAX = 3;

const INITIAL: ViewerState = {
  connection: "no_key",
  phase: "idle",
  games: [],
  layouts: [],
  picks: NO_PICKS,
  shown: null,
  pending: null,
  audio: null,
  selectedSlot: null,
  heldGame: null,
  session: null,
  lastSwapSegment: null,
  problem: null,
  renditions: [],
  rendition: -1,
  sample: null,
  said: "",
};

/** 128 random bits as hex. `crypto.randomUUID` is not there on plain HTTP to another host. */
export function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Viewer {
  state: ViewerState = INITIAL;
  readonly events: Logged[] = [];
  private client: Client | null = null;
  private player: Player | null = null;
  private tagged: Tagged | null = null;
  private timeline = new ScreenTimeline();
  private changing = false;
  private watchAttempt = 0;
  /** What a change that was refused wished for. */
  private refusedPicks: Picks | null = null;
  private listeners: ((state: ViewerState) => void)[] = [];
  private scheduled = false;

  constructor(
    private readonly deviceId: string,
    /** Makes the client of a key. */
    private readonly connectWith: (key: string) => Client,
  ) {}

  usePlayer(player: Player): void {
    this.player = player;
  }

  onChange(listener: (state: ViewerState) => void): void {
    this.listeners.push(listener);
    listener(this.state);
  }

  /** Runs the page's clocks. */
  run(): void {
    window.setInterval(() => this.takeSample(), SAMPLE_MS);
    window.setInterval(() => void this.pollSession(), SESSION_POLL_MS);
    window.setInterval(() => {
      if (!document.hidden) void this.refreshGames();
    }, GAMES_POLL_MS);
  }

  /** Takes a device key and reads what its tenant may show. Answers whether the key was accepted. */
  async connect(key: string): Promise<boolean> {
    if (this.state.phase !== "idle") await this.leave();
    this.client = key === "" ? null : this.connectWith(key);
    this.set({ ...INITIAL, connection: key === "" ? "no_key" : "connecting" });
    const client = this.client;
    if (client === null) return false;
    try {
      const [layouts, games] = await Promise.all([client.layouts(), client.games()]);
      if (client !== this.client) return false;
      this.set({ connection: "ready", layouts, games, said: `${games.length} games to pick from` });
      return true;
    } catch (error) {
      if (client === this.client) this.unconnected(error);
      return false;
    }
  }

  // ---- picking -------------------------------------------------------------------------------------------------

  /** A game was chosen in the list: into the selected slot, else into a new one; held when all slots are taken. */
  chooseGame(game: string): void {
    const { picks, selectedSlot, heldGame, layouts, phase } = this.state;
    if (selectedSlot !== null) return this.put(game, selectedSlot);
    const slot = picks.games.indexOf(game);
    if (slot >= 0) {
      if (phase === "idle" || phase === "ended") this.want(removeSlot(picks, slot, layouts));
      else this.selectSlot(slot);
      return;
    }
    const grown = addGame(picks, game, layouts);
    if (grown !== null) this.want(grown);
    else if (heldGame === game) this.set({ heldGame: null, said: "" });
    else this.set({ heldGame: game, said: `Now choose the slot for ${this.title(game)}` });
  }

  /** A slot was chosen on the picture: takes the held game, else becomes the one the next game goes into. */
  selectSlot(slot: number): void {
    const { heldGame, selectedSlot, picks } = this.state;
    if (heldGame !== null) return this.put(heldGame, slot);
    if (selectedSlot === slot) return this.set({ selectedSlot: null, said: "" });
    const game = picks.games[slot];
    if (game !== undefined) this.set({ selectedSlot: slot, said: `Slot ${slot + 1}, ${this.title(game)}: choose a game to put here` });
  }

  clearSelection(): void {
    if (this.state.selectedSlot !== null || this.state.heldGame !== null) this.set({ selectedSlot: null, heldGame: null, said: "" });
  }

  put(game: string, slot: number): void {
    const wasOneOf = this.state.picks.games.length;
    this.set({ selectedSlot: null, heldGame: null });
    if (slot < wasOneOf) this.want(placeGame(this.state.picks, slot, game));
    else this.chooseGame(game);
  }

  exchangeSlots(a: number, b: number): void {
    this.set({ selectedSlot: null, heldGame: null });
    this.want(exchange(this.state.picks, a, b));
  }

  remove(slot: number): void {
    const { picks, phase, layouts } = this.state;
    if (picks.games.length === 1 && phase !== "idle" && phase !== "ended") return;
    this.set({ selectedSlot: null, heldGame: null });
    this.want(removeSlot(picks, slot, layouts));
  }

  takeLayout(id: string): void {
    const layout = this.state.layouts.find((one) => one.id === id);
    if (layout !== undefined) this.want(chooseLayout(this.state.picks, layout, this.state.games));
  }

  listen(game: string): void {
    if (!this.state.picks.games.includes(game)) return;
    this.set({ audio: game, said: `Sound: ${this.title(game)}` });
    this.player?.listen({ id: game, title: this.title(game) });
    void this.bringAbout();
  }

  chooseRendition(index: number): void {
    this.player?.chooseRendition(index);
    this.set({ rendition: index });
  }

  goLive(): void {
    this.player?.goLive();
  }

  dismissProblem(): void {
    this.set({ problem: null });
  }

  /** Asks again for what was refused: the change of a session that plays, else the session itself. */
  retry(): void {
    this.set({ problem: null });
    if (this.tagged === null) void this.watch();
    else if (this.refusedPicks !== null) this.want(this.refusedPicks);
  }

  private want(picks: Picks): void {
    const audio = audioFor(picks, this.state.audio, this.state.picks);
    this.set({ picks, audio });
    void this.bringAbout();
  }

  // ---- the session ---------------------------------------------------------------------------------------------

  async watch(): Promise<void> {
    const { picks, audio, phase } = this.state;
    const { client, player } = this;
    if (client === null || player === null || picks.games.length === 0 || phase === "starting" || phase === "watching") return;
    const attempt = ++this.watchAttempt;
    this.set({ phase: "starting", problem: null, said: "Starting", lastSwapSegment: null });
    try {
      const tagged = await client.create(
        {
          games: [...picks.games],
          layout: picks.layout,
          ...(audio === null ? {} : { audio }),
          device_id: this.deviceId,
          labels: { client: "web" },
        },
        randomId(),
      );
      if (attempt !== this.watchAttempt) {
        // Left while the answer was on its way: nobody would watch this session.
        await client.end(tagged.session.id).catch(() => undefined);
        return;
      }
      this.timeline = new ScreenTimeline();
      this.accept(tagged);
      this.log({ kind: "session", session: tagged.session.id, effective_segment: tagged.session.effective_segment });
      const sound = tagged.session.audio ?? audio;
      player.load(new URL(tagged.session.playback_url, location.href).href, sound === null ? null : { id: sound, title: this.title(sound) });
      void this.bringAbout();
    } catch (error) {
      if (attempt === this.watchAttempt) this.set({ phase: "idle", problem: this.explained(error) });
    }
  }

  async leave(): Promise<void> {
    this.watchAttempt += 1;
    const session = this.tagged?.session ?? null;
    const client = this.client;
    this.tagged = null;
    this.player?.stop();
    this.set({ phase: "idle", shown: null, pending: null, selectedSlot: null, heldGame: null, renditions: [], rendition: -1, sample: null });
    if (session === null || client === null || session.state === "ended") return;
    try {
      await client.end(session.id);
      this.log({ kind: "left", session: session.id });
      const { session: last } = await client.get(session.id);
      if (this.tagged === null) this.set({ session: last, said: "Session ended" });
    } catch (error) {
      // A session that is gone already needs no ending.
      if (error instanceof Problem && (error.status === 404 || error.status === 410)) return;
      this.set({ problem: this.explained(error) });
    }
  }

  /** The page goes away: the request to end the session outlives it. */
  abandon(): void {
    const session = this.tagged?.session;
    if (session === undefined || session.state === "ended") return;
    void this.client?.end(session.id, true).catch(() => undefined);
    this.watchAttempt += 1;
    this.tagged = null;
    this.player?.stop();
    this.set({ phase: "ended", shown: null, pending: null });
  }

  /** Changes the session until it is what is wanted; one request at a time, the latest wish wins. */
  private async bringAbout(): Promise<void> {
    if (this.changing) return;
    this.changing = true;
    let conflicts = 0;
    try {
      for (;;) {
        const { client, tagged } = this;
        if (client === null || tagged === null) return;
        const change = difference(tagged.session, this.state.picks, this.state.audio);
        if (change === null) return;
        try {
          const answer = await client.change(tagged.session.id, change, tagged.etag);
          if (this.tagged?.session.id !== tagged.session.id) return;
          this.log({ kind: "changed", ...change, effective_segment: answer.session.effective_segment });
          this.accept(answer, change.games !== undefined);
        } catch (error) {
          if (this.tagged?.session.id !== tagged.session.id) return;
          const stale = error instanceof Problem && error.status === 412;
          if (!stale || ++conflicts > CONFLICTS_MAX) return this.refused(tagged, error);
          // Somebody else changed the session in between: read what it is now, and ask for the same wish again.
          this.tagged = await client.get(tagged.session.id);
        }
      }
    } catch (error) {
      if (this.tagged !== null) this.refused(this.tagged, error);
    } finally {
      this.changing = false;
    }
  }

  /** Takes over what the service says the session is now. */
  private accept(tagged: Tagged, swapped = false): void {
    this.tagged = tagged;
    const { session } = tagged;
    const picks: Picks = { layout: session.layout, games: session.games };
    if (swapped || this.timeline.shown() === null) this.timeline.push(session.effective_segment ?? 0, picks);
    this.set({
      session,
      shown: this.timeline.shown(),
      pending: this.timeline.pending(),
      ...(swapped ? { lastSwapSegment: session.effective_segment, said: this.swapWords(picks), problem: null } : {}),
    });
    this.followSound();
  }

  /** Sound goes over to another game when its picture is there, not when it was asked for. */
  private followSound(): void {
    const { audio, shown } = this.state;
    if (audio !== null && shown?.games.includes(audio)) this.player?.listen({ id: audio, title: this.title(audio) });
  }

  /** A change was refused: the session is what it was, so the wish becomes that again. */
  private refused(tagged: Tagged, error: unknown): void {
    const { session } = tagged;
    this.refusedPicks = this.state.picks;
    this.set({
      picks: { layout: session.layout, games: session.games },
      audio: session.audio ?? this.state.audio,
      problem: this.explained(error),
    });
    this.log({ kind: "refused", code: this.state.problem?.code });
  }

  private async pollSession(): Promise<void> {
    const { client, tagged } = this;
    if (client === null || tagged === null || this.changing) return;
    try {
      const answer = await client.get(tagged.session.id);
      if (this.changing || this.tagged?.session.id !== tagged.session.id) return;
      const before = this.tagged.session;
      this.tagged = answer;
      this.set({ session: answer.session });
      if (answer.session.state === "ended") this.over();
      else if (answer.session.revision !== before.revision) this.changedElsewhere(answer, before);
    } catch (error) {
      if (error instanceof Problem && error.status === 404 && this.tagged?.session.id === tagged.session.id) this.over();
      // Otherwise the player's own errors tell whether this matters.
    }
  }

  /** An operator or another page changed this session: that is the wish now. */
  private changedElsewhere(answer: Tagged, before: Session): void {
    const { session } = answer;
    const picks: Picks = { layout: session.layout, games: session.games };
    const swapped = !samePicks(picks, { layout: before.layout, games: before.games });
    this.set({ picks, audio: session.audio ?? this.state.audio });
    this.accept(answer, swapped);
  }

  private over(): void {
    this.tagged = null;
    this.player?.stop();
    this.log({ kind: "over" });
    this.set({ phase: "ended", shown: null, pending: null, selectedSlot: null, heldGame: null, said: "The session has ended" });
  }

  // ---- what the player says ------------------------------------------------------------------------------------

  hear(event: PlayerEvent): void {
    this.log({ ...event });
    switch (event.kind) {
      case "playing":
      case "resumed":
        if (this.state.phase === "starting") this.set({ phase: "watching", said: "Playing" });
        this.set({ renditions: this.player?.renditions() ?? [] });
        break;
      case "segment":
        if (this.timeline.show(event.segment)) this.set({ said: "The change is on the screen" });
        this.set({ shown: this.timeline.shown(), pending: this.timeline.pending() });
        this.followSound();
        break;
      case "ended":
        this.over();
        break;
      case "lost":
        if (event.gone) this.over();
        else void this.lost(event.details);
        break;
      case "sound":
      case "stall":
      case "muted":
      case "error":
        break;
    }
  }

  private async lost(details: string): Promise<void> {
    await this.leave();
    this.set({
      problem: {
        title: "Playback stopped",
        detail: `The player gave up (${details}).`,
        advice: "Press Watch to start again.",
        code: "player",
        canRetry: true,
      },
    });
  }

  // ---- odds and ends -------------------------------------------------------------------------------------------

  title(game: string): string {
    return this.state.games.find((one) => one.id === game)?.title ?? game;
  }

  private swapWords(picks: Picks): string {
    const shown = this.timeline.shown();
    if (shown === null || shown.layout !== picks.layout) return "The new layout comes with the next segments";
    const slot = picks.games.findIndex((game, at) => game !== shown.games[at]);
    const game = picks.games[slot];
    return game === undefined ? "" : `${this.title(game)} comes into slot ${slot + 1} with the next segments`;
  }

  private async refreshGames(): Promise<void> {
    const { client } = this;
    if (client === null || this.state.connection === "refused") return;
    try {
      const games = await client.games();
      const layouts = this.state.layouts.length > 0 ? this.state.layouts : await client.layouts();
      if (client !== this.client) return;
      const back = this.state.connection !== "ready";
      this.set({ games, layouts, connection: "ready", ...(back ? { problem: null } : {}) });
    } catch (error) {
      if (client === this.client) this.unconnected(error);
    }
  }

  private unconnected(error: unknown): void {
    const refused = error instanceof Problem && (error.status === 401 || error.status === 403);
    const connection = refused ? "refused" : "unreachable";
    // Said once: the list is read again and again, and a notice that was dismissed stays away.
    if (this.state.connection !== connection) this.set({ connection, problem: this.explained(error) });
  }

  private explained(error: unknown): Explained {
    const problem = error instanceof Problem ? error : new Problem(0, "page", "The page failed", String(error));
    this.log({ kind: "problem", code: problem.code, status: problem.status, detail: problem.detail });
    return explain(problem);
  }

  private takeSample(): void {
    if (this.player === null || this.tagged === null) return;
    this.set({ sample: this.player.sample(performance.now(), Date.now()) });
  }

  private log(event: { kind: string; [detail: string]: unknown }): void {
    this.events.push({ at_ms: Math.round(performance.now()), ...event });
    if (this.events.length > EVENTS_MAX) this.events.shift();
  }

  private set(change: Partial<ViewerState>): void {
    this.state = { ...this.state, ...change };
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener(this.state);
    });
  }
}
