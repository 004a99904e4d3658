// mpv without a screen and without loudspeakers: both keep time all the same. It is driven through its JSON IPC.

import { isHarmless } from "../lib/known.js";
import { eachLine, start, stop } from "../lib/process.js";

// The filter says a line of each picture. The IPC goes over a descriptor that is there from the start, so nobody waits for a socket.
const OPTIONS = ["--no-config", "--idle=yes", "--no-terminal", "--vo=null", "--ao=null", "--vf=lavfi=[showinfo]", "--input-ipc-client=fd://3"];
const OBSERVED = ["track-list", "paused-for-cache", "frame-drop-count"];
const LOUD = ["fatal", "error", "warn"];

export const mpv = {
  async open({ watch }) {
    const program = start("mpv", OPTIONS, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
    program.ended.then((code) => watch.over(`mpv ended with ${code}`));
    const socket = program.child.stdio[3];
    socket.on("error", (error) => watch.over(`mpv: ${error.message}`));
    const send = (...command) => socket.write(`${JSON.stringify({ command })}\n`);
    let sounds = [];
    eachLine(socket, (line) => {
      const { event, name, data, ...message } = JSON.parse(line);
      if (event === "log-message") heard(message, watch);
      if (event === "end-file") watch.over(`mpv: ${message.reason} ${message.file_error ?? ""}`);
      if (name === "track-list") sounds = data.filter((track) => track.type === "audio");
      if (name === "paused-for-cache" && data) watch.wait(Date.now());
      if (name === "frame-drop-count") watch.dropped = data ?? 0;
    });
    // The level at which the filter speaks.
    send("request_log_messages", "v");
    OBSERVED.forEach((property, at) => send("observe_property", at + 1, property));
    return {
      play: (url) => send("loadfile", url),
      // FFmpeg, which reads the playlist here, does not hand the names on.
      chooseSound: (name, at) => {
        if (sounds[at] === undefined) watch.error(`mpv: no sound ${at} (${name}) among ${sounds.length}`);
        else send("set_property", "aid", sounds[at].id);
      },
      stop: () => stop(program),
    };
  },
};

function heard({ prefix, level, text }, watch) {
  const shown = /pts_time:\s*(\S+)/.exec(text);
  if (shown !== null) watch.frame({ at: Date.now(), pts: Number(shown[1]), count: watch.frames.length + 1 });
  else if (LOUD.includes(level) && !isHarmless(text)) watch.error(`mpv: [${prefix}] ${text.trim()}`);
}
