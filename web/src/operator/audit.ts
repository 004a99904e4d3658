// The audit log as a person reads it: newest first, further back when asked, all of it as a file, and whether its chain holds. Knows nothing of the page's elements.

import type { AuditChain, AuditEntry, Key, OperatorClient } from "./api";
import { asProblem, trouble, type Trouble } from "./problems";

export interface AuditFilter {
  /** A key's id or name, or a token's `token:<iss>#<sub>`; empty: whoever. */
  readonly who: string;
  /** How the path begins; empty: any. */
  readonly path: string;
  readonly outcome: "" | "done" | "refused";
  /** Of fields for times, UTC; empty: the last thirty days. */
  readonly from: string;
  readonly to: string;
}

export const NO_FILTER: AuditFilter = { who: "", path: "", outcome: "", from: "", to: "" };

export interface AuditState {
  readonly filter: AuditFilter;
  /** Newest first; null before the first answer. */
  readonly entries: readonly AuditEntry[] | null;
  readonly next: string | null;
  readonly atMs: number | null;
  readonly waits: boolean;
  readonly trouble: Trouble | null;
  readonly chain: AuditChain | null;
  /** The chain is being digested. */
  readonly checks: boolean;
  /** A file is being made. */
  readonly exports: boolean;
  readonly aside: Trouble | null;
}

const NOTHING: AuditState = { filter: NO_FILTER, entries: null, next: null, atMs: null, waits: false, trouble: null, chain: null, checks: false, exports: false, aside: null };

export const AUDIT_PAGE = 50;
/** As many as the service tells at once. */
const FILE_PAGE = 1_000;
/** A file has no more entries. */
export const FILE_MAX = 100_000;

/** What the service is asked with. */
export function wantedOf({ who, path, outcome, from, to }: AuditFilter): Record<string, string> {
  const time = (value: string) => (value === "" ? "" : `${value}${value.length === 16 ? ":00" : ""}Z`);
  const refused = outcome === "" ? "" : String(outcome === "refused");
  return Object.fromEntries(Object.entries({ who, path, refused, from: time(from), to: time(to) }).filter(([, value]) => value !== ""));
}

/** What a key is called; whoever else it is, as it is told. */
export function whoWords(who: string, keys: readonly Key[] | null): string {
  return keys?.find(({ id }) => id === who)?.name || who;
}

/** `quadrille-audit-2026-11-28.jsonl`. */
export function auditFile(nowMs: number): string {
  return `quadrille-audit-${new Date(nowMs).toISOString().slice(0, 10)}.jsonl`;
}

export function chainWords({ holds, entries, broken_at: at }: AuditChain): string {
  const all = entries === 1 ? "1 entry" : `${entries.toLocaleString("en")} entries`;
  if (holds) return entries === 0 ? "There is nothing in the chain yet." : `The chain holds: ${all}, none changed, none missing.`;
  return at === null ? "The chain does not hold." : `The chain is broken: entry ${at.toLocaleString("en")} is not what was written there, or is missing. The ${all} before it hold.`;
}

type Ask = <T>(question: (client: OperatorClient) => Promise<T>) => Promise<T | null>;

export interface AuditParts {
  /** Asks with the key of the page; null when it was taken away meanwhile. */
  ask: Ask;
  nowMs: () => number;
  save: (name: string, content: Blob) => void;
  say: (words: string) => void;
}

export class AuditLog {
  state: AuditState = NOTHING;
  private readonly listeners: ((state: AuditState) => void)[] = [];
  private question = 0;

  constructor(private readonly parts: AuditParts) {}

  onChange(listener: (state: AuditState) => void): void {
    this.listeners.push(listener);
    listener(this.state);
  }

  /** Forgets all of it: another key may follow. */
  close(): void {
    this.question += 1;
    this.set(NOTHING);
  }

  /** Reads the newest that are so. */
  async look(filter: AuditFilter = this.state.filter): Promise<void> {
    const sameAsBefore = JSON.stringify(filter) === JSON.stringify(this.state.filter);
    this.set({ filter, ...(sameAsBefore ? {} : { entries: null, next: null }) });
    await this.read(null, []);
  }

  /** Reads those before them, too. */
  async more(): Promise<void> {
    const { next, entries, waits } = this.state;
    if (next !== null && !waits) await this.read(next, entries ?? []);
  }

  private async read(cursor: string | null, before: readonly AuditEntry[]): Promise<void> {
    const question = ++this.question;
    this.set({ waits: true });
    try {
      const wanted = { ...wantedOf(this.state.filter), order: "newest", limit: String(AUDIT_PAGE), ...(cursor !== null && { cursor }) };
      const page = await this.parts.ask((client) => client.audit(wanted));
      if (question !== this.question || page === null) return;
      const entries = [...before, ...page.entries];
      this.set({ entries, next: page.next_cursor, atMs: this.parts.nowMs(), waits: false, trouble: null });
      this.parts.say(entries.length === 1 ? "1 entry of the audit log" : `${entries.length} entries of the audit log`);
    } catch (error) {
      if (question === this.question) this.set({ waits: false, trouble: trouble(asProblem(error)) });
    }
  }

  /** Has the chain digested anew. */
  async check(): Promise<void> {
    if (this.state.checks) return;
    this.set({ checks: true, chain: null, aside: null });
    try {
      const chain = await this.parts.ask((client) => client.auditChain());
      this.set({ checks: false, chain });
    } catch (error) {
      this.set({ checks: false, aside: trouble(asProblem(error)) });
    }
  }

  /** Saves what the filter lets through, oldest first, a line an entry, with their digests. */
  async save(): Promise<void> {
    if (this.state.exports) return;
    this.set({ exports: true, aside: null });
    this.parts.say("The file is on its way");
    try {
      const lines: string[] = [];
      let cursor: string | null = null;
      do {
        const wanted: Record<string, string> = { ...wantedOf(this.state.filter), limit: String(FILE_PAGE), ...(cursor !== null && { cursor }) };
        const page = await this.parts.ask((client) => client.audit(wanted));
        if (page === null) return this.set({ exports: false });
        lines.push(...page.entries.map((entry) => `${JSON.stringify(entry)}\n`));
        cursor = page.next_cursor;
      } while (cursor !== null && lines.length < FILE_MAX);
      const name = auditFile(this.parts.nowMs());
      this.parts.save(name, new Blob(lines, { type: "application/jsonl" }));
      this.parts.say(cursor === null ? `${name} is saved` : `${name} is saved with the first ${FILE_MAX.toLocaleString("en")} entries: choose a shorter time`);
      this.set({ exports: false });
    } catch (error) {
      this.set({ exports: false, aside: trouble(asProblem(error)) });
    }
  }

  private set(change: Partial<AuditState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.listeners) listener(this.state);
  }
}
