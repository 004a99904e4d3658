import { ffmpeg } from "./ffmpeg.js";
import { gstreamer } from "./gstreamer.js";
import { mpv } from "./mpv.js";
import { pagePlayer } from "./page.js";
import { streamlink } from "./streamlink.js";

/**
 * Every player by name. `open({ watch, recorder, browser, tools })` makes it ready and answers with `play(url)`, `stop()` and, where it
 * lets viewers choose, `chooseSound(name)`.
 */
export const PLAYERS = {
  "hls.js": pagePlayer("hlsjs", "hlsjs"),
  "hls.js low latency": pagePlayer("hlsjs", "hlsjs_low"),
  "hls.js near live": pagePlayer("hlsjs", "hlsjs_near"),
  Shaka: pagePlayer("shaka", "shaka"),
  "video.js": pagePlayer("videojs", "videojs"),
  "rx-player": pagePlayer("rx", "rx"),
  GStreamer: gstreamer,
  FFmpeg: ffmpeg,
  mpv,
  streamlink,
};
