// Captions that a stream offers: which they are, and what they are called. Pure.

/** A rendition of text, as the stream's playlist has it. */
export interface TextTrack {
  readonly name: string;
  readonly url: string;
}

export interface Caption {
  /** The playlist's own name of it, the same over reloads: `main-en`, `all-en`, `0-en`. */
  readonly id: string;
  /** For people. */
  readonly name: string;
}

/** The last path element of `url` without its suffix. */
function idOf(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? "";
  return (path.split("/").at(-1) ?? "").replace(/\.m3u8$/i, "");
}

/** What `tracks` are, in their order. */
export function captionsOf(tracks: readonly TextTrack[]): Caption[] {
  return tracks.map((track) => ({ id: idOf(track.url), name: track.name }));
}

/**
 * What a caption is called now. That of a slot is called as the game in it, which may be another one than when the playlist was read; null where
 * there is no such slot any more.
 */
export function captionName(caption: Caption, games: readonly string[], title: (game: string) => string): string | null {
  const slot = /^(\d)-(.+)$/.exec(caption.id);
  if (slot === null) return caption.name;
  const game = games[Number(slot[1])];
  if (game === undefined) return null;
  return slot[2] === "und" ? title(game) : `${title(game)} (${slot[2]})`;
}

/** The caption of `wanted`, or the one nearest to it: of the same language for all games, else the first; null where there is none. */
export function captionLike(captions: readonly Caption[], wanted: string): Caption | null {
  const language = wanted.slice(wanted.indexOf("-") + 1);
  const like = (of: string) => captions.find((one) => one.id === of);
  return like(wanted) ?? like(`main-${language}`) ?? captions[0] ?? null;
}
