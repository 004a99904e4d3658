// Plays the service with everybody's players: `node run.js [--only PLAYER,…] [--round NAME,…] [--fault NAME] [--brief]`, or measures what two of them see:
// `node run.js --figures FILE`.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Ads } from "./lib/ads.js";
import { Audience } from "./lib/audience.js";
import { Audit } from "./lib/audit.js";
import { Clock } from "./lib/clock.js";
import { fault } from "./lib/faults.js";
import { figures } from "./lib/figures.js";
import { playRound } from "./lib/round.js";
import { BESIDE, BREAK, CLOCKED, COLD, OTHERS, PAST, SWAPS, WARM } from "./lib/scenario.js";
import { Service } from "./lib/service.js";
import { table } from "./lib/table.js";
import { BINARY, FOLDER, bundles, python } from "./lib/tools.js";
import { openBrowser, pagesOf } from "./players/page.js";

const LIMIT_MS = 9 * 60_000;
const MEASURED_LIMIT_MS = 8 * 60_000;

/** As many at once as two cores carry: software decodes every picture here. */
const WARM_ROUNDS = [
  { name: "warm", kind: "warm", scenario: WARM, players: ["hls.js", "FFmpeg", "GStreamer"] },
  { name: "warm", kind: "warm", scenario: WARM, players: ["hls.js low latency", "mpv", "streamlink"] },
  { name: "warm", kind: "warm", scenario: WARM, players: ["Shaka", "video.js", "rx-player"] },
  { name: "break", kind: "warm", scenario: BREAK, players: ["hls.js", "FFmpeg", "GStreamer"] },
  { name: "break", kind: "warm", scenario: BREAK, players: ["Shaka"] },
];
/** What the first of them plays is the past of the others. Fewer at once: captions, a clock and the window on the disk are work, too. */
const PAST_ROUNDS = [
  { name: "beside", kind: "warm", scenario: BESIDE, players: ["hls.js", "video.js"] },
  { name: "beside", kind: "warm", scenario: BESIDE, players: ["Shaka"] },
  { name: "past", kind: "past", scenario: PAST, players: ["hls.js", "video.js"] },
  { name: "past", kind: "past", scenario: PAST, players: ["Shaka"] },
];
/** One after the other, so that each has the machine to itself. */
const MEASURED_ROUNDS = [CLOCKED, SWAPS].flatMap((scenario) => ["hls.js", "hls.js near live", "hls.js", "hls.js near live"].map((player) => ({ name: "figures", kind: "warm", scenario, players: [player] })));
const COLD_PLAYERS = ["hls.js", "Shaka", "video.js"];
const COLD_ROUNDS = [
  { name: "cold stitch", kind: "cold", scenario: COLD("stitch"), players: COLD_PLAYERS },
  { name: "cold render", kind: "cold", scenario: COLD("render"), players: COLD_PLAYERS },
  { name: "cold restart", kind: "cold", scenario: COLD("stitch"), players: COLD_PLAYERS, restart: true },
];

/** What `make test` has time for: each kind of player, a break, and a start from nothing. */
const BRIEF_ROUNDS = [
  { name: "warm", kind: "warm", scenario: WARM, players: ["hls.js", "FFmpeg", "GStreamer"] },
  { name: "break", kind: "warm", scenario: BREAK, players: ["hls.js", "FFmpeg"] },
];
const BRIEF_COLD_ROUNDS = [{ name: "cold restart", kind: "cold", scenario: COLD("stitch"), players: ["hls.js", "Shaka"], restart: true }];

const { values: options } = parseArgs({
  options: { brief: { type: "boolean" }, only: { type: "string" }, round: { type: "string" }, fault: { type: "string" }, figures: { type: "string" } },
});

/** Those with others who watch the same tiles, those of the past, and those that begin cold. */
function plan() {
  if (options.figures !== undefined) return [MEASURED_ROUNDS, [], COLD_ROUNDS];
  if (options.brief) return [BRIEF_ROUNDS, [], BRIEF_COLD_ROUNDS];
  return [WARM_ROUNDS, PAST_ROUNDS, COLD_ROUNDS];
}

function ladder() {
  if (options.figures !== undefined) return "measured";
  return options.brief ? "lightest" : "light";
}

/** The rounds that were asked for, of players that were asked for. */
function chosen(rounds) {
  const players = options.only?.split(",");
  const names = options.round?.split(",");
  return rounds
    .filter((round) => names === undefined || names.includes(round.name))
    .map((round) => ({ ...round, players: round.players.filter((name) => players === undefined || players.includes(name)) }))
    .filter((round) => round.players.length > 0);
}

