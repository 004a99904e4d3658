import assert from "node:assert/strict";
import { test } from "node:test";
import { KeyPictures, keyPicturesIn, pictureAt, smallestKeys } from "../../src/keypictures";

const NOON = Date.parse("2026-11-27T12:00:00Z");
const BASE = "http://quadrille.test/v1/play/t/index.m3u8?start=x";

const MULTIVARIANT = `#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=2,RESOLUTION=1920x1080
video/1080p.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=2,CODECS="avc1",RESOLUTION=1920x1080,URI="keys/1080p.m3u8?start=x"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,CODECS="avc1",RESOLUTION=640x360,URI="keys/360p.m3u8?start=x"
`;

/** A playlist of pictures every two seconds; `gaps` were not kept. */
function playlist(first: number, count: number, gaps: readonly number[] = []): string {
  const lines = ["#EXTM3U", "#EXT-X-I-FRAMES-ONLY", '#EXT-X-MAP:URI="/m/init.mp4"'];
  for (let n = first; n < first + count; n++) {
    lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(NOON + 2000 * n).toISOString()}`, "#EXTINF:2.000000,");
    if (gaps.includes(n)) lines.push("#EXT-X-GAP");
    lines.push(`/m/${n}.key.m4s`);
  }
  return `${lines.join("\n")}\n`;
}

test("the smallest of the key pictures is taken", () => {
  assert.equal(smallestKeys(MULTIVARIANT, BASE), "http://quadrille.test/v1/play/t/keys/360p.m3u8?start=x");
  assert.equal(smallestKeys("#EXTM3U\n", BASE), null);
});

test("key pictures are read with their dates, and gaps are none", () => {
  const pictures = keyPicturesIn(playlist(0, 3, [1]), BASE);
  assert.deepEqual(pictures.map(({ at, url }) => [at - NOON, url]), [[0, "http://quadrille.test/m/0.key.m4s"], [2000, null], [4000, "http://quadrille.test/m/2.key.m4s"]]);
  assert.equal(pictures[0]?.initUrl, "http://quadrille.test/m/init.mp4");
  assert.equal(pictureAt(pictures, NOON + 5_000)?.at, NOON + 4_000);
  assert.equal(pictureAt(pictures, NOON + 1_999)?.at, NOON);
  assert.equal(pictureAt(pictures, NOON + 3_000), null, "of a gap there is no picture");
  assert.equal(pictureAt(pictures, NOON - 9_000)?.at, NOON);
  assert.equal(pictureAt([], NOON), null);
});

test("they are read whole once, and then what is new", async () => {
  const asked: string[] = [];
  let answer = playlist(0, 10, [0]);
  const fetcher = (async (url: unknown) => {
    asked.push(String(url));
    return new Response(String(url).includes("/keys/") ? answer : MULTIVARIANT);
  }) as typeof fetch;
  const keys = new KeyPictures("http://quadrille.test/v1/play/t/index.m3u8", 600, fetcher);
  assert.equal(keys.oldest(NOON), null, "nobody knows yet");
  await keys.refresh(NOON + 20_000);
  assert.match(asked[0] ?? "", /start=2026-11-27T11%3A50%3A20/);
  assert.equal(keys.oldest(NOON + 20_000), NOON + 2_000, "the first that was kept");
  await keys.refresh(NOON + 21_000);
  assert.equal(asked.length, 2, "not again at once");
  answer = playlist(5, 10);
  await keys.refresh(NOON + 40_000);
  assert.match(asked[2] ?? "", /start=2026-11-27T12%3A00%3A08/);
  assert.equal(keys.at(NOON + 27_000)?.url, "http://quadrille.test/m/13.key.m4s");
  assert.equal(keys.oldest(NOON + 40_000), NOON + 2_000);
  assert.equal(keys.oldest(NOON + 610_000), NOON + 10_000, "the window moves on");
});

test("a service that does not list them can be rewound as far as it says", async () => {
  const keys = new KeyPictures("http://quadrille.test/v1/play/t/index.m3u8", 600, (async () => new Response("", { status: 503 })) as typeof fetch);
  await keys.refresh(NOON);
  assert.equal(keys.oldest(NOON), NOON - 600_000);
});
