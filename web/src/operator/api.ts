// The operators' part of the HTTP contract: its shapes, and a client for them.

import { Caller, layoutsOf, Problem, type Game, type GameStatus, type Layout, type Session } from "../api";

export interface OperatedSession extends Session {
  device_id: string | null;
  labels: Record<string, string>;
  last_seen_at: string;
  ended_at: string | null;
  end_reason: string | null;
}

export interface SessionPage {
  sessions: OperatedSession[];
  next_cursor: string | null;
  active_sessions: number;
}

export type HealthReason = "connecting" | "no_source" | "unauthorized" | "not_found" | "unreachable" | "ended" | "stalled" | "no_picture" | "forbidden" | "too_large" | "unsupported" | "no_room" | "on_hold" | "thinned" | "failed" | "no_sound" | "sound_off_picture";

/** How a game is, and what its source is made of; `null` where nothing is known. */
export interface GameHealth {
  status: GameStatus;
  reason: HealthReason | null;
  /** RFC 3339. */
  since: string;
  /** From 0. */
  source_index: number;
  reconnects: number;
  last_error: string | null;
  container: string | null;
  video: { codec: string | null; width: number; height: number; fps: number | null; interlaced: boolean | null; colour: string | null } | null;
  audio: { codec: string | null; channels: number | null; sample_rate: number | null } | null;
  bitrate_bps: number | null;
  av_offset_ms: number | null;
}

/** A break that a game is in. */
export interface RunningBreak {
  id: string;
  /** RFC 3339. */
  starts_at: string;
  /** Where it will end, as far as that was said. */
  ends_at: string | null;
}

/** What a slot shows in a break: what the source sends, or a card. */
export type BreakPolicy = "show" | "slate";

export interface RegisteredGame {
  id: string;
  title: string;
  /** What is secret in them is masked by the service: this page may stand on a screen that many see. */
  sources: string[];
  health: GameHealth;
  labels: Record<string, string>;
  /** `null`: as the configuration has it for all games. */
  break_policy?: BreakPolicy | null;
  offset_ms?: number;
  status: GameStatus;
  /** `config`: from the configuration file, read-only here. */
  origin: "config" | "operator";
  /** An older service does not say. */
  current_break?: RunningBreak | null;
  active_sessions: number;
}

/** What is sent of a game. */
export interface GameBody {
  id: string;
  title: string;
  /** One that is sent as it was shown, masked, stays what it is. */
  sources: string[];
  labels: Record<string, string>;
  break_policy: BreakPolicy | null;
  offset_ms: number;
}

/** A picture for slots of art. */
export interface Asset {
  /** SHA-256 of the file. */
  id: string;
  /** Its media type. */
  type: string;
  width: number;
  height: number;
  bytes: number;
  /** 0: a still. */
  duration_s: number;
  state: string;
}

/** Assets by the names of slots of art. */
export interface Skin {
  id: string;
  art: Record<string, string>;
  origin: "config" | "operator";
}

export interface Tier {
  /** `null`: no bound. */
  max_height: number | null;
  /** `null`: all. */
  features: string[] | null;
}

/** What sessions of a market see in breaks. */
export interface MarketBreaks {
  policy: "programme" | "slate" | "advertisement" | "squeeze_back";
  decision_url: string | null;
  decided_for: "market" | "session";
  layout: string | null;
  skin: string | null;
}

/** What breaks came to in a market. */
export interface MarketFill {
  market: string;
  decisions: number;
  decided: number;
  play_outs: number;
  completes: number;
  advertisement_s: number;
  slate_s: number;
  /** `null`: there was no break. */
  fill: number | null;
  /** By VAST's code. */
  errors: Record<string, number>;
  /** What was watched in the market in the same time, in breaks or not. An older service does not say. */
  sessions?: number;
  billable_seconds?: number;
  costs?: Cost[];
}

export interface FillReport {
  from: string;
  to: string;
  markets: MarketFill[];
}

