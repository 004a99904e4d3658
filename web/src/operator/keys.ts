// Keys in words, and the form's fields as a key. Pure.

import type { Key, KeyBody } from "./api";
import { list } from "../format";
import { moment } from "./figures";
import { featureName } from "./market";

/** What stands after `/v1/operator/` in routes, in the order of scopes. */
export const AREAS = ["assets", "audit", "breaks", "clips", "games", "keys", "markets", "outputs", "sessions", "skins", "usage", "webhooks"] as const;

/** All scopes, by their names, for a choice. */
export const SCOPES: ReadonlyMap<string, string> = new Map(AREAS.flatMap((area) => ["read", "write"].map((access) => [`${area}:${access}`, `${area}: ${access}`])));

/** `games and sessions`; `reads usage`: who may write may read. */
export function scopeWords({ role, scopes }: Key): string {
  if (role === "device") return "devices' routes";
  if (scopes === null) return "all";
  const writes = scopes.filter((scope) => scope.endsWith(":write")).map((scope) => scope.slice(0, -6));
  const reads = scopes.filter((scope) => scope.endsWith(":read")).map((scope) => scope.slice(0, -5)).filter((area) => !writes.includes(area));
  const parts = [writes.length === 0 ? "" : `changes ${list(writes)}`, reads.length === 0 ? "" : `reads ${list(reads)}`];
  return parts.filter((part) => part !== "").join("; ") || "none";
}

/** What bounds the sessions of a device's key; empty where nothing does. */
export function termWords({ market, max_height: height, features }: Key): string {
  const parts = [
    market === null ? "" : `market ${market}`,
    height === null ? "" : `up to ${height} rows`,
    features === null ? "" : features.length === 0 ? "no features" : features.map(featureName).join(", "),
  ];
  return parts.filter((part) => part !== "").join(", ");
}

export function isExpired({ expires_at: at }: Key, nowMs: number): boolean {
  return at !== null && Date.parse(at) <= nowMs;
}

/** `30 Jun 00:00:00`; `when it is revoked`. */
export function expiryWords(key: Key, nowMs: number): string {
  if (key.expires_at === null) return key.origin === "config" ? "–" : "when it is revoked";
  const at = Date.parse(key.expires_at);
  const year = new Date(at).getUTCFullYear();
  return `${moment(at, nowMs)}${year === new Date(nowMs).getUTCFullYear() ? "" : ` ${year}`}`;
}

/** When it was presented last, as far as that is known. */
export function usedWords({ last_used_at: at }: Key, nowMs: number): string {
  return at === null ? "not since the start" : moment(Date.parse(at), nowMs);
}

export interface KeyFields {
  readonly name: string;
  readonly role: "operator" | "device";
  /** Null: all. */
  readonly scopes: string[] | null;
  readonly market: string;
  readonly height: string;
  readonly features: string[] | null;
  /** Of a field for times, UTC; empty: never. */
  readonly expires: string;
}

/** What is sent of a key: what belongs to the other role is left out. */
export function keyBody({ name, role, scopes, market, height, features, expires }: KeyFields): KeyBody {
  const expires_at = expires === "" ? null : `${expires}${expires.length === 16 ? ":00" : ""}Z`;
  if (role === "operator") return { name: name.trim(), role, scopes, expires_at };
  return { name: name.trim(), role, market: market || null, max_height: height.trim() === "" ? null : Number(height), features: features as KeyBody["features"] & object, expires_at };
}
