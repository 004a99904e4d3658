// What RFC 8216 asks of the playlists of one URL, one after the other. Clauses are of that RFC, or of its draft successor ("bis").

/** Playlists say times to a thousandth of a second, each rounded for itself. */
const ROUNDING_S = 0.002;
/** 6.2.2: a playlist is new again after one and a half target durations at the latest; and what a busy machine may add. */
const NEW_AFTER_TARGETS = 1.5;
const BUSY_S = 1;

/** What is wrong with the listings of one URL, in words. */
export function faultsOfListings(listings) {
  const faults = [...listings.flatMap(faultsWithin), ...pairs(listings).flatMap(([before, after]) => faultsBetween(before, after))];
  return [...new Set([...faults, ...standstill(listings)])];
}

function faultsWithin({ target, partTarget, segments, growing }) {
  const faults = [];
  for (const [at, segment] of segments.entries()) {
    const { number, duration, date, map, discontinuity, gap, parts } = segment;
    if (Math.round(duration) > target) faults.push(`4.3.3.1: segment ${number} lasts ${duration} s, longer than the target`);
    if (discontinuity) faults.push(`segment ${number} has EXT-X-DISCONTINUITY`);
    if (gap) faults.push(`segment ${number} is a gap`);
    // Images and texts need none.
    if (map === undefined && !/\.(?:jpg|vtt)$/.test(segment.uri)) faults.push(`segment ${number} has no EXT-X-MAP`);
    if (date === undefined) faults.push(`segment ${number} has no EXT-X-PROGRAM-DATE-TIME`);
    const before = segments[at - 1];
    if (before !== undefined && number !== before.number + 1) faults.push(`segment ${number} comes after ${before.number}`);
    const late = before === undefined ? 0 : (date - before.date) / 1000 - before.duration;
    if (Math.abs(late) > ROUNDING_S) faults.push(`segment ${number} begins ${late.toFixed(3)} s after the end of the one before`);
    const whole = parts.reduce((sum, part) => sum + part.duration, 0);
    if (parts.length > 0 && Math.abs(whole - duration) > ROUNDING_S) faults.push(`segment ${number} lasts ${duration} s and its parts ${whole.toFixed(3)} s`);
  }
  const long = [...segments.flatMap(({ parts }) => parts), ...growing].filter((part) => part.duration > partTarget);
  return [...faults, ...long.map((part) => `bis 4.4.4.9: ${part.uri} is longer than PART-TARGET`)];
}

function faultsBetween(before, after) {
  const faults = [];
  if (after.first < before.first) faults.push(`6.2.2: the media sequence falls from ${before.first} to ${after.first}`);
  const [last, end] = [before, after].map((listing) => listing.first + listing.segments.length - 1);
  if (end < last) faults.push(`6.2.1: segment ${last} was listed and is no more: the end is ${end}`);
  // A playlist that has ended has no parts any more, and so need not say how long they are.
  for (const name of after.ended ? ["target"] : ["target", "partTarget", "partHoldBack"]) {
    if (after[name] !== before[name]) faults.push(`6.2.1: ${name} changes from ${before[name]} to ${after[name]}`);
  }
  if (before.ended && !same({ ...before, at: 0 }, { ...after, at: 0 })) faults.push("4.3.3.4: it changes after EXT-X-ENDLIST");
  const known = new Map(before.segments.map((segment) => [segment.number, segment]));
  for (const segment of after.segments) {
    const [was, is] = [known.get(segment.number), segment].map((one) => one && { ...one, parts: undefined });
    if (was !== undefined && !same(was, is)) faults.push(`6.2.1: segment ${segment.number} changes from ${JSON.stringify(was)} to ${JSON.stringify(is)}`);
  }
  const parts = new Map(partsOf(after).map((part) => [part.uri, part]));
  for (const part of partsOf(before)) {
    if (parts.has(part.uri) && !same(part, parts.get(part.uri))) faults.push(`6.2.1: ${part.uri} changes`);
  }
  return faults;
}

function standstill(listings) {
  const faults = [];
  let changed = listings[0];
  for (const listing of listings) {
    if (extent(listing) !== extent(changed)) {
      changed = listing;
      continue;
    }
    const seconds = (listing.at - changed.at) / 1000;
    const most = NEW_AFTER_TARGETS * listing.target + BUSY_S;
    if (seconds > most && !listing.ended) faults.push(`6.2.2: nothing new for ${seconds.toFixed(1)} s from ${new Date(changed.at).toISOString()}`);
  }
  // Each playlist of one standstill says it again, longer: the longest says all.
  return faults.slice(-1);
}

function extent({ first, segments, growing }) {
  return `${first} ${segments.length} ${growing.length}`;
}

function partsOf({ segments, growing }) {
  return [...segments.flatMap(({ parts }) => parts), ...growing];
}

function same(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function pairs(list) {
  return list.slice(1).map((after, at) => [list[at], after]);
}
