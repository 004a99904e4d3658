// The device key and the device's own name, kept by the browser.

import { randomId } from "./ids";
import { read, write } from "./storage";

const KEY_ITEM = "quadrille.device_key";
const DEVICE_ITEM = "quadrille.device_id";

/** The key of `?key=`, else the one that worked last. */
export function keyAtStart(search: string): string {
  return new URLSearchParams(search).get("key")?.trim() || read(KEY_ITEM) || "";
}

/** Keeps a key that was accepted, and takes it out of the address bar, where it would be seen and bookmarked. */
export function rememberKey(key: string): void {
  if (!write(KEY_ITEM, key)) return;
  const url = new URL(location.href);
  if (!url.searchParams.has("key")) return;
  url.searchParams.delete("key");
  history.replaceState(history.state, "", url);
}

/** A name for this browser, the same at the next visit. */
export function deviceId(): string {
  const kept = read(DEVICE_ITEM);
  if (kept !== null && /^web-[0-9a-f]{32}$/.test(kept)) return kept;
  const made = `web-${randomId()}`;
  write(DEVICE_ITEM, made);
  return made;
}
