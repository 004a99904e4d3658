// What a webhook was sent of late, what it answered, and a test of it.

import { attribute, h, keyed, text } from "../../dom";
import type { Webhook, WebhookDelivery } from "../api";
import type { Desk } from "../desk";
import { moment } from "../figures";
import { asProblem, trouble } from "../problems";
import { attemptWords, testWords } from "../webhooks";
import { mark } from "./marks";
import { TroubleLine, tableFrame } from "./panel";

export interface DeliveriesBox {
  readonly element: HTMLDialogElement;
  /** `tries`: a test event is sent at once. */
  open(webhook: Webhook, tries: boolean): void;
}

interface Row extends HTMLTableRowElement {
  show?: (delivery: WebhookDelivery, nowMs: number) => void;
}

function makeRow(): Row {
  const outcome = mark("taken");
  const [type, id, words] = [h("span", { class: "device" }), h("code", {}), h("span", { class: "slot-note" })];
  const row: Row = h("tr", {}, h("th", { scope: "row", class: "time" }), h("td", {}, type, id), h("td", { class: "number" }), h("td", {}, outcome.element, words));
  row.show = (delivery, nowMs) => {
    text(row.cells[0] as Node, moment(Date.parse(delivery.sent_at), nowMs));
    text(type, delivery.type);
    text(id, delivery.event_id);
    text(row.cells[2] as Node, String(delivery.attempt));
    outcome.show(delivery.delivered ? "taken" : "untaken");
    text(words, attemptWords(delivery, nowMs));
  };
  return row;
}

export function deliveriesBox(desk: Desk, closed: () => void): DeliveriesBox {
  const title = h("h2", { id: "deliveries-title", tabindex: "-1" }, "Recent deliveries");
  const who = h("p", { class: "dialog-who" });
  const test = h("button", { type: "button", class: "save-button" }, "Send a test event");
  const close = h("button", { type: "button", class: "quiet-button" }, "Close");
  const said = h("p", { class: "hint test-words", role: "status" });
  const line = new TroubleLine(() => void read(), "read the deliveries");
  const body = h("tbody", {});
  const heads = [["Sent, UTC", ""], ["Event", ""], ["Attempt", "number"], ["Outcome", ""]].map(([name, kind]) => h("th", { scope: "col", class: kind || null }, name ?? ""));
  const table = h("table", {}, h("caption", { class: "said" }, "What it was sent, newest first"), h("thead", {}, h("tr", {}, ...heads)), body);
  const frame = tableFrame("Table of deliveries", table);
  const empty = h("p", { class: "hint empty" });
  const dialog = h(
    "dialog",
    { class: "dialog wide deliveries", "aria-labelledby": title.id },
    title,
    who,
    h("p", { class: "hint" }, "The newest 50 attempts since the service started. What was not taken is sent again by itself."),
    said,
    line.element,
    empty,
    frame,
    h("div", { class: "dialog-buttons" }, close, test),
  );
  const rows = new Map<string, Row>();
  let shown: Webhook | null = null;
  let readMs: number | null = null;
  let under: AbortController | null = null;

  function show(all: readonly WebhookDelivery[] | null, nowMs: number): void {
    const key = ({ event_id, attempt, sent_at }: WebhookDelivery) => `${event_id} ${attempt} ${sent_at}`;
    keyed(body, rows, all ?? [], key, makeRow).forEach((row, at) => row.show?.(all?.[at] as WebhookDelivery, nowMs));
    attribute(frame, "hidden", (all ?? []).length === 0);
    attribute(empty, "hidden", all !== null && all.length > 0);
    text(empty, all === null ? "Reading what was sent…" : "Nothing was sent to it since the service started.");
  }

  async function read(): Promise<void> {
    const wanted = shown;
    if (wanted === null) return;
    try {
      const all = await desk.ask((client) => client.webhookDeliveries(wanted.id));
      if (wanted !== shown || all === null) return;
      line.show(null);
      show(all, Date.now());
    } catch (error) {
      if (wanted !== shown) return;
      line.show(trouble(asProblem(error)));
      if (rows.size === 0) text(empty, "");
    }
  }

  async function tryIt(): Promise<void> {
    const wanted = shown;
    if (wanted === null || under !== null) return;
    const own = new AbortController();
    under = own;
    attribute(test, "aria-disabled", "true");
    text(said, "Sending a test event, and waiting for the answer…");
    try {
      const answer = await desk.ask((client) => client.testWebhook(wanted.id, own.signal));
      if (under !== own || answer === null) return;
      line.show(null);
      text(said, testWords(answer));
    } catch (error) {
      if (under !== own) return;
      text(said, "");
      line.show(trouble(asProblem(error)));
    }
    under = null;
    attribute(test, "aria-disabled", null);
    await read();
  }

  test.addEventListener("click", () => void tryIt());
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    under?.abort();
    [under, shown] = [null, null];
    attribute(test, "aria-disabled", null);
    closed();
  });
  desk.onChange(({ access, webhooks }) => {
    if (access !== "open" && dialog.open) dialog.close();
    // Each time that the list is read, this is too: what waits in it was sent meanwhile.
    if (shown !== null && webhooks.atMs !== readMs) {
      readMs = webhooks.atMs;
      void read();
    }
  });
  return {
    element: dialog,
    open: (webhook, tries) => {
      shown = webhook;
      readMs = desk.state.webhooks.atMs;
      text(who, webhook.url);
      text(said, "");
      line.show(null);
      rows.clear();
      body.replaceChildren();
      show(null, Date.now());
      dialog.showModal();
      title.focus();
      void read();
      if (tries) void tryIt();
    },
  };
}
