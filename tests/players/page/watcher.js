// Runs in the page beside a player: what its video element does goes to the driver in batches.

import { clockReader } from "./clock.js";

const FLUSH_EVERY_MS = 200;
/** Reading a picture takes longer than showing it. */
const READ_EVERY = 10;

/**
 * `dateOf()` is the instant that is shown now in milliseconds of Unix time, where the player knows it. Errors are the player's to tell:
 * it hears of the video element's, too.
 */
export function watch(video, dateOf = () => undefined) {
  let frames = [];
  let events = [];
  let first;
  let readAt = -Infinity;
  let ages = [];
  const age = window.clockPlace && clockReader(video, window.clockPlace);
  const wall = (now) => performance.timeOrigin + now;
  const tell = (kind, text = "") => events.push({ kind, text, at: wall(performance.now()) });

  const onFrame = (now, { presentationTime, mediaTime, presentedFrames }) => {
    first ??= mediaTime;
    if (video.seeking) return void video.requestVideoFrameCallback(onFrame);
    // `dateOf` tells of the play head, which is not quite at the frame.
    const date = dateOf();
    // By what was shown, not by what was told of: of a page behind another one a frame a second is.
    const isToRead = age !== undefined && presentedFrames - readAt >= READ_EVERY;
    if (isToRead) readAt = presentedFrames;
    const old = isToRead ? age(Math.round(wall(presentationTime))) : undefined;
    if (old !== undefined) ages.push(old);
    frames.push({
      at: wall(presentationTime),
      // When it was made, where it says so.
      made: old === undefined ? undefined : wall(presentationTime) - old,
      pts: mediaTime,
      count: presentedFrames,
      date: date === undefined ? undefined : date - (video.currentTime - mediaTime) * 1000,
    });
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);

  video.addEventListener("waiting", () => tell("wait"));
  video.addEventListener("ended", () => tell("error", "the video element: ended"));
  video.addEventListener("pause", () => tell("error", "the video element: paused by itself"));
  // Nobody seeks here but players that jump over a hole, or to their place at the start.
  video.addEventListener("seeking", () => tell("seek", `to ${video.currentTime.toFixed(3)}`));

  const flush = () => {
    const { droppedVideoFrames } = video.getVideoPlaybackQuality();
    window.told({ frames, events, ages, droppedVideoFrames });
    [frames, events, ages] = [[], [], []];
  };
  setInterval(flush, FLUSH_EVERY_MS);
  const anew = (why) => {
    first = undefined;
    tell("anew", why);
    flush();
  };
  /** What was shown before does not count. */
  window.seekBy = (seconds) => {
    anew(`seeks by ${seconds} s`);
    video.currentTime += seconds;
  };
  /** What is read over the picture, and the instant that the picture shows, in milliseconds of Unix time. */
  window.captionsShown = () => {
    const showing = [...(window.textTracks?.() ?? video.textTracks)].filter((track) => track.mode === "showing");
    return { texts: showing.flatMap((track) => Array.from(track.activeCues ?? [])).map((cue) => cue.text), date: dateOf() };
  };
  return {
    error: (text) => tell("error", text),
    /** Seconds shown so far. */
    shown: () => (first === undefined ? 0 : video.currentTime - first),
    /** Begins to watch once more, as if nothing had been shown. */
    anew,
  };
}
