// Markets in words, and the form's fields as a market. Pure.

import type { Market, MarketBreaks, MarketFill, Tier } from "./api";
import { list } from "../format";

const FEATURES: Record<string, string> = { low_latency: "low latency", dolby: "Dolby sound", hdr: "HDR" };

/** Those that every service has. */
export const KNOWN_FEATURES = ["low_latency", "dolby", "hdr"] as const;

export function featureName(feature: string): string {
  return FEATURES[feature] ?? feature.replaceAll("_", " ");
}

/** `up to 720 rows`; a dash where nothing bounds it. */
export function heightWords({ max_height: height }: Tier): string {
  return height === null ? "all" : `up to ${height} rows`;
}

export function featureWords({ features }: Tier): string {
  if (features === null) return "all";
  return features.length === 0 ? "none" : features.map(featureName).join(", ");
}

/** `all`, `none`, or the titles of a few and how many more. */
export function gamesWords(games: readonly string[] | null, title: (game: string) => string): string {
  if (games === null) return "all";
  if (games.length === 0) return "none";
  const shown = games.length > 4 ? [...games.slice(0, 3).map(title), `${games.length - 3} more`] : games.map(title);
  return list(shown);
}

/** `GB, IE`; `all`. */
export function regionWords(regions: readonly string[] | null | undefined): string {
  return regions?.join(", ") ?? "all";
}

/** Codes of countries in a field, as the service takes them; null where it is empty. */
export function regionsOf(text: string): string[] | null {
  const codes = idsOf(text).map((code) => code.toUpperCase());
  return codes.length === 0 ? null : codes;
}

/** Words of a field, apart at commas and spaces, each once. */
export function idsOf(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((word) => word !== ""))];
}

/** A field's text; null where it is empty. */
export function textOf(text: string): string | null {
  return text.trim() || null;
}

/** What is sent of a market: all that was read of it but where it is from, so that what a newer service has stays. */
export function bodyOf(market: Market): Record<string, unknown> {
  const { origin: _, ...body } = market;
  return { ...body };
}

/** Policies of breaks, as people say them. */
export const POLICIES: Record<MarketBreaks["policy"], string> = {
  programme: "The programme",
  slate: "A slate",
  advertisement: "Advertisements",
  squeeze_back: "The game beside art",
};

export function breakPolicyWords(breaks: MarketBreaks | undefined): string {
  const words = POLICIES[breaks?.policy ?? "programme"].toLowerCase();
  return breaks?.decided_for === "session" ? `${words}, for each session` : words;
}

/** What a policy takes of what a form holds: what belongs to another is left out. */
export function breaksOf({ policy, decision_url, decided_for, layout, skin }: MarketBreaks): MarketBreaks {
  const asks = policy === "advertisement";
  const squeezes = policy === "squeeze_back";
  return {
    policy,
    decision_url: asks ? decision_url : null,
    decided_for: asks ? decided_for : "market",
    layout: squeezes ? layout : null,
    skin: squeezes ? skin : null,
  };
}

/** `75 %`; a dash where there was no break. */
export function fillWords({ fill }: MarketFill): string {
  return fill === null ? "–" : `${Math.round(fill * 100)} %`;
}

/** `303: 2 times, 405: once`; `none`. */
export function errorWords({ errors }: MarketFill): string {
  const each = Object.entries(errors).map(([code, times]) => `${code}: ${times === 1 ? "once" : `${times} times`}`);
  return each.join(", ") || "none";
}
