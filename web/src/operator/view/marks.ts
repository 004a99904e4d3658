// States as a shape and a word: nobody needs to tell colours apart.

import type { GameStatus } from "../../api";
import { h, svg, text } from "../../dom";
import type { Standing, Webhook } from "../api";

type Mark = GameStatus | Standing | Webhook["state"] | "works" | "fails" | "done" | "refused" | "expired" | "good" | "taken" | "untaken";

const WORDS: Record<Mark, string> = { live: "Live", slate: "Slate", off: "Off", draft: "Draft", final: "Final", works: "Works", fails: "Does not work", done: "Done", refused: "Refused", expired: "Expired", good: "Good", active: "Active", failing: "Failing", disabled: "Disabled", taken: "Taken", untaken: "Not taken" };

const DISC = "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z";
const TRIANGLE = "M6 1.2L11.3 10.6H.7z";
const BARRED = "M6 1.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4zM3.2 8.8l5.6-5.6";
const TICK = "M1.8 6.4l2.9 2.9l5.5-6.6";
const CROSS = "M2.2 2.2l7.6 7.6M9.8 2.2l-7.6 7.6";

/** 12 by 12: a disc, a triangle, a ring with a bar across, an open ring, a tick, a cross. */
const SHAPES: Record<Mark, string> = {
  live: DISC,
  slate: TRIANGLE,
  off: BARRED,
  draft: "M6 1.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4z",
  final: TICK,
  works: TICK,
  fails: CROSS,
  done: TICK,
  refused: CROSS,
  expired: CROSS,
  good: TICK,
  active: DISC,
  failing: TRIANGLE,
  disabled: BARRED,
  taken: TICK,
  untaken: CROSS,
};

/** A mark; `show` makes it another one. */
export function mark(kind: Mark): { element: HTMLElement; show: (kind: Mark) => void } {
  const path = svg("path", {});
  const word = h("span", {});
  const element = h("span", {}, svg("svg", { viewBox: "0 0 12 12", "aria-hidden": "true", focusable: "false" }, path), word);
  const show = (now: Mark) => {
    element.className = `mark ${now}`;
    path.setAttribute("d", SHAPES[now] ?? SHAPES.off);
    text(word, WORDS[now] ?? now);
  };
  show(kind);
  return { element, show };
}
