// One viewer at this page: what is picked, the session that shows it, and everything that keeps the two together.

import { Client, Problem, type Session, type Tagged } from "./api";
import { BreakWatch } from "./breaks";
import { captionLike, captionName } from "./captions";
import { ending, reasonOf } from "./ending";
import { note, type Logged } from "./events";
import { randomId } from "./ids";
import { Naming } from "./naming";
import { Offer, offeredBy } from "./offer";
import { streamUrl } from "./past";
import { Picking } from "./picking";
import { audioFor, changeWords, difference, picksOf, samePicks, type Picks } from "./picks";
import type { Player, PlayerEvent } from "./player";
import { explain, stopped, type Explained } from "./problems";
import { PULSE_WORDS, type Pulse } from "./pulse";
import { Return } from "./return";
import { Rewind, type RewindHost } from "./rewind";
import { INITIAL, NOT_PLAYING, type ViewerState } from "./state";
import { captionsKept, keepCaptions } from "./settings";
import { sameTerms, termsOf } from "./terms";
import { ScreenTimeline } from "./timeline";
import { KEPT_NOWHERE, type Visits } from "./visit";
import { gameOfSound, soundId } from "./tracks";

export type { Connection, Phase, ViewerState } from "./state";

const SESSION_POLL_MS = 3_000;
const SAMPLE_MS = 500;
const CONFLICTS_MAX = 3;
// Refusals by which a change learns that there is nothing left to change.
const OVER_CODES = new Set(["session_ended", "session_unknown"]);

