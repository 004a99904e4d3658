// Webhooks, as operators read them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Webhook, WebhookDelivery } from "../../src/operator/api";
import { attemptWords, EVENT_CHOICES, eventsWords, secretWords, stateWords, takenWords, testWords, waitingWords } from "../../src/operator/webhooks";

const NOW = Date.parse("2026-11-22T16:04:05Z");
const WEBHOOK: Webhook = {
  id: "wh_1",
  url: "https://ops.example/quadrille",
  events: null,
  state: "active",
  created_at: "2026-11-20T10:00:00.000Z",
  rotated_at: null,
  last_delivered_at: null,
  last_error: null,
  failing_since: null,
  disabled_at: null,
  disabled_reason: null,
  pending: 0,
  lost: 0,
};

test("a webhook says what it is told and how it fares", () => {
  assert.deepEqual([eventsWords(WEBHOOK), stateWords(WEBHOOK, NOW), takenWords(WEBHOOK, NOW), waitingWords(WEBHOOK), secretWords(WEBHOOK, NOW)], ["all", "", "nothing taken yet", "0", ""]);
  assert.equal(eventsWords({ ...WEBHOOK, events: ["game.live", "game.slate"] }), "game.live, game.slate");
  assert.equal(stateWords({ ...WEBHOOK, state: "failing", failing_since: "2026-11-22T16:00:00Z" }, NOW), "since 16:00:00");
  const disabled = { ...WEBHOOK, state: "disabled" as const, disabled_at: "2026-11-21T16:00:00Z" };
  assert.equal(stateWords({ ...disabled, disabled_reason: "failing" }, NOW), "since 21 Nov 16:00:00: it took nothing for three days");
  assert.equal(stateWords({ ...disabled, disabled_reason: "gone" }, NOW), "since 21 Nov 16:00:00: it answered that it is gone (410)");
  assert.equal(takenWords({ ...WEBHOOK, last_delivered_at: "2026-11-22T16:04:00Z" }, NOW), "taken 16:04:00");
  assert.equal(waitingWords({ ...WEBHOOK, pending: 10_000, lost: 12 }), "10,000, and 12 lost");
  assert.ok(EVENT_CHOICES.has("capacity.low") && EVENT_CHOICES.size === 10);
});

test("the former secret is told of for a day", () => {
  const rotated = (rotated_at: string) => secretWords({ ...WEBHOOK, rotated_at }, NOW);
  assert.equal(rotated("2026-11-22T16:00:00Z"), "signed with the former secret, too, until 23 Nov 16:00:00");
  assert.equal(rotated("2026-11-21T16:04:05Z"), "");
});

test("an attempt says what came of it and what follows", () => {
  const attempt: WebhookDelivery = { event_id: "msg_1", type: "game.live", sent_at: "2026-11-22T16:04:00Z", attempt: 1, delivered: true, status: 204, error: null, took_ms: 1_234, next_attempt_at: null };
  assert.equal(attemptWords(attempt, NOW), "status 204, in 1,234 ms");
  const failed = { ...attempt, delivered: false, status: 503, error: "status 503" };
  assert.equal(attemptWords({ ...failed, next_attempt_at: "2026-11-22T16:04:09Z" }, NOW), "status 503, after 1,234 ms; again from 16:04:09 on");
  assert.equal(attemptWords({ ...failed, status: null, error: "no answer in 20 s" }, NOW), "no answer in 20 s, after 1,234 ms; not sent again");
  assert.equal(testWords(attempt), "The test event was taken: status 204, in 1,234 ms.");
  assert.equal(testWords({ ...failed, took_ms: 3 }), "The test event was not taken: status 503, after 3 ms.");
});
