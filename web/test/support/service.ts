// Starts the real service in its demo form, and ends it.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

/** What the demo's operator has. */
export const OPERATOR_KEY = "demo-operator";

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

export async function startDemo(): Promise<Service> {
  const web = process.env["QUADRILLE_WEB"] ?? process.cwd();
  const built = process.env["CARGO_TARGET_DIR"] ?? resolve(web, "../target");
  const binary = process.env["QUADRILLE_BIN"] ?? resolve(built, "debug/quadrille");
  const dataDir = await mkdtemp(join(tmpdir(), "quadrille-page-"));
  const child = spawn(binary, ["demo", "--listen", "127.0.0.1:0", "--data-dir", dataDir], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    if (lines.length > LOG_LINES_MAX) lines.shift();
  };
  createInterface({ input: child.stderr }).on("line", keep);
  const stop = async () => {
    const code = await terminate(child);
    await rm(dataDir, { recursive: true, force: true });
    return code;
  };
  try {
    const url = await pageLine(child, keep);
    const { origin, searchParams } = new URL(url);
    return { url, origin, key: searchParams.get("key") ?? "", log: () => lines.join("\n"), stop };
  } catch (error) {
    await stop();
    throw new Error(`${binary} did not start: ${String(error)}\n${lines.join("\n")}`);
  }
}

/** Waits for the line `page: http://…`. */
function pageLine(child: ChildProcess, keep: (line: string) => void): Promise<string> {
  return new Promise((found, failed) => {
    const timer = setTimeout(() => failed(new Error(`no line "page: …" within ${START_MS} ms`)), START_MS);
    const done = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    child.on("error", (error) => done(() => failed(error)));
    child.on("exit", (code) => done(() => failed(new Error(`exit code ${code}`))));
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      keep(line);
      const url = /^\s*page:\s+(http:\/\/\S+)/.exec(line)?.[1];
      if (url !== undefined) done(() => found(url));
    });
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
