// The real service with four drawn games and a ladder that two cores carry beside the players.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eachLine, start, stop } from "./process.js";

export const GAMES = ["hawks", "otters", "comets", "storks"];
/** The game whose pictures say when they were made, where there is one. */
export const CLOCK = "clock";
export const DEVICE_KEY = "players-device";
export const OPERATOR_KEY = "players-operator";
/** The market whose breaks are sold, where there is somebody who decides on advertisements. */
export const MARKET = "sold";
export const FPS = 30;
export const SEGMENT_S = 2;

const START_MS = 60_000;
const ASK_EVERY_MS = 250;

/** What viewers read of a game, and how players name its sound. */
export const titleOf = (game) => `${game[0].toUpperCase()}${game.slice(1)} at home`;

/** How the captions of the game that is heard are named where games have some in English. */
export const CAPTIONS_OF_MAIN = "Main (en)";

const PATTERNS = ["ball", "smpte", "pinwheel", "ball"];

const RUNGS = [
  { width: 960, height: 540, bitrate: 1_600_000 },
  { width: 640, height: 360, bitrate: 900_000 },
  { width: 480, height: 270, bitrate: 600_000 },
];

/** What is measured, what two cores carry beside three players, and what they carry when others use them, too. */
const LADDERS = { measured: RUNGS.slice(0, 2), light: RUNGS.slice(1), lightest: RUNGS.slice(1, 2) };

const rung = ({ width, height, bitrate }) => `[[output.renditions]]\nname = "${height}p"\nwidth = ${width}\nheight = ${height}\nbitrate = ${bitrate}`;

function configuration(dataDir, { keepWarm, ladder, startOver = false, captions = false, clock, ads }) {
  const drawn = GAMES.map((id, at) => [id, `test://${PATTERNS[at]}?size=480x270&fps=${FPS}&tone=${262 + 60 * at}${captions ? "&captions=en" : ""}`]);
  const games = [...drawn, ...(clock === undefined ? [] : [[CLOCK, clock]])].map(
    ([id, source]) => `
[[games]]
id = "${id}"
title = "${titleOf(id)}"
sources = ["${source}"]`,
  );
  return `
listen = "127.0.0.1:0"
data_dir = "${dataDir}"
[[tenants]]
id = "players"
device_keys = ["${DEVICE_KEY}"]
operator_keys = ["${OPERATOR_KEY}"]
[tenants.sources]
networks = ["127.0.0.0/8"]
${games.join("\n")}
${ads === undefined ? "" : `[[markets]]\ntenant = "players"\nid = "${MARKET}"\ntitle = "Sold"\n[markets.breaks]\npolicy = "advertisement"\ndecision_url = "${ads}/vast"`}
[output]
fps = "${FPS}"
segment_frames = ${FPS * SEGMENT_S}
${LADDERS[ladder].map(rung).join("\n")}
[sessions]
# Short, so that a mosaic nobody watches is cold again before the next round.
mosaic_idle_s = 5
[stitch]
keep_warm = ${keepWarm}
tile_preset = "ultrafast"
${startOver ? '[start_over]\nwindow_s = 600\ngigabytes = 1\nlayouts = ["4E"]' : ""}
`;
}

export class Service {
  #binary;
  #folder;
  #program;
  #feeds;
  /** Lines of the log that are warnings or worse. */
  complaints = [];

  /** `clock` is the source of one more game. */
  static async start(binary, options) {
    const service = new Service();
    service.#feeds = GAMES.length + (options.clock === undefined ? 0 : 1);
    service.#binary = binary;
    service.#folder = await mkdtemp(join(tmpdir(), "quadrille-players-"));
    await writeFile(service.#configuration, configuration(join(service.#folder, "data"), options));
    await service.#serve();
    return service;
  }

  get #configuration() {
    return join(this.#folder, "quadrille.toml");
  }

  async #serve() {
    this.#program = start(this.#binary, ["serve", "--config", this.#configuration], { stdio: ["ignore", "inherit", "pipe"] });
    const last = [];
    const address = new Promise((found, failed) => {
      const timer = setTimeout(() => failed(new Error(`did not serve within ${START_MS} ms`)), START_MS);
      this.#program.ended.then((code) => failed(new Error(`ended with ${code}`)));
      eachLine(this.#program.child.stderr, (line) => {
        last.push(line);
        if (last.length > 20) last.shift();
        const entry = parsed(line);
        if (["WARN", "ERROR"].includes(entry.level)) this.complaints.push(line);
        if (entry.message === "serving") {
          clearTimeout(timer);
          found(entry.address);
        }
      });
    });
    try {
      this.origin = `http://${await address}`;
    } catch (error) {
      await this.stop();
      throw new Error(`${this.#binary} ${error.message}:\n${last.join("\n")}`);
    }
  }

  /** Ends it and starts it on the same data. */
  async restart() {
    await stop(this.#program);
    await this.#serve();
  }

  async stop() {
    await stop(this.#program);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async metric(name) {
    const text = await (await fetch(`${this.origin}/metrics`)).text();
    const line = text.split("\n").find((one) => one.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  }

  /** Metrics have no event to wait for: they are asked again and again. */
  async until(what, holds, { signal, limitMs = START_MS }) {
    const deadline = Date.now() + limitMs;
    while (!(await holds())) {
      signal.throwIfAborted();
      if (Date.now() > deadline) throw new Error(`the service: not ${what} within ${limitMs / 1000} s`);
      await new Promise((again) => setTimeout(again, ASK_EVERY_MS));
    }
  }

  untilFeedsAreLive(signal) {
    const live = async () => (await this.metric('quadrille_feeds{status="live"}')) === this.#feeds;
    return this.until("all feeds live", live, { signal });
  }
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}
