// streamlink fetches and muxes; what it writes is decoded by FFmpeg.

import { eachLine, start, stop } from "../lib/process.js";
import { isHarmless } from "../lib/known.js";
import { decode } from "./ffmpeg.js";

export const streamlink = {
  async open({ watch, tools }) {
    let programs = [];
    return {
      play: (url) => {
        const fetching = start(tools.streamlink, ["--no-config", "--loglevel", "warning", "--stdout", url, "best"]);
        eachLine(fetching.child.stderr, (line) => isHarmless(line) || watch.error(`streamlink: ${line}`));
        fetching.ended.then((code) => watch.over(`streamlink ended with ${code}`));
        const decoding = decode("pipe:0", watch, "pipe");
        // It is ended first, and what streamlink still writes then has nowhere to go.
        decoding.child.stdin.on("error", () => {});
        fetching.child.stdout.pipe(decoding.child.stdin);
        programs = [decoding, fetching];
      },
      stop: () => Promise.all(programs.map(stop)),
    };
  },
};
