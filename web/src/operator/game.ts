// A game's form: its fields as text, and back. Pure.

import type { GameBody } from "./api";

/** Lines of a field that hold something. */
export function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** `name=value`, a line each. */
export function labelLines(labels: Record<string, string>): string {
  return Object.entries(labels).map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join("\n");
}

export function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

/** Where, on what and when a game may be shown, as text. */
export interface RightsText {
  regions: string;
  device_classes: string;
  markets: string;
  from: string;
  until: string;
}

/** Names with commas or spaces between them; null where there is none: that is no limit. */
function namesOf(text: string): string[] | null {
  const names = text.split(/[\s,]+/).filter((name) => name !== "");
  return names.length === 0 ? null : names;
}

export function rightsText(rights: GameBody["rights"] | undefined): RightsText {
  const names = (of: string[] | null | undefined) => (of ?? []).join(", ");
  return { regions: names(rights?.regions), device_classes: names(rights?.device_classes), markets: names(rights?.markets), from: rights?.from ?? "", until: rights?.until ?? "" };
}

/** Null where nothing limits the game. */
export function rightsOf({ regions, device_classes, markets, from, until }: RightsText): GameBody["rights"] {
  const rights = { regions: namesOf(regions), device_classes: namesOf(device_classes), markets: namesOf(markets), from: from.trim() || null, until: until.trim() || null };
  return Object.values(rights).every((limit) => limit === null) ? null : rights;
}

/** `27 Dec 2026, 19:30 UTC`. */
function instantWords(text: string): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  return `${at.toLocaleString("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC" })} UTC`;
}

/** What of a game's rights keeps devices from it, in words; empty where nothing does. What is over or not yet is said before all else. */
export function limitWords(rights: GameBody["rights"] | undefined, nowMs: number): string {
  const { regions, device_classes: devices, markets, from, until } = rights ?? {};
  const words: string[] = [];
  if (until && Date.parse(until) <= nowMs) words.push(`no longer: until ${instantWords(until)}`);
  else if (from && Date.parse(from) > nowMs) words.push(`not yet: from ${instantWords(from)}`);
  else if (until) words.push(`until ${instantWords(until)}`);
  if (regions) words.push(`only in ${regions.join(", ")}`);
  if (devices) words.push(`only on ${devices.join(", ")}`);
  if (markets) words.push(`only in ${markets.length === 1 ? "market" : "markets"} ${markets.join(", ")}`);
  const told = words.join("; ");
  return told === "" ? "" : `${told.charAt(0).toUpperCase()}${told.slice(1)}.`;
}

/** Whether its rights let nobody pick it at present. */
export function isShut(rights: GameBody["rights"] | undefined, nowMs: number): boolean {
  return (!!rights?.until && Date.parse(rights.until) <= nowMs) || (!!rights?.from && Date.parse(rights.from) > nowMs);
}

/** An id made of a title, to begin with: `Hawks at Ravens` gives `hawks-at-ravens`. */
export function idFrom(title: string): string {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 64);
}
