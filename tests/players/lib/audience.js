// Somebody else watches already: what keeps a service's tiles running, so that a mosaic of them is there at once.

import { createSession, endSession } from "./sessions.js";

const POLL_EVERY_MS = 2_000;
/** Tiles have run for so long: more than any player holds back. */
const LISTED_SEGMENTS = 6;

export class Audience {
  #origin;
  #sessions = [];
  #timer;

  /** One session for each wish, for ever asked for like a player does; comes back when all of them list enough. */
  static async gather(service, wishes, signal) {
    const audience = new Audience();
    audience.#origin = service.origin;
    try {
      for (const wish of wishes) audience.#sessions.push({ ...(await createSession(service.origin, wish, () => {})), listed: 0 });
      audience.#timer = setInterval(() => audience.#poll(), POLL_EVERY_MS);
      const full = () => audience.#sessions.every(({ listed }) => listed >= LISTED_SEGMENTS);
      await service.until("warm", full, { signal });
      return audience;
    } catch (error) {
      await audience.leave();
      throw error;
    }
  }

  #poll() {
    for (const session of this.#sessions) {
      listed(session.playback_url).then(
        (count) => (session.listed = count),
        // It asks again anyway, and who needs it waits for it.
        () => {},
      );
    }
  }

  async leave() {
    clearInterval(this.#timer);
    for (const { id } of this.#sessions) await endSession(this.#origin, id).catch(() => {});
  }
}

async function listed(url) {
  const index = await (await fetch(url)).text();
  const first = index.split("\n").find((line) => line !== "" && !line.startsWith("#"));
  const playlist = await (await fetch(new URL(first, url))).text();
  return playlist.match(/^#EXTINF/gm)?.length ?? 0;
}
