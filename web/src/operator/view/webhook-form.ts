// The form of a webhook. Its secret is told once: when it is made, and when it gets another one.

import { h } from "../../dom";
import type { MadeWebhook, Webhook, WebhookBody } from "../api";
import type { Desk } from "../desk";
import { EVENT_CHOICES } from "../webhooks";
import { field, formBox, mistake } from "./form";
import { onceBox } from "./key-form";
import { several } from "./several";

export interface WebhookForm {
  readonly elements: readonly HTMLElement[];
  /** Null makes a new one. */
  open(webhook: Webhook | null): void;
  /** Shows the secret of one that got another. */
  tell(made: MadeWebhook): void;
}

/** `closed`: called when the last box is gone. */
export function webhookForm(desk: Desk, closed: () => void): WebhookForm {
  const url = h("input", { type: "url", autocomplete: "off", spellcheck: "false", maxlength: 2048, placeholder: "https://…" });
  const events = several("webhook-events", "Events", "All, and those that are yet to come", "Only these", "events");
  const once = onceBox(desk, "webhook-made", {
    title: "The webhook's secret",
    label: "Secret",
    note: "What its messages are signed with. Copy it now: it is kept nowhere, and not told again.",
  });
  once.element.addEventListener("close", closed);
  let edited: Webhook | null = null;
  let made: MadeWebhook | null = null;

  async function save() {
    const body: WebhookBody = { url: url.value.trim(), events: events.chosen() as WebhookBody["events"] };
    if (body.url === "") return mistake("url", "A webhook needs an address.");
    if (body.events?.length === 0) return mistake("events", "Choose a type of event at least, or all.");
    const { id } = edited ?? {};
    if (id !== undefined) return desk.change((client) => client.changeWebhook(id, body), "The webhook is saved", "webhooks");
    return desk.change(async (client) => (made = await client.makeWebhook(body)), "The webhook is made", "webhooks");
  }

  const box = formBox(desk, {
    name: "webhook",
    saveWords: "Save webhook",
    save,
    closed: () => {
      const told = made;
      made = null;
      if (told !== null) once.open(told.secret);
      else closed();
    },
    fields: [field("webhook-url", "Address", url, "url", "It may lead where your sources may: public addresses, and what the configuration allows besides."), events.element],
  });
  return {
    elements: [box.element, once.element],
    open: (webhook) => {
      edited = webhook;
      made = null;
      url.value = webhook?.url ?? "";
      events.show(webhook?.events ?? null, EVENT_CHOICES);
      box.open(webhook === null ? "A new webhook" : "This webhook");
    },
    tell: ({ secret }) => once.open(secret),
  };
}
