// The title bar: the product's name, the connection, and the device key.

import { h, text, toggle } from "../dom";
import type { Connection, Viewer, ViewerState } from "../viewer";
import { brand } from "./brand";

const CONNECTION_WORDS: Record<Connection, string> = {
  no_key: "No key",
  connecting: "Connecting",
  ready: "Connected",
  refused: "Key refused",
  unreachable: "No answer",
};

export function header(viewer: Viewer, key: string, useKey: (key: string) => void): HTMLElement {
  const input = h("input", {
    id: "device-key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "dev-…",
    value: key,
  });
  const connection = h("span", { class: "connection" });
  const form = h(
    "form",
    { class: "key", "aria-label": "Device key" },
    connection,
    h("label", { for: "device-key" }, "Device key"),
    input,
    h("button", { type: "submit", class: "quiet-button" }, "Connect"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(input.value.trim());
  });
  viewer.onChange((state: ViewerState) => {
    text(connection, CONNECTION_WORDS[state.connection]);
    toggle(connection, "good", state.connection === "ready");
    toggle(connection, "bad", state.connection === "refused" || state.connection === "unreachable");
  });
  return h(
    "header",
    { class: "bar" },
    brand("Multiview"),
    form,
  );
}
