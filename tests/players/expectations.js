// What must come out. The one place to make the test stricter.

/** `most` are the largest figures that are right; a round that is not strict tells what is over them and goes on. */
export const EXPECTED = {
  warm: { strict: true, most: { missing: 0, startMissing: 0, stalls: 0, startStalls: 0, errors: 0, latencyS: 10 } },
  // As far behind live as was asked for. A seek is no stall: what was shown before it does not count.
  past: { strict: true, most: { missing: 0, startMissing: 0, stalls: 0, startStalls: 0, errors: 0, latencyS: 120 } },
  // A mosaic that nobody watched yet begins with stills, and goes on without a stall.
  cold: { strict: true, most: { missing: 0, startMissing: 0, stalls: 0, startStalls: 0, errors: 0, latencyS: 12 } },
};

/** A share of the processors' time. Players decode in software here: what is beyond it holds them up whatever they are served. */
export const BUSY_MOST = 0.92;

/** Players of which something else is expected. */
const OWN = {
  "hls.js low latency": { latencyS: 4 },
  // Its pictures come faster than the screen shows them.
  "hls.js near live": { missing: 100, startMissing: 100, latencyS: 3 },
  // Begins up to a segment further back than the others.
  GStreamer: { latencyS: 13 },
  // Chromium's own HLS jumps half a second ahead within its first, at every start that was seen.
  "rx-player": { startMissing: 30, startStalls: 2 },
};

/** What is over the expectation, in words. */
export function wrongWith({ kind, player, figures, errors }) {
  const most = { ...EXPECTED[kind].most, ...OWN[player] };
  const found = {
    missing: figures.missing,
    startMissing: figures.startMissing,
    stalls: figures.stalls.length,
    startStalls: figures.startStalls.length,
    errors: errors.length,
    latencyS: figures.latencyS ?? 0,
  };
  const over = Object.keys(most).filter((name) => found[name] > most[name]);
  return over.map((name) => `${name}: ${found[name]}, expected ${most[name]} at most${whereOf(figures[name])}`);
}

/** Where stalls were, in seconds shown, and for how long; a wait that a player tells of without one is 0 s. */
function whereOf(stalls) {
  return Array.isArray(stalls) && stalls.length > 0 ? ` (${stalls.map(({ position, seconds }) => `at ${position} s for ${seconds} s`).join(", ")})` : "";
}
