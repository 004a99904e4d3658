// Bundles the TypeScript tests and runs them with Node's own runner: `node test/run.mjs unit|page [START]`.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Where what plays is judged: one after the other, since each has a service of its own and a browser that decodes what comes of it.
const PLAYED = ["page", "rewind", "swaps", "viewing"];

const here = dirname(fileURLToPath(import.meta.url));
const kind = process.argv[2];
if (kind !== "unit" && kind !== "page") {
  console.error("usage: node test/run.mjs unit|page [START]");
  process.exit(2);
}
const [folder, ending] = kind === "page" ? [here, ".e2e.ts"] : [join(here, "unit"), ".test.ts"];
// A third word chooses files: `node test/run.mjs page operator`.
const chosen = process.argv[3] ?? "";
const names = (await readdir(folder)).filter((name) => name.endsWith(ending) && name.startsWith(chosen));
const entries = names.map((name) => join(folder, name));

// Inside node_modules, so that the bundles find packages and git does not find them.
const outdir = join(here, "../node_modules/.cache/quadrille-tests", kind);
await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: entries,
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node18",
  packages: "external",
  sourcemap: "inline",
  logLevel: "warning",
});
const files = (await readdir(outdir)).filter((name) => name.endsWith(".mjs")).map((name) => join(outdir, name));
const isPlayed = (file) => PLAYED.some((name) => basename(file).startsWith(`${name}.`));

function run(files, concurrency) {
  if (files.length === 0) return 0;
  const runner = spawn(process.execPath, ["--enable-source-maps", "--test", `--test-concurrency=${concurrency}`, "--test-reporter=spec", ...files], {
    stdio: "inherit",
    env: { ...process.env, QUADRILLE_WEB: join(here, "..") },
  });
  return new Promise((ended) => runner.on("exit", (code) => ended(code ?? 1)));
}

const codes = [await run(files.filter(isPlayed), 1), await run(files.filter((file) => !isPlayed(file)), 2)];
process.exit(Math.max(...codes));
