// The form of a game. Its sources can be tried before it is saved.

import { h } from "../../dom";
import type { GameBody } from "../api";
import type { Desk, DeskGame } from "../desk";
import { type RightsText, idFrom, labelLines, labelsOf, linesOf, rightsOf, rightsText } from "../game";
import { field, formBox, group, mistake } from "./form";
import { trying } from "./try";

export interface GameForm {
  readonly element: HTMLElement;
  /** Null registers a new game. */
  open(game: DeskGame | null): void;
}

export function gameForm(desk: Desk): GameForm {
  const line = (maxlength: number) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength });
  const title = line(200);
  const id = line(64);
  const sources = h("textarea", { rows: 3, spellcheck: "false", autocomplete: "off" });
  const labels = h("textarea", { rows: 2, spellcheck: "false" });
  const policy = h("select", {}, h("option", { value: "" }, "As the configuration has it"), h("option", { value: "show" }, "What the source sends"), h("option", { value: "slate" }, "A card, and silence"));
  const offset = h("input", { type: "number", step: 1, inputmode: "numeric" });
  const rights: Record<keyof RightsText, HTMLInputElement> = { regions: line(2000), device_classes: line(2000), markets: line(2000), from: line(40), until: line(40) };
  const limit = (name: keyof RightsText, label: string, hint: string) => field(`game-${name}`, label, rights[name], `rights.${name}`, hint);
  let edited: DeskGame | null = null;
  const tried = trying(desk);
  const tryThem = h("button", { type: "button", class: "quiet-button" }, "Try the sources");
  tryThem.addEventListener("click", () => {
    const lines = linesOf(sources.value);
    if (lines.length === 0) return sources.focus();
    void tried.begin(lines, edited?.id ?? null);
  });

  /** Until somebody writes an id of their own, it is made of the title. */
  let madeId = "";
  title.addEventListener("input", () => {
    if (edited !== null || id.value !== madeId) return;
    madeId = idFrom(title.value);
    id.value = madeId;
  });

  async function save() {
    const body: GameBody = {
      id: id.value.trim(),
      title: title.value.trim(),
      sources: linesOf(sources.value),
      labels: labelsOf(labels.value),
      break_policy: policy.value === "" ? null : (policy.value as "show" | "slate"),
      offset_ms: Number(offset.value || 0),
      rights: rightsOf({ regions: rights.regions.value, device_classes: rights.device_classes.value, markets: rights.markets.value, from: rights.from.value, until: rights.until.value }),
    };
    if (body.title === "") return mistake("title", "A game needs a title.");
    if (body.id === "") return mistake("id", "A game needs an id.");
    if (body.sources.length === 0) return mistake("sources", "A game needs a source.");
    if (!Number.isInteger(body.offset_ms)) return mistake("offset_ms", "The offset is a whole number of milliseconds.");
    const isNew = edited === null;
    return desk.change((client) => (isNew ? client.addGame(body) : client.changeGame(body)), `${body.title} is saved`, "games");
  }

  const box = formBox(desk, {
    name: "game",
    saveWords: "Save game",
    save,
    closed: tried.clear,
    fields: [
      h("div", { class: "form-pair" }, field("game-title", "Title", title, "title"), field("game-id", "Id", id, "id")),
      field("game-sources", "Sources, a line each, the first preferred", sources, "sources", "As https://…/live.m3u8, srt://host:9000, rtmp://…, udp://…. One that is masked stays what it is while its line stays as it is."),
      h("div", { class: "trying-row" }, tryThem, h("span", { class: "hint" }, "Each is decoded for some seconds, and told with what it is. No game is made.")),
      tried.element,
      h("div", { class: "form-pair" }, field("game-policy", "In a break its slot shows", policy, "break_policy"), field("game-offset", "Offset, in ms", offset, "offset_ms", "How much later than the source claims its pictures are captured.")),
      group(
        "Rights: empty is no limit",
        h("div", { class: "form-pair" }, limit("regions", "Countries", "As GB, IE."), limit("device_classes", "Classes of devices", "As tv, phone.")),
        limit("markets", "Markets", "Ids of markets."),
        h("div", { class: "form-pair" }, limit("from", "From", "As 2026-11-27T19:30:00Z."), limit("until", "Until", "From then on a card takes its place.")),
      ),
      field("game-labels", "Labels, as name=value, a line each", labels, "labels"),
    ],
  });
  const open = (game: DeskGame | null) => {
    edited = game;
    tried.clear();
    madeId = "";
    title.value = game?.title ?? "";
    id.value = game?.id ?? "";
    id.disabled = game !== null;
    sources.value = (game?.sources ?? []).join("\n");
    labels.value = labelLines(game?.labels ?? {});
    policy.value = game?.break_policy ?? "";
    offset.value = game?.offset_ms ? String(game.offset_ms) : "";
    const limits = rightsText(game?.rights);
    for (const name of Object.keys(rights) as (keyof RightsText)[]) rights[name].value = limits[name];
    box.open(game === null ? "A new game" : game.title);
  };
  return { element: box.element, open };
}
