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

/** An id made of a title, to begin with: `Hawks at Ravens` gives `hawks-at-ravens`. */
export function idFrom(title: string): string {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 64);
}
