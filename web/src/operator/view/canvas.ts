// A layout's canvas with the art that stands in its slots, and where its games are.

import type { Layout } from "../../api";
import { attribute, h, keyed, placeAt, text } from "../../dom";
import { previewPath } from "../api";
import { clipAround } from "../art";
import type { Pictures } from "./pictures";

export interface Canvas {
  readonly element: HTMLElement;
  /** `art`: assets by the names of slots. */
  show(art: Readonly<Record<string, string>>): void;
}

export function canvasOf(layout: Layout, pictures: Pictures): Canvas {
  const { canvas } = layout;
  const games = layout.slots.map((slot, at) => {
    const place = h("span", { class: "canvas-game" }, String(at + 1));
    placeAt(place, slot, canvas);
    return place;
  });
  const names = [...new Set(layout.art.map(({ name }) => name))];
  const pieces = (name: string) => layout.art.filter((slot) => slot.name === name);
  const art = names.map((name) => {
    const image = h("img", { class: "canvas-art", alt: "", hidden: true });
    image.style.clipPath = clipAround(pieces(name), canvas);
    return { name, image };
  });
  const empty = new Map<string, HTMLElement>();
  const places = h("span", { class: "canvas-places" });
  const element = h("div", { class: "canvas", role: "img", "data-layout": layout.id }, ...games, places, ...art.map(({ image }) => image));
  element.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  return {
    element,
    show(assets) {
      for (const { name, image } of art) {
        const asset = assets[name];
        attribute(image, "data-slot", name);
        pictures.show(image, asset === undefined ? null : previewPath(asset, layout.id, name));
      }
      const free = layout.art.filter(({ name }) => assets[name] === undefined);
      const spots = keyed(places, empty, free, ({ name, x, y }) => `${name} ${x} ${y}`, () => h("span", { class: "canvas-empty" }));
      spots.forEach((spot, at) => {
        const slot = free[at];
        if (slot === undefined) return;
        placeAt(spot, slot, canvas);
        // Too narrow for a word are the sides of a frame.
        text(spot, slot.width > canvas.width / 4 && slot.height > canvas.height / 9 ? slot.name : "");
      });
      const filled = names.filter((name) => assets[name] !== undefined);
      attribute(element, "aria-label", `${layout.name}: ${filled.length === 0 ? "no art" : `art in ${filled.join(", ")}`}`);
    },
  };
}

/** Canvases of layouts with their names below them. */
export function canvases(layouts: readonly Layout[], pictures: Pictures): { element: HTMLElement; show: Canvas["show"] } {
  const drawn = layouts.map((layout) => ({ layout, canvas: canvasOf(layout, pictures) }));
  const figures = drawn.map(({ layout, canvas }) => h("figure", { class: "canvas-figure" }, canvas.element, h("figcaption", {}, `${layout.name} `, h("code", {}, layout.id))));
  return { element: h("div", { class: "canvases" }, ...figures), show: (art) => drawn.forEach(({ canvas }) => canvas.show(art)) };
}
