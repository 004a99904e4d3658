// Assets, skins and the slots that they stand in, in words and in figures. Pure.

import type { Layout, Rect } from "../api";
import type { Asset, Skin } from "./api";

const KINDS: Record<string, string> = {
  "image/png": "PNG",
  "image/jpeg": "JPEG",
  "image/svg+xml": "SVG",
  "image/webp": "WebP",
  "video/mp4": "MP4",
  "video/webm": "WebM",
  "video/mp2t": "MPEG-TS",
};

/** What files are taken, for a field that chooses some. */
export const TAKEN = Object.keys(KINDS).join(",");

/** `PNG`; what a newer service has beside them is told by its media type. */
export function kindOf({ type }: Asset): string {
  return KINDS[type] ?? type;
}

/** `812 B`, `34 kB`, `1.2 MB`. */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The first digits of an id: enough to tell one from another. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** `PNG, 1920×1080, 34 kB`; of a clip `MP4, 1920×216, 1.2 MB, 8.0 s, without its sound, 40 % ready`. */
export function assetWords(asset: Asset): string {
  const moves = asset.duration_s > 0 ? [`${asset.duration_s.toFixed(1)} s`] : [];
  const sound = asset.has_sound ? ["without its sound"] : [];
  const loops = asset.loops && asset.loops.percent < 100 ? [`${asset.loops.percent} % ready`] : [];
  return [kindOf(asset), `${asset.width}×${asset.height}`, size(asset.bytes), ...moves, ...sound, ...loops].join(", ");
}

/** The skins that an asset is in. */
export function skinsWith(asset: string, skins: readonly Skin[]): string[] {
  return skins.filter(({ art }) => Object.values(art).includes(asset)).map(({ id }) => id);
}

/** A name of slots of art, and the layouts that have such. */
export interface ArtName {
  readonly name: string;
  readonly layouts: readonly Layout[];
}

/** The names that layouts have for slots of art, in alphabetical order. */
export function artNames(layouts: readonly Layout[]): ArtName[] {
  const names = [...new Set(layouts.flatMap(({ art }) => art.map(({ name }) => name)))].sort();
  return names.map((name) => ({ name, layouts: layouts.filter(({ art }) => art.some((slot) => slot.name === name)) }));
}

/** The layouts that a skin has something for. */
export function dressed(skin: Skin, layouts: readonly Layout[]): Layout[] {
  return layouts.filter(({ art }) => art.some(({ name }) => name in skin.art));
}

/** Whether it is a clip of video: no file that an `<img>` shows. */
export function isClip({ type }: Asset): boolean {
  return type.startsWith("video/");
}

/** Slots of a layout in which art is looked at by itself: where all of it is seen, if any are, else the first; null where no layout has any. */
export function lookedAtIn(layouts: readonly Layout[]): { layout: string; slot: string } | null {
  const places = layouts.flatMap(({ id, art }) => art.map(({ name }) => ({ layout: id, slot: name, pieces: art.filter((slot) => slot.name === name).length })));
  const place = places.find(({ pieces }) => pieces === 1) ?? places[0];
  return place === undefined ? null : { layout: place.layout, slot: place.slot };
}

/** A clip path around `pieces` of a canvas, in percent of it: from each to the next there and back along the same line. */
export function clipAround(pieces: readonly Rect[], canvas: { width: number; height: number }): string {
  const percent = (value: number, of: number) => `${((100 * value) / of).toFixed(3)}%`;
  const point = (x: number, y: number) => `${percent(x, canvas.width)} ${percent(y, canvas.height)}`;
  const start = ({ x, y }: Rect) => point(x, y);
  const loops = pieces.flatMap((piece) => {
    const { x, y, width, height } = piece;
    return [start(piece), point(x + width, y), point(x + width, y + height), point(x, y + height), start(piece)];
  });
  const back = pieces.slice(0, -1).reverse().map(start);
  return `polygon(${[...loops, ...back].join(", ")})`;
}
