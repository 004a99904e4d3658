// The webhooks: where each leads, what it is told, how it fares.

import { attribute, h, keyed, text, toggle } from "../../dom";
import type { MadeWebhook, Webhook } from "../api";
import type { Desk, DeskState } from "../desk";
import { eventsWords, secretWords, stateWords, takenWords, waitingWords } from "../webhooks";
import { deliveriesBox } from "./deliveries";
import { mark } from "./marks";
import { panel, showTrouble, tableFrame } from "./panel";
import type { Question } from "./question";
import { webhookForm } from "./webhook-form";

const COLUMNS = ["Webhook", "Events", "State", "Last outcome, UTC", "Waiting"];

interface Row extends HTMLTableRowElement {
  show?: (webhook: Webhook, nowMs: number) => void;
}

export function webhooksPanel(desk: Desk, question: Question): { element: HTMLElement; dialogs: readonly HTMLElement[] } {
  const parts = panel("webhooks", "Webhooks", () => desk.refresh("webhooks"));
  const add = h("button", { type: "button", class: "quiet-button" }, "New webhook");
  /** What had the focus before a box took it. */
  let opener: HTMLElement = add;
  const back = () => (opener.isConnected ? opener : parts.heading).focus();
  const form = webhookForm(desk, back);
  const deliveries = deliveriesBox(desk, back);
  const from = (button: HTMLElement, act: () => void) => {
    opener = button;
    act();
  };
  add.addEventListener("click", () => from(add, () => form.open(null)));
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally, add);
  const body = h("tbody", {});
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, name));
  const table = h("table", {}, h("caption", { class: "said" }, "Webhooks of this tenant. Times are UTC."), h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "said" }, "Action")))), body);
  const frame = tableFrame("Table of webhooks", table);
  const empty = h("p", { class: "hint empty" });
  parts.element.append(empty, frame);
  const rows = new Map<string, Row>();

  function rotate(webhook: Webhook): void {
    let made: MadeWebhook | null = null;
    question.ask({
      title: "Give it another secret?",
      who: webhook.url,
      what: "For 24 hours its messages are signed with both, so that you can change yours in between. Doing it twice ends the former one at once.",
      keep: "Keep it",
      go: "New secret",
      act: () => desk.change(async (client) => (made = await client.rotateWebhook(webhook.id)), "The webhook has another secret", "webhooks"),
      closed: (done) => (done && made !== null ? form.tell(made) : back()),
    });
  }

  function remove(webhook: Webhook): void {
    question.ask({
      title: "Delete this webhook?",
      who: webhook.url,
      what: webhook.pending === 0 ? "It is told nothing any more." : `It is told nothing any more, and what waits for it (${waitingWords(webhook)}) is given up.`,
      keep: "Keep it",
      go: "Delete it",
      act: () => desk.change((client) => client.removeWebhook(webhook.id), "The webhook is deleted", "webhooks"),
      closed: (done) => (done ? parts.heading.focus() : back()),
    });
  }

  /** One that was disabled is told things again when it is put as it is. */
  function resume({ id, url, events }: Webhook): void {
    question.ask({
      title: "Resume this webhook?",
      who: url,
      what: "It is told what happens from now on. What was given up is not sent.",
      keep: "Leave it",
      go: "Resume it",
      act: () => desk.change((client) => client.changeWebhook(id, { url, events }), "The webhook is told things again", "webhooks"),
      // The button is gone then.
      closed: (done) => (done ? parts.heading.focus() : back()),
    });
  }

  function make(): Row {
    let webhook: Webhook | null = null;
    const button = (words: string, act: (webhook: Webhook) => void, kind = "small") => {
      const element = h("button", { type: "button", class: `quiet-button ${kind}` }, words);
      element.addEventListener("click", () => from(element, () => webhook !== null && act(webhook)));
      return { words, element };
    };
    const again = button("Resume", resume);
    const buttons = [
      again,
      button("Test", (one) => deliveries.open(one, true)),
      button("Deliveries", (one) => deliveries.open(one, false)),
      button("Edit", form.open),
      button("New secret", rotate),
      button("Delete", remove, "end"),
    ];
    const state = mark("active");
    const [url, id, secret] = [h("span", { class: "device" }), h("code", {}), h("span", { class: "slot-note" })];
    const [since, taken, failed] = [h("span", { class: "slot-note" }), h("span", {}), h("span", { class: "slot-why failed" })];
    const [events, waiting] = [h("td", { class: "events-cell" }), h("td", {})];
    const row: Row = h(
      "tr",
      {},
      h("th", { scope: "row" }, url, id, secret),
      events,
      h("td", {}, state.element, since),
      h("td", {}, taken, failed),
      waiting,
      h("td", { class: "action" }, h("span", { class: "row-buttons" }, ...buttons.map(({ element }) => element))),
    );
    row.show = (now, nowMs) => {
      webhook = now;
      text(url, now.url);
      text(id, now.id);
      text(secret, secretWords(now, nowMs));
      text(events, eventsWords(now));
      state.show(now.state);
      text(since, stateWords(now, nowMs));
      text(taken, takenWords(now, nowMs));
      text(failed, now.last_error ?? "");
      attribute(failed, "hidden", now.last_error === null);
      text(waiting, waitingWords(now));
      toggle(waiting, "lost", now.lost > 0);
      attribute(again.element, "hidden", now.state !== "disabled");
      for (const { words, element } of buttons) attribute(element, "aria-label", `${words}: ${now.url}`);
    };
    return row;
  }

  desk.onChange(({ webhooks }: DeskState) => {
    showTrouble(parts.trouble, webhooks);
    const all = webhooks.value ?? [];
    const nowMs = webhooks.atMs ?? 0;
    keyed(body, rows, all, ({ id }) => id, make).forEach((row, at) => row.show?.(all[at] as Webhook, nowMs));
    const failing = all.filter(({ state }) => state === "failing").length;
    const disabled = all.filter(({ state }) => state === "disabled").length;
    const more = [failing === 0 ? "" : `, ${failing} failing`, disabled === 0 ? "" : `, ${disabled} disabled`].join("");
    text(tally, all.length === 0 ? "" : `${all.length} in all${more}`);
    attribute(frame, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, webhooks.value !== null ? "There are no webhooks: nobody is told what happens." : webhooks.trouble === null ? "Reading the webhooks…" : "");
  });
  return { element: parts.element, dialogs: [...form.elements, deliveries.element] };
}
