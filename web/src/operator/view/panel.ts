// What every panel has: a heading, and its own place for what went wrong.

import { attribute, h, icon, text } from "../../dom";
import type { Part } from "../desk";
import { moment } from "../figures";
import type { Trouble } from "../problems";

/** A line that says what went wrong, right where it did. */
export class TroubleLine {
  readonly element: HTMLElement;
  private readonly box: HTMLElement;
  private readonly words = h("p", {});
  private readonly again: HTMLButtonElement;

  constructor(retry: () => void, retryName: string) {
    this.again = h("button", { type: "button", class: "quiet-button" }, "Try again", h("span", { class: "said" }, `: ${retryName}`));
    this.again.addEventListener("click", retry);
    this.box = h("div", { class: "trouble-box", hidden: true }, icon("alert"), this.words, this.again);
    // The live region stays in the page: one that appears with its text is not read out.
    this.element = h("div", { class: "trouble", role: "alert" }, this.box);
  }

  show(trouble: Trouble | null, more = ""): void {
    attribute(this.box, "hidden", trouble === null);
    if (trouble === null) return text(this.words, "");
    const words = `${trouble.title}.${trouble.detail === "" ? "" : ` ${trouble.detail}`}${more === "" ? "" : ` ${more}`}`;
    text(this.words, words);
    attribute(this.again, "hidden", !trouble.canRetry);
  }
}

export interface Panel {
  readonly element: HTMLElement;
  readonly heading: HTMLElement;
  /** To the right of the heading. */
  readonly aside: HTMLElement;
  readonly trouble: TroubleLine;
}

export function panel(name: string, title: string, retry: () => void): Panel {
  const id = `${name}-title`;
  // Focused when what had the focus goes away.
  const heading = h("h2", { id, tabindex: "-1" }, title);
  const aside = h("div", { class: "panel-aside" });
  const trouble = new TroubleLine(retry, title);
  const element = h("section", { class: `panel ${name}-panel`, "aria-labelledby": id }, h("div", { class: "panel-head" }, heading, aside), trouble.element);
  return { element, heading, aside, trouble };
}

/** Says why there is nothing newer, and how old what is shown is. */
export function showTrouble(line: TroubleLine, part: Part<unknown>): void {
  const old = part.value !== null && part.atMs !== null ? `Shown is what was read at ${moment(part.atMs, part.atMs)} UTC.` : "";
  line.show(part.trouble, part.trouble === null ? "" : old);
}

/** A scrolling frame around a table: reachable with the keyboard, so that all of it can be read on a narrow screen. */
export function tableFrame(name: string, table: HTMLTableElement): HTMLElement {
  return h("div", { class: "table-frame", role: "region", "aria-label": name, tabindex: "0" }, table);
}

export interface Pager {
  readonly element: HTMLElement;
  show(words: string, canGoBack: boolean, canGoOn: boolean): void;
}

/** Two buttons and where one is. A button that does nothing keeps the focus that it has. */
export function pager(name: string, back: string, on: string, turn: (step: 1 | -1) => void): Pager {
  const make = (label: string, step: 1 | -1) => {
    const button = h("button", { type: "button", class: "quiet-button" }, label);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") turn(step);
    });
    return button;
  };
  const [backButton, onButton] = [make(back, -1), make(on, 1)];
  const where = h("span", { class: "pager-where" });
  const element = h("nav", { class: "pager", "aria-label": name, hidden: true }, backButton, where, onButton);
  return {
    element,
    show: (words, canGoBack, canGoOn) => {
      attribute(element, "hidden", !canGoBack && !canGoOn);
      text(where, words);
      attribute(backButton, "aria-disabled", canGoBack ? null : "true");
      attribute(onButton, "aria-disabled", canGoOn ? null : "true");
    },
  };
}
