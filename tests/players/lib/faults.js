// What a recorder spoils on purpose (`--fault NAME`): each must fail the test, or the test sees nothing.

const SPOILED_FROM_S = 10;
const VIDEO_SEGMENT = /^\/v1\/media\/(?!audio\/).*\/(\d+)(?:\.\d+)?\.m4s$/;
const VIDEO_PLAYLIST = /\/video\/[^/]+\.m3u8$/;

/** By name, what becomes of an answer: `{ path, status, body }` in, the same or another out. */
export const FAULTS = {
  /** Every fourth segment of the picture is not there. */
  missing: (answer) => (isFourth(answer.path) ? { ...answer, status: 404, body: Buffer.from("gone") } : answer),

  /** Every fourth segment of the picture has the bytes of none. */
  garbage: (answer) => (isFourth(answer.path) ? { ...answer, body: Buffer.alloc(answer.body.length) } : answer),

  /** Playlists of the picture change what they have listed. */
  rewrite: (answer) => (isPlaylist(answer) ? withText(answer, (text) => text.replaceAll("#EXTINF:2.0", "#EXTINF:1.9")) : answer),

  /** Playlists of the picture leave every fourth segment out, as if it had never been. */
  hole: (answer) =>
    isPlaylist(answer)
      ? withText(answer, (text) => text.replace(/#EXT-X-PROGRAM-DATE-TIME.*\n#EXTINF.*\n.*\/(\d+)\.m4s\n/g, (entry, n) => (n % 4 === 0 ? "" : entry)))
      : answer,

  /** Playlists of the picture stand still. */
  frozen: frozen(),
};

function isFourth(path) {
  return Number(VIDEO_SEGMENT.exec(path)?.[1] ?? 1) % 4 === 0;
}

function isPlaylist(answer) {
  return VIDEO_PLAYLIST.test(answer.path) && answer.status === 200;
}

function withText(answer, change) {
  return { ...answer, body: Buffer.from(change(answer.body.toString())) };
}

function frozen() {
  const kept = new Map();
  return (answer) => {
    if (!isPlaylist(answer)) return answer;
    if (!kept.has(answer.path)) kept.set(answer.path, answer.body);
    return { ...answer, body: kept.get(answer.path) };
  };
}

/** The fault of that name, from ten seconds after the first answer: a player that never starts would prove little. */
export function fault(name) {
  if (name === undefined) return (answer) => answer;
  const spoil = FAULTS[name];
  if (spoil === undefined) throw new Error(`no fault ${name}; there are: ${Object.keys(FAULTS).join(", ")}`);
  let first;
  return (answer) => {
    first ??= Date.now();
    return Date.now() - first < SPOILED_FROM_S * 1000 ? answer : spoil(answer);
  };
}
