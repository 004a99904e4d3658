// Reads the squares of a picture that says when it was made (lib/clock.js).

import { COLUMNS, ROWS } from "./squares.js";

/** Pixels of a square as they are read. */
const SQUARE = 10;
/** Neither black nor white: a picture of something else. */
const BETWEEN = [100, 160];

/** A function that tells how many milliseconds ago the picture was made that `video` shows at `place`, in shares of its width and height. */
export function clockReader(video, { x, y, width, height }) {
  const canvas = new OffscreenCanvas(COLUMNS * SQUARE, ROWS * SQUARE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (now) => {
    const [across, down] = [video.videoWidth, video.videoHeight];
    context.drawImage(video, x * across, y * down, width * across, height * down, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let shown = 0;
    for (let bit = 0; bit < COLUMNS * ROWS; bit += 1) {
      const [column, row] = [bit % COLUMNS, Math.floor(bit / COLUMNS)].map((at) => at * SQUARE + SQUARE / 2);
      const level = data[4 * (row * canvas.width + column)];
      if (level > BETWEEN[0] && level < BETWEEN[1]) return undefined;
      shown = shown * 2 + Number(level >= BETWEEN[1]);
    }
    const wraps = 2 ** (COLUMNS * ROWS);
    return (((now - shown) % wraps) + wraps) % wraps;
  };
}
