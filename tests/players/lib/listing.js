// What the playlists of one URL list, one after the other: a delta update (RFC 8216bis, 6.2.5.1) is put together with what it leaves out.

/**
 * `sequence` holds `{ at, playlist }` of one URL in order, as hls-parser reads them. The answer has a listing for each media playlist:
 * `{ at, first, ended, target, partTarget, partHoldBack, segments, growing }`, `segments` being complete ones, `growing` the parts of the
 * one after them; and `faults`.
 */
export function listingsOf(sequence) {
  const [listings, faults] = [[], []];
  for (const { at, playlist } of sequence) {
    if (playlist === undefined || playlist.isMasterPlaylist) continue;
    const skipped = playlist.skip === 0 ? [] : skippedOf(playlist, listings.at(-1), faults);
    // hls-parser makes a segment without URI of the parts at the end.
    const listed = playlist.segments.filter((segment) => segment.uri !== "").map(plain);
    const growing = playlist.segments.find((segment) => segment.uri === "");
    listings.push({
      at,
      first: firstOf(playlist),
      ended: playlist.endlist,
      target: playlist.targetDuration,
      partTarget: playlist.partTargetDuration,
      partHoldBack: playlist.lowLatencyCompatibility?.partHoldBack,
      segments: [...skipped, ...listed],
      growing: growing === undefined ? [] : partsOf(growing),
    });
    if (playlist.skip > 0 && playlist.version < 9) faults.push(`8: EXT-X-SKIP in version ${playlist.version}`);
  }
  return { listings, faults };
}

function firstOf(playlist) {
  return playlist.mediaSequenceBase ?? 0;
}

function skippedOf(playlist, before, faults) {
  const [from, end] = [firstOf(playlist), firstOf(playlist) + playlist.skip];
  const known = before?.segments.filter(({ number }) => number >= from && number < end) ?? [];
  if (known.length < playlist.skip) faults.push(`4.4.5.2: skips segments ${from} to ${end - 1}, and not all of them were listed before`);
  return known;
}

/** What must never change while a segment is listed, and its parts, which leave before it does. */
function plain(segment) {
  const { mediaSequenceNumber: number, uri, duration, programDateTime, map, discontinuity = false, gap = false } = segment;
  return { number, uri, duration, date: programDateTime?.getTime(), map: map?.uri, discontinuity, gap, parts: partsOf(segment) };
}

function partsOf({ parts }) {
  return parts.filter((part) => !part.hint).map(({ uri, duration, independent = false }) => ({ uri, duration, independent }));
}
