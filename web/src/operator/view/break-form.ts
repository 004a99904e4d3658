// A break by hand: how long it is to be.

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
  let game: DeskGame | null = null;
  const box = formBox(desk, {
    name: "break",
    saveWords: "Start the break",
    fields: [field("break-duration", "Duration, in seconds", duration, "duration_s", `It begins with the picture that runs. ${DURATION_HINT}`)],
    save: async () => {
      const seconds = secondsOf(duration.value);
      if (Number.isNaN(seconds)) return mistake("duration_s", "The duration is a number of seconds above 0.");
      const of = game;
      if (of === null) return null;
      return desk.change((client) => client.beginBreak(of.id, seconds), `${of.title} is in a break`, "games");
    },
  });
  return {
    element: box.element,
    open: (of) => {
      game = of;
      duration.value = "";
      box.open(`A break of ${of.title}`);
    },
  };
}
