// Paints one key picture at a time: the browser plays it as a film of one picture.

import type { KeyPicture } from "./keypictures";

// Who only passes over the bar asks for nothing.
const SETTLED_MS = 120;
const DECODED_WITHIN_MS = 3_000;
const INITS_MAX = 8;

export class Thumbnails {
  private readonly video = document.createElement("video");
  private timer: number | undefined;
  private running: AbortController | null = null;
  private painted: string | null = null;
  private readonly inits = new Map<string, Promise<ArrayBuffer>>();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    /** An address was not good any more. */
    private readonly stale: () => void,
  ) {
    this.video.muted = true;
    this.video.preload = "auto";
    this.video.playsInline = true;
  }

  /** Shows `picture` once the pointer rests; what was asked for before is dropped. */
  want(picture: KeyPicture | null): void {
    if (picture !== null && picture.url === this.painted) return this.cancel();
    this.cancel();
    this.hide();
    if (picture === null) return;
    this.timer = window.setTimeout(() => void this.paint(picture), SETTLED_MS);
  }

  cancel(): void {
    window.clearTimeout(this.timer);
    this.running?.abort();
    this.running = null;
  }

  private hide(): void {
    this.canvas.hidden = true;
    this.painted = null;
  }

  private async paint(picture: KeyPicture): Promise<void> {
    const running = new AbortController();
    this.running = running;
    const { signal } = running;
    let film = "";
    try {
      const [init, key] = await Promise.all([this.init(picture.initUrl), bytes(picture.url ?? "", signal)]);
      signal.throwIfAborted();
      film = URL.createObjectURL(new Blob([init, key], { type: "video/mp4" }));
      await this.decoded(film, signal);
      const { canvas, video } = this;
      canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.hidden = false;
      this.painted = picture.url;
    } catch (error) {
      if (error instanceof Gone) this.stale();
      // The time of day has to do.
    } finally {
      if (film !== "") URL.revokeObjectURL(film);
      if (this.running === running) this.running = null;
    }
  }

  private init(url: string): Promise<ArrayBuffer> {
    const known = this.inits.get(url);
    if (known !== undefined) return known;
    if (this.inits.size >= INITS_MAX) this.inits.clear();
    const init = bytes(url, null);
    this.inits.set(url, init);
    // One that failed is asked for again.
    init.catch(() => this.inits.delete(url));
    return init;
  }

  private decoded(film: string, signal: AbortSignal): Promise<void> {
    const { video } = this;
    return new Promise<void>((done, failed) => {
      const late = window.setTimeout(() => failed(new Error("not decoded in time")), DECODED_WITHIN_MS);
      signal.addEventListener("abort", () => failed(new Error("not wanted any more")));
      signal.addEventListener("abort", () => window.clearTimeout(late));
      video.onloadeddata = () => {
        window.clearTimeout(late);
        done();
      };
      video.onerror = () => failed(new Error("not decoded"));
      video.src = film;
    });
  }
}

class Gone extends Error {}

async function bytes(url: string, signal: AbortSignal | null): Promise<ArrayBuffer> {
  const answer = await fetch(url, { signal });
  if (answer.status === 404 || answer.status === 410) throw new Gone();
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.arrayBuffer();
}