export interface Market {
  id: string;
  title: string;
  sound_language: string | null;
  text_language: string | null;
  /** `null`: all. */
  games: string[] | null;
  /** Codes of countries; `null` and, of an older service, none: everywhere. */
  regions?: string[] | null;
  skin: string | null;
  /** An older service has none. */
  breaks?: MarketBreaks;
  tier: Tier;
  origin: "config" | "operator";
}

export type Standing = "draft" | "final";

/** One row of a report. What it is of stands in a member named as the grouping is. */
export interface UsageRow {
  session_id?: string | null;
  day?: string | null;
  hour?: string | null;
  game?: string | null;
  layout?: string | null;
  tier?: string | null;
  market?: string | null;
  label?: string | null;
  state?: Standing;
  /** RFC 3339; for sessions alone. */
  first_minute?: string;
  last_minute?: string;
  /** For days, hours and markets alone. */
  sessions?: number;
  billable_seconds: number;
  slate_seconds?: number;
  slate_all_seconds?: number;
  billed_minutes?: number;
  /** A decimal; absent where no tariff prices the row. */
  cost?: string | null;
  /** ISO 4217. */
  currency?: string | null;
}

export interface Cost {
  currency: string;
  cost: string;
}

export interface UsageReport {
  from: string;
  to: string;
  group_by: string;
  state?: Standing;
  /** Every hour before it is closed: nothing in it changes any more. */
  closed_until?: string | null;
  rows: UsageRow[];
  total_billable_seconds: number;
  total_billed_minutes?: number;
  costs?: Cost[];
}

export interface UsageQuestion {
  /** RFC 3339, included. */
  from: string;
  /** RFC 3339, excluded. */
  to: string;
  groupBy: string;
}

export const FORMATS = ["csv", "json", "focus"] as const;
export type Format = (typeof FORMATS)[number];

/** What a page reads of a report: a month of sessions can be far more than anybody looks at. */
export const REPORT_BYTES_MAX = 8 * 1024 * 1024;
export const TOO_LARGE = "report_too_large";

const REPORT_TIMEOUT_MS = 60_000;
const DOWNLOAD_TIMEOUT_MS = 15 * 60_000;
// A large file over a slow line, and a drawing that takes its time.
const UPLOAD_TIMEOUT_MS = 5 * 60_000;

/** The text of `response`, read no further than `bytesMax`. */
export async function textWithin(response: Response, bytesMax: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return response.text();
  const decoder = new TextDecoder();
  let [bytes, read] = [0, ""];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return read + decoder.decode();
    bytes += value.byteLength;
    if (bytes > bytesMax) {
      await reader.cancel();
      throw new Problem(0, TOO_LARGE, "More rows than a page can show", "Download the report instead, or group it otherwise.");
    }
    read += decoder.decode(value, { stream: true });
  }
}

/** Where the file of an asset is. */
export function filePath(asset: string): string {
  return `/v1/operator/assets/${encodeURIComponent(asset)}/file`;
}

/** Where there is a picture of an asset in a layout's slots of one name. */
export function previewPath(asset: string, layout: string, slot: string): string {
  return `/v1/operator/assets/${encodeURIComponent(asset)}/preview?${new URLSearchParams({ layout, slot })}`;
}

function query(question: UsageQuestion, format: Format): string {
  const { from, to, groupBy } = question;
  return new URLSearchParams({ from, to, group_by: groupBy, format }).toString();
}

/** The operator routes, with one operator key. */
export class OperatorClient extends Caller {
  async sessions(cursor: string | null, limit: number, state: "active" | "ended" | "all" = "active"): Promise<SessionPage> {
    const asked = new URLSearchParams({ ...(state === "all" ? {} : { state }), limit: String(limit) });
    if (cursor !== null) asked.set("cursor", cursor);
    return (await this.call("GET", `/v1/operator/sessions?${asked}`)).json();
  }

