// Bundles the TypeScript tests and runs them with Node's own runner: `node test/run.mjs unit|page [START]`.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

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
// One after the other: each page has a service of its own, which measures the machine when it starts.
const runner = spawn(process.execPath, ["--enable-source-maps", "--test", "--test-concurrency=1", "--test-reporter=spec", ...files], {
  stdio: "inherit",
  env: { ...process.env, QUADRILLE_WEB: join(here, "..") },
});
runner.on("exit", (code) => process.exit(code ?? 1));
