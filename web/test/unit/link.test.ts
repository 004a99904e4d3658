import assert from "node:assert/strict";
import { test } from "node:test";
import { fit, picksIn, regionIn, shareLink, termsIn, withPicks } from "../../src/link";
import { NO_PICKS, type Picks } from "../../src/picks";
import { NO_TERMS } from "../../src/terms";
import { NO_VISIT, visitFrom, visitOf } from "../../src/visit";
import { game, LAYOUTS } from "./samples";

const TWO: Picks = { layout: "2PL", games: ["nyk-bos", "lal gsw&"] };

test("a link names games and layout and nothing else, and leads back to them", () => {
  const link = shareLink("https://tv.example/watch/?key=dev-secret&games=x&layout=1&utm=9#here", TWO);
  assert.equal(link, "https://tv.example/watch/?games=nyk-bos,lal%20gsw%26&layout=2PL");
  assert.deepEqual(picksIn(new URL(link).search), TWO);
});

test("the address keeps what else stands in it", () => {
  assert.equal(withPicks("http://h/?key=k&games=old&layout=1", TWO), "http://h/?key=k&games=nyk-bos,lal%20gsw%26&layout=2PL");
  assert.equal(withPicks("http://h/?key=k&games=old&layout=1", NO_PICKS), "http://h/?key=k");
  assert.equal(withPicks("http://h/?games=old", NO_PICKS), "http://h/");
});

test("a region stands in an address and in no link", () => {
  assert.deepEqual([regionIn("?region=gb&games=a"), regionIn("?games=a")], ["GB", null]);
  assert.equal(withPicks("http://h/?region=GB", NO_PICKS), "http://h/?region=GB");
  assert.equal(shareLink("http://h/?region=GB", NO_PICKS), "http://h/");
});

test("an address without games names no mosaic", () => {
  for (const search of ["", "?key=k", "?games=", "?games=,,&layout=4E", "?layout=4E"]) assert.equal(picksIn(search), null, search);
  assert.deepEqual(picksIn("?games=a, b,"), { layout: "", games: ["a", "b"] });
});

test("of a link is taken what is offered here, in a layout that has the slots", () => {
  const games = ["a", "b", "c", "d", "e"].map((id) => game(id));
  const fitted = (layout: string, ...ids: string[]) => fit({ layout, games: ids }, games, LAYOUTS);
  assert.deepEqual(fitted("4PL", "d", "c", "b", "a"), { picks: { layout: "4PL", games: ["d", "c", "b", "a"] }, missing: [] });
  assert.deepEqual(fitted("4E", "a", "gone", "b", "gone"), { picks: { layout: "2EH", games: ["a", "b"] }, missing: ["gone"] });
  assert.deepEqual(fitted("unheard-of", "a"), { picks: { layout: "1", games: ["a"] }, missing: [] });
  assert.deepEqual(fitted("4E", "a", "b", "c", "d", "e").picks.games, ["a", "b", "c", "d"]);
  assert.deepEqual(fitted("1", "gone"), { picks: NO_PICKS, missing: ["gone"] });
  assert.deepEqual(fitted("2EH", "a", "a").picks.games, ["a", "a"], "a game twice is allowed");
});

const kept = { picks: TWO, terms: NO_TERMS, audio: "nyk-bos", session: "s1" };

test("a reload finds the session of its tab; another tab finds the picks alone", () => {
  assert.deepEqual(visitFrom("", kept, null), { visit: kept, linked: false });
  assert.deepEqual(visitFrom("?games=nyk-bos,lal%20gsw%26&layout=2PL", kept, null), { visit: kept, linked: false }, "its own address is no wish");
  assert.deepEqual(visitFrom("", null, kept), { visit: { ...kept, session: null }, linked: false });
  assert.deepEqual(visitFrom("", null, null), { visit: NO_VISIT, linked: false });
});

test("a link comes before what was kept", () => {
  const { visit, linked } = visitFrom("?games=a&layout=1", kept, null);
  assert.deepEqual(visit, { picks: { layout: "1", games: ["a"] }, terms: NO_TERMS, audio: "nyk-bos", session: "s1" });
  assert.ok(linked);
});

test("what was kept by something else is no visit", () => {
  for (const text of [null, "", "{", "null", "[]", "{}", '{"picks":{"layout":1,"games":[]}}', '{"picks":{"layout":"1","games":[1]}}', '{"picks":{"layout":"1","games":"ab"}}']) {
    assert.equal(visitOf(text), null, String(text));
  }
  assert.deepEqual(visitOf(JSON.stringify(kept)), kept);
  assert.deepEqual(visitOf('{"picks":{"layout":"","games":[]}}'), NO_VISIT);
});

test("a link names the market and the skin, and without games they stand alone", () => {
  const terms = { market: "de at", skin: "red" };
  const link = shareLink("https://tv.example/watch/?key=dev-secret&market=old", TWO, terms);
  assert.equal(link, "https://tv.example/watch/?games=nyk-bos,lal%20gsw%26&layout=2PL&market=de%20at&skin=red");
  assert.deepEqual(termsIn(new URL(link).search), terms);
  assert.equal(withPicks("http://h/?key=k&skin=old", NO_PICKS, { market: "de", skin: null }), "http://h/?key=k&market=de");
  assert.deepEqual(termsIn("?market=&skin= "), NO_TERMS);
});

test("a link with games alone means no market; an address with nothing in it means what was kept", () => {
  const german = { ...kept, terms: { market: "de", skin: null } };
  assert.deepEqual(visitFrom("", german, null), { visit: german, linked: false });
  assert.deepEqual(visitFrom("?games=a&layout=1", german, null).visit.terms, NO_TERMS);
  assert.deepEqual(visitFrom("?market=at", german, null), { visit: { ...german, terms: { market: "at", skin: null } }, linked: true });
  assert.deepEqual(visitOf(JSON.stringify({ picks: TWO, audio: null, session: null }))?.terms, NO_TERMS, "kept by an earlier version");
  assert.deepEqual(visitOf(JSON.stringify({ ...german, terms: { market: 7 } }))?.terms, NO_TERMS);
});
