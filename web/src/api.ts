// The device part of the HTTP contract: its shapes, and a client that turns every refusal into a `Problem`.

import type { components } from "./contract";

/** The shapes of the OpenAPI document: contract.d.ts is made of it, and `make test-clients` says when it is old. */
export type Shapes = components["schemas"];

/** A shape of which an older service does not tell `Late`: a page outlives the service that it came from. */
export type Older<T, Late extends keyof T> = Omit<T, Late> & { [Name in Late]?: T[Name] | undefined };

/** A rectangle in pixels of a layout's canvas. */
export type Rect = Pick<Shapes["LayoutSlot"], "x" | "y" | "width" | "height">;

export type AudioInfo = Pick<Shapes["AudioTrack"], "id" | "language" | "label">;
export type GameStatus = Shapes["GameStatus"];
export type GameText = Omit<Shapes["GameText"], "kind"> & { kind: string };
/** An older service does not tell its texts. */
export type Game = Omit<Shapes["Game"], "audio" | "texts"> & { audio: AudioInfo[]; texts?: GameText[] };

/** A layout with its slots apart. */
export type Layout = Omit<Shapes["Layout"], "slots"> & {
  /** Those of games, in the order of a session's games. */
  slots: Rect[];
  /** Those of art, by the names that skins have for them. Those of one name show pieces of one picture, which lies over all of them. */
  art: (Rect & { name: string })[];
};

/** A market, and a skin, as a device may name them. */
export type MarketChoice = Shapes["MarketChoice"];
export type SkinChoice = Shapes["SkinChoice"];

type Told = "id" | "state" | "revision" | "playback_url" | "layout" | "engine" | "games" | "audio" | "created_at" | "effective_segment" | "effective_at" | "billable_seconds";
type ToldLate = "market" | "skin" | "start_over_s";
/** What the pages read of a session. */
export type Session = Older<Pick<Shapes["Session"], Told | ToldLate>, ToldLate> & {
  slots: Omit<Shapes["SlotView"], "skew_ms">[];
  /** Of an older service it is absent, and of a newer one it may be another word. */
  end_reason?: string | null;
};

/** Something that was signalled of a game: a break, and what else there is. */
export type Cue = Pick<Shapes["CueEvent"], "id" | "kind" | "direction" | "state" | "starts_at" | "ends_at">;

/** A session and the entity tag it was read with. */
export interface Tagged {
  session: Session;
  etag: string;
}

export type CreateSession = Shapes["SessionRequest"];
export type ChangeSession = Shapes["SessionChange"];

/** A refusal (RFC 9457), or the lack of any answer (`code` is then `unreachable`, `status` 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    /** From Retry-After, in seconds; null when the answer had none. */
    readonly retryAfterS: number | null = null,
    /** Members beyond those of RFC 9457 and `code`, such as `allowed`. */
    readonly members: Record<string, unknown> = {},
  ) {
    super(detail || title);
    this.name = "Problem";
  }
}

const STANDARD_MEMBERS = new Set(["type", "title", "status", "detail", "instance", "code"]);
// Longer than the service holds any request back.
const TIMEOUT_MS = 20_000;

/** Reads Retry-After (RFC 9110, 10.2.3) as seconds from `nowMs`. */
export function retryAfterSeconds(value: string | null, nowMs: number): number | null {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const dateMs = Date.parse(value);
  return Number.isNaN(dateMs) ? null : Math.max(0, Math.ceil((dateMs - nowMs) / 1000));
}

/** Turns an answer that is not a success into a `Problem`, whatever its body is. */
export async function problemOf(response: Response, nowMs: number): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = await response.json();
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      body = parsed as Record<string, unknown>;
    }
  } catch {
    // A proxy in between may answer with its own page: the status has to do.
  }
  const text = (name: string) => (typeof body[name] === "string" ? (body[name] as string) : "");
  const members = Object.fromEntries(Object.entries(body).filter(([name]) => !STANDARD_MEMBERS.has(name)));
  return new Problem(
    response.status,
    text("code") || `http_${response.status}`,
    text("title") || response.statusText || `The service answered ${response.status}`,
    text("detail"),
    retryAfterSeconds(response.headers.get("Retry-After"), nowMs),
    members,
  );
}

/** A layout as the service tells it: its slots in one list, those of games first. An older service does not say of which kind they are. */
type TaggedLayout = Omit<Layout, "slots" | "art"> & { slots: (Rect & { kind?: string; name?: string })[] };

