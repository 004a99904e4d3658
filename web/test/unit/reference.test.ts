// What the reference page makes of an OpenAPI document.

import assert from "node:assert/strict";
import { test } from "node:test";
import { curlOf, groupsOf, isMeant, keysOf, membersOf, sampleOf, typeOf, type Description, type Schema } from "../../src/reference/description";

const schemas: Record<string, Schema> = {
  Slot: { type: "object", required: ["x"], properties: { x: { type: "integer", minimum: 0 }, name: { type: ["null", "string"], description: "Of `art`." } } },
  Engine: { type: "string", enum: ["render", "stitch"] },
  Both: { allOf: [{ $ref: "#/components/schemas/Slot" }, { type: "object", properties: { engine: { $ref: "#/components/schemas/Engine" } } }] },
  Shown: { type: "object", examples: [{ games: ["a"] }] },
};

const DOCUMENT: Description = {
  info: { title: "Q", version: "1" },
  tags: [{ name: "devices", description: "Boxes" }, { name: "operators" }],
  paths: {
    "/v1/games": { get: { operationId: "list_games", tags: ["devices"], summary: "Games", responses: { "401": { description: "`unauthorized`" } }, security: [{ device_key: [] }] } },
    "/v1/sessions": {
      post: {
        operationId: "create_session",
        tags: ["devices"],
        requestBody: { content: { "application/json": { schema: { $ref: "#/components/schemas/Shown" } } } },
        responses: {},
        security: [{ device_key: [] }, { operator_key: [] }],
      },
    },
    "/healthz": { get: { operationId: "get_health", tags: ["operators"], responses: {} } },
  },
  components: { schemas },
};

const text = (schema: Schema) => typeOf(schema).map(({ text }) => text).join("");

test("types are told in words, and shapes by their names", () => {
  assert.equal(text({ type: ["null", "string"] }), "text or null");
  assert.equal(text({ type: "array", minItems: 1, maxItems: 4, items: { $ref: "#/components/schemas/Slot" } }), "list (1 to 4) of Slot");
  assert.equal(text({ oneOf: [{ $ref: "#/components/schemas/Engine" }, { type: "null" }] }), "Engine or null");
  assert.equal(text({ type: "object", additionalProperties: { type: "string" } }), "object, of each name text");
  assert.equal(text({ type: "integer", minimum: 0 }), "whole number (0 or more)");
  assert.deepEqual(typeOf({ $ref: "#/components/schemas/Slot" }), [{ text: "Slot", schema: "Slot" }]);
});

test("a shape has the members of all its parts", () => {
  const members = membersOf(schemas["Both"] ?? {}, schemas);
  assert.deepEqual(members.map(({ name, required }) => [name, required]), [["x", true], ["name", false], ["engine", false]]);
});

test("samples are the examples that there are, and else made up", () => {
  assert.deepEqual(sampleOf({ $ref: "#/components/schemas/Shown" }, schemas), { games: ["a"] });
  assert.deepEqual(sampleOf(schemas["Both"], schemas), { x: 0, name: null, engine: "render" });
  // One that holds itself ends.
  const endless: Record<string, Schema> = { Loop: { type: "object", properties: { next: { $ref: "#/components/schemas/Loop" } } } };
  assert.ok(JSON.stringify(sampleOf(endless["Loop"], endless)).length < 200);
});

test("routes are grouped, found and asked", () => {
  const [devices, operators] = groupsOf(DOCUMENT);
  assert.deepEqual(devices?.routes.map(({ method, path }) => `${method} ${path}`), ["GET /v1/games", "POST /v1/sessions"]);
  const [games, sessions] = devices?.routes ?? [];
  const [health] = operators?.routes ?? [];
  assert.ok(games !== undefined && sessions !== undefined && health !== undefined);
  assert.ok(isMeant(games, "unauth GET") && isMeant(games, "") && !isMeant(games, "sessions"));
  assert.deepEqual([keysOf(sessions), keysOf(health)], [["device_key", "operator_key"], []]);
  assert.equal(curlOf(health, "http://q", schemas), "curl 'http://q/healthz'");
  assert.match(curlOf(sessions, "http://q", schemas), /-X POST 'http:\/\/q\/v1\/sessions' .*Bearer <device key>.*-d '\{"games":\["a"\]\}'/s);
});
