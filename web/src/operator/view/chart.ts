// One measure of a day as a bar for each hour, drawn anew whenever it or the room for it changes.

import { h, svg, text } from "../../dom";
import type { Standing } from "../api";
import { axisTop, tick } from "../bars";

export interface Bar {
  readonly hour: number;
  readonly value: number;
  readonly standing: Standing;
  /** For the pointer. */
  readonly words: string;
}

const HEIGHT = 128;
const LEFT = 44;
const RIGHT = 4;
const TOP = 8;
const BOTTOM = 20;
const WIDTH_MIN = 240;

/** The texture of hours that may still grow. */
function hatch(id: string): SVGElement {
  const line = svg("path", { d: "M-1 7L7 -1M-1 1L1 -1M5 7L7 5", class: "hatch-line" });
  return svg("defs", {}, svg("pattern", { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" }, svg("rect", { width: 6, height: 6, class: "hatch-ground" }), line));
}

function label(x: number, y: number, anchor: string, words: string): SVGElement {
  const element = svg("text", { x, y, "text-anchor": anchor });
  text(element, words);
  return element;
}

export interface Chart {
  readonly element: HTMLElement;
  /** `summary` is what it shows in words. */
  show(bars: readonly Bar[], summary: string): void;
}

export function chart(id: string): Chart {
  const paper = svg("svg", { class: "chart", role: "img", height: HEIGHT });
  const element = h("div", { class: "chart-frame" });
  element.append(paper);
  let bars: readonly Bar[] = [];
  let width = WIDTH_MIN;

  const draw = () => {
    paper.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const top = axisTop(Math.max(0, ...bars.map(({ value }) => value)));
    const [room, tall] = [width - LEFT - RIGHT, HEIGHT - TOP - BOTTOM];
    const x = (hour: number) => LEFT + (room * hour) / 24;
    const y = (value: number) => TOP + tall * (1 - value / top);
    const lines = [0, 0.5, 1].flatMap((part) => [
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: y(part * top), y2: y(part * top), class: part === 0 ? "axis" : "grid" }),
      label(LEFT - 7, y(part * top) + 4, "end", tick(part * top)),
    ]);
    const hours = [0, 6, 12, 18, 24].map((hour) => label(x(hour), HEIGHT - 5, hour === 0 ? "start" : hour === 24 ? "end" : "middle", String(hour).padStart(2, "0")));
    const gap = Math.max(1, room / 24 / 6);
    const drawn = bars.map(({ hour, value, standing, words }) => {
      // Corrections may make an hour less than nothing: the table tells it, a bar cannot.
      const high = Math.max(value > 0 ? 1.5 : 0, (tall * value) / top, 0);
      const told = svg("title", {});
      text(told, words);
      const shape = { x: x(hour) + gap, y: TOP + tall - high, width: room / 24 - 2 * gap, height: high, rx: Math.min(2, high / 2) };
      return svg("rect", { ...shape, class: `bar-${standing}`, fill: standing === "draft" ? `url(#${id}-hatch)` : "currentColor" }, told);
    });
    paper.replaceChildren(hatch(`${id}-hatch`), ...lines, ...hours, ...drawn);
  };
  new ResizeObserver(([entry]) => {
    const wanted = Math.max(WIDTH_MIN, Math.floor(entry?.contentRect.width ?? 0));
    if (wanted === width) return;
    width = wanted;
    draw();
  }).observe(element);
  return {
    element,
    show: (now, summary) => {
      paper.setAttribute("aria-label", summary);
      // An answer without news touches nothing: a pointer may rest on a bar.
      if (JSON.stringify(now) === JSON.stringify(bars) && paper.childNodes.length > 0) return;
      bars = now;
      draw();
    },
  };
}
