// The live sessions: a table that is renewed under the reader's eyes without moving anything.

import { attribute, h, keyed, text, toggle } from "../../dom";
import type { OperatedSession } from "../api";
import { SESSIONS_A_PAGE, type Desk, type DeskState } from "../desk";
import { ago, count, labelList, minutesOf, moment } from "../figures";
import { ending } from "./ending";
import { pager, panel, showTrouble, tableFrame } from "./panel";

const COLUMNS: readonly [string, string][] = [
  ["Session", ""],
  ["Games", ""],
  ["Layout", ""],
  ["Engine", ""],
  ["Since", "number"],
  ["Minutes", "number"],
  ["Last seen", "number"],
  ["Labels", ""],
];

interface Row extends HTMLTableRowElement {
  session?: OperatedSession;
}

function makeRow(ask: (row: Row) => void): Row {
  const end = h("button", { type: "button", class: "quiet-button end" }, "End");
  const row: Row = h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "device" }), h("code", {})),
    h("td", { class: "games-cell" }),
    h("td", {}),
    h("td", {}),
    h("td", { class: "number" }, h("time", {})),
    h("td", { class: "number" }),
    h("td", { class: "number" }, h("time", {})),
    h("td", { class: "labels-cell" }),
    h("td", { class: "action" }, end),
  );
  end.addEventListener("click", () => ask(row));
  return row;
}

function showRow(row: Row, session: OperatedSession, title: (game: string) => string, nowMs: number): void {
  row.session = session;
  const cell = (at: number) => row.cells[at] as HTMLTableCellElement;
  const device = cell(0).querySelector(".device") as HTMLElement;
  text(device, session.device_id ?? "No device name");
  toggle(device, "unnamed", session.device_id === null || session.device_id === undefined);
  text(cell(0).querySelector("code") as HTMLElement, session.id);
  text(cell(1), session.games.map(title).join(", "));
  text(cell(2), session.layout);
  text(cell(3), session.engine);
  const time = (at: number, value: string, words: string) => {
    const element = cell(at).querySelector("time") as HTMLTimeElement;
    attribute(element, "datetime", value);
    attribute(element, "title", value);
    text(element, words);
  };
  time(4, session.created_at, moment(Date.parse(session.created_at), nowMs));
  text(cell(5), minutesOf(session.billable_seconds));
  time(6, session.last_seen_at ?? "", session.state === "ended" ? "ended" : ago(Date.parse(session.last_seen_at ?? ""), nowMs));
  text(cell(7), labelList(session.labels));
  const end = cell(8).querySelector("button") as HTMLButtonElement;
  attribute(end, "aria-label", `End the session of ${session.device_id ?? session.id}`);
}

export function sessionsPanel(desk: Desk): { element: HTMLElement; dialog: HTMLElement } {
  const parts = panel("sessions", "Live sessions", () => desk.refresh("sessions"));
  const asking = ending(desk);
  const body = h("tbody", {});
  const heads = COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  const table = h(
    "table",
    {},
    h("caption", { class: "said" }, "Live sessions, newest first. Times are UTC; minutes are those billed so far."),
    h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "said" }, "Action")))),
    body,
  );
  const frame = tableFrame("Table of live sessions", table);
  const empty = h("p", { class: "hint empty" });
  const pages = pager("Pages of sessions", "Newer", "Older", (step) => desk.turnPage(step));
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally);
  parts.element.append(empty, frame, pages.element);

  const rows = new Map<string, Row>();
  const ask = (row: Row) => {
    const { session } = row;
    if (session === undefined) return;
    // The button goes with its row: then the heading takes the focus.
    asking.ask(session, () => {
      if (!row.isConnected) parts.heading.focus();
    });
  };
  desk.onChange((state: DeskState) => {
    const { value, waits, atMs } = state.sessions;
    showTrouble(parts.trouble, state.sessions);
    const sessions = value?.sessions ?? [];
    const nowMs = atMs ?? 0;
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    const shown = keyed(body, rows, sessions, ({ id }) => id, () => makeRow(ask));
    shown.forEach((row, at) => showRow(row, sessions[at] as OperatedSession, (game) => desk.title(game), nowMs));
    if (held !== null && !held.isConnected) parts.heading.focus();
    const total = value?.active_sessions ?? sessions.length;
    text(tally, value === null ? "" : `${count(total)} in all · times in UTC`);
    attribute(frame, "hidden", sessions.length === 0);
    attribute(frame, "aria-busy", waits ? "true" : null);
    attribute(empty, "hidden", sessions.length > 0);
    text(empty, emptyWords(state));
    const from = state.sessionsPage * SESSIONS_A_PAGE;
    pages.show(`${count(from + Math.min(1, sessions.length))}–${count(from + sessions.length)}`, state.sessionsPage > 0, Boolean(value?.next_cursor));
  });
  return { element: parts.element, dialog: asking.element };
}

function emptyWords(state: DeskState): string {
  if (state.sessions.value === null) return state.sessions.trouble === null ? "Reading the sessions…" : "";
  return state.sessionsPage > 0 ? "The sessions of this page have ended." : "Nobody is watching right now.";
}
