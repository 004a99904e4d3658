// A layout drawn small: its slots as rectangles on its canvas, those of art hatched.

import type { Layout, Rect } from "../api";
import { svg } from "../dom";

const WIDTH = 64;
const GAP = 1.2;
// Between two lines of the hatching.
const HATCH = 4;

export function diagram(layout: Layout): SVGElement {
  const { canvas } = layout;
  const height = (WIDTH * canvas.height) / canvas.width;
  const scale = WIDTH / canvas.width;
  const inside = ({ x, y, width, height }: Rect): Rect => ({
    x: x * scale + GAP,
    y: y * scale + GAP,
    width: Math.max(1, width * scale - 2 * GAP),
    height: Math.max(1, height * scale - 2 * GAP),
  });
  const rect = (slot: Rect, name: string) => svg("rect", { class: name, ...inside(slot), rx: 1.5 });
  const games = layout.slots.map((slot, at) => rect(slot, at === 0 ? "first" : ""));
  const art = layout.art.flatMap((slot) => [rect(slot, "art"), svg("path", { class: "art-lines", d: hatching(inside(slot)) })]);
  const frame = svg("rect", { class: "canvas", x: 0, y: 0, width: WIDTH, height, rx: 3 });
  return svg("svg", { class: "diagram", viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true" }, frame, ...games, ...art);
}

/** Lines from the lower left to the upper right, within `rect`. */
export function hatching({ x, y, width, height }: Rect): string {
  let path = "";
  for (let at = HATCH; at < width + height; at += HATCH) {
    const [fromX, fromY] = at <= height ? [x, y + at] : [x + at - height, y + height];
    const [toX, toY] = at <= width ? [x + at, y] : [x + width, y + at - width];
    path += `M${fromX.toFixed(2)} ${fromY.toFixed(2)}L${toX.toFixed(2)} ${toY.toFixed(2)}`;
  }
  return path;
}
