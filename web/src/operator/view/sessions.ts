// The live sessions: a table that is renewed under the reader's eyes without moving anything.

import { attribute, h, keyed, text, toggle } from "../../dom";
import type { OperatedSession } from "../api";
import { SESSIONS_A_PAGE, type Desk, type DeskState } from "../desk";
import { why } from "../health";
import { ago, count, labelList, moment, timeOf } from "../figures";
import { pager, panel, showTrouble, tableFrame } from "./panel";
import type { Question } from "./question";
import { foundWords, searchForm } from "./search";
import type { SessionBox } from "./session-box";
import { endWords } from "../session";

const COLUMNS: readonly [string, string][] = [
  ["Session", ""],
  ["Games", ""],
  ["Layout", ""],
  ["Engine", ""],
  ["Since", "number"],
  ["Billable time", "number"],
  ["Last seen", "number"],
  ["Labels", ""],
];

interface Row extends HTMLTableRowElement {
  session?: OperatedSession;
}

function makeRow(ask: (row: Row) => void, open: (session: OperatedSession) => void): Row {
  const end = h("button", { type: "button", class: "quiet-button end" }, "End");
  const more = h("button", { type: "button", class: "quiet-button small" }, "Details");
  const row: Row = h(
    "tr",
    {},
    h("th", { scope: "row" }, h("span", { class: "device" }), h("code", {})),
    h("td", { class: "games-cell" }),
    h("td", {}),
    h("td", {}),
    h("td", { class: "number" }, h("time", {})),
    h("td", { class: "number" }),
    h("td", { class: "number seen-cell" }, h("time", {})),
    h("td", { class: "labels-cell" }),
    h("td", { class: "action" }, h("span", { class: "row-buttons" }, more, end)),
  );
  more.addEventListener("click", () => row.session !== undefined && open(row.session));
  end.addEventListener("click", () => ask(row));
  return row;
}

/** Its games, and of those without a picture why and since when. */
function showGames(cell: HTMLElement, session: OperatedSession, desk: Desk, nowMs: number): void {
  const told = session.games.map((id) => {
    const game = session.state === "active" ? desk.game(id) : null;
    return { title: desk.title(id), slate: game === null || game.status === "live" ? "" : why(game.health, nowMs) };
  });
  const key = JSON.stringify(told);
  // What stands there already is left alone: somebody may read it.
  if (cell.dataset["told"] === key) return;
  cell.dataset["told"] = key;
  const titles = told.map(({ title }) => title).join(", ");
  const slates = told.filter(({ slate }) => slate !== "").map(({ title, slate }) => h("span", { class: "slot-why" }, `${title}: ${slate.charAt(0).toLowerCase()}${slate.slice(1)}`));
  cell.replaceChildren(h("span", { class: "titles" }, titles), ...slates);
}

function showRow(row: Row, session: OperatedSession, desk: Desk, nowMs: number): void {
  row.session = session;
  const cell = (at: number) => row.cells[at] as HTMLTableCellElement;
  const device = cell(0).querySelector(".device") as HTMLElement;
  text(device, session.device_id ?? "No device name");
  toggle(device, "unnamed", session.device_id === null || session.device_id === undefined);
  text(cell(0).querySelector("code") as HTMLElement, session.id);
  showGames(cell(1), session, desk, nowMs);
  text(cell(2), session.layout);
  text(cell(3), session.engine);
  const time = (at: number, value: string, words: string) => {
    const element = cell(at).querySelector("time") as HTMLTimeElement;
    attribute(element, "datetime", value);
    attribute(element, "title", value);
    text(element, words);
  };
  time(4, session.created_at, moment(Date.parse(session.created_at), nowMs));
  text(cell(5), timeOf(session.billable_seconds));
  time(6, session.last_seen_at ?? "", session.state === "ended" ? endWords(session, nowMs) : ago(Date.parse(session.last_seen_at ?? ""), nowMs));
  text(cell(7), labelList(session.labels));
  const [more, end] = cell(8).querySelectorAll("button");
  attribute(more as Element, "aria-label", `Details of the session of ${session.device_id ?? session.id}`);
  attribute(end as Element, "hidden", session.state === "ended");
  attribute(end as Element, "aria-label", `End the session of ${session.device_id ?? session.id}`);
}