  async end(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/sessions/${encodeURIComponent(id)}`);
  }

  async registered(): Promise<RegisteredGame[]> {
    return (await this.call("GET", "/v1/operator/games")).json();
  }

  /** Registers a game; it has to be new. */
  async addGame(body: GameBody): Promise<RegisteredGame> {
    return (await this.call("POST", "/v1/operator/games", { body })).json();
  }

  async changeGame(body: GameBody): Promise<RegisteredGame> {
    return (await this.call("PUT", `/v1/operator/games/${encodeURIComponent(body.id)}`, { body })).json();
  }

  async removeGame(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/games/${encodeURIComponent(id)}`);
  }

  /** Without `durationS` it runs until it is ended, without `startsInS` it begins now. */
  async beginBreak(game: string, durationS: number | null, startsInS: number | null = null): Promise<void> {
    const body = { ...(durationS !== null && { duration_s: durationS }), ...(startsInS !== null && { starts_in_s: startsInS }) };
    await this.call("POST", `/v1/operator/games/${encodeURIComponent(game)}/breaks`, { body });
  }

  async endBreak(game: string, id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/games/${encodeURIComponent(game)}/breaks/${encodeURIComponent(id)}`);
  }

  async layouts(): Promise<Layout[]> {
    return layoutsOf(await (await this.call("GET", "/v1/layouts")).json());
  }

  async assets(): Promise<Asset[]> {
    return (await this.call("GET", "/v1/operator/assets")).json();
  }

  /** `isNew` is false where the same file was there already. */
  async upload(file: Blob): Promise<{ asset: Asset; isNew: boolean }> {
    const headers = { "Content-Type": file.type || "application/octet-stream" };
    const answer = await this.call("POST", "/v1/operator/assets", { file, headers, timeoutMs: UPLOAD_TIMEOUT_MS });
    return { asset: (await answer.json()) as Asset, isNew: answer.status === 201 };
  }

  async removeAsset(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/assets/${encodeURIComponent(id)}`);
  }

  /** A picture at a path of the operators'. */
  async picture(path: string): Promise<Blob> {
    return (await this.call("GET", path, { headers: { Accept: "image/*, application/problem+json" } })).blob();
  }

  async skins(): Promise<Skin[]> {
    return (await this.call("GET", "/v1/operator/skins")).json();
  }

  async putSkin(id: string, art: Record<string, string>): Promise<void> {
    await this.call("PUT", `/v1/operator/skins/${encodeURIComponent(id)}`, { body: { art } });
  }

  async removeSkin(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/skins/${encodeURIComponent(id)}`);
  }

  async markets(): Promise<Market[]> {
    return (await this.call("GET", "/v1/operator/markets")).json();
  }

  /** Makes a market; it has to be new. */
  async addMarket(body: Record<string, unknown>): Promise<void> {
    await this.call("POST", "/v1/operator/markets", { body });
  }

  async changeMarket(id: string, body: Record<string, unknown>): Promise<void> {
    await this.call("PUT", `/v1/operator/markets/${encodeURIComponent(id)}`, { body });
  }

  async removeMarket(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/markets/${encodeURIComponent(id)}`);
  }

  /** What breaks came to in the last thirty days. */
  async fill(): Promise<FillReport> {
    return (await this.call("GET", "/v1/operator/breaks/report")).json();
  }

  /** As devices see them: with thumbnails. */
  async offered(): Promise<Game[]> {
    return (await this.call("GET", "/v1/games")).json();
  }

  async usage(question: UsageQuestion): Promise<UsageReport> {
    const answer = await this.call("GET", `/v1/operator/usage?${query(question, "json")}`, { timeoutMs: REPORT_TIMEOUT_MS });
    return JSON.parse(await textWithin(answer, REPORT_BYTES_MAX)) as UsageReport;
  }

  /** The report as a file, however large. */
  async download(question: UsageQuestion, format: Format): Promise<Blob> {
    const headers = { Accept: format === "json" ? "application/json" : "text/csv, application/problem+json" };
    const path = `/v1/operator/usage?${query(question, format)}`;
    return (await this.call("GET", path, { headers, timeoutMs: DOWNLOAD_TIMEOUT_MS })).blob();
  }
}
