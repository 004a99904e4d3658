// The pictures that open a session's segments, as its I-frame playlist lists them (RFC 8216, 4.3.3.6): what of the past there is, and
// what it looks like.

export interface KeyPicture {
  readonly at: number;
  /** Null where nothing was kept. */
  readonly url: string | null;
  /** What it needs in front of it to be decoded. */
  readonly initUrl: string;
}

/** The playlist of the smallest key pictures that a multivariant playlist names. */
export function smallestKeys(text: string, base: string): string | null {
  let best: { width: number; url: string } | null = null;
  for (const line of text.split("\n")) {
    if (!line.startsWith("#EXT-X-I-FRAME-STREAM-INF:")) continue;
    const uri = /URI="([^"]*)"/.exec(line)?.[1];
    const width = Number(/RESOLUTION=(\d+)x/.exec(line)?.[1] ?? Infinity);
    if (uri !== undefined && (best === null || width < best.width)) best = { width, url: new URL(uri, base).href };
  }
  return best?.url ?? null;
}

export function keyPicturesIn(text: string, base: string): KeyPicture[] {
  const pictures: KeyPicture[] = [];
  let [at, durationMs, initUrl, isGap] = [NaN, 0, "", false];
  for (const line of text.split("\n")) {
    if (line.startsWith("#EXT-X-MAP:")) initUrl = new URL(/URI="([^"]*)"/.exec(line)?.[1] ?? "", base).href;
    else if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) at = Date.parse(line.slice(line.indexOf(":") + 1));
    else if (line.startsWith("#EXTINF:")) durationMs = 1000 * parseFloat(line.slice(8));
    else if (line.startsWith("#EXT-X-GAP")) isGap = true;
    else if (line !== "" && !line.startsWith("#")) {
      if (!Number.isNaN(at)) pictures.push({ at, url: isGap ? null : new URL(line, base).href, initUrl });
      at += durationMs;
      isGap = false;
    }
  }
  return pictures;
}

/** The last picture that is not after `at`, or the first there is; null in a gap. */
export function pictureAt(pictures: readonly KeyPicture[], at: number): KeyPicture | null {
  let [low, high] = [0, pictures.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pictures[middle] as KeyPicture).at <= at) low = middle + 1;
    else high = middle;
  }
  const found = pictures[Math.max(0, low - 1)];
  return found === undefined || found.url === null ? null : found;
}

// Reading them again costs a line a segment; the newest are not needed to the second.
const FRESH_MS = 10_000;
// Addresses of the past are good for a time only. None is shorter than this on a service that keeps a past.
const RENEWED_MS = 10 * 60_000;
const OVERLAP_MS = 10_000;

/** The key pictures of one session; read when somebody wants them, and then only what is new. */
export class KeyPictures {
  private pictures: readonly KeyPicture[] = [];
  private readMs = -Infinity;
  private wholeMs = -Infinity;
  private reading = false;
  /** Nobody can say what there is. */
  failed = false;

  constructor(
    private readonly playbackUrl: string,
    private readonly windowS: number,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  /** The oldest instant that was kept; null before that is known. */
  oldest(nowMs: number): number | null {
    const reachesTo = nowMs - 1000 * this.windowS;
    const first = this.pictures.find((picture) => picture.url !== null && picture.at >= reachesTo);
    return first?.at ?? (this.failed ? reachesTo : null);
  }

  at(at: number): KeyPicture | null {
    return pictureAt(this.pictures, at);
  }

  /** Forgets the addresses: one was not good any more. */
  stale(): void {
    this.wholeMs = this.readMs = -Infinity;
  }

  async refresh(nowMs: number): Promise<void> {
    if (this.reading || nowMs - this.readMs < FRESH_MS) return;
    this.reading = true;
    this.readMs = nowMs;
    const isWhole = this.pictures.length === 0 || nowMs - this.wholeMs > RENEWED_MS;
    const from = isWhole ? nowMs - 1000 * this.windowS : (this.pictures.at(-1) as KeyPicture).at - OVERLAP_MS;
    try {
      const fresh = await this.read(from);
      const first = fresh[0]?.at ?? Infinity;
      this.pictures = isWhole ? fresh : [...this.pictures.filter((picture) => picture.at < first), ...fresh];
      if (isWhole) this.wholeMs = nowMs;
      this.failed = this.pictures.length === 0;
    } catch {
      // Going back works without them.
      this.failed = this.pictures.length === 0;
    } finally {
      this.reading = false;
    }
  }

  private async read(from: number): Promise<KeyPicture[]> {
    const url = new URL(this.playbackUrl);
    url.searchParams.set("start", new Date(from).toISOString());
    const keysUrl = smallestKeys(await this.text(url.href), url.href);
    return keysUrl === null ? [] : keyPicturesIn(await this.text(keysUrl), keysUrl);
  }

  private async text(url: string): Promise<string> {
    const answer = await this.fetcher(url);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.text();
  }
}
