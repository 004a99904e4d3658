// A form in a box over the page: fields, what is wrong with them, and two buttons.

import { attribute, h, text } from "../../dom";
import type { Desk } from "../desk";
import type { Trouble } from "../problems";
import { TroubleLine } from "./panel";

export interface FormBox {
  readonly element: HTMLDialogElement;
  open(title: string): void;
  close(): void;
}

export interface FormParts {
  /** A word that no other box has. */
  readonly name: string;
  readonly fields: readonly HTMLElement[];
  /** What the button says. */
  readonly saveWords: string;
  /** Saves; answers what stood in the way, or null. The box closes then. */
  save(): Promise<Trouble | null>;
  /** The box was closed, by whatever way. */
  closed?(): void;
  /** Wider than others. */
  readonly wide?: boolean;
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** A control with its name, and what is to be known of it. `of`: what the service calls the field. */
export function field(id: string, label: string, control: Control, of: string, hint = ""): HTMLElement {
  control.id = id;
  attribute(control, "data-field", of);
  const note = hint === "" ? null : h("p", { class: "hint", id: `${id}-hint` }, hint);
  if (note !== null) attribute(control, "aria-describedby", note.id);
  return h("div", { class: "form-field" }, h("label", { for: id }, label), control, note);
}

/** A group of controls with a name. */
export function group(label: string, ...content: HTMLElement[]): HTMLFieldSetElement {
  return h("fieldset", { class: "form-group" }, h("legend", {}, label), ...content);
}

/** A box to tick, or one of several. */
export function tick(type: "checkbox" | "radio", name: string, value: string, label: string): { element: HTMLLabelElement; input: HTMLInputElement } {
  const input = h("input", { type, name, value });
  return { element: h("label", { class: "tick" }, input, label), input };
}

/** The controls that a refusal is about: `games[2]` is said of `games`. */
function meant(fields: readonly HTMLElement[], name: string): Control[] {
  const controls = fields.flatMap((one) => [...one.querySelectorAll<Control>("[data-field]")]);
  const of = (wanted: string) => controls.filter((control) => control.dataset["field"] === wanted);
  const exact = of(name);
  const within = exact.length > 0 ? exact : of(name.split("[", 1)[0] ?? "");
  return within.length > 0 ? within : of(name.split(/[.[]/, 1)[0] ?? "");
}

export function formBox(desk: Desk, parts: FormParts): FormBox {
  const { name, fields } = parts;
  const title = h("h2", { id: `${name}-form-title` });
  const cancel = h("button", { type: "button", class: "quiet-button" }, "Cancel");
  const save = h("button", { type: "submit", class: "save-button" }, parts.saveWords);
  const trouble = new TroubleLine(() => void go(), "save");
  const form = h("form", { novalidate: true, "aria-labelledby": title.id }, title, h("div", { class: "form-fields" }, ...fields), trouble.element, h("div", { class: "dialog-buttons" }, cancel, save));
  const dialog = h("dialog", { class: parts.wide === true ? "dialog wide" : "dialog", "aria-labelledby": title.id }, form);
  let busy = false;

  function mark(stood: Trouble | null): void {
    for (const control of dialog.querySelectorAll("[aria-invalid]")) attribute(control, "aria-invalid", null);
    if (stood === null || stood.field === null) return;
    const [first, ...others] = meant(fields, stood.field);
    for (const control of [first, ...others]) if (control !== undefined) attribute(control, "aria-invalid", "true");
    first?.focus();
  }

  async function go(): Promise<void> {
    if (busy) return;
    busy = true;
    attribute(save, "aria-disabled", "true");
    const stood = await parts.save();
    busy = false;
    attribute(save, "aria-disabled", null);
    trouble.show(stood);
    mark(stood);
    if (stood === null) dialog.close();
  }

  // What is being put right is not wrong any more, as far as is known.
  form.addEventListener("input", (event) => attribute(event.target as Element, "aria-invalid", null));
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void go();
  });
  dialog.addEventListener("close", () => parts.closed?.());
  desk.onChange(({ access }) => {
    if (access !== "open" && dialog.open) dialog.close();
  });
  return {
    element: dialog,
    open: (words) => {
      text(title, words);
      trouble.show(null);
      mark(null);
      dialog.showModal();
      dialog.scrollTop = 0;
      (dialog.querySelector("input:not([disabled], [hidden]), select, textarea") as HTMLElement | null)?.focus();
    },
    close: () => dialog.close(),
  };
}

/** What is wrong with a field, found here. */
export function mistake(of: string, detail: string): Trouble {
  return { title: "This cannot be sent", detail, code: "field_invalid", canRetry: false, retryAfterMs: 0, field: of };
}
