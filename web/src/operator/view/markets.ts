// The markets: a table of their rules.

import { attribute, h, keyed, text } from "../../dom";
import type { Market } from "../api";
import type { Desk, DeskState } from "../desk";
import { breakPolicyWords, featureWords, gamesWords, heightWords, regionWords } from "../market";
import type { MarketForm } from "./market-form";
import { panel, showTrouble, tableFrame } from "./panel";
import type { Question } from "./question";

const COLUMNS = ["Market", "Sound", "Text", "Games", "Regions", "Skin", "Height", "Features", "In breaks"];

interface Row extends HTMLTableRowElement {
  market?: Market;
}

export function marketsPanel(desk: Desk, form: MarketForm, question: Question): HTMLElement {
  const parts = panel("markets", "Markets", () => desk.refresh("markets"));
  const add = h("button", { type: "button", class: "quiet-button" }, "New market");
  add.addEventListener("click", () => form.open(null));
  parts.aside.append(add);
  const body = h("tbody", {});
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, name));
  const table = h("table", {}, h("caption", { class: "said" }, "Markets and their rules"), h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "said" }, "Action")))), body);
  const frame = tableFrame("Table of markets", table);
  const empty = h("p", { class: "hint empty" });
  parts.element.append(empty, frame);
  const rows = new Map<string, Row>();

  const remove = (row: Row) => {
    const { market } = row;
    if (market === undefined) return;
    question.ask({
      title: "Delete this market?",
      who: `${market.title} (${market.id}).`,
      what: "Its sessions go on with what they show and can be given no other games; new ones in it are refused.",
      keep: "Keep it",
      go: "Delete it",
      act: () => desk.change((client) => client.removeMarket(market.id), `${market.title} is deleted`, "markets"),
      closed: (done) => done && parts.heading.focus(),
    });
  };

  function make(): Row {
    const edit = h("button", { type: "button", class: "quiet-button small" }, "Edit");
    const drop = h("button", { type: "button", class: "quiet-button end" }, "Delete");
    const buttons = h("span", { class: "row-buttons" }, edit, drop);
    const cells = COLUMNS.slice(1).map(() => h("td", {}));
    const row: Row = h("tr", {}, h("th", { scope: "row" }, h("span", { class: "device" }), h("code", {})), ...cells, h("td", { class: "action" }, buttons, h("span", { class: "hint fixed" }, "Of the configuration")));
    edit.addEventListener("click", () => row.market !== undefined && form.open(row.market));
    drop.addEventListener("click", () => remove(row));
    return row;
  }

  function showRow(row: Row, market: Market): void {
    row.market = market;
    const { tier } = market;
    text(row.querySelector(".device") as Element, market.title);
    text(row.querySelector("code") as Element, market.id);
    const words = [market.sound_language ?? "main", market.text_language ?? "none", gamesWords(market.games, (game) => desk.title(game)), regionWords(market.regions), market.skin ?? "none", heightWords(tier), featureWords(tier), breakPolicyWords(market.breaks)];
    words.forEach((word, at) => text(row.cells[at + 1] as HTMLElement, word));
    const fixed = market.origin === "config";
    attribute(row.querySelector(".row-buttons") as Element, "hidden", fixed);
    attribute(row.querySelector(".fixed") as Element, "hidden", !fixed);
    const [edit, drop] = row.querySelectorAll("button");
    attribute(edit as Element, "aria-label", `Edit ${market.title}`);
    attribute(drop as Element, "aria-label", `Delete ${market.title}`);
  }

  desk.onChange(({ markets }: DeskState) => {
    showTrouble(parts.trouble, markets);
    const all = markets.value ?? [];
    keyed(body, rows, all, ({ id }) => id, make).forEach((row, at) => showRow(row, all[at] as Market));
    attribute(frame, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, markets.value !== null ? "There are no markets: every session has all games and all that there is." : markets.trouble === null ? "Reading the markets…" : "");
  });
  return parts.element;
}