/** What `GET /v1/layouts` answered. */
export function layoutsOf(told: TaggedLayout[]): Layout[] {
  const rect = ({ x, y, width, height }: Rect): Rect => ({ x, y, width, height });
  return told.map((layout) => ({
    ...layout,
    slots: layout.slots.filter(({ kind }) => kind !== "art").map(rect),
    art: layout.slots.filter(({ kind }) => kind === "art").map((slot) => ({ ...rect(slot), name: slot.name ?? "" })),
  }));
}

export interface CallOptions {
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is. */
  file?: Blob;
  headers?: Record<string, string>;
  /** Lets the request outlive the page. */
  keepalive?: boolean;
  /** Until the body has come in whole. */
  timeoutMs?: number;
  /** Gives it up. */
  signal?: AbortSignal;
}

/** Calls the service with one key. Every call rejects with a `Problem` and nothing else. */
export class Caller {
  constructor(
    private readonly key: string,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
    private readonly base = "",
  ) {}

  protected async call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const headers: Record<string, string> = {
      Accept: "application/json, application/problem+json",
      Authorization: `Bearer ${this.key}`,
      ...options.headers,
    };
    const init: RequestInit = { method, headers, cache: "no-store", keepalive: options.keepalive ?? false };
    if (!options.keepalive) {
      const inTime = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
      init.signal = options.signal === undefined ? inTime : AbortSignal.any([inTime, options.signal]);
    }
    if (options.file !== undefined) init.body = options.file;
    if (options.body !== undefined) {
      headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(options.body);
    }
    let response: Response;
    try {
      response = await this.fetcher(this.base + path, init);
    } catch {
      throw new Problem(0, "unreachable", "The service does not answer", "Check the connection; this page keeps trying.");
    }
    if (!response.ok) throw await problemOf(response, Date.now());
    return response;
  }
}

/** The device routes, with one device key. */
export class Client extends Caller {
  /** Where its sessions' viewers are: the code of a country. */
  region: string | null = null;

  /** Those that may be shown, in a market if one is named. */
  async games(market: string | null = null): Promise<Game[]> {
    const of = market === null ? "" : `?market=${encodeURIComponent(market)}`;
    return (await this.call("GET", `/v1/games${of}`)).json();
  }

  async markets(): Promise<MarketChoice[]> {
    return this.choices("/v1/markets");
  }

  async skins(): Promise<SkinChoice[]> {
    return this.choices("/v1/skins");
  }

  /** A list that an older service has not. */
  private async choices<T>(path: string): Promise<T[]> {
    try {
      return (await this.call("GET", path)).json();
    } catch (error) {
      if (error instanceof Problem && error.code === "not_found") return [];
      throw error;
    }
  }

  /** What was signalled of a game between two instants, in milliseconds of Unix time. */
  async cues(game: string, from: number, to: number): Promise<Cue[]> {
    const span = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString() });
    const answer = await this.call("GET", `/v1/games/${encodeURIComponent(game)}/cues?${span}`);
    return ((await answer.json()) as { events: Cue[] }).events;
  }

  async layouts(): Promise<Layout[]> {
    return layoutsOf(await (await this.call("GET", "/v1/layouts")).json());
  }

  /** `idempotencyKey` makes a repeated call answer with the same session. */
  async create(body: CreateSession, idempotencyKey: string): Promise<Tagged> {
    const wanted: CreateSession = this.region === null ? body : { ...body, region: this.region };
    return this.tagged(await this.call("POST", "/v1/sessions", { body: wanted, headers: { "Idempotency-Key": idempotencyKey } }));
  }

  async get(id: string): Promise<Tagged> {
    return this.tagged(await this.call("GET", `/v1/sessions/${encodeURIComponent(id)}`));
  }

  /** Rejects with status 412 when the session has changed since `etag` was read. */
  async change(id: string, body: ChangeSession, etag: string): Promise<Tagged> {
    const path = `/v1/sessions/${encodeURIComponent(id)}`;
    return this.tagged(await this.call("PATCH", path, { body, headers: { "If-Match": etag } }));
  }

  /** `keepalive` lets the request outlive the page. */
  async end(id: string, keepalive = false): Promise<void> {
    await this.call("DELETE", `/v1/sessions/${encodeURIComponent(id)}`, { keepalive });
  }

  private async tagged(response: Response): Promise<Tagged> {
    const session = (await response.json()) as Session;
    return { session, etag: response.headers.get("ETag") ?? `"${session.revision}"` };
  }
}
