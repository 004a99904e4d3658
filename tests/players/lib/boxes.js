// mp4box reads every piece of media that any player fetched.

import { Log, createFile } from "mp4box";

const RENDITION = /([^/]+)\/init\.mp4$/;

// What it has to say comes as errors of a file, too.
Log.setLogLevel(Log.LOG_LEVEL_ERROR);

/** All media that was fetched, by path. A path has the same bytes for ever. */
export class Media {
  #bytes = new Map();
  faults = [];

  take(path, bytes) {
    const known = this.#bytes.get(path);
    if (known === undefined) this.#bytes.set(path, bytes);
    else if (!known.equals(bytes)) this.faults.push(`${path}: its bytes changed`);
  }

  get count() {
    return this.#bytes.size;
  }

  /**
   * Times of every segment and part by path, `{ start, end }` in seconds; what is wrong goes to `faults`. `listed` says of each path what
   * playlists say of it: `{ map, independent }`.
   */
  read(listed) {
    this.#compareInits();
    const times = new Map();
    for (const [path, { map, independent }] of listed) {
      const [init, bytes] = [this.#bytes.get(map), this.#bytes.get(path)];
      if (bytes === undefined) continue;
      try {
        if (init === undefined) throw new Error(`nobody fetched its init segment, ${map}`);
        times.set(path, readPiece(init, bytes, independent));
      } catch (error) {
        this.faults.push(`${path}: ${error.message}`);
      }
    }
    return times;
  }

  /** Every mosaic's init segment of a rendition is the same, or a swap would need EXT-X-DISCONTINUITY. */
  #compareInits() {
    const inits = new Map();
    for (const [path, bytes] of this.#bytes) {
      const [, last] = RENDITION.exec(path) ?? [];
      if (last === undefined) continue;
      const track = path.includes("/audio/") ? "audio" : last;
      if (!(inits.get(track) ?? bytes).equals(bytes)) this.faults.push(`${path}: another init segment than others of ${track}`);
      inits.set(track, bytes);
    }
  }
}

function readPiece(init, piece, independent) {
  const file = createFile();
  const errors = [];
  file.onError = (module, message) => errors.push(`${module}: ${message}`);
  // A copy of its own: the parser keeps a mark on the buffer.
  const bytes = new Uint8Array(Buffer.concat([init, piece])).buffer;
  bytes.fileStart = 0;
  file.appendBuffer(bytes, true);
  file.flush();
  if (errors.length > 0) throw new Error(errors.join("; "));
  const read = file.boxes.reduce((sum, box) => sum + box.size, 0);
  if (read !== bytes.byteLength) throw new Error(`${read} of ${bytes.byteLength} bytes are boxes`);
  const { tracks } = file.getInfo();
  if (tracks.length !== 1) throw new Error(`${tracks.length} tracks`);
  return timesOf(file.getTrackSamplesInfo(tracks[0].id), independent);
}

function timesOf(samples, independent) {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined) throw new Error("no samples");
  if (independent && !first.is_sync) throw new Error("does not begin with a picture that stands alone");
  for (const [at, sample] of samples.slice(1).entries()) {
    if (sample.dts !== samples[at].dts + samples[at].duration) throw new Error(`sample ${at + 1} does not follow the one before`);
    if (sample.size === 0) throw new Error(`sample ${at + 1} is empty`);
  }
  if (new Set(samples.map((sample) => sample.cts)).size < samples.length) throw new Error("two samples are shown at once");
  return { start: first.dts / first.timescale, end: (last.dts + last.duration) / last.timescale };
}
