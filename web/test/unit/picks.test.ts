import assert from "node:assert/strict";
import { test } from "node:test";
import { addGame, audioFor, chooseLayout, difference, layoutFor, NO_PICKS, placeGame, removeSlot, samePicks, type Picks } from "../../src/picks";
import { game, LAYOUTS } from "./samples";

const FOUR: Picks = { layout: "4E", games: ["a", "b", "c", "d"] };

test("without a wish the layout is the contract's default for the number of games", () => {
  assert.deepEqual([1, 2, 3, 4, 5].map((count) => layoutFor(count, LAYOUTS)), ["1", "2EH", "3EL", "4E", ""]);
  assert.equal(layoutFor(4, LAYOUTS, "4PL"), "4PL", "a layout that fits stays");
  assert.equal(layoutFor(3, LAYOUTS, "4PL"), "3EL", "one that does not fit gives way");
});

test("games are added up to four, and every addition fits its layout", () => {
  let picks: Picks | null = NO_PICKS;
  for (const [at, id] of ["a", "b", "c", "d"].entries()) {
    picks = addGame(picks as Picks, id, LAYOUTS);
    assert.equal(LAYOUTS.find((one) => one.id === picks?.layout)?.slots.length, at + 1);
  }
  assert.deepEqual(picks, FOUR);
  assert.equal(addGame(FOUR, "e", LAYOUTS), null);
  assert.equal(addGame(NO_PICKS, "a", []), null, "no layouts, no picks");
});

test("a game put into a slot replaces, one that is on the mosaic already changes places", () => {
  assert.deepEqual(placeGame(FOUR, 1, "e").games, ["a", "e", "c", "d"]);
  assert.deepEqual(placeGame(FOUR, 3, "a").games, ["d", "b", "c", "a"]);
  assert.equal(placeGame(FOUR, 4, "e"), FOUR, "there is no fifth slot");
  assert.equal(placeGame(FOUR, -1, "e"), FOUR);
});

test("the games behind a removed one move up", () => {
  assert.deepEqual(removeSlot(FOUR, 1, LAYOUTS), { layout: "3EL", games: ["a", "c", "d"] });
  assert.deepEqual(removeSlot({ layout: "1", games: ["a"] }, 0, LAYOUTS), NO_PICKS);
});

test("another layout keeps the first games and fills up with live ones", () => {
  const games = ["a", "b", "c", "d"].map((id) => game(id, id === "c" ? "slate" : "live"));
  const layout = (id: string) => LAYOUTS.find((one) => one.id === id)!;
  assert.deepEqual(chooseLayout(FOUR, layout("2PL"), games).games, ["a", "b"]);
  assert.deepEqual(chooseLayout({ layout: "1", games: ["b"] }, layout("3EL"), games).games, ["b", "a", "d"]);
  assert.deepEqual(chooseLayout(NO_PICKS, layout("4E"), games.slice(0, 1)).games, ["a", "a", "a", "a"], "a short list repeats");
  assert.deepEqual(chooseLayout(NO_PICKS, layout("4E"), []), NO_PICKS);
});

test("sound stays with its game, else with its slot", () => {
  assert.equal(audioFor(FOUR, "c", FOUR), "c");
  assert.equal(audioFor(FOUR, "c/deu", FOUR), "c/deu");
  assert.equal(audioFor({ layout: "4E", games: ["a", "e", "c", "d"] }, "b/deu", FOUR), "e");
  assert.equal(audioFor({ layout: "4E", games: ["a", "e", "c", "d"] }, "b", FOUR), "e");
  assert.equal(audioFor({ layout: "1", games: ["a"] }, "d", FOUR), "a");
  assert.equal(audioFor(NO_PICKS, "d", FOUR), null);
  assert.equal(audioFor(FOUR, null, NO_PICKS), "a");
});

test("a change names what differs and nothing else; games and layout go together", () => {
  const has = { layout: "4E", games: ["a", "b", "c", "d"], audio: "a" };
  assert.equal(difference(has, FOUR, "a"), null);
  assert.deepEqual(difference(has, FOUR, "b"), { audio: "b" });
  assert.deepEqual(difference(has, { layout: "2PL", games: ["a", "b"] }, "a"), { layout: "2PL", games: ["a", "b"] });
  assert.equal(difference(has, FOUR, null), null, "no wish for the sound is no change of it");
  assert.ok(!samePicks(FOUR, { layout: "4PL", games: FOUR.games }));
});
