// What sounds are called, and finding one among the audio renditions of a playlist. Pure.

import type { AudioInfo } from "./api";

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

/** The game of a sound: of `nyk-bos`, and of `nyk-bos/deu`, one beside its main one. */
export function gameOfSound(sound: string | null): string | null {
  return sound?.split("/", 1)[0] ?? null;
}

/** What a sound of a game is called in a session: the main one as the game. */
export function soundId(game: string, track: AudioInfo | undefined): string {
  return track === undefined || track.id === "main" ? game : `${game}/${track.id}`;
}

/** What is to be said of a sound of the game that is titled so. */
export function soundNote(title: string, track: AudioInfo | undefined): string {
  if (track === undefined) return "no sound";
  if (track.label !== "" && track.label !== title) return track.label;
  // ISO 639-2: nobody said which language it is.
  if (track.language === "" || track.language === "und") return "Programme sound";
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(track.language) ?? track.language;
  } catch {
    return track.language;
  }
}

/** Index of the audio rendition of a sound: by its address first, else by the name it was given; -1 when there is none. */
export function trackOf(tracks: readonly Track[], game: { id: string; title: string }): number {
  // `game/deu` has the address `…/audio/game~deu.m3u8`.
  const called = game.id.replace("/", "~");
  const byUrl = tracks.findIndex((track) => gameOfAudioUrl(track.url) === called);
  return byUrl >= 0 ? byUrl : tracks.findIndex((track) => track.name === game.title);
}