/** Everything that is open, closed in the end, last first. */
class Open {
  #closers = [];
  add(thing, close) {
    this.#closers.push(() => close(thing));
    return thing;
  }
  async close() {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

async function play(rounds, { others }, context) {
  if (rounds.length === 0) return { rows: [], audits: [] };
  const open = new Open();
  const rows = [];
  try {
    const isPast = rounds.some((round) => round.scenario === PAST || round.scenario === BESIDE);
    const clock = isPast || rounds.some((round) => round.scenario === CLOCKED) ? open.add(await Clock.start(), (one) => one.stop()) : undefined;
    const ads = rounds.some((round) => round.scenario === BREAK) ? open.add(await Ads.start(), (one) => one.stop()) : undefined;
    const service = open.add(await Service.start(BINARY, { ladder: ladder(), keepWarm: !options.brief && (others.length > 0 || isPast), startOver: isPast, captions: isPast, clock: clock?.source, ads: ads?.origin }), (one) => one.stop());
    const audit = new Audit(() => service.origin);
    await service.untilFeedsAreLive(context.signal);
    const live = Date.now();
    open.add(await Audience.gather(service, others, context.signal), (one) => one.leave());
    for (const round of rounds) {
      context.signal.throwIfAborted();
      if (round.restart) await service.restart();
      if (round.scenario === PAST) await setTimeout(Math.max(0, live + PAST.beforeMs - Date.now()), undefined, { signal: context.signal });
      say(`${round.name}: ${round.players.join(", ")}`);
      let played = await playRound(round, { ...context, service, audit });
      for (let left = options.brief ? AGAIN_MOST : 0; left > 0 && played.some((row) => row.strict && row.wrong.length > 0); left--) {
        for (const row of played) [...row.wrong, ...(row.wrong.length > 0 ? row.errors : [])].forEach((text) => say(`  ${row.player}: ${text}`));
        say("  once more: a machine that others use, too, holds a player up now and then");
        played = await playRound(round, { ...context, service, audit });
      }
      await audit.settle();
      say(`  the processors were busy ${Math.round(played[0].busy * 100)} % of the time${played[0].isOverloaded ? `, which leaves players none: what they showed is told and NOT JUDGED` : ""}`);
      rows.push(...played);
    }
    const late = await service.metric("quadrille_late_segments_total");
    return { rows, audits: [{ audit, late, log: service.complaints }] };
  } finally {
    await open.close();
  }
}

// Shaka loses its first two seconds in about one cold start of four on a machine that is busy with encoders (docs/players.md): one more chance is
// one too few for a run that others wait for.
const AGAIN_MOST = 2;

async function main() {
  const began = Date.now();
  const ending = new AbortController();
  const watches = new Set();
  const end = (why) => {
    ending.abort(new Error(why));
    for (const watch of watches) watch.over(why);
  };
  const limitMs = options.figures === undefined ? LIMIT_MS : MEASURED_LIMIT_MS;
  const limit = globalThis.setTimeout(() => end(`not done within ${limitMs / 60_000} minutes`), limitMs);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => end(signal));

  const tools = await python();
  const browser = await openBrowser();
  try {
    const spoil = () => fault(options.fault);
    // Who asked for everything wants to know at any price; a run that others wait for says nothing of players on a machine that others use up.
    const mayLeaveOut = options.brief === true;
    const context = { mayLeaveOut, signal: ending.signal, watches, tools, browser, pages: await pagesOf(await bundles()), spoil };
    const [first, past, cold] = plan();
    const played = [await play(chosen(first), { others: OTHERS }, context)];
    played.push(await play(chosen(past), { others: [] }, context));
    played.push(await play(chosen(cold), { others: [] }, context));
    ending.signal.throwIfAborted();
    return await report(played.flatMap(({ rows }) => rows), played.flatMap(({ audits }) => audits), { tools, began });
  } finally {
    clearTimeout(limit);
    await browser.close();
  }
}

async function report(rows, audits, { tools, began }) {
  const read = [];
  for (const { audit, late, log } of audits) read.push({ ...(await audit.read(tools.python)), late, log });
  await mkdir(FOLDER, { recursive: true });
  if (options.figures !== undefined) await writeFile(options.figures, figures(rows));
  const file = join(FOLDER, "report.json");
  await writeFile(file, JSON.stringify({ began: new Date(began).toISOString(), rows, service: read }, undefined, 1));
  const sum = (name) => read.reduce((total, one) => total + one[name], 0);
  const faults = read.flatMap((one) => one.faults);
  say(`\n${table(rows)}\n`);
  for (const row of rows) [...row.wrong, ...row.errors, ...row.notes].forEach((text) => say(`${row.player}, ${row.round}: ${text}`));
  say(`${sum("playlists")} playlists, ${sum("media")} pieces of media, ${sum("asked")} looked for: ${faults.length} faults`);
  faults.slice(0, 20).forEach((one) => say(`  ${one}`));
  say(`segments that the service finished late: ${sum("late")}; what it warned of:`);
  for (const [message, times] of counted(read.flatMap((one) => one.log))) say(`  ${times} times: ${message}`);
  say(`${Math.round((Date.now() - began) / 1000)} s; all details: ${file}`);
  // Last, since a log that is cut off keeps its end.
  const wrong = rows.filter((row) => row.strict && row.wrong.length > 0);
  for (const row of wrong) say(`WRONG: ${row.player}, ${row.round}: ${[...row.wrong, ...row.errors].join("; ")}`);
  if (faults.length > 0) say(`WRONG: ${faults.length} faults in what was served, such as: ${faults[0]}`);
  return faults.length === 0 && wrong.length === 0;
}

/** Log lines by their message. */
function counted(lines) {
  const times = new Map();
  for (const { message } of lines.map((line) => JSON.parse(line))) times.set(message, (times.get(message) ?? 0) + 1);
  return times;
}

function say(text) {
  console.log(text);
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
