// A session's whole life with a client that openapi-fetch makes of the document's types: `node generated/js/life.js ORIGIN OPERATOR_KEY`.
// That this compiles is half of the test: every path, parameter, body and answer here is what the document says.

import createClient from "openapi-fetch";
import type { components, paths } from "./generated/contract.js";

declare const process: { argv: string[] };

const [origin = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: origin, headers: { Authorization: `Bearer ${key}` } });

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

/** What was answered, which must be no refusal. */
function told<T>({ data, error, response }: { data?: T; error?: unknown; response: Response }): T {
  if (data === undefined) throw new Error(`${response.url}: ${response.status} ${JSON.stringify(error)}`);
  return data;
}

const games = told(await client.GET("/v1/games")).map(({ id }) => id);
check(games.length >= 3, `${games}`);
const [a = "", b = "", c = ""] = games;

// Registered, changed, and forgotten at the end.
const registered = told(await client.POST("/v1/operator/games", { body: { id: "made-in-ts", title: "Made in TypeScript", sources: ["test://ball?size=160x90"] } }));
check(registered.origin === "operator" && registered.health.video !== undefined, JSON.stringify(registered));

const wish: components["schemas"]["SessionRequest"] = { games: [a, b], layout: "2EH", engine: "auto", labels: { from: "typescript" } };
const headers = { "Idempotency-Key": `ts-${Date.now()}` };
const made = await client.POST("/v1/sessions", { body: wish, params: { header: headers } });
const session = told(made);
const again = await client.POST("/v1/sessions", { body: wish, params: { header: headers } });
check(told(again).id === session.id && again.response.headers.get("Idempotency-Replayed") === "true", "the same key made another session");
check(session.state === "active" && session.slots.length === 2 && session.skin === null, JSON.stringify(session));
const etag = made.response.headers.get("ETag") ?? "";

const playlist = await (await fetch(session.playback_url)).text();
check(playlist.startsWith("#EXTM3U"), playlist);
const video = new URL(playlist.split("\n").find((line) => line !== "" && !line.startsWith("#")) ?? "", session.playback_url);
check((await (await fetch(video)).text()).includes("#EXTINF"), "a media playlist");

const path = { id: session.id };
const swapped = told(await client.PATCH("/v1/sessions/{id}", { params: { path, header: { "If-Match": etag } }, body: { games: [a, c], audio: c } }));
check(swapped.games.join() === [a, c].join() && swapped.playback_url === session.playback_url, JSON.stringify(swapped));
const stale = await client.PATCH("/v1/sessions/{id}", { params: { path, header: { "If-Match": etag } }, body: { audio: a } });
check(stale.error?.code === "revision_stale" && stale.error.status === 412, JSON.stringify(stale.error));
const refused = await client.PATCH("/v1/sessions/{id}", { params: { path }, body: { layout: "7XL" } });
check(refused.error?.code === "layout_unknown" && refused.error.allowed?.includes("2EH") === true, JSON.stringify(refused.error));

const page = told(await client.GET("/v1/operator/sessions", { params: { query: { state: "active", limit: 1000 } } }));
check(page.sessions.some(({ id, labels }) => id === session.id && labels["from"] === "typescript"), JSON.stringify(page));

const gone = await client.DELETE("/v1/sessions/{id}", { params: { path } });
check(gone.response.status === 204, `${gone.response.status}`);
const ended = told(await client.GET("/v1/sessions/{id}", { params: { path } }));
check(ended.state === "ended" && ended.end_reason === "device", JSON.stringify(ended));

const report = told(await client.GET("/v1/operator/usage", { params: { query: { group_by: "label:from" } } }));
check(typeof report !== "string" && report.group_by === "label:from", JSON.stringify(report));
const quote = told(await client.POST("/v1/operator/usage/quote", { body: { items: [{ sessions: 100, seconds_per_session: 5400, tier: "small" }] } }));
check(quote.currency === "EUR" && Number(quote.cost) > 0, JSON.stringify(quote));
const records = told(await client.GET("/v1/operator/usage/records", { params: { query: { session_id: session.id } } }));
check(Array.isArray(records.records), JSON.stringify(records));

const deleted = await client.DELETE("/v1/operator/games/{id}", { params: { path: { id: "made-in-ts" } } });
check(deleted.response.status === 204, `${deleted.response.status}`);
console.log("typescript: a whole session's life");