export function sessionsPanel(desk: Desk, question: Question, box: SessionBox): HTMLElement {
  const parts = panel("sessions", "Live sessions", () => desk.refresh("sessions"));
  const looking = searchForm(desk);
  const body = h("tbody", {});
  const heads = COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  const table = h(
    "table",
    {},
    h("caption", { class: "said" }, "Live sessions, newest first. Times are UTC; billable time is hours, minutes and seconds so far."),
    h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "said" }, "Action")))),
    body,
  );
  const frame = tableFrame("Table of live sessions", table);
  const empty = h("p", { class: "hint empty" });
  const pages = pager("Pages of sessions", "Newer", "Older", (step) => desk.turnPage(step));
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally);
  const further = h("button", { type: "button", class: "quiet-button further" }, "Look further back");
  further.addEventListener("click", () => {
    if (further.getAttribute("aria-disabled") !== "true") void desk.searchOn();
  });
  parts.element.append(looking, empty, frame, pages.element, further);

  const rows = new Map<string, Row>();
  const ask = (row: Row) => {
    const { session } = row;
    if (session === undefined) return;
    // The button goes with its row: then the heading takes the focus.
    question.ask({
      title: "End this session?",
      who: `${session.device_id ?? session.id} watches ${session.games.map((game) => desk.title(game)).join(", ")}.`,
      what: "Its playlists end, its meter stops, and the viewer's picture stops within seconds. This cannot be undone.",
      keep: "Keep it",
      go: "End session",
      act: () => desk.endSession(session),
      closed: () => {
        if (!row.isConnected) parts.heading.focus();
      },
    });
  };
  desk.onChange((state: DeskState) => {
    const { found } = state;
    const { value, waits } = state.sessions;
    const shownPart = found ?? state.sessions;
    showTrouble(parts.trouble, shownPart);
    const sessions = shownPart.value?.sessions ?? [];
    text(parts.heading, found === null ? "Live sessions" : "Sessions found");
    const nowMs = shownPart.atMs ?? 0;
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    const shown = keyed(body, rows, sessions, ({ id }) => id, () => makeRow(ask, box.open));
    shown.forEach((row, at) => showRow(row, sessions[at] as OperatedSession, desk, nowMs));
    if (held !== null && !held.isConnected) parts.heading.focus();
    const total = value?.active_sessions ?? sessions.length;
    text(tally, found !== null ? foundWords(found) : value === null ? "" : `${count(total)} in all · times in UTC`);
    attribute(frame, "hidden", sessions.length === 0);
    attribute(frame, "aria-busy", waits || found?.waits === true ? "true" : null);
    attribute(empty, "hidden", sessions.length > 0);
    text(empty, emptyWords(state));
    const from = state.sessionsPage * SESSIONS_A_PAGE;
    attribute(further, "hidden", (found?.value?.next ?? null) === null);
    attribute(further, "aria-disabled", found?.waits === true ? "true" : null);
    if (found !== null) return pages.show("", false, false);
    pages.show(`${count(from + Math.min(1, sessions.length))}–${count(from + sessions.length)}`, state.sessionsPage > 0, Boolean(value?.next_cursor));
  });
  return parts.element;
}

function emptyWords(state: DeskState): string {
  if (state.found !== null) return state.found.waits ? "Looking…" : state.found.trouble === null ? "No session is like that." : "";
  if (state.sessions.value === null) return state.sessions.trouble === null ? "Reading the sessions…" : "";
  return state.sessionsPage > 0 ? "The sessions of this page have ended." : "Nobody is watching right now.";
}
