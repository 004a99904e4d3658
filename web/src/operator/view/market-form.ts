// The form of a market: languages, games, skin, tier.

import { attribute, h } from "../../dom";
import type { Market, MarketBreaks } from "../api";
import type { Desk } from "../desk";
import { bodyOf, breaksOf, featureName, idsOf, KNOWN_FEATURES, POLICIES, regionsOf, textOf } from "../market";
import { field, formBox, mistake } from "./form";
import { several } from "./several";

export interface MarketForm {
  readonly element: HTMLElement;
  /** Null makes a new market. */
  open(market: Market | null): void;
}

const line = (more: Record<string, string | number> = {}) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...more });

export function marketForm(desk: Desk): MarketForm {
  const id = line({ maxlength: 64 });
  const title = line({ maxlength: 200 });
  const [sound, words] = [line({ maxlength: 35, placeholder: "de" }), line({ maxlength: 35, placeholder: "de" })];
  const regions = line({ placeholder: "GB, IE" });
  const skin = h("select", {});
  const height = h("input", { type: "number", min: 1, step: 1, inputmode: "numeric" });
  const others = line();
  const otherGames = field("market-other-games", "Games that are not there yet, by their ids", others, "games");
  const games = several("market-games", "Games", "All of them", "Only these", "games", otherGames);
  const features = several("market-features", "Features", "All that there are", "Only these", "tier");
  const policy = h("select", {}, ...Object.entries(POLICIES).map(([value, words]) => h("option", { value }, words)));
  const server = line({ inputmode: "url", maxlength: 2048, placeholder: "https://ads.example/vast?game=[GAME]" });
  const whom = h("select", {}, h("option", { value: "market" }, "Once for the market"), h("option", { value: "session" }, "For each session"));
  const [squeezed, squeezedSkin] = [h("select", {}), h("select", {})];
  const asked = h("div", { class: "form-pair" }, field("market-server", "Who decides on them", server, "breaks.decision_url", "A server that answers with VAST."), field("market-whom", "Decided", whom, "breaks.decided_for"));
  const beside = h("div", { class: "form-pair" }, field("market-squeezed", "Layout in breaks", squeezed, "breaks.layout"), field("market-squeezed-skin", "Art in breaks", squeezedSkin, "breaks.skin"));
  const follow = () => {
    attribute(asked, "hidden", policy.value !== "advertisement");
    attribute(beside, "hidden", policy.value !== "squeeze_back");
  };
  policy.addEventListener("change", follow);
  let edited: Market | null = null;

  async function save() {
    const name = id.value.trim();
    if (title.value.trim() === "") return mistake("title", "A market needs a title.");
    if (name === "") return mistake("id", "A market needs an id.");
    const rows = height.value.trim();
    if (rows !== "" && !/^\d+$/.test(rows)) return mistake("tier.max_height", "The height is a whole number of rows.");
    const ticked = games.chosen();
    const body = {
      ...(edited === null ? {} : bodyOf(edited)),
      id: name,
      title: title.value.trim(),
      sound_language: textOf(sound.value),
      text_language: textOf(words.value),
      games: ticked === null ? null : [...new Set([...ticked, ...idsOf(others.value)])],
      regions: regionsOf(regions.value),
      skin: skin.value || null,
      breaks: {
        ...edited?.breaks,
        ...breaksOf({ policy: policy.value as MarketBreaks["policy"], decision_url: textOf(server.value), decided_for: whom.value as MarketBreaks["decided_for"], layout: squeezed.value || null, skin: squeezedSkin.value || null }),
      },
      tier: { ...edited?.tier, max_height: rows === "" ? null : Number(rows), features: features.chosen() },
    };
    const isNew = edited === null;
    return desk.change((client) => (isNew ? client.addMarket(body) : client.changeMarket(name, body)), `${body.title} is saved`, "markets");
  }

  const box = formBox(desk, {
    name: "market",
    saveWords: "Save market",
    save,
    fields: [
      h("div", { class: "form-pair" }, field("market-title", "Title", title, "title"), field("market-id", "Id", id, "id")),
      h("div", { class: "form-pair" }, field("market-sound", "Sound's language", sound, "sound_language", "As de or pt-BR; empty: each game's main sound."), field("market-text", "Text's language", words, "text_language", "Empty: no text is shown by itself.")),
      games.element,
      field("market-regions", "Regions", regions, "regions", "Codes of countries where its sessions may be; empty: everywhere."),
      h("div", { class: "form-pair" }, field("market-skin", "Skin", skin, "skin"), field("market-height", "Tallest picture, in rows", height, "tier.max_height", "Empty: all renditions.")),
      features.element,
      field("market-policy", "In breaks its sessions see", policy, "breaks.policy", "The other games of the picture go on."),
      asked,
      beside,
    ],
  });
  return {
    element: box.element,
    open: (market) => {
      edited = market;
      id.value = market?.id ?? "";
      id.disabled = market !== null;
      title.value = market?.title ?? "";
      sound.value = market?.sound_language ?? "";
      words.value = market?.text_language ?? "";
      regions.value = (market?.regions ?? []).join(", ");
      height.value = market?.tier.max_height?.toString() ?? "";
      const { games: there, skins, layouts } = desk.state;
      const titles = new Map((there.value ?? []).map((game) => [game.id, game.title]));
      games.show(market === null ? null : market.games, titles);
      others.value = (market?.games ?? []).filter((game) => !titles.has(game)).join(", ");
      const ids = (skins.value ?? []).map((one) => one.id);
      offer(skin, "None", ids, market?.skin ?? "");
      const breaks = market?.breaks;
      policy.value = breaks?.policy ?? "programme";
      server.value = breaks?.decision_url ?? "";
      whom.value = breaks?.decided_for ?? "market";
      const alone = (layouts.value ?? []).filter(({ slots, art }) => slots.length === 1 && art.length > 0);
      offer(squeezed, "Choose one", alone.map((layout) => layout.id), breaks?.layout ?? "");
      offer(squeezedSkin, "That of the session", ids, breaks?.skin ?? "");
      follow();
      const known = new Set([...KNOWN_FEATURES, ...(market?.tier.features ?? [])]);
      features.show(market?.tier.features ?? null, new Map([...known].map((feature) => [feature, capital(featureName(feature))])));
      box.open(market === null ? "A new market" : market.title);
    },
  };
}

/** Fills a choice: nothing, those that are there, and what was chosen though it is not. */
function offer(choice: HTMLSelectElement, nothing: string, there: readonly string[], chosen: string): void {
  const missing = chosen !== "" && !there.includes(chosen);
  choice.replaceChildren(h("option", { value: "" }, nothing), ...there.map((one) => h("option", { value: one }, one)), missing ? h("option", { value: chosen }, `${chosen} (not there yet)`) : "");
  choice.value = chosen;
}

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
