// Finding a game's sound among the audio renditions of a playlist. Pure.

export interface Track {
  readonly name: string;
  readonly url: string;
}

/** The last path element of `url` without its suffix, decoded: the game of `…/audio/{game}.m3u8`. */
export function gameOfAudioUrl(url: string): string {
  const path = url.split(/[?#]/, 1)[0] ?? "";
  const file = (path.split("/").at(-1) ?? "").replace(/\.m3u8$/i, "");
  try {
    return decodeURIComponent(file);
  } catch {
    return file;
  }
}

/** Index of the audio rendition of a game: by its address first, else by the name it was given; -1 when there is none. */
export function trackOf(tracks: readonly Track[], game: { id: string; title: string }): number {
  const byUrl = tracks.findIndex((track) => gameOfAudioUrl(track.url) === game.id);
  return byUrl >= 0 ? byUrl : tracks.findIndex((track) => track.name === game.title);
}
