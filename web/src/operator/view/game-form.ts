// The form of a game, and what becomes of it: once it is saved, its picture and what its source is made of are shown until it is kept.

import { attribute, h, text } from "../../dom";
import type { GameBody } from "../api";
import type { Desk, DeskGame, DeskState } from "../desk";
import { idFrom, labelLines, labelsOf, linesOf } from "../game";
import { facts, why } from "../health";
import { field, formBox, mistake } from "./form";
import { mark } from "./marks";
import { stills } from "./stills";
import { TroubleLine } from "./panel";

export interface GameForm {
  readonly elements: readonly HTMLElement[];
  /** Null registers a new game. */
  open(game: DeskGame | null): void;
}

// While somebody waits for the first picture.
const LOOK_EVERY_MS = 1_000;

/** What a game that was just saved turns out to be. */
function trial(desk: Desk, edit: (game: DeskGame) => void): { element: HTMLDialogElement; open: (game: { id: string; title: string }, isNew: boolean) => void } {
  const title = h("h2", { id: "trial-title", tabindex: "-1" });
  const image = h("img", { alt: "", hidden: true });
  const showStill = stills(image);
  const health = mark("slate");
  const reason = h("p", { class: "game-why" });
  const list = h("dl", { class: "facts" });
  const note = h("p", { class: "hint" });
  const remove = h("button", { type: "button", class: "quiet-button end" }, "Remove it");
  const change = h("button", { type: "button", class: "quiet-button" }, "Change it");
  const keep = h("button", { type: "button", class: "save-button" }, "Keep it");
  const trouble = new TroubleLine(() => void drop(), "remove the game");
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": title.id },
    title,
    h("div", { class: "trial" }, h("span", { class: "still" }, image), h("div", { class: "trial-state", role: "status" }, health.element, reason)),
    list,
    note,
    trouble.element,
    h("div", { class: "dialog-buttons" }, remove, change, keep),
  );
  let id = "";
  let timer: number | undefined;

  function show({ games }: DeskState): void {
    const game = dialog.open ? desk.game(id) : null;
    // It is yet to come into the list.
    if (game === null) return;
    text(title, game.title);
    health.show(game.status);
    text(reason, why(game.health, games.atMs ?? 0));
    showStill(game.thumbnail_url);
    list.replaceChildren(...facts(game.health, game.offered).flatMap(([name, words]) => [h("dt", {}, name), h("dd", {}, words)]));
  }

  async function drop(): Promise<void> {
    const stood = await desk.change((client) => client.removeGame(id), `${desk.title(id)} is removed`, "games");
    trouble.show(stood);
    if (stood === null) dialog.close();
  }

  remove.addEventListener("click", () => void drop());
  keep.addEventListener("click", () => dialog.close());
  change.addEventListener("click", () => {
    const game = desk.game(id);
    dialog.close();
    if (game !== null) edit(game);
  });
  dialog.addEventListener("close", () => window.clearInterval(timer));
  desk.onChange((state) => {
    if (state.access !== "open" && dialog.open) dialog.close();
    show(state);
  });
  return {
    element: dialog,
    open: (game, isNew) => {
      ({ id } = game);
      text(title, game.title);
      health.show("slate");
      text(reason, "");
      text(note, isNew ? "It is registered, and devices are offered it. What is known of its source shows here as it comes." : "It is saved. What is known of its source shows here as it comes.");
      attribute(remove, "hidden", !isNew);
      list.replaceChildren();
      showStill(null);
      trouble.show(null);
      dialog.showModal();
      title.focus();
      window.clearInterval(timer);
      timer = window.setInterval(() => desk.refresh("games"), LOOK_EVERY_MS);
      show(desk.state);
    },
  };
}

export function gameForm(desk: Desk): GameForm {
  const line = (maxlength: number) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", maxlength });
  const title = line(200);
  const id = line(64);
  const sources = h("textarea", { rows: 3, spellcheck: "false", autocomplete: "off" });
  const labels = h("textarea", { rows: 2, spellcheck: "false" });
  const policy = h("select", {}, h("option", { value: "" }, "As the configuration has it"), h("option", { value: "show" }, "What the source sends"), h("option", { value: "slate" }, "A card, and silence"));
  const offset = h("input", { type: "number", step: 1, inputmode: "numeric" });
  let edited: DeskGame | null = null;
  let saved: { id: string; title: string } | null = null;

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
    };
    if (body.title === "") return mistake("title", "A game needs a title.");
    if (body.id === "") return mistake("id", "A game needs an id.");
    if (body.sources.length === 0) return mistake("sources", "A game needs a source.");
    if (!Number.isInteger(body.offset_ms)) return mistake("offset_ms", "The offset is a whole number of milliseconds.");
    const isNew = edited === null;
    const stood = await desk.change((client) => (isNew ? client.addGame(body) : client.changeGame(body)), `${body.title} is saved`, "games");
    if (stood === null) saved = body;
    return stood;
  }

  const box = formBox(desk, {
    name: "game",
    saveWords: "Save and try",
    save,
    closed: () => {
      const game = saved;
      saved = null;
      if (game !== null) tried.open(game, edited === null);
    },
    fields: [
      h("div", { class: "form-pair" }, field("game-title", "Title", title, "title"), field("game-id", "Id", id, "id")),
      field("game-sources", "Sources, a line each, the first preferred", sources, "sources", "As https://…/live.m3u8, srt://host:9000, rtmp://…, udp://…. One that is masked stays what it is while its line stays as it is."),
      h("div", { class: "form-pair" }, field("game-policy", "In a break its slot shows", policy, "break_policy"), field("game-offset", "Offset, in ms", offset, "offset_ms", "How much later than the source claims its pictures are captured.")),
      field("game-labels", "Labels, as name=value, a line each", labels, "labels"),
    ],
  });
  const open = (game: DeskGame | null) => {
    edited = game;
    saved = null;
    madeId = "";
    title.value = game?.title ?? "";
    id.value = game?.id ?? "";
    id.disabled = game !== null;
    sources.value = (game?.sources ?? []).join("\n");
    labels.value = labelLines(game?.labels ?? {});
    policy.value = game?.break_policy ?? "";
    offset.value = game?.offset_ms ? String(game.offset_ms) : "";
    box.open(game === null ? "A new game" : game.title);
  };
  const tried = trial(desk, open);
  return { elements: [box.element, tried.element], open };
}
