// The operators' part of the HTTP contract: its shapes, and a client for them.

import { Caller, layoutsOf, Problem, type AudioInfo, type Game, type GameText, type Layout, type Older, type Session, type Shapes } from "../api";

export type OperatedSession = Session & Pick<Shapes["OperatedSession"], "device_id" | "labels" | "last_seen_at" | "ended_at"> & { end_reason: string | null };
export type SessionPage = Omit<Shapes["SessionPage"], "sessions"> & { sessions: OperatedSession[] };

export type HealthReason = Shapes["HealthReason"];

type Known = "status" | "reason" | "since" | "source_index" | "reconnects" | "last_error" | "container" | "bitrate_bps" | "av_offset_ms";
type KnownVideo = "codec" | "width" | "height" | "fps" | "interlaced" | "colour";
/** How a game is, and what its source is made of; `null` where nothing is known. */
export type GameHealth = Pick<Shapes["GameHealth"], Known> & { video: Pick<Shapes["VideoHealth"], KnownVideo> | null; audio: Shapes["AudioHealth"] | null };

/** A break that a game is in. */
export type RunningBreak = Pick<Shapes["CueEvent"], "id" | "starts_at" | "ends_at">;

/** What a slot shows in a break: what the source sends, or a card. */
export type BreakPolicy = Shapes["BreakPolicy"];

type Registered = Omit<Shapes["RegisteredGame"], "health" | "current_break">;
export type RegisteredGame = Older<Registered, "break_policy" | "offset_ms" | "thumbnail_url"> & { health: GameHealth; current_break?: RunningBreak | null };

/** What is sent of a game: all of it. */
export type GameBody = Required<Shapes["GameRequest"]> & { id: string };

/** A picture for slots of art. */
export type Asset = Omit<Shapes["Asset"], "type" | "state"> & { type: string; state: string };

/** Assets by the names of slots of art. */
export type Skin = Shapes["Skin"];

export type Tier = { max_height: number | null; features: string[] | null };

/** What sessions of a market see in breaks. */
export type MarketBreaks = Required<Shapes["MarketBreaks"]>;

/** What breaks came to in a market, and in all. */
export type MarketFill = Shapes["MarketBreaksReport"];
export type FillReport = Shapes["BreaksReport"];

export type Market = Omit<Shapes["RegisteredMarket"], "breaks" | "tier"> & {
  /** An older service has none. */
  breaks?: MarketBreaks;
  tier: Tier;
};

export type Standing = Shapes["ReportState"];

/** One row of a report. What it is of stands in a member named as the grouping is. */
export type UsageRow = Partial<Omit<Shapes["UsageRow"], "label" | "cost" | "currency">> & {
  billable_seconds: number;
  label?: string | null;
  cost?: string | null;
  currency?: string | null;
};

export type Cost = Shapes["CurrencyCost"];

/** A session, and what was billed of it. */
export type SessionDetail = OperatedSession & Pick<Shapes["SessionDetail"], "billed"> & { market?: string | null; region?: string | null };

/** What a source turned out to be. */
export type Tried = Pick<Shapes["TriedSource"], "source" | "works" | "reason" | "detail" | "container" | "bitrate_bps" | "av_offset_ms" | "thumbnail" | "took_ms"> & {
  video: Pick<Shapes["VideoHealth"], KnownVideo> | null;
  audio: Shapes["AudioHealth"] | null;
  sounds: AudioInfo[];
  texts: GameText[];
};

export type Key = Shapes["Key"];
/** With what opens something: told once. */
export type MadeKey = Shapes["MadeKey"];
export type KeyBody = Shapes["KeyRequest"];

export type EventType = Shapes["WebhookEventType"];
export type Webhook = Shapes["Webhook"];
/** With what its messages are signed with: told once. */
export type MadeWebhook = Shapes["MadeWebhook"];
export type WebhookBody = Required<Shapes["WebhookRequest"]>;
/** What came of trying one. */
export type WebhookTest = Shapes["WebhookTest"];
/** An attempt to tell one something. */
export type WebhookDelivery = Shapes["WebhookDelivery"];

