// Everything that the viewer's page knows at one moment. Views are drawn from it alone.

import type { Caption } from "./captions";
import type { Game, Layout, MarketChoice, Session, SkinChoice } from "./api";
import type { GameBreak } from "./breaks";
import type { Ending } from "./ending";
import type { Reach } from "./past";
import { NO_PICKS, type Picks } from "./picks";
import type { Rendition, Sample } from "./player";
import type { Explained } from "./problems";
import type { Pulse } from "./pulse";
import { NO_TERMS, type Terms } from "./terms";
import type { Splice } from "./timeline";

export type Phase = "idle" | "starting" | "watching" | "ended";
export type Connection = "no_key" | "connecting" | "ready" | "refused" | "unreachable";

export interface ViewerState {
  readonly connection: Connection;
  readonly phase: Phase;
  readonly games: readonly Game[];
  readonly layouts: readonly Layout[];
  /** Those that sessions may be made in. */
  readonly markets: readonly MarketChoice[];
  readonly skins: readonly SkinChoice[];
  /** On which terms the session is wanted. */
  readonly terms: Terms;
  /** What is wanted. */
  readonly picks: Picks;
  /** What is on the screen; null while nothing plays. */
  readonly shown: Picks | null;
  readonly pending: Splice | null;
  readonly audio: string | null;
  readonly selectedSlot: number | null;
  /** A game chosen first, waiting for a slot. */
  readonly heldGame: string | null;
  readonly session: Session | null;
  /** From which segment the last change shows; null when nothing was changed yet. */
  readonly lastSwapSegment: number | null;
  /** Why the last session is over; null while there is one, and when it was left here. */
  readonly ending: Ending | null;
  readonly problem: Explained | null;
  /** What the picture does. */
  readonly pulse: Pulse;
  /** The picture stands still on purpose: it is before the session's first that moves. */
  readonly stands: boolean;
  /** How far back playback can go, and where it is; null where no past is kept, and while nothing plays. */
  readonly reach: Reach | null;
  /** Breaks of the games that are shown, as far back as playback can go. */
  readonly breaks: readonly GameBreak[];
  /** The viewer went back, and stays behind. */
  readonly rewound: boolean;
  /** Which games are on the screen is known; not so before changes that another page has seen. */
  readonly knowsShown: boolean;
  /** The browser took the sound away until somebody presses something. */
  readonly silenced: boolean;
  /** The browser does not even begin before that. */
  readonly blocked: boolean;
  readonly lowLatency: boolean;
  readonly renditions: readonly Rendition[];
  readonly rendition: number;
  readonly captions: readonly Caption[];
  /** The captions that are wanted; null while they are off. */
  readonly caption: string | null;
  readonly sample: Sample | null;
  /** The last thing that happened, for a screen reader. */
  readonly said: string;
}

export const INITIAL: ViewerState = {
  connection: "no_key",
  phase: "idle",
  games: [],
  layouts: [],
  markets: [],
  skins: [],
  terms: NO_TERMS,
  picks: NO_PICKS,
  shown: null,
  pending: null,
  audio: null,
  selectedSlot: null,
  heldGame: null,
  session: null,
  lastSwapSegment: null,
  ending: null,
  problem: null,
  pulse: "none",
  stands: false,
  reach: null,
  breaks: [],
  rewound: false,
  knowsShown: true,
  silenced: false,
  blocked: false,
  lowLatency: false,
  renditions: [],
  rendition: -1,
  captions: [],
  caption: null,
  sample: null,
  said: "",
};

/** What is no longer so once nothing plays. */
export const NOT_PLAYING = {
  shown: null,
  pending: null,
  selectedSlot: null,
  heldGame: null,
  stands: false,
  reach: null,
  breaks: [],
  rewound: false,
  knowsShown: true,
  silenced: false,
  blocked: false,
} as const;
