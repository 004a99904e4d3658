// Small helpers to build and update elements. Styles are set through the object model only: the page's content security
// policy allows no style attributes.

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | null>;

/** Makes an element; an attribute that is `false` or null is left out, `true` is set empty. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) attribute(element, name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag: string, attributes: Attributes = {}, ...children: Node[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) attribute(element, name, value);
  element.append(...children);
  return element;
}

/** Sets an attribute when it differs, so that an update without a change touches nothing. */
export function attribute(element: Element, name: string, value: string | number | boolean | null): void {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export function text(element: Node, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

export function toggle(element: Element, name: string, on: boolean): void {
  element.classList.toggle(name, on);
}

/** Places an absolutely positioned element in fractions of its container, as percentages. */
export function placeAt(element: HTMLElement, rect: { x: number; y: number; width: number; height: number }, canvas: { width: number; height: number }): void {
  const { style } = element;
  style.left = `${(100 * rect.x) / canvas.width}%`;
  style.top = `${(100 * rect.y) / canvas.height}%`;
  style.width = `${(100 * rect.width) / canvas.width}%`;
  style.height = `${(100 * rect.height) / canvas.height}%`;
}

/** Makes `list` hold one element for each item, in order; an element stays with its key, and so does the focus in it. */
export function keyed<T, E extends HTMLElement>(
  list: HTMLElement,
  elements: Map<string, E>,
  items: readonly T[],
  key: (item: T, at: number) => string,
  make: (item: T, at: number) => E,
): E[] {
  const wanted = new Set(items.map(key));
  for (const [name, element] of elements) {
    if (wanted.has(name)) continue;
    element.remove();
    elements.delete(name);
  }
  return items.map((item, at) => {
    const name = key(item, at);
    let element = elements.get(name);
    if (element === undefined) {
      element = make(item, at);
      elements.set(name, element);
    }
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
    return element;
  });
}

/** Line drawings, 24 by 24, drawn with the text's colour. */
const PATHS: Record<string, string> = {
  sound: "M4 9v6h4l5 4V5L8 9H4zM16.5 8.5a5 5 0 0 1 0 7M19 6a8.5 8.5 0 0 1 0 12",
  muted: "M4 9v6h4l5 4V5L8 9H4zM17 9.5l5 5M22 9.5l-5 5",
  full: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  close: "M6 6l12 12M18 6L6 18",
  play: "M8 5l11 7-11 7V5z",
  pause: "M8 5.5v13M16 5.5v13",
  stop: "M6.5 6.5h11v11h-11z",
  link: "M10 14a4.5 4.5 0 0 0 6.4 0l3-3a4.5 4.5 0 0 0-6.4-6.4l-1.2 1.2M14 10a4.5 4.5 0 0 0-6.4 0l-3 3a4.5 4.5 0 0 0 6.4 6.4l1.2-1.2",
  keyboard: "M3 6.5h18v11H3zM6.5 10h.01M10.2 10h.01M13.8 10h.01M17.5 10h.01M8 14h8",
  back: "M3.5 12a8.5 8.5 0 1 0 2.8-6.3L3.5 8.2M3.5 3.5v4.7h4.7",
  forward: "M20.5 12a8.5 8.5 0 1 1-2.8-6.3l2.8 2.5M20.5 3.5v4.7h-4.7",
  copy: "M9 9h10v11H9zM5 15V4h10",
  headphones: "M4 15v-3a8 8 0 0 1 16 0v3M4 14h3v6H5a1 1 0 0 1-1-1v-5zM20 14h-3v6h2a1 1 0 0 0 1-1v-5z",
  alert: "M12 4l9 16H3L12 4zM12 10v4M12 17v.5",
};

export function icon(name: keyof typeof PATHS & string): SVGElement {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, svg("path", { d: PATHS[name] ?? "" }));
}