export type AuditEntry = Shapes["AuditEntry"];
export type AuditPage = Shapes["AuditPage"];
export type AuditChain = Shapes["AuditChain"];

type Late = "state" | "closed_until" | "total_billed_minutes" | "costs";
export type UsageReport = Older<Omit<Shapes["UsageReport"], "rows">, Late> & { rows: UsageRow[] };

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
// The service gives it 25 s, and a moment to end it.
const TRIAL_TIMEOUT_MS = 40_000;
// A webhook is given 20 s to answer, and to be reached.
const TEST_TIMEOUT_MS = 40_000;
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
  /** `wanted`: parameters that say which; those that are active without it. */
  async sessions(cursor: string | null, limit: number, wanted: Record<string, string> = { state: "active" }): Promise<SessionPage> {
    const asked = new URLSearchParams({ ...wanted, limit: String(limit) });
    if (cursor !== null) asked.set("cursor", cursor);
    return (await this.call("GET", `/v1/operator/sessions?${asked}`)).json();
  }

  /** One session, and what was billed of it. */
  async session(id: string): Promise<SessionDetail> {
    return (await this.call("GET", `/v1/operator/sessions/${encodeURIComponent(id)}`, { timeoutMs: REPORT_TIMEOUT_MS })).json();
  }

  async end(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/sessions/${encodeURIComponent(id)}`);
  }

  async registered(): Promise<RegisteredGame[]> {
    return (await this.call("GET", "/v1/operator/games")).json();
  }

  /** Decodes a source for a moment; `game` is the one whose source it is, where that may be masked. */
  async trySource(source: string, game: string | null, signal: AbortSignal): Promise<Tried> {
    const body = { source, ...(game !== null && { game }) };
    return (await this.call("POST", "/v1/operator/sources/try", { body, signal, timeoutMs: TRIAL_TIMEOUT_MS })).json();
  }

  async keys(): Promise<Key[]> {
    return (await this.call("GET", "/v1/operator/keys")).json();
  }

  async makeKey(body: KeyBody): Promise<MadeKey> {
    return (await this.call("POST", "/v1/operator/keys", { body })).json();
  }

  async revokeKey(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/keys/${encodeURIComponent(id)}`);
  }

  async webhooks(): Promise<Webhook[]> {
    return (await this.call("GET", "/v1/operator/webhooks")).json();
  }

  async makeWebhook(body: WebhookBody): Promise<MadeWebhook> {
    return (await this.call("POST", "/v1/operator/webhooks", { body })).json();
  }

  /** One that was disabled is told things again. */
  async changeWebhook(id: string, body: WebhookBody): Promise<Webhook> {
    return (await this.call("PUT", `/v1/operator/webhooks/${encodeURIComponent(id)}`, { body })).json();
  }

  async rotateWebhook(id: string): Promise<MadeWebhook> {
    return (await this.call("POST", `/v1/operator/webhooks/${encodeURIComponent(id)}/rotate`)).json();
  }

  /** Sends it an event now, and waits for its answer. */
  async testWebhook(id: string, signal: AbortSignal): Promise<WebhookTest> {
    return (await this.call("POST", `/v1/operator/webhooks/${encodeURIComponent(id)}/test`, { signal, timeoutMs: TEST_TIMEOUT_MS })).json();
  }

  async webhookDeliveries(id: string): Promise<WebhookDelivery[]> {
    return (await this.call("GET", `/v1/operator/webhooks/${encodeURIComponent(id)}/deliveries`)).json();
  }

  async removeWebhook(id: string): Promise<void> {
    await this.call("DELETE", `/v1/operator/webhooks/${encodeURIComponent(id)}`);
  }

  async audit(wanted: Record<string, string>): Promise<AuditPage> {
    return (await this.call("GET", `/v1/operator/audit?${new URLSearchParams(wanted)}`)).json();
  }

  /** Has the whole chain digested anew. */
  async auditChain(): Promise<AuditChain> {
    return (await this.call("GET", "/v1/operator/audit/chain", { timeoutMs: REPORT_TIMEOUT_MS })).json();
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
