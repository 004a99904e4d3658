// How a game is, in words. Pure.

import type { GameText } from "../api";
import type { GameHealth, HealthReason, Tried } from "./api";
import { count, moment } from "./figures";

const REASONS: Record<HealthReason, string> = {
  connecting: "its source is being connected",
  waiting: "other sources are being started, and it waits for its turn",
  no_source: "it has no source that can be used",
  unauthorized: "its source refuses access",
  not_found: "its source is not found",
  unreachable: "its source cannot be reached",
  ended: "its source has ended",
  stalled: "nothing comes from its source",
  no_picture: "its source has no picture that can be decoded",
  forbidden: "its source leads where sources may not",
  too_large: "its source is larger than what is decoded here",
  unsupported: "its source is of a kind that is not decoded here",
  no_room: "this machine has no room to decode its source",
  on_hold: "this machine is too busy, and of the games of the tenant that takes most it was added last: it is tried again later",
  thinned: "some of its pictures are left out: this machine has no room for all",
  failed: "its source fails",
  no_sound: "its sound is lost",
  sound_off_picture: "its sound is not in step with its picture",
};

/** `12 s`, `3 min`, `2 h`, `5 d`. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** Why there is no picture, since when (UTC), and for how long that is; empty while there is one and all is well. */
export function why({ status, reason, since }: GameHealth, nowMs: number): string {
  const sinceMs = Date.parse(since);
  const age = Number.isNaN(sinceMs) ? "" : ` since ${moment(sinceMs, nowMs)}, for ${lasting(nowMs - sinceMs)}`;
  if (status === "off") return `Off${age}`;
  // A reason that a newer service has is still a reason.
  const told = reason === null ? "" : `: ${REASONS[reason] ?? reason.replaceAll("_", " ")}`;
  if (status === "slate") return `No picture${age}${told}`;
  return told === "" ? "" : `Not as it should be${told}`;
}

/** `5 reconnects. Last: no picture for 3 s`; empty where nothing was ever lost. */
export function losses({ reconnects, last_error: error }: GameHealth): string {
  const times = reconnects === 0 ? "" : reconnects === 1 ? "1 reconnect" : `${count(reconnects)} reconnects`;
  return [times, error === null ? "" : `Last: ${error}`].filter((words) => words !== "").join(". ");
}

/** `h264 1920×1080 29.97/s · aac stereo 48 kHz · mpeg-ts · 6.2 Mb/s`: what is known of it. */
export function madeOf({ container, video, audio, bitrate_bps: rate, av_offset_ms: offset }: GameHealth): string {
  const parts: (string | null)[] = [];
  if (video !== null) {
    const size = `${video.width}×${video.height}${video.interlaced === true ? " interlaced" : ""}`;
    parts.push(words(video.codec, size, video.fps === null ? null : `${video.fps}/s`, video.colour));
  }
  if (audio !== null) {
    const hertz = audio.sample_rate === null ? null : `${audio.sample_rate / 1000} kHz`;
    parts.push(words(audio.codec, channels(audio.channels), hertz));
  }
  parts.push(container);
  parts.push(rate === null ? null : `${(rate / 1e6).toFixed(1)} Mb/s`);
  parts.push(offset === null ? null : `sound ${offset > 0 ? "+" : ""}${offset} ms`);
  return parts.filter((part) => part !== null && part !== "").join(" · ");
}

function words(...parts: (string | null)[]): string {
  return parts.filter((part) => part !== null).join(" ");
}

function channels(number: number | null): string | null {
  if (number === null) return null;
  return number === 1 ? "mono" : number === 2 ? "stereo" : `${number} channels`;
}

/** What a source turned out to be, by name, for reading; a name is left out where there is no such thing. */
export function triedFacts({ container, video, audio, sounds, texts, bitrate_bps: rate, av_offset_ms: offset }: Tried): [name: string, words: string][] {
  const told: [string, string | null][] = [
    ["Container", container],
    ["Picture", video === null ? null : words(video.codec, `${video.width}×${video.height}`, video.interlaced === true ? "interlaced" : null)],
    ["Rate", video?.fps == null ? null : `${video.fps} pictures a second`],
    ["Colour", video?.colour ?? null],
    ["Sound", audio === null ? null : words(audio.codec, channels(audio.channels), audio.sample_rate === null ? null : `${audio.sample_rate / 1000} kHz`)],
    ["Sounds to choose from", sounds.length === 0 ? "none" : sounds.map(({ label, language }) => (language === "und" ? label : `${label} (${language})`)).join(", ")],
    ["Captions and subtitles", textWords(texts)],
    ["Bit rate", rate === null ? null : `${(rate / 1e6).toFixed(1)} Mb/s`],
    ["Sound off picture", offset === null ? null : `${offset > 0 ? "+" : ""}${offset} ms`],
  ];
  return told.filter((one): one is [string, string] => one[1] !== null && one[1] !== "");
}

/** Whether a source works, in a word and a sentence. */
export function triedWords({ works, reason, detail }: Tried): { word: string; sentence: string } {
  const told = reason === null ? "" : capital(REASONS[reason as HealthReason] ?? reason.replaceAll("_", " "));
  const sentence = [told, detail === null || detail === "" ? "" : detail].filter((one) => one !== "").join(": ");
  return { word: works ? "Works" : "Does not work", sentence };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function textWords(texts: readonly GameText[]): string {
  return texts.length === 0 ? "none seen" : texts.map(({ language, kind }) => `${language === "und" ? "unnamed" : language} (${kind})`).join(", ");
}
