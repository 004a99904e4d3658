// Asks again and again, less often while there is no answer.

/** Sets a timer and answers how to cancel it. */
export type SetTimer = (run: () => void, afterMs: number) => () => void;

const SLOWEST_MS = 30_000;

const browserTimer: SetTimer = (run, afterMs) => {
  const timer = setTimeout(run, afterMs);
  return () => clearTimeout(timer);
};

/** `ask` never rejects; it answers null when all went well, else the least time in ms to wait before the next try. */
export class Poll {
  private cancel: (() => void) | null = null;
  private asking = false;
  private runs = false;
  private again = false;
  private failures = 0;

  constructor(
    private readonly ask: () => Promise<number | null>,
    private readonly everyMs: number,
    private readonly setTimer: SetTimer = browserTimer,
  ) {}

  /** Asks at once, then regularly. */
  start(): void {
    this.runs = true;
    this.now();
  }

  stop(): void {
    this.runs = false;
    this.cancel?.();
    this.cancel = null;
  }

  /** Asks at once; when a question is under way, right after its answer. */
  now(): void {
    this.cancel?.();
    this.cancel = null;
    if (this.asking) this.again = true;
    else void this.once();
  }

  private async once(): Promise<void> {
    this.asking = true;
    this.again = false;
    const waitMs = await this.ask();
    this.asking = false;
    this.failures = waitMs === null ? 0 : this.failures + 1;
    if (this.again) return void this.once();
    if (!this.runs) return;
    const slowedMs = Math.min(this.everyMs * 2 ** Math.min(this.failures, 8), Math.max(SLOWEST_MS, this.everyMs));
    this.cancel = this.setTimer(() => this.now(), Math.max(slowedMs, waitMs ?? 0));
  }
}
