// What a key means on the viewer's page, and where it means nothing. Pure.

import type { Direction } from "./directions";
import { STEP_S } from "./past";

export type Shortcut =
  | { kind: "play" }
  | { kind: "mute" }
  /** Off, and on again. */
  | { kind: "captions" }
  | { kind: "full_screen" }
  | { kind: "sound"; slot: number }
  | { kind: "move"; direction: Direction }
  /** Changes places with the slot in that direction. */
  | { kind: "swap"; direction: Direction }
  /** Seconds forward, or back if negative. */
  | { kind: "rewind"; seconds: number }
  | { kind: "help" }
  | { kind: "clear" };

/** What has the focus, as far as it matters for keys. */
export type Focus =
  | "page"
  /** Letters are typed there. */
  | "field"
  /** It takes arrows and space itself: radio buttons, sliders. */
  | "arrows"
  /** Space presses it. */
  | "button"
  | "slot"
  | "game";

export interface Stroke {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
  /** An input method is still putting a character together. */
  readonly isComposing: boolean;
  /** Held down. */
  readonly repeat: boolean;
}

const ARROWS: Record<string, Direction> = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

/** Told by the help, in its order. */
export const KEYS: readonly (readonly [keys: readonly string[], does: string])[] = [
  [["Space"], "Watch, pause, go on"],
  [["M"], "Sound off and on"],
  [["C"], "Captions on and off, where there are some"],
  [["F"], "Full screen"],
  [["1", "2", "3", "4"], "Hear the game in that slot"],
  [["←", "↑", "→", "↓"], "From slot to slot; in the list, from game to game"],
  [["Enter"], "Choose the slot or the game"],
  [["Shift", "←"], "Swap the slot with its neighbour"],
  [["Esc"], "Choose nothing"],
  [["?"], "Show these keys"],
];

/** Told where there is a past to go to. */
export const PAST_KEYS: typeof KEYS = [
  [["J", "L"], "10 seconds back, forward"],
  [["←", "→"], "On the rewind bar: the same"],
  [["Page ↑", "↓"], "On the rewind bar: a minute on, back"],
  [["Home", "End"], "On the rewind bar: the oldest there is; live"],
];

/** `pressed`: the focus came there by a pointer, so that the element does not wait for keys. */
export function shortcutOf(stroke: Stroke, focus: Focus, pressed: boolean): Shortcut | null {
  if (focus === "field" || stroke.ctrlKey || stroke.metaKey || stroke.altKey || stroke.isComposing) return null;
  const direction = ARROWS[stroke.key];
  if (direction !== undefined) return arrow(direction, focus, stroke.shiftKey);
  if (stroke.repeat) return null;
  switch (stroke.key) {
    case " ":
      // A button that was reached by the keyboard is pressed by it. One that was clicked only still has the focus: space
      // would press "Leave" for who has just pressed "Watch" and wants to pause.
      return focus === "page" || (focus !== "arrows" && pressed) ? { kind: "play" } : null;
    case "m":
    case "M":
      return { kind: "mute" };
    case "c":
    case "C":
      return { kind: "captions" };
    case "f":
    case "F":
      return { kind: "full_screen" };
    case "j":
    case "J":
      return { kind: "rewind", seconds: -STEP_S };
    case "l":
    case "L":
      return { kind: "rewind", seconds: STEP_S };
    case "?":
      return { kind: "help" };
    case "Escape":
      return { kind: "clear" };
    default:
      return /^[1-4]$/.test(stroke.key) ? { kind: "sound", slot: Number(stroke.key) - 1 } : null;
  }
}

function arrow(direction: Direction, focus: Focus, shift: boolean): Shortcut | null {
  if (focus === "slot") return { kind: shift ? "swap" : "move", direction };
  if (shift || focus === "arrows") return null;
  if (focus === "game") return { kind: "move", direction };
  // Up and down scroll the page until the focus is in the picture or in the list.
  return direction === "left" || direction === "right" ? { kind: "move", direction } : null;
}
