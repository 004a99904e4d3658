// The figures one looks at first.

import { h, text } from "../../dom";
import type { Desk, DeskState } from "../desk";
import { costs, count } from "../figures";

export function summary(desk: Desk): HTMLElement {
  const values = new Map<string, HTMLElement>();
  const figure = (name: string, label: string) => {
    const value = h("dd", { "data-figure": name }, "–");
    values.set(name, value);
    return h("div", { class: "figure" }, h("dt", {}, label), value);
  };
  const list = h(
    "dl",
    { class: "panel summary" },
    figure("sessions", "Live sessions"),
    figure("games", "Games with a picture"),
    figure("minutes", "Minutes billed today"),
    figure("cost", "Cost today"),
  );
  const set = (name: string, value: string) => text(values.get(name) as HTMLElement, value);
  desk.onChange((state: DeskState) => {
    const { sessions, games, today } = state;
    set("sessions", sessions.value === null ? "–" : count(sessions.value.active_sessions ?? sessions.value.sessions.length));
    const live = games.value?.filter((game) => game.status === "live").length ?? 0;
    set("games", games.value === null ? "–" : `${live} of ${games.value.length}`);
    const minutes = today.value?.total_billed_minutes;
    set("minutes", minutes === undefined ? "–" : count(minutes));
    set("cost", today.value === null ? "–" : costs(today.value.costs));
  });
  return h("section", { class: "summary-section", "aria-label": "At a glance" }, list);
}
