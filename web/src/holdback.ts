// How far behind the end of the playlist to play. Pure.

/** What a media playlist says about itself, as hls.js reads it; 0 where it says nothing. */
export interface PlaylistTerms {
  readonly targetduration: number;
  readonly holdBack: number;
  readonly partTarget: number;
  readonly partHoldBack: number;
  /** Whether it lists parts now. */
  readonly hasParts: boolean;
}

// RFC 8216bis, 4.4.3.8: HOLD-BACK is three target durations where the playlist names none, PART-HOLD-BACK should be at least three part targets.
const SEGMENTS = 3;
const PARTS = 3;
// Without parts a segment is listed only when it is whole. Two of them leave one to ride out a late one; with a single
// one every late playlist is a stall.
const SEGMENTS_LOW = 2;

/** Seconds behind the end of the playlist. */
export function holdBackS(terms: PlaylistTerms, lowLatency: boolean): number {
  if (!lowLatency) return terms.holdBack || SEGMENTS * terms.targetduration;
  if (terms.hasParts) return terms.partHoldBack || PARTS * terms.partTarget;
  return SEGMENTS_LOW * terms.targetduration;
}
