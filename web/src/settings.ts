// How a viewer likes it, kept by the browser.

import { read, write } from "./storage";

const LOW_LATENCY_ITEM = "quadrille.low_latency";
const VOLUME_ITEM = "quadrille.volume";

export function lowLatencyKept(): boolean {
  return read(LOW_LATENCY_ITEM) === "on";
}

export function keepLowLatency(on: boolean): void {
  write(LOW_LATENCY_ITEM, on ? "on" : "off");
}

const CAPTIONS_ITEM = "quadrille.captions";

/** The captions that were on last, as the stream names them; null while they are off. */
export function captionsKept(): string | null {
  return read(CAPTIONS_ITEM) || null;
}

export function keepCaptions(id: string | null): void {
  write(CAPTIONS_ITEM, id ?? "");
}

export interface Volume {
  /** 0 to 1. */
  readonly level: number;
  readonly muted: boolean;
}

export function volumeKept(): Volume | null {
  const [level, muted] = (read(VOLUME_ITEM) ?? "").split(" ");
  const value = Number(level);
  return level && value >= 0 && value <= 1 ? { level: value, muted: muted === "muted" } : null;
}

export function keepVolume({ level, muted }: Volume): void {
  write(VOLUME_ITEM, muted ? `${level} muted` : String(level));
}
