// The product's name as both pages carry it.

import { h, svg } from "../dom";

function logo(): SVGElement {
  const square = (x: number, y: number, lit: boolean) =>
    svg("rect", { x, y, width: 11, height: 9, rx: 1.8, class: lit ? "lit" : "" });
  return svg("svg", { class: "logo", viewBox: "0 0 25 21", "aria-hidden": "true" }, square(1, 1, true), square(13, 1, false), square(1, 11, false), square(13, 11, false));
}

export function brand(tagline: string): HTMLElement {
  return h("div", { class: "brand" }, logo(), h("h1", {}, "Quadrille"), h("span", { class: "tagline" }, tagline));
}
