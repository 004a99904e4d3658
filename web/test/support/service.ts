// Starts the real service in its demo form, and ends it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** What the demo's operator has. */
export const OPERATOR_KEY = "demo-operator";
const SMALL_DEVICE_KEY = "demo-device";

const START_MS = 120_000;
const STOP_MS = 10_000;
const LOG_LINES_MAX = 400;

export interface Service {
  /** The page's address as the demo prints it, with the device key in it. */
  readonly url: string;
  readonly origin: string;
  readonly key: string;
  log(): string;
  stop(): Promise<number | null>;
}

export function startDemo(): Promise<Service> {
  return start((dataDir) => ["demo", "--listen", "127.0.0.1:0", "--data-dir", dataDir], /^\s*page:\s+(http:\/\/\S+)/);
}

const SMALL_GAMES = [
  ["hawks-ravens", "Hawks at Ravens", "ball"],
  ["otters-herons", "Otters at Herons", "smpte"],
  ["comets-owls", "Comets at Owls", "ball"],
  ["storks-wolves", "Storks at Wolves", "pinwheel"],
  ["lynx-pikes", "Lynx at Pikes", "ball"],
  ["foxes-tides", "Foxes at Tides", "ball"],
] as const;

/** What a configuration may have below the one that `startSmall` has always. */
const RUNGS = { "270p": '[[output.renditions]]\nname = "270p"\nwidth = 480\nheight = 270\nbitrate = 500_000\n' };

/** What the demo has, in small pictures: for tests that are not to depend on how much a machine can encode. */
export function startSmall(rungs: readonly "270p"[] = []): Promise<Service> {
  const games = SMALL_GAMES.map(([id, title, picture], at) => `
[[games]]
id = "${id}"
title = "${title}"
sources = ["test://${picture}?size=320x180&fps=30&tone=${262 + 66 * at}&captions=en"]`);
  return startConfigured(`
[[tenants]]
id = "demo"
operator_keys = ["${OPERATOR_KEY}"]
device_keys = ["${SMALL_DEVICE_KEY}"]
${games.join("\n")}
[output]
fps = "30"
segment_frames = 60
[[output.renditions]]
name = "360p"
width = 640
height = 360
bitrate = 800_000
${rungs.map((name) => RUNGS[name]).join("")}[start_over]
window_s = 600
gigabytes = 1
[[tariffs]]
currency = "EUR"
[[tariffs.prices]]
engine = "render"
per_minute = "0.0060"
[[tariffs.prices]]
per_minute = "0.0040"
`, SMALL_DEVICE_KEY);
}

/** The service with a configuration of the test's own, which names neither where it listens nor where it keeps what it keeps. */
export function startConfigured(config: string, deviceKey: string): Promise<Service> {
  const args = async (dataDir: string) => {
    const path = join(dataDir, "test.toml");
    await writeFile(path, `listen = "127.0.0.1:0"\ndata_dir = ${JSON.stringify(join(dataDir, "data"))}\n${config}`);
    return ["serve", "--config", path];
  };
  return start(args, /"message":"serving","address":"([^"]+)"/, (address) => `http://${address}/?key=${deviceKey}`);
}

/** `says`: the line by which it is ready, and in it what its address is read from. */
async function start(
  argsIn: (dataDir: string) => string[] | Promise<string[]>,
  says: RegExp,
  urlOf: (said: string) => string = (said) => said,
): Promise<Service> {
  const web = process.env["QUADRILLE_WEB"] ?? process.cwd();
  const built = process.env["CARGO_TARGET_DIR"] ?? resolve(web, "../target");
  const binary = process.env["QUADRILLE_BIN"] ?? resolve(built, "debug/quadrille");
  const dataDir = await mkdtemp(join(tmpdir(), "quadrille-page-"));
  const child = spawn(binary, await argsIn(dataDir), { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > LOG_LINES_MAX) lines.shift();
  };
  const stop = async () => {
    const code = await terminate(child);
    await rm(dataDir, { recursive: true, force: true });
    return code;
  };
  try {
    const url = urlOf(await readyLine(child, says, keep));
    const { origin, searchParams } = new URL(url);
    return { url, origin, key: searchParams.get("key") ?? "", log: () => lines.join("\n"), stop };
  } catch (error) {
    await stop();
    throw new Error(`${binary} did not start: ${String(error)}\n${lines.join("\n")}`);
  }
}

/** Waits for a line of either stream that `says` matches; answers what it caught. */
function readyLine(child: ChildProcess, says: RegExp, keep: (line: string) => void): Promise<string> {
  return new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`no line like ${says} within ${START_MS} ms`)), START_MS);
    const done = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    child.on("error", (error) => done(() => failed(error)));
    child.on("exit", (code) => done(() => failed(new Error(`exit code ${code}`))));
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        keep(line);
        const caught = says.exec(line)?.[1];
        if (caught !== undefined) done(() => found(caught));
      });
    }
  });
}

function terminate(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.pid === undefined) return Promise.resolve(child.exitCode);
  return new Promise((ended) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    child.on("exit", (code) => {
      clearTimeout(timer);
      ended(code);
    });
    child.kill("SIGTERM");
  });
}
