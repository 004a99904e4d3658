// Bundles the pages into dist/: the viewer's index.html, operator.html and docs.html at the top, everything they load under assets/ with a
// digest in its name, so that the service can let browsers keep assets for ever and the pages themselves not at all.
import { build, context } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const watch = process.argv.includes("--watch");
// Beside it, and put in its place where it is another: the service, which embeds the pages, is compiled anew when they are written.
const out = watch ? dist : join(here, "node_modules/.cache/quadrille-dist");

const PAGES = ["index.html", "operator.html", "docs.html"];

/** Writes the pages: each source page with the names of its bundles in it. */
async function writePages(metafile) {
  const named = new Map();
  for (const [path, output] of Object.entries(metafile.outputs)) {
    if (output.entryPoint) named.set(basename(output.entryPoint), `/assets/${basename(path)}`);
  }
  for (const page of PAGES) {
    const source = await readFile(join(here, "src", page), "utf8");
    const filled = source.replace(/\{\{([\w.]+)\}\}/g, (_, name) => {
      const url = named.get(name);
      if (!url) throw new Error(`src/${page} asks for ${name}, which is not an entry point of the build`);
      return url;
    });
    await writeFile(join(out, page), filled);
  }
}

const pagesWriter = {
  name: "pages",
  setup(builder) {
    builder.onEnd(async (result) => {
      if (result.errors.length === 0) await writePages(result.metafile);
    });
  },
};

const options = {
  absWorkingDir: here,
  entryPoints: ["src/main.ts", "src/style/main.css", "src/operator.ts", "src/style/operator.css", "src/docs.ts", "src/style/docs.css", "src/favicon.svg"],
  outdir: join(out, "assets"),
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  format: "esm",
  target: ["es2022"],
  loader: { ".svg": "copy", ".woff2": "file" },
  minify: !watch,
  sourcemap: watch ? "inline" : false,
  legalComments: "linked",
  metafile: true,
  logLevel: "info",
  plugins: [pagesWriter],
};

/** A folder's files and what is in them, by their paths. */
async function contents(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return Promise.all(files.sort().map(async (file) => [relative(folder, file), await readFile(file, "base64")]));
}

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
// The typeface's licence asks to travel with it.
await copyFile(join(here, "node_modules/@fontsource-variable/inter/LICENSE"), join(out, "assets/inter-licence.txt"));

if (watch) {
  await (await context(options)).watch();
} else {
  await build(options);
  if (JSON.stringify(await contents(out)) !== JSON.stringify(await contents(dist))) {
    await rm(dist, { recursive: true, force: true });
    await rename(out, dist);
  }
}
