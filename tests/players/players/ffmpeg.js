// FFmpeg at real time. Every picture and every piece of sound that it decodes is a line of its `framecrc` output.

import { isHarmless } from "../lib/known.js";
import { eachLine, start, stop } from "../lib/process.js";

const [VIDEO, AUDIO] = [0, 1];

/** Decodes `input` at real time and tells the watch of it. */
export function decode(input, watch, stdin = "ignore") {
  // The filter paces from the first picture on; `-re` would first make up for what the start took.
  const decoded = ["-map", "0:v:0", "-map", "0:a:0", "-filter:v", "realtime", "-fps_mode", "passthrough", "-enc_time_base", "-1"];
  const output = ["-f", "framecrc", "-flush_packets", "1", "-"];
  const quiet = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "repeat+warning"];
  const program = start("ffmpeg", [...quiet, "-copyts", "-i", input, ...decoded, ...output], { stdio: [stdin, "pipe", "pipe"] });
  const read = reader(watch);
  eachLine(program.child.stdout, read);
  eachLine(program.child.stderr, (line) => isHarmless(line) || watch.error(`FFmpeg: ${line}`));
  program.ended.then((code) => watch.over(`FFmpeg ended with ${code}`));
  return program;
}

function reader(watch) {
  const seconds = [];
  let soundEnd;
  return (line) => {
    const base = /^#tb (\d): (\d+)\/(\d+)/.exec(line);
    if (base !== null) seconds[base[1]] = base[2] / base[3];
    if (line.startsWith("#")) return;
    const [stream, , pts, duration] = line.split(",").map(Number);
    if (stream === VIDEO) watch.frame({ at: Date.now(), pts: pts * seconds[VIDEO], count: watch.frames.length + 1 });
    if (stream === AUDIO) {
      // Time stamps of sound are rounded on the way, by less than a thousandth of a second.
      const hole = (pts - (soundEnd ?? pts)) * seconds[AUDIO];
      if (Math.abs(hole) > 0.002) watch.error(`sound: ${hole.toFixed(3)} s between two frames`);
      soundEnd = pts + duration;
    }
  };
}

export const ffmpeg = {
  async open({ watch }) {
    let program;
    return {
      play: (url) => (program = decode(url, watch)),
      stop: () => program && stop(program),
    };
  },
};
