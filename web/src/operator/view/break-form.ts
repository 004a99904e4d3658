// A break by hand: when it begins, and how long it is to be.

import { h } from "../../dom";
import { DURATION_HINT, secondsOf } from "../breaks";
import type { Desk, DeskGame } from "../desk";
import { field, formBox, mistake } from "./form";

export interface BreakForm {
  readonly element: HTMLElement;
  open(game: DeskGame): void;
}

export function breakForm(desk: Desk): BreakForm {
  const duration = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 8 });
  const ahead = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 8 });
  let game: DeskGame | null = null;
  const box = formBox(desk, {
    name: "break",
    saveWords: "Start the break",
    fields: [
      field("break-duration", "Duration, in seconds", duration, "duration_s", DURATION_HINT),
      field("break-ahead", "Begins in so many seconds", ahead, "starts_in_s", "Empty: with the picture that runs. Advertisements are ready in time where it is announced."),
    ],
    save: async () => {
      const seconds = secondsOf(duration.value);
      if (Number.isNaN(seconds)) return mistake("duration_s", "The duration is a number of seconds above 0.");
      const startsIn = secondsOf(ahead.value);
      if (Number.isNaN(startsIn)) return mistake("starts_in_s", "When it begins is a number of seconds above 0.");
      const of = game;
      if (of === null) return null;
      return desk.change((client) => client.beginBreak(of.id, seconds, startsIn), startsIn === null ? `${of.title} is in a break` : `${of.title} will be in a break`, "games");
    },
  });
  return {
    element: box.element,
    open: (of) => {
      game = of;
      duration.value = "";
      ahead.value = "";
      box.open(`A break of ${of.title}`);
    },
  };
}
