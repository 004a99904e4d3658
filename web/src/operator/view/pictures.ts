// Pictures of the operators' routes: fetched with the key, since an `<img>` can send none, and only once they come into view.

import type { Desk } from "../desk";

const KEPT_MAX = 300;
const AT_ONCE = 4;

export class Pictures {
  /** By path, those that were asked for longest ago first. */
  private readonly kept = new Map<string, string>();
  private readonly wanted = new WeakMap<Element, string>();
  private readonly waiting: HTMLImageElement[] = [];
  private loading = 0;
  private readonly observer: IntersectionObserver;

  constructor(private readonly desk: Desk) {
    this.observer = new IntersectionObserver((seen) => seen.forEach((entry) => entry.isIntersecting && this.seen(entry.target as HTMLImageElement)), { rootMargin: "200px" });
    desk.onChange(({ access }) => {
      if (access !== "open") this.forget();
    });
  }

  /** Shows the picture at `path`; null shows none. An element that has it already stays as it is. */
  show(image: HTMLImageElement, path: string | null): void {
    if (this.wanted.get(image) === (path ?? "")) return;
    this.wanted.set(image, path ?? "");
    image.hidden = true;
    this.observer.unobserve(image);
    if (path === null) return;
    const url = this.kept.get(path);
    if (url !== undefined) return this.place(image, path, url);
    // What is hidden is never seen by an observer.
    image.hidden = false;
    image.classList.add("coming");
    this.observer.observe(image);
  }

  private seen(image: HTMLImageElement): void {
    this.observer.unobserve(image);
    this.waiting.push(image);
    void this.next();
  }

  private async next(): Promise<void> {
    if (this.loading >= AT_ONCE) return;
    const image = this.waiting.shift();
    if (image === undefined) return;
    this.loading += 1;
    await this.load(image);
    this.loading -= 1;
    void this.next();
  }

  private async load(image: HTMLImageElement): Promise<void> {
    const path = this.wanted.get(image) ?? "";
    if (path === "") return;
    try {
      const url = this.kept.get(path) ?? (await this.fetched(path));
      if (url !== null) this.place(image, path, url);
    } catch {
      // Without it there is its name; another one is asked for when it is shown anew.
      image.hidden = true;
      this.wanted.delete(image);
    }
  }

  private async fetched(path: string): Promise<string | null> {
    const picture = await this.desk.ask((client) => client.picture(path));
    if (picture === null) return null;
    const url = URL.createObjectURL(picture);
    this.kept.set(path, url);
    for (const [oldest, its] of this.kept) {
      if (this.kept.size <= KEPT_MAX) break;
      this.kept.delete(oldest);
      URL.revokeObjectURL(its);
    }
    return url;
  }

  private place(image: HTMLImageElement, path: string, url: string): void {
    if (this.wanted.get(image) !== path) return;
    image.src = url;
    image.classList.remove("coming");
    image.hidden = false;
  }

  private forget(): void {
    for (const url of this.kept.values()) URL.revokeObjectURL(url);
    this.kept.clear();
    this.waiting.splice(0);
  }
}
