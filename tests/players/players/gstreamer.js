// GStreamer's playbin3, driven by a few lines of Python.

import { fileURLToPath } from "node:url";
import { isHarmless } from "../lib/known.js";
import { eachLine, start, stop } from "../lib/process.js";

const SCRIPT = fileURLToPath(new URL("gstreamer.py", import.meta.url));
// Debian's, which has GStreamer's bindings; another Python on the PATH has none.
const PYTHON = "/usr/bin/python3";

export const gstreamer = {
  async open({ watch }) {
    let program;
    return {
      play: (url) => {
        program = start(PYTHON, [SCRIPT, url], { stdio: ["pipe", "pipe", "pipe"] });
        eachLine(program.child.stdout, (line) => take(JSON.parse(line), watch));
        eachLine(program.child.stderr, (line) => isHarmless(line) || watch.error(`GStreamer: ${line}`));
        program.ended.then((code) => watch.over(`GStreamer ended with ${code}`));
      },
      chooseSound: (name) => program.child.stdin.write(`${name}\n`),
      stop: () => program && stop(program),
    };
  },
};

function take({ kind, at, pts, text }, watch) {
  if (kind === "frame") watch.frame({ at, pts, count: watch.frames.length + 1 });
  if (kind === "wait") watch.wait(at);
  if (kind === "error") watch.error(`GStreamer: ${text}`);
}
