// A live source whose pictures say when they were made, to be read off whatever shows them in the end.

import { createSocket } from "node:dgram";
import { COLUMNS, ROWS } from "../page/squares.js";
import { FPS } from "./service.js";
import { start, stop } from "./process.js";

const [WIDTH, HEIGHT] = [320, 180];

export class Clock {
  #encoder;
  #stopped = false;

  /** Sends from now on; `source` of the answer is where a service listens. */
  static async start() {
    const clock = new Clock();
    const port = await freePort();
    const address = `udp://127.0.0.1:${port}`;
    // Nothing is late on a loopback.
    clock.source = `${address}?jitter=100`;
    const input = ["-f", "rawvideo", "-pixel_format", "gray", "-video_size", `${WIDTH}x${HEIGHT}`, "-framerate", String(FPS), "-i", "pipe:0"];
    const coded = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", String(FPS / 2), "-b:v", "1M"];
    const sent = ["-flush_packets", "1", "-muxdelay", "0", "-f", "mpegts", `${address}?pkt_size=1316`];
    clock.#encoder = start("ffmpeg", ["-hide_banner", "-loglevel", "error", ...input, ...coded, ...sent], { stdio: ["pipe", "inherit", "inherit"] });
    clock.#encoder.child.stdin.on("error", () => {});
    clock.#draw(Date.now(), 0);
    return clock;
  }

  #draw(began, frame) {
    if (this.#stopped) return;
    this.#encoder.child.stdin.write(picture(Date.now()));
    setTimeout(() => this.#draw(began, frame + 1), began + ((frame + 1) * 1000) / FPS - Date.now());
  }

  async stop() {
    this.#stopped = true;
    await stop(this.#encoder);
  }
}

function picture(ms) {
  const luma = Buffer.alloc(WIDTH * HEIGHT, 16);
  const [width, height] = [WIDTH / COLUMNS, HEIGHT / ROWS];
  for (let bit = 0; bit < COLUMNS * ROWS; bit += 1) {
    if (Math.floor(ms / 2 ** (COLUMNS * ROWS - 1 - bit)) % 2 === 0) continue;
    const [x, y] = [(bit % COLUMNS) * width, Math.floor(bit / COLUMNS) * height];
    for (let row = y; row < y + height; row += 1) luma.fill(235, row * WIDTH + x, row * WIDTH + x + width);
  }
  return luma;
}

function freePort() {
  return new Promise((found, failed) => {
    const socket = createSocket("udp4").on("error", failed);
    socket.bind(0, "127.0.0.1", () => {
      const { port } = socket.address();
      socket.close(() => found(port));
    });
  });
}
