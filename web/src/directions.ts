// Which of several rectangles lies in a direction. Pure.

export type Direction = "left" | "right" | "up" | "down";

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

// Something straight ahead is nearer than something as far away at an angle.
const ASIDE_COUNTS = 2;

/** The index of the place nearest to `places[from]` in `direction`, by their middles; -1 when there is none. */
export function neighbour(places: readonly Place[], from: number, direction: Direction): number {
  const start = places[from];
  if (start === undefined) return -1;
  const sign = direction === "left" || direction === "up" ? -1 : 1;
  const level = direction === "left" || direction === "right";
  let found = -1;
  let least = Infinity;
  places.forEach((place, at) => {
    const across = place.x + place.width / 2 - (start.x + start.width / 2);
    const down = place.y + place.height / 2 - (start.y + start.height / 2);
    const [ahead, aside] = level ? [sign * across, Math.abs(down)] : [sign * down, Math.abs(across)];
    // What lies more aside than ahead is in another direction.
    if (at === from || ahead <= 0 || aside > ahead * ASIDE_COUNTS) return;
    const distance = ahead + ASIDE_COUNTS * aside;
    if (distance >= least) return;
    least = distance;
    found = at;
  });
  return found;
}
