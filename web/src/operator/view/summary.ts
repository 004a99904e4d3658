// The figures one looks at first.

import { attribute, h, text } from "../../dom";
import type { Desk, DeskState } from "../desk";
import { costs, count } from "../figures";
import { isShut } from "../game";

export function summary(desk: Desk): HTMLElement {
  const values = new Map<string, HTMLElement>();
  const figure = (name: string, label: string) => {
    const value = h("dd", { "data-figure": name }, "–");
    values.set(name, value);
    return h("div", { class: "figure" }, h("dt", {}, label), value);
  };
  const games = figure("games", "Games with a picture");
  games.append(h("dd", { class: "dim", "data-figure": "games-limit", hidden: true }));
  const list = h(
    "dl",
    { class: "panel summary" },
    figure("sessions", "Live sessions"),
    games,
    figure("minutes", "Minutes billed today"),
    figure("cost", "Cost today"),
  );
  const set = (name: string, value: string) => text(values.get(name) as HTMLElement, value);
  desk.onChange((state: DeskState) => {
    const { sessions, games, today } = state;
    set("sessions", sessions.value === null ? "–" : count(sessions.value.active_sessions ?? sessions.value.sessions.length));
    const live = games.value?.filter((game) => game.status === "live").length ?? 0;
    const shut = games.value?.filter((game) => isShut(game.rights, games.atMs ?? 0)).length ?? 0;
    set("games", games.value === null ? "–" : `${live} of ${games.value.length}`);
    const limit = list.querySelector("[data-figure=games-limit]") as HTMLElement;
    text(limit, shut === 0 ? "" : `${count(shut)} not to be picked now`);
    attribute(limit, "hidden", shut === 0);
    const minutes = today.value?.total_billed_minutes;
    set("minutes", minutes === undefined ? "–" : count(minutes));
    set("cost", today.value === null ? "–" : costs(today.value.costs));
  });
  return h("section", { class: "summary-section", "aria-label": "At a glance" }, list);
}
