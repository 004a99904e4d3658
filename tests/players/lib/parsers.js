// Two parsers that other people wrote read every playlist, and must read the same out of it.

import { fileURLToPath } from "node:url";
import HLS from "hls-parser";
import { run } from "./process.js";

const SCRIPT = fileURLToPath(new URL("parse_m3u8.py", import.meta.url));

HLS.setOptions({ strictMode: true });

/** What playlists of one text say: `{ playlist }` of hls-parser, and `faults`. Keyed by the text. */
export async function parseAll(texts, python) {
  const parsed = new Map();
  for (const text of new Set(texts)) parsed.set(text, parseOne(text));
  const answers = await run(python, [SCRIPT], JSON.stringify([...parsed.keys()]));
  const others = JSON.parse(answers);
  [...parsed.values()].forEach((one, at) => {
    const other = others[at];
    if (other.error !== undefined) one.faults.push(`m3u8: ${other.error}`);
    else if (one.playlist !== undefined) one.faults.push(...differences(summary(one.playlist), other));
  });
  return parsed;
}

/**
 * bis 4.4.3.8: a server that lets no reload wait may leave CAN-BLOCK-RELOAD out. hls-parser takes the tag for low latency, which needs it, and reads
 * nothing then.
 */
const WITHOUT_WAITING = /^#EXT-X-SERVER-CONTROL:(?!.*CAN-BLOCK-RELOAD)/m;

function parseOne(text) {
  try {
    return { playlist: HLS.parse(text.replace(WITHOUT_WAITING, "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,")), faults: [] };
  } catch (error) {
    return { faults: [`hls-parser: ${error.message}`] };
  }
}

function summary(playlist) {
  if (playlist.isMasterPlaylist) {
    const sounds = playlist.variants[0]?.audio ?? [];
    const uris = (keys) => playlist.variants.filter((variant) => Boolean(variant.isIFrameOnly) === keys).map((variant) => variant.uri);
    return { variants: uris(false), key_pictures: uris(true), sounds: sounds.map((sound) => sound.name) };
  }
  return {
    target: playlist.targetDuration,
    first: playlist.mediaSequenceBase ?? 0,
    ended: playlist.endlist,
    // Of the parts at the end, each makes a segment of its own kind.
    segments: playlist.segments.filter((segment) => segment.uri !== "").map(({ uri, duration, programDateTime }) => [uri, duration, programDateTime?.getTime() ?? null]),
  };
}

function differences(ours, theirs) {
  return Object.keys(ours)
    .filter((key) => JSON.stringify(ours[key]) !== JSON.stringify(theirs[key]))
    .map((key) => `${key}: hls-parser reads ${brief(ours[key])}, m3u8 ${brief(theirs[key])}`);
}

function brief(value) {
  return JSON.stringify(value)?.slice(0, 300);
}
