// What must be built or installed before anything plays: the pages' bundles, and Python's packages in a place of their own.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { run } from "./process.js";

const here = fileURLToPath(new URL("..", import.meta.url));
const built = process.env.CARGO_TARGET_DIR ?? join(here, "../../target");

/** Where results and what is built lie. */
/** What pages are made with, and no pages themselves. */
const SHARED = new Set(["watcher.js", "clock.js", "squares.js"]);
export const FOLDER = join(built, "players");
export const BINARY = process.env.QUADRILLE_BIN ?? join(built, "debug/quadrille");

const PYTHON = "/usr/bin/python3";

/** Paths of the programs that come out of the environment. */
export async function python() {
  const requirements = join(here, "requirements.txt");
  const folder = join(FOLDER, "venv");
  const tools = { python: join(folder, "bin/python"), streamlink: join(folder, "bin/streamlink") };
  const wanted = createHash("sha256").update(await readFile(requirements)).digest("hex");
  const mark = join(folder, "requirements.sha256");
  if ((await readFile(mark, "utf8").catch(() => "")) === wanted) return tools;
  await rm(folder, { recursive: true, force: true });
  await run(PYTHON, ["-m", "venv", folder]);
  await run(tools.python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements]);
  // Last: an installation that was cut off is none.
  await writeFile(mark, wanted);
  return tools;
}

/** Files of the bundles by name. */
export async function bundles() {
  const sources = (await readdir(join(here, "page"))).filter((name) => !SHARED.has(name));
  const outdir = join(FOLDER, "pages");
  await mkdir(outdir, { recursive: true });
  await build({
    entryPoints: sources.map((name) => join(here, "page", name)),
    outdir,
    bundle: true,
    minify: true,
    format: "iife",
    target: "chrome120",
    logLevel: "error",
  });
  return Object.fromEntries(sources.map((name) => [basename(name, ".js"), join(outdir, name)]));
}
