import assert from "node:assert/strict";
import { test } from "node:test";
import { captionLike, captionName, captionsOf } from "../../src/captions";

const TRACKS = [
  { name: "Main (en)", url: "https://tv.example/v1/play/t/text/main-en.m3u8?start=2026-11-27T19:30:00.000Z" },
  { name: "All games (en)", url: "text/all-en.m3u8" },
  { name: "Hawks at Ravens (en)", url: "text/0-en.m3u8" },
  { name: "Otters at Herons", url: "text/1-und.m3u8" },
];

test("captions are known by the name that they keep over reloads", () => {
  assert.deepEqual(
    captionsOf(TRACKS).map((one) => one.id),
    ["main-en", "all-en", "0-en", "1-und"],
  );
});

test("a slot's captions are called as the game that is in it now", () => {
  const captions = captionsOf(TRACKS);
  const names = (games: string[]) => captions.map((one) => captionName(one, games, (game) => game.toUpperCase()));
  assert.deepEqual(names(["a", "b"]), ["Main (en)", "All games (en)", "A (en)", "B"]);
  assert.deepEqual(names(["c"]), ["Main (en)", "All games (en)", "C (en)", null], "that slot is gone");
});

test("what was chosen before is found again, or what is most like it", () => {
  const captions = captionsOf(TRACKS);
  assert.equal(captionLike(captions, "0-en")?.id, "0-en");
  assert.equal(captionLike(captions, "3-en")?.id, "main-en");
  assert.equal(captionLike(captions, "all-de")?.id, "main-en");
  assert.equal(captionLike([], "all-en"), null);
});
