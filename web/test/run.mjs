// Bundles the TypeScript tests and runs them with Node's own runner: `node test/run.mjs unit|page`.
import { build } from "esbuild";
import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const kind = process.argv[2];
if (kind !== "unit" && kind !== "page") {
  console.error("usage: node test/run.mjs unit|page");
  process.exit(2);
}
const entries =
  kind === "page"
    ? [join(here, "page.e2e.ts")]
    : (await readdir(join(here, "unit"))).filter((name) => name.endsWith(".test.ts")).map((name) => join(here, "unit", name));

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
const runner = spawn(process.execPath, ["--enable-source-maps", "--test", "--test-reporter=spec", ...files], {
  stdio: "inherit",
  env: { ...process.env, QUADRILLE_WEB: join(here, "..") },
});
runner.on("exit", (code) => process.exit(code ?? 1));
