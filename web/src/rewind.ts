// Going back and coming to live again: what a viewer wants of the past, and how the player gets there. Knows no elements.

import type { Session } from "./api";
import { KeyPictures, type KeyPicture } from "./keypictures";
import { clamped, slipsAway, spokenPlace, wayTo, type Reach } from "./past";
import type { Player } from "./player";
import { behindS } from "./pulse";
import type { ViewerState } from "./state";

/** What the viewer lends to it. */
export interface RewindHost {
  state(): ViewerState;
  player(): Player | null;
  session(): Session | null;
  /** Loads the session's stream anew: live, or from an instant on. */
  load(begin: number | null): unknown;
  set(change: Partial<ViewerState>): void;
  log(event: { kind: string; [detail: string]: unknown }): void;
}

// Presses that come faster than this make one jump.
const GATHERED_MS = 250;
// What is on the screen this near to what was asked for is that; later than this it never comes, and what is there counts again.
const ARRIVED_MS = 4_000;
const ARRIVES_WITHIN_MS = 15_000;
// The first pictures come first.
const KEYS_AFTER_MS = 3_000;
const RECOVERED_AFTER_MS = 20_000;

export class Rewind {
  /** Where the viewer is or wants to be is behind live on purpose. */
  private away = false;
  /** The player has a playlist of the past, which does not slide. */
  private loaded = false;
  private wanted: { at: number; sinceMs: number } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private keys: KeyPictures | null = null;
  private keysTimer: ReturnType<typeof setTimeout> | undefined;
  private recoveredMs = -Infinity;

  constructor(private readonly host: RewindHost) {}

  /** A session begins to play, or goes on, or none does any more. */
  begin(session: Session | null): void {
    clearTimeout(this.timer);
    clearTimeout(this.keysTimer);
    this.away = this.loaded = false;
    this.wanted = null;
    this.keys = null;
    const windowS = session?.start_over_s ?? null;
    if (session !== null && windowS !== null) {
      const keys = new KeyPictures(new URL(session.playback_url, location.href).href, windowS);
      this.keys = keys;
      this.keysTimer = setTimeout(() => void keys.refresh(Date.now()), KEYS_AFTER_MS);
    }
    this.host.set({ reach: null, rewound: false });
  }

  /** Goes to `at`, as near as there is. */
  to(at: number): void {
    const { host } = this;
    const [player, reach] = [host.player(), host.state().reach];
    clearTimeout(this.timer);
    if (player === null || reach === null || host.session() === null) return;
    const wanted = clamped(at, reach);
    const span = player.span();
    let way = wayTo(wanted, reach.live, span, !this.loaded);
    if (way === "live") return this.live();
    this.want(wanted);
    this.away = true;
    host.log({ kind: "rewind", at: wanted, way });
    host.set({ rewound: true, said: spokenPlace(wanted, reach) });
    if (way === "seek" && !player.seek(wanted)) way = "load";
    if (way === "load") this.load(wanted);
  }

  /** So many seconds on from where the viewer is, or back if negative. */
  by(seconds: number): void {
    const { reach } = this.host.state();
    if (reach === null || (seconds > 0 && reach.isLive)) return;
    const at = clamped(reach.at + 1000 * seconds, reach);
    this.want(at);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.to(at), GATHERED_MS);
  }

  live(): void {
    clearTimeout(this.timer);
    this.wanted = null;
    this.away = false;
    const { reach } = this.host.state();
    this.host.set({ rewound: false, reach: reach === null ? null : { ...reach, at: reach.live } });
    if (!this.loaded) return this.host.player()?.goLive();
    this.loaded = false;
    this.host.load(null);
  }

  /** Goes on after a pause. What the live window has lost meanwhile is loaded from the past. */
  goOn(): void {
    const { host } = this;
    const [player, reach] = [host.player(), host.state().reach];
    if (player === null) return;
    if (reach === null || this.loaded || !slipsAway(reach.at, player.span())) return player.resume();
    this.away = true;
    host.set({ rewound: true });
    this.load(clamped(reach.at, reach));
  }

  /** The stream is gone though the session is not: addresses of the past are good for a time. Answers whether it is tried again. */
  recover(): boolean {
    const { reach } = this.host.state();
    const nowMs = performance.now();
    if (!this.loaded || reach === null || nowMs - this.recoveredMs < RECOVERED_AFTER_MS) return false;
    this.recoveredMs = nowMs;
    this.load(clamped(reach.at, reach));
    return true;
  }

  /** A picture of the date `at` is on the screen. */
  shows(at: number): void {
    const { wanted } = this;
    if (wanted === null) {
      // Who went back within the live window must not be dragged to live when that moves on.
      const player = this.host.player();
      if (this.away && !this.loaded && this.host.state().pulse !== "paused" && player !== null && slipsAway(at, player.span())) this.load(at);
      return;
    }
    const hasArrived = Math.abs(at - wanted.at) < ARRIVED_MS && this.host.state().pulse !== "none";
    if (hasArrived || performance.now() - wanted.sinceMs > ARRIVES_WITHIN_MS) this.wanted = null;
  }

  /** Where playback is and how far it could go; null where no past is kept, or before the first picture. */
  reach(): Reach | null {
    const { keys, wanted, host } = this;
    const player = host.player();
    if (keys === null || player === null) return null;
    const [span, date, before] = [player.span(), player.date(), host.state().reach];
    if (span === null || date === null) return before === null || wanted === null ? before : { ...before, at: wanted.at, isLive: false };
    const lag = behindS(player.sample(performance.now(), Date.now()));
    const now = lag === null ? span.to : date + 1000 * lag;
    const oldest = Math.min(keys.oldest(now) ?? span.from, span.live);
    const isLive = !this.away && wanted === null && host.state().pulse === "live";
    const at = isLive ? span.live : clamped(wanted?.at ?? date, { oldest, live: span.live });
    return { oldest, live: span.live, now, at, isLive };
  }

  /** The key picture of `at`, as far as is known yet. */
  pictureAt(at: number): KeyPicture | null {
    void this.keys?.refresh(Date.now());
    return this.keys?.at(at) ?? null;
  }

  staleKeys(): void {
    this.keys?.stale();
  }

  private want(at: number): void {
    this.wanted = { at, sinceMs: performance.now() };
    const { reach } = this.host.state();
    if (reach !== null) this.host.set({ reach: { ...reach, at, isLive: false } });
  }

  private load(at: number): void {
    this.want(at);
    this.loaded = true;
    this.host.load(at);
  }
}
