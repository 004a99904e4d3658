// A layout drawn small: its slots as rectangles on its canvas.

import type { Layout } from "../api";
import { svg } from "../dom";

const WIDTH = 64;

export function diagram(layout: Layout): SVGElement {
  const { canvas } = layout;
  const height = (WIDTH * canvas.height) / canvas.width;
  const scale = WIDTH / canvas.width;
  const gap = 1.2;
  const slots = layout.slots.map((slot, at) =>
    svg("rect", {
      class: at === 0 ? "first" : "",
      x: slot.x * scale + gap,
      y: slot.y * scale + gap,
      width: Math.max(1, slot.width * scale - 2 * gap),
      height: Math.max(1, slot.height * scale - 2 * gap),
      rx: 1.5,
    }),
  );
  const frame = svg("rect", { class: "canvas", x: 0, y: 0, width: WIDTH, height, rx: 3 });
  return svg("svg", { class: "diagram", viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true" }, frame, ...slots);
}
