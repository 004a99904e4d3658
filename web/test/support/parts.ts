// A live stream with parts, as the low-latency HLS of the near future serves it: parts of a third of a second, blocking reload, a part
// hold-back. FFmpeg makes the pictures once; the playlist lists as many of them as the wall clock says.

import { execFile } from "node:child_process";
import { createServer, type ServerResponse } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const FPS = 30;
const PART_FRAMES = 10;
const PARTS_PER_SEGMENT = 6;
const PART_S = PART_FRAMES / FPS;
const SEGMENT_S = PART_S * PARTS_PER_SEGMENT;
/** How much there is to play; a test takes less. */
const LENGTH_S = 120;
const WINDOW_SEGMENTS = 10;
// Parts are listed for the newest segments alone (RFC 8216bis, 6.2.2.1).
const SEGMENTS_WITH_PARTS = 3;
/** What is there before anybody asks. */
const AHEAD_S = 24;

export interface PartsStream {
  /** Its playlist is `index.m3u8` there. */
  readonly origin: string;
  /** Requests that waited for a part: `_HLS_msn` and `_HLS_part`. */
  readonly blocked: () => number;
  readonly partsServed: () => number;
  /** From now on without parts, as a server that ceases to make them. */
  withoutParts(): void;
  close(): Promise<void>;
}

interface Media {
  readonly init: Buffer;
  readonly parts: readonly Buffer[];
}

/** Cuts a fragmented MP4 at its `moof` boxes. */
function cut(file: Buffer): Media {
  const starts: number[] = [];
  for (let at = 0; at + 8 <= file.length; at += file.readUInt32BE(at)) {
    const type = file.toString("latin1", at + 4, at + 8);
    if (type === "moof" || (type === "mfra" && starts.length > 0)) starts.push(at);
  }
  const parts = starts.map((start, at) => file.subarray(start, starts[at + 1] ?? file.length));
  return { init: file.subarray(0, starts[0] ?? 0), parts };
}

async function make(): Promise<Media> {
  const folder = await mkdtemp(join(tmpdir(), "quadrille-parts-"));
  const path = join(folder, "stream.mp4");
  const source = `testsrc2=size=320x180:rate=${FPS}:duration=${LENGTH_S}`;
  const coding = ["-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "main", "-bf", "0", "-g", String(PART_FRAMES), "-keyint_min", String(PART_FRAMES)];
  const boxes = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof"];
  try {
    await promisify(execFile)("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", source, ...coding, "-pix_fmt", "yuv420p", ...boxes, path]);
    return cut(await readFile(path));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function startParts(): Promise<PartsStream> {
  const { init, parts } = await make();
  const startMs = Date.now() - 1000 * AHEAD_S;
  let [blocked, served, listed] = [0, 0, true];
  /** How many parts are whole. */
  const there = () => Math.min(parts.length, Math.floor((Date.now() - startMs) / 1000 / PART_S));
  const date = (segment: number) => new Date(startMs + 1000 * SEGMENT_S * segment).toISOString();

  function playlist(): string {
    const count = there();
    const whole = Math.floor(count / PARTS_PER_SEGMENT);
    const first = Math.max(0, whole - WINDOW_SEGMENTS);
    const lines = ["#EXTM3U", "#EXT-X-VERSION:9", `#EXT-X-TARGETDURATION:${SEGMENT_S}`, `#EXT-X-MEDIA-SEQUENCE:${first}`];
    if (listed) {
      lines.push(`#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=${(3.5 * PART_S).toFixed(3)},HOLD-BACK=6`);
      lines.push(`#EXT-X-PART-INF:PART-TARGET=${PART_S.toFixed(5)}`);
    }
    lines.push('#EXT-X-MAP:URI="init.mp4"');
    for (let segment = first; segment <= whole; segment++) {
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${date(segment)}`);
      for (let part = 0; listed && segment > whole - SEGMENTS_WITH_PARTS && part < PARTS_PER_SEGMENT; part++) {
        const at = segment * PARTS_PER_SEGMENT + part;
        if (at < count) lines.push(`#EXT-X-PART:DURATION=${PART_S.toFixed(5)},URI="p${at}.m4s",INDEPENDENT=YES`);
      }
      if (segment < whole) lines.push(`#EXTINF:${SEGMENT_S.toFixed(3)},`, `s${segment}.m4s`);
      // A date for a segment of which nothing is there yet would stand alone.
      else if (!listed || count === whole * PARTS_PER_SEGMENT) lines.pop();
    }
    if (listed) lines.push(`#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p${count}.m4s"`);
    return `${lines.join("\n")}\n`;
  }

  /** Calls `then` once `count` parts are whole. */
  function when(count: number, then: () => void): void {
    const waitMs = startMs + 1000 * PART_S * count - Date.now();
    if (waitMs <= 0 || count > parts.length) then();
    else setTimeout(() => when(count, then), waitMs + 1);
  }

  function send(response: ServerResponse, type: string, body: string | Buffer | undefined): void {
    response.writeHead(body === undefined ? 404 : 200, { "Content-Type": type, "Access-Control-Allow-Origin": "*", "Cache-Control": "no-store" });
    response.end(body);
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://parts");
    const name = url.pathname.slice(1);
    const number = Number(/^[sp](\d+)\.m4s$/.exec(name)?.[1] ?? -1);
    if (name === "index.m3u8") {
      const codecs = '#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=320x180,CODECS="avc1.4d400c",FRAME-RATE=30';
      send(response, "application/vnd.apple.mpegurl", `#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n${codecs}\nvideo.m3u8\n`);
    } else if (name === "video.m3u8") {
      const segment = Number(url.searchParams.get("_HLS_msn") ?? -1);
      const part = Number(url.searchParams.get("_HLS_part") ?? PARTS_PER_SEGMENT - 1);
      const wanted = segment < 0 ? 0 : segment * PARTS_PER_SEGMENT + part + 1;
      if (wanted > there()) blocked += 1;
      when(wanted, () => send(response, "application/vnd.apple.mpegurl", playlist()));
    } else if (name === "init.mp4") {
      send(response, "video/mp4", init);
    } else if (name.startsWith("p")) {
      served += 1;
      // The part that was hinted at is sent when it is whole.
      when(number + 1, () => send(response, "video/mp4", parts[number]));
    } else {
      const own = parts.slice(number * PARTS_PER_SEGMENT, (number + 1) * PARTS_PER_SEGMENT);
      send(response, "video/mp4", number >= 0 && own.length > 0 ? Buffer.concat(own) : undefined);
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    blocked: () => blocked,
    partsServed: () => served,
    withoutParts: () => (listed = false),
    close: () =>
      new Promise((closed) => {
        server.closeAllConnections?.();
        server.close(() => closed());
      }),
  };
}
