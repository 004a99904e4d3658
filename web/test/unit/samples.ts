// Games and layouts for the tests, with the geometry of the bundled layouts.

import type { Game, GameStatus, Layout } from "../../src/api";
import type { GameHealth } from "../../src/operator/api";

/** Of a game of which nothing but its status is known. */
export const HEALTH: GameHealth = {
  status: "live",
  reason: null,
  since: "2026-11-22T16:00:00Z",
  source_index: 0,
  reconnects: 0,
  last_error: null,
  container: null,
  video: null,
  audio: null,
  bitrate_bps: null,
  av_offset_ms: null,
};

export function game(id: string, status: GameStatus = "live"): Game {
  return { id, title: `Game ${id}`, status, audio: [{ id, language: "en", label: "English" }], thumbnail_url: null };
}

function layout(id: string, slots: [number, number, number, number][]): Layout {
  return {
    id,
    name: id,
    slots: slots.map(([x, y, width, height]) => ({ x, y, width, height })),
    art: [],
    canvas: { width: 1920, height: 1080 },
    engines: ["render"],
  };
}

export const LAYOUTS: Layout[] = [
  layout("1", [[0, 0, 1920, 1080]]),
  layout("2PL", [[0, 180, 1280, 720], [1280, 360, 640, 360]]),
  layout("2EH", [[0, 270, 960, 540], [960, 270, 960, 540]]),
  layout("3EL", [[0, 0, 960, 540], [960, 270, 960, 540], [0, 540, 960, 540]]),
  layout("4E", [[0, 0, 960, 540], [960, 0, 960, 540], [0, 540, 960, 540], [960, 540, 960, 540]]),
  layout("4PL", [[0, 180, 1280, 720], [1280, 0, 640, 360], [1280, 360, 640, 360], [1280, 720, 640, 360]]),
];
