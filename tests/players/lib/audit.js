// Everything that any player fetched, and what other people's parsers and the RFC say to it.

import { Availability } from "./availability.js";
import { Media } from "./boxes.js";
import { listingsOf } from "./listing.js";
import { parseAll } from "./parsers.js";
import { faultsOfListings } from "./playlists.js";

/** Times in boxes and in playlists go together this well. */
const CLOSE_S = 0.002;

export class Audit {
  #availability;
  #media = new Media();
  #recorders = new Set();
  #lost = [];

  constructor(upstream) {
    this.#availability = new Availability(upstream);
  }

  /** For a recorder: what it hears is kept, and what it is told is listed is asked for. */
  get heard() {
    return {
      playlist: (playlist, recorder) => {
        this.#recorders.add(recorder);
        this.#availability.check(playlist, (fault) => this.#lost.push(fault));
      },
      media: (path, bytes) => this.#media.take(path, bytes),
    };
  }

  settle() {
    return this.#availability.settle();
  }

  /** `{ playlists, media, asked, faults }`: how much was looked at, and what is wrong with it. */
  async read(python) {
    const playlists = [...this.#recorders].flatMap((recorder) => recorder.playlists);
    const parsed = await parseAll(playlists.map((one) => one.text), python);
    const faults = new Set(this.#lost);
    for (const { path, text } of playlists) parsed.get(text).faults.forEach((fault) => faults.add(`${path}: ${fault}`));
    const urls = [...this.#recorders].flatMap(({ playlists: own }) => [...byPath(own, parsed)]);
    const listed = urls.map(([path, sequence]) => ({ path, ...listingsOf(sequence) }));
    const times = this.#media.read(piecesOf(listed));
    for (const { path, listings, faults: own } of listed) {
      const all = [...own, ...faultsOfListings(listings), ...faultsOfTimes(listings, path, times)];
      all.forEach((fault) => faults.add(`${path}: ${fault}`));
    }
    this.#media.faults.forEach((fault) => faults.add(fault));
    return { playlists: playlists.length, media: this.#media.count, asked: this.#availability.count, faults: [...faults] };
  }
}

/** By path, the playlists in order with what they say. */
function byPath(playlists, parsed) {
  const paths = new Map();
  for (const { at, path, text } of playlists) {
    if (!paths.has(path)) paths.set(path, []);
    paths.get(path).push({ at, playlist: parsed.get(text).playlist });
  }
  return paths;
}

/** By path, what playlists say of segments and parts. */
function piecesOf(urls) {
  const pieces = new Map();
  for (const { path, listings } of urls) {
    for (const { segments, growing } of listings) {
      for (const { uri, map, parts } of segments) {
        pieces.set(resolved(uri, path), { map: map && resolved(map, path), independent: true });
        for (const part of parts) pieces.set(resolved(part.uri, path), { map: map && resolved(map, path), independent: part.independent });
      }
      // The parser forgets the map of the segment that grows; it is that of the one before.
      const map = segments.at(-1)?.map;
      if (map === undefined) continue;
      for (const part of growing) pieces.set(resolved(part.uri, path), { map: resolved(map, path), independent: part.independent });
    }
  }
  return pieces;
}

/** Boxes and playlists tell the same times, and one segment begins where the one before it ends. */
function faultsOfTimes(listings, path, times) {
  const segments = new Map(listings.flatMap((listing) => listing.segments.map((segment) => [segment.number, segment])));
  const faults = [];
  let before;
  for (const { number, uri, duration, date } of [...segments.values()].sort((a, b) => a.number - b.number)) {
    const time = times.get(resolved(uri, path));
    if (time === undefined) continue;
    const long = time.end - time.start;
    if (Math.abs(long - duration) > CLOSE_S) faults.push(`segment ${number} is ${long.toFixed(3)} s long and listed as ${duration}`);
    const offset = date / 1000 - time.start;
    if (Math.abs(offset - (before?.offset ?? offset)) > CLOSE_S) faults.push(`segment ${number}: date and decode time part by ${(offset - before.offset).toFixed(3)} s`);
    if (before?.number === number - 1 && Math.abs(time.start - before.end) > CLOSE_S / 10) {
      faults.push(`segment ${number} begins ${(time.start - before.end).toFixed(4)} s after the end of ${before.number}`);
    }
    before = { number, offset, end: time.end };
  }
  return faults;
}

function resolved(uri, path) {
  return new URL(uri, `http://any${path}`).pathname;
}
