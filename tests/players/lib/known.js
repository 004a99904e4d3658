// What players say that is no fault of anybody's, and why. Everything else they say is an error.

export const HARMLESS = [
  {
    line: /Found duplicated MOOV Atom/,
    why: "FFmpeg reads the init segment again with each playlist that it reads again",
  },
];

export function isHarmless(line) {
  return HARMLESS.some((known) => known.line.test(line));
}
