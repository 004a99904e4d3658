// Child processes that never outlive this one.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const STOP_MS = 5_000;
const running = new Set();

// An exit handler may not wait, so what is left by then is not asked.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * Starts a program. `setpriv` asks the kernel to end it with us, because nobody runs our exit handlers when we are killed.
 * `ended` of the answer comes true with the exit code, or the signal's name.
 */
export function start(command, args, { stdio = ["ignore", "pipe", "pipe"], env = process.env } = {}) {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", command, ...args], { stdio, env });
  running.add(child);
  const ended = new Promise((end) => {
    child.on("error", (error) => end(error.message));
    child.on("exit", (code, signal) => end(code ?? signal));
  });
  ended.then(() => running.delete(child));
  return { child, ended };
}

export function eachLine(stream, take) {
  // How a program ended is told by `ended`; that its pipe broke is no news.
  createInterface({ input: stream }).on("line", take).on("error", () => {});
}

export async function stop({ child, ended }) {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return ended;
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  child.kill("SIGTERM");
  const code = await ended;
  clearTimeout(timer);
  return code;
}

/** Runs a program to its end; its output, or an error that holds it. */
export async function run(command, args, input = "") {
  const program = start(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let [output, complaints] = ["", ""];
  program.child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  program.child.stderr.setEncoding("utf8").on("data", (text) => (complaints += text));
  // A program that ends before it has read everything says why by itself.
  program.child.stdin.on("error", () => {});
  program.child.stdin.end(input);
  const closed = new Promise((end) => program.child.on("close", end));
  const code = await program.ended;
  if (code === 0) {
    await closed;
    return output;
  }
  throw new Error(`${command} ${args.join(" ")}: ${code}\n${complaints.trim()}`);
}
