// The form of a new key, and the one time that it is told.

import { attribute, h, text } from "../../dom";
import { copy } from "../../clipboard";
import type { MadeKey } from "../api";
import type { Desk } from "../desk";
import { keyBody, SCOPES } from "../keys";
import { featureName, KNOWN_FEATURES } from "../market";
import { field, formBox, group, mistake, tick } from "./form";
import { several } from "./several";

export interface KeyForm {
  readonly elements: readonly HTMLElement[];
  open(): void;
}

/** Shows what is told once, and forgets it with the box. `name`: a word that no other box has. */
export function onceBox(desk: Desk, name: string, words: { title: string; label: string; note: string }): { element: HTMLDialogElement; open: (secret: string) => void } {
  const title = h("h2", { id: `${name}-title` }, words.title);
  const secret = h("input", { type: "text", id: `${name}-secret`, class: "secret", readonly: true, autocomplete: "off", spellcheck: "false" });
  const take = h("button", { type: "button", class: "save-button" }, "Copy");
  const done = h("button", { type: "button", class: "quiet-button" }, "Done");
  const said = h("p", { class: "hint", role: "status" });
  const dialog = h(
    "dialog",
    { class: "dialog wide-facts", "aria-labelledby": title.id },
    title,
    h("p", { class: "dialog-who" }, words.note),
    h("div", { class: "form-field" }, h("label", { for: secret.id }, words.label), secret),
    said,
    h("div", { class: "dialog-buttons" }, done, take),
  );
  take.addEventListener("click", () => void copy(secret.value).then((worked) => text(said, worked ? "Copied." : "It could not be copied: select it and copy it by hand.")));
  secret.addEventListener("focus", () => secret.select());
  done.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    secret.value = "";
    text(said, "");
  });
  desk.onChange(({ access }) => {
    if (access !== "open" && dialog.open) dialog.close();
  });
  return {
    element: dialog,
    open: (told) => {
      secret.value = told;
      dialog.showModal();
      take.focus();
    },
  };
}

export function keyForm(desk: Desk, closed: () => void): KeyForm {
  const name = h("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength: 100, placeholder: "whose it is, what for" });
  const [device, operator] = [tick("radio", "key-role", "device", "A device's: sessions of viewers"), tick("radio", "key-role", "operator", "An operator's")];
  attribute(device.input, "data-field", "role");
  const scopes = several("key-scopes", "Scopes", "All that your key has", "Only these; who may write may read", "scopes");
  const market = h("select", {});
  const height = h("input", { type: "number", min: 1, step: 1, inputmode: "numeric" });
  const features = several("key-features", "Features", "All that there are", "Only these", "features");
  const expires = h("input", { type: "datetime-local" });
  const ofDevice = h("div", { class: "form-fields" }, h("div", { class: "form-pair" }, field("key-market", "Market", market, "market", "The one that its sessions are made in."), field("key-height", "Tallest picture, in rows", height, "max_height", "Empty: all renditions.")), features.element);
  const follow = () => {
    attribute(scopes.element, "hidden", !operator.input.checked);
    attribute(ofDevice, "hidden", operator.input.checked);
  };
  device.input.addEventListener("change", follow);
  operator.input.addEventListener("change", follow);
  const once = onceBox(desk, "key-made", { title: "The new key", label: "Key", note: "Copy it now: it is kept nowhere, and not told again." });
  once.element.addEventListener("close", closed);
  let made: MadeKey | null = null;

  async function save() {
    const rows = height.value.trim();
    if (!operator.input.checked && rows !== "" && !/^\d+$/.test(rows)) return mistake("max_height", "The height is a whole number of rows.");
    const body = keyBody({ name: name.value, role: operator.input.checked ? "operator" : "device", scopes: scopes.chosen(), market: market.value, height: rows, features: features.chosen(), expires: expires.value });
    return desk.change(async (client) => (made = await client.makeKey(body)), "The key is made", "keys");
  }

  const box = formBox(desk, {
    name: "key",
    saveWords: "Make the key",
    save,
    closed: () => {
      const told = made;
      made = null;
      if (told !== null) once.open(told.key);
      else closed();
    },
    fields: [
      field("key-name", "Name", name, "name"),
      group("Whose it is", device.element, operator.element),
      scopes.element,
      ofDevice,
      field("key-expires", "Expires, UTC", expires, "expires_at", "Empty: when it is revoked."),
    ],
  });
  return {
    elements: [box.element, once.element],
    open: () => {
      made = null;
      name.value = "";
      device.input.checked = true;
      height.value = "";
      expires.value = "";
      scopes.show(null, SCOPES);
      features.show(null, new Map(KNOWN_FEATURES.map((feature) => [feature, featureName(feature)])));
      const markets = desk.state.markets.value ?? [];
      market.replaceChildren(h("option", { value: "" }, "Any, as sessions ask"), ...markets.map(({ id, title }) => h("option", { value: id }, title)));
      follow();
      box.open("A new key");
    },
  };
}
