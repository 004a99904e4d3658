// All of something, or those that are ticked.

import { attribute, h } from "../../dom";
import { group, tick } from "./form";

export interface Several {
  readonly element: HTMLElement;
  /** `all`: what can be ticked, by its name. */
  show(chosen: readonly string[] | null, all: ReadonlyMap<string, string>): void;
  /** Null: all. */
  chosen(): string[] | null;
}

export function several(name: string, label: string, allWords: string, someWords: string, of: string, ...more: HTMLElement[]): Several {
  const [every, some] = [tick("radio", name, "all", allWords), tick("radio", name, "some", someWords)];
  attribute(some.input, "data-field", of);
  const boxes = h("div", { class: "ticks", role: "group", "aria-label": label });
  const below = h("div", { class: "some" }, boxes, ...more);
  const follow = () => attribute(below, "hidden", !some.input.checked);
  every.input.addEventListener("change", follow);
  some.input.addEventListener("change", follow);
  let inputs: HTMLInputElement[] = [];
  return {
    element: group(label, every.element, some.element, below),
    show: (chosen, all) => {
      const ticks = [...all].map(([value, words]) => tick("checkbox", `${name}-one`, value, words));
      inputs = ticks.map(({ input }) => input);
      for (const input of inputs) input.checked = chosen?.includes(input.value) ?? false;
      boxes.replaceChildren(...ticks.map(({ element }) => element));
      every.input.checked = chosen === null;
      some.input.checked = chosen !== null;
      follow();
    },
    chosen: () => (every.input.checked ? null : inputs.filter(({ checked }) => checked).map(({ value }) => value)),
  };
}
