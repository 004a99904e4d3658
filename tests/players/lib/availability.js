// Whatever a playlist lists can be fetched (RFC 8216, 6.2.2): whenever a player is given a playlist, all of it is asked for.

/** What was asked for so recently is not asked for again: playlists of many players list the same. */
const FRESH_MS = 1_500;

export class Availability {
  #upstream;
  #asked = new Map();
  #queue = [];
  #working = false;
  #idle = Promise.resolve();
  count = 0;

  constructor(upstream) {
    this.#upstream = upstream;
  }

  /** `lost` is called with what is listed and cannot be had. */
  check({ path, text }, lost) {
    for (const uri of listed(text)) {
      const url = new URL(uri, `http://any${path}`);
      this.#queue.push({ path: url.pathname + url.search, from: path, lost });
    }
    // One after the other: the players come first.
    if (!this.#working) this.#idle = this.#work();
  }

  async #work() {
    this.#working = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (Date.now() - (this.#asked.get(next.path) ?? 0) < FRESH_MS) continue;
      this.#asked.set(next.path, Date.now());
      this.count += 1;
      const status = await this.#status(next.path);
      if (status !== 200) next.lost(`${next.from} lists ${next.path}, and that is ${status}`);
    }
    this.#working = false;
  }

  async #status(path) {
    try {
      return (await fetch(this.#upstream() + path, { method: "HEAD" })).status;
    } catch (error) {
      return error.message;
    }
  }

  /** Waits until all is asked: before a service that is to be ended ends. */
  async settle() {
    await this.#idle;
  }
}

function listed(text) {
  return text
    .split("\n")
    .map((line) => (line.startsWith("#") ? /^#EXT-X-(?:MAP|PART):.*URI="([^"]+)"/.exec(line)?.[1] : line))
    .filter((uri) => uri !== undefined && uri !== "" && !uri.endsWith(".m3u8"));
}
