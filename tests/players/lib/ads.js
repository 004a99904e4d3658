// An advertisement server: decides on one advertisement, hands out its film, and takes note of what it is told.

import { createServer } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { start } from "./process.js";

const SECONDS = 8;

export class Ads {
  #server;
  #folder;
  #film;
  /** What was told: `impression`, `complete` and what lies between. */
  told = [];

  static async start() {
    const ads = new Ads();
    ads.#folder = await mkdtemp(join(tmpdir(), "quadrille-ads-"));
    const film = join(ads.#folder, "ad.mp4");
    const drawn = ["-f", "lavfi", "-i", `testsrc=size=640x360:rate=25:duration=${SECONDS}`, "-f", "lavfi", "-i", `sine=frequency=880:duration=${SECONDS}`];
    const coded = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", film];
    const code = await start("ffmpeg", ["-hide_banner", "-loglevel", "error", ...drawn, ...coded], { stdio: "inherit" }).ended;
    if (code !== 0) throw new Error(`no film was made: FFmpeg ended with ${code}`);
    ads.#film = await readFile(film);
    ads.#server = createServer((request, answer) => ads.#answer(request, answer));
    await new Promise((listening) => ads.#server.listen(0, "127.0.0.1", listening));
    ads.origin = `http://127.0.0.1:${ads.#server.address().port}`;
    return ads;
  }

  #answer(request, answer) {
    const { pathname } = new URL(request.url, this.origin);
    if (pathname === "/vast") return answer.writeHead(200, { "Content-Type": "application/xml" }).end(this.#decision());
    if (pathname === "/ad.mp4") return answer.writeHead(200, { "Content-Type": "video/mp4" }).end(this.#film);
    this.told.push(pathname.slice(1));
    return answer.writeHead(204).end();
  }

  #decision() {
    const tracking = ["start", "complete"].map((event) => `<Tracking event="${event}">${this.origin}/${event}</Tracking>`).join("");
    const film = `<MediaFile delivery="progressive" type="video/mp4" width="640" height="360">${this.origin}/ad.mp4</MediaFile>`;
    const linear = `<Linear><Duration>00:00:0${SECONDS}</Duration><TrackingEvents>${tracking}</TrackingEvents><MediaFiles>${film}</MediaFiles></Linear>`;
    const ad = `<Ad id="1"><InLine><AdSystem>players</AdSystem><AdTitle>A test</AdTitle><Impression>${this.origin}/impression</Impression><Creatives><Creative>${linear}</Creative></Creatives></InLine></Ad>`;
    return `<VAST version="4.2">${ad}</VAST>`;
  }

  async stop() {
    await new Promise((closed) => this.#server.close(closed));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