export class Viewer {
  state: ViewerState = INITIAL;
  readonly events: Logged[] = [];
  readonly rewind: Rewind;
  readonly picking: Picking;
  readonly naming: Naming;
  private readonly offer: Offer;
  private readonly return: Return;
  private readonly breaks = new BreakWatch(() => this.client, () => this.state, (breaks) => this.set({ breaks }));
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
    visits: Visits = KEPT_NOWHERE,
    lowLatency = false,
  ) {
    this.state = { ...INITIAL, lowLatency, caption: captionsKept() };
    this.rewind = new Rewind(this.lends());
    const common = {
      state: () => this.state,
      set: (change: Partial<ViewerState>) => this.set(change),
      client: () => this.client,
      explained: (error: unknown) => this.explained(error),
      watch: () => this.watch(),
    };
    this.picking = new Picking({ ...common, title: (game) => this.title(game), want: (picks) => this.want(picks) });
    this.offer = new Offer({ ...common, failed: (error) => this.unconnected(error) });
    this.naming = new Naming({
      ...common,
      plays: () => this.tagged !== null,
      bringAbout: () => void this.bringAbout(),
      leave: () => this.leave(),
      keepVisit: () => this.keepVisit(),
    });
    const returning = {
      attempt: () => this.attempt(),
      play: (tagged: Tagged) => this.play(tagged),
      over: (session: Session) => this.over(session),
      wishForSkin: () => this.naming.wishForSkin(),
      log: (event: { kind: string }) => this.log(event),
    };
    this.return = new Return({ ...common, ...returning }, visits);
  }

  usePlayer(player: Player): void {
    this.player = player;
    player.chooseCaptions(this.state.caption);
  }

  onChange(listener: (state: ViewerState) => void): void {
    this.listeners.push(listener);
    listener(this.state);
  }

  /** Runs the page's clocks. */
  run(): void {
    this.breaks.run();
    window.setInterval(() => this.takeSample(), SAMPLE_MS);
    window.setInterval(() => void this.pollSession(), SESSION_POLL_MS);
    this.offer.run();
  }

  /** Takes a device key and reads what its tenant may show. Answers whether the key was accepted. */
  async connect(key: string): Promise<boolean> {
    if (this.state.phase !== "idle") await this.leave();
    this.client = key === "" ? null : this.connectWith(key);
    this.set({ ...INITIAL, lowLatency: this.state.lowLatency, caption: this.state.caption, connection: key === "" ? "no_key" : "connecting" });
    const client = this.client;
    if (client === null) return false;
    try {
      const { offered, terms, missing } = await offeredBy(client, this.return.terms);
      if (client !== this.client) return false;
      this.set({ connection: "ready", ...offered, terms, said: `${offered.games.length} games to pick from` });
      await this.return.takeUp(client, missing);
      return true;
    } catch (error) {
      if (client === this.client) this.unconnected(error);
      return false;
    }
  }

  // ---- what the viewer chooses -------------------------------------------------------------------------------------

  /** A game's main sound, or another of its sounds, as `nyk-bos/deu`. */
  listen(sound: string): void {
    if (!this.state.picks.games.includes(gameOfSound(sound) ?? "")) return;
    const wanted = this.sound(sound);
    this.set({ audio: sound, said: `Sound: ${wanted.title}` });
    this.keepVisit();
    this.player?.listen(wanted);
    void this.bringAbout();
  }

  chooseRendition(index: number): void {
    this.player?.chooseRendition(index);
    this.set({ rendition: index });
  }

  /** Shows captions by their id; null shows none. */
  chooseCaptions(id: string | null): void {
    this.player?.chooseCaptions(id);
    keepCaptions(id);
    const name = id === null ? null : this.captionName(id);
    this.set({ caption: id, said: name === null ? "Captions off" : `Captions: ${name}` });
  }

  /** What the captions of `id` are called now. */
  captionName(id: string): string {
    const { captions, shown, picks } = this.state;
    const caption = captionLike(captions, id);
    return caption === null ? id : (captionName(caption, (shown ?? picks).games, (game) => this.title(game)) ?? caption.name);
  }

  goLive(): void {
    this.set({ blocked: false, said: "Going to the live edge" });
    this.rewind.live();
  }

  /** What the space bar does: watches, pauses, goes on. */
  playOrPause(): void {
    const { phase, pulse, blocked } = this.state;
    if (phase === "idle" || phase === "ended") return void this.watch();
    if (pulse === "paused" || blocked) return this.goOn();
    if (phase === "watching") this.player?.pause();
  }

  private goOn(): void {
    this.set({ blocked: false });
    this.rewind.goOn();
  }

  setLowLatency(on: boolean): void {
    this.set({ lowLatency: on, said: on ? "Low latency on" : "Low latency off" });
    this.player?.setLowLatency(on);
  }

  /** The sound is on again, by whatever way. */
  heard(): void {
    if (this.state.silenced) this.set({ silenced: false });
  }

  /** Tells a screen reader. */
  say(said: string): void {
    this.set({ said });
  }

  dismissProblem(): void {
    this.set({ problem: null });
  }

  /** Asks again for what was refused: the change of a session that plays, else the session itself. */
  retry(): void {
    this.set({ problem: null });
    if (this.return.waits && this.client !== null) void this.return.takeUp(this.client);
    else if (this.tagged === null) void this.watch();
    else if (this.refusedPicks !== null) this.want(this.refusedPicks);
  }

  private keepVisit(): void {
    this.return.keep(this.tagged?.session.id ?? null);
  }

  private want(picks: Picks): void {
    this.return.forget();
    const audio = audioFor(picks, this.state.audio, this.state.picks);
    // Who picks again after an end wants to see what.
    this.set({ picks, audio, ...(this.state.phase === "ended" ? { phase: "idle" as const, ending: null } : {}) });
    this.keepVisit();
    void this.bringAbout();
  }

  // ---- the session ---------------------------------------------------------------------------------------------

  async watch(): Promise<void> {
    const { picks, terms, audio, phase } = this.state;
    const { client, player } = this;
    if (client === null || player === null || picks.games.length === 0 || phase === "starting" || phase === "watching") return;
    const isNewest = this.attempt();
    this.return.forget();
    this.naming.drop();
    this.set({ phase: "starting", problem: null, ending: null, said: "Starting", lastSwapSegment: null });
    try {
      const tagged = await client.create(
        {
          games: [...picks.games],
          layout: picks.layout,
          ...(audio === null ? {} : { audio }),
          ...(terms.market === null ? {} : { market: terms.market }),
          ...(terms.skin === null ? {} : { skin: terms.skin }),
          device_id: this.deviceId,
          labels: { client: "web" },
        },
        randomId(),
      );
      if (!isNewest()) {
        // Left while the answer was on its way: nobody would watch this session.
        await client.end(tagged.session.id).catch(() => undefined);
        return;
      }
      this.log({ kind: "session", session: tagged.session.id, effective_segment: tagged.session.effective_segment });
      this.play(tagged);
    } catch (error) {
      if (isNewest()) this.set({ phase: "idle", problem: this.explained(error) });
    }
  }

  private play(tagged: Tagged): void {
    const { session } = tagged;
    this.timeline = new ScreenTimeline(session.revision === 1);
    this.rewind.begin(session);
    this.accept(tagged);
    this.load(session, null);
    this.keepVisit();
    void this.bringAbout();
  }

  /** Loads the session's stream: live, or from `begin` on. */
  private load(session: Session, begin: number | null): void {
    const sound = session.audio ?? this.state.audio;
    this.player?.load(streamUrl(session.playback_url, location.href, begin), sound === null ? null : this.sound(sound), begin !== null);
  }

  private lends(): RewindHost {
    return {
      state: () => this.state,
      player: () => this.player,
      session: () => this.tagged?.session ?? null,
      load: (begin) => this.tagged !== null && this.load(this.tagged.session, begin),
      set: (change) => this.set(change),
      log: (event) => this.log(event),
    };
  }

  /** Begins an attempt to play; what it answers says whether that is still the newest. */
  private attempt(): () => boolean {
    const own = ++this.watchAttempt;
    return () => own === this.watchAttempt;
  }

  async leave(): Promise<void> {
    this.attempt();
    const session = this.tagged?.session ?? null;
    const client = this.client;
    this.tagged = null;
    this.player?.stop();
    this.rewind.begin(null);
    this.set({ ...NOT_PLAYING, phase: "idle", renditions: [], rendition: -1, captions: [], sample: null });
    this.keepVisit();
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

  /** The browser shows the page again that it had put aside: nothing ran meanwhile, and the session may be over. */
  async comeBack(): Promise<void> {
    if (this.tagged === null) return;
    await this.pollSession();
    if (this.tagged !== null) this.rewind.live();
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
        const change = { ...difference(tagged.session, this.state.picks, this.state.audio), ...this.naming.change() };
        if (Object.keys(change).length === 0) return;
        try {
          const answer = await client.change(tagged.session.id, change, tagged.etag);
          if (this.tagged?.session.id !== tagged.session.id) return;
          this.log({ kind: "changed", ...change, effective_segment: answer.session.effective_segment });
          this.naming.asked(change);
          const { rewound } = this.state;
          this.accept(answer, change.games !== undefined);
          // A change shows at live: who asked for one wants to see it.
          if (rewound && change.games !== undefined) this.rewind.live();
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

  /** A picture of the date `at` is on the screen. */
  private shows(at: number): void {
    this.rewind.shows(at);
    const before = this.state;
    const changed = this.timeline.show(at);
    // The past does not stand still: it is what was shown then.
    const now = { shown: this.timeline.shown(), stands: this.timeline.stands() && !before.rewound, knowsShown: this.timeline.knows() };
    if (!changed && now.stands === before.stands && now.knowsShown === before.knowsShown) return;
    if (changed && !before.rewound) this.set({ said: "The change is on the screen" });
    this.set({ ...now, pending: this.timeline.pending() });
    this.followSound();
  }

  /** Takes over what the service says the session is now. */
  private accept(tagged: Tagged, swapped = false): void {
    this.tagged = tagged;
    const { session } = tagged;
    const picks = picksOf(session);
    if (swapped || this.timeline.shown() === null) this.timeline.push(Date.parse(session.effective_at), picks);
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
    if (audio !== null && shown?.games.includes(gameOfSound(audio) ?? "")) this.player?.listen(this.sound(audio));
  }

  /** A change was refused: the session is what it was, so the wish becomes that again. */
  private refused(tagged: Tagged, error: unknown): void {
    if (error instanceof Problem && OVER_CODES.has(error.code)) return void this.findOver();
    const { session } = tagged;
    this.refusedPicks = this.state.picks;
    this.naming.drop();
    this.set({
      picks: picksOf(session),
      terms: termsOf(session, this.state),
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
      if (answer.session.state === "ended") this.over(answer.session);
      else if (answer.session.revision !== before.revision) this.changedElsewhere(answer, before);
    } catch (error) {
      if (error instanceof Problem && error.status === 404 && this.tagged?.session.id === tagged.session.id) this.over(null);
      // Otherwise the player's own errors tell whether this matters.
    }
  }

  /** An operator or another page changed this session: that is the wish now. */
  private changedElsewhere(answer: Tagged, before: Session): void {
    const { session } = answer;
    const picks = picksOf(session);
    const swapped = !samePicks(picks, picksOf(before));
    const terms = termsOf(session, this.state);
    this.set({ picks, audio: session.audio ?? this.state.audio, ...(sameTerms(terms, this.state.terms) ? {} : { terms }) });
    this.accept(answer, swapped);
  }

  /** The stream is over: asks the service why. */
  private async findOver(): Promise<void> {
    const { client, tagged } = this;
    if (client === null || tagged === null) return;
    const last = await client.get(tagged.session.id).catch(() => null);
    if (this.tagged?.session.id !== tagged.session.id) return;
    if (last?.session.state !== "active" || !this.rewind.recover()) this.over(last?.session ?? null);
  }

  /** `session`: what it was in the end; null when nobody knows. */
  private over(session: Session | null): void {
    const end = ending(reasonOf(session?.end_reason));
    this.tagged = null;
    this.player?.stop();
    this.rewind.begin(null);
    this.log({ kind: "over", reason: end.reason });
    this.set({
      ...NOT_PLAYING,
      phase: "ended",
      ending: end,
      sample: null,
      renditions: [],
      rendition: -1,
      captions: [],
      said: `${end.title}. ${end.note}`,
      ...(session === null ? {} : { session }),
    });
    this.keepVisit();
  }

  // ---- what the player says ------------------------------------------------------------------------------------

  hear(event: PlayerEvent): void {
    if (event.kind !== "shows") this.log({ ...event });
    switch (event.kind) {
      case "playing":
      case "resumed":
        if (this.state.phase === "starting") this.set({ phase: "watching", said: "Playing" });
        this.set({ blocked: false, renditions: this.player?.renditions() ?? [] });
        break;
      case "shows":
        this.shows(event.at);
        break;
      case "pulse":
        this.felt(event.pulse);
        break;
      case "muted":
        this.set({ silenced: true, said: "The browser keeps the sound off. Press M to hear it." });
        break;
      case "blocked":
        this.set({ blocked: true, said: "The browser waits for a press before it plays." });
        break;
      case "ended":
        void this.findOver();
        break;
      case "lost":
        if (event.gone) void this.findOver();
        else void this.lost(event.details);
        break;
      case "captions":
        this.set({ captions: this.player?.captions() ?? [] });
        break;
      case "sound":
      case "stall":
      case "error":
        break;
    }
  }

  private felt(pulse: Pulse): void {
    const before = this.state.pulse;
    const words = PULSE_WORDS[pulse];
    const again = words === "" && PULSE_WORDS[before] !== "";
    this.set({ pulse, ...(words !== "" ? { said: words } : again && pulse !== "none" ? { said: "Playing" } : {}) });
    // Figures of the instant before would contradict it.
    this.takeSample();
  }

  private async lost(details: string): Promise<void> {
    await this.leave();
    this.set({ problem: stopped(details) });
  }

  // ---- odds and ends -------------------------------------------------------------------------------------------

  /** A sound and what people call it. */
  private sound(id: string): { id: string; title: string } {
    const game = gameOfSound(id) ?? id;
    const track = this.state.games.find((one) => one.id === game)?.audio.find((one) => soundId(game, one) === id);
    return { id, title: id === game || track === undefined ? this.title(game) : `${this.title(game)}: ${track.label}` };
  }

  title(game: string): string {
    return this.state.games.find((one) => one.id === game)?.title ?? game;
  }

  private swapWords(picks: Picks): string {
    return this.state.rewound ? "The change shows live" : changeWords(this.timeline.shown(), picks, (game) => this.title(game));
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
    if (this.state.phase === "watching") this.set({ reach: this.rewind.reach() });
  }

  private log(event: { kind: string; [detail: string]: unknown }): void {
    note(this.events, event);
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
