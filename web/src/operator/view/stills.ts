// A game's newest still.

import { attribute } from "../../dom";

// How often it is fetched anew.
const THUMBNAIL_MS = 10_000;

/** Shows the newest still without a flash: the old one stays until the new one is there. */
export function stills(image: HTMLImageElement): (url: string | null) => void {
  let wanted = "";
  return (url) => {
    if (url === null) {
      wanted = "";
      return attribute(image, "hidden", true);
    }
    const at = new URL(url, location.href);
    at.searchParams.set("at", String(Math.floor(Date.now() / THUMBNAIL_MS)));
    if (at.href === wanted) return;
    wanted = at.href;
    const next = new Image();
    next.addEventListener("load", () => {
      if (next.src !== wanted) return;
      image.src = next.src;
      image.hidden = false;
    });
    next.src = at.href;
  };
}
