// Keys on the whole page: what they do is told by `shortcuts.ts`, where the focus goes by what is on the screen.

import { captionLike } from "../captions";
import { neighbour, type Direction } from "../directions";
import { toggleFullScreen } from "../fullscreen";
import { shortcutOf, type Focus, type Shortcut } from "../shortcuts";
import type { Viewer } from "../viewer";
import { gameOfSound } from "../tracks";

export interface Keyboard {
  readonly viewer: Viewer;
  readonly screen: HTMLElement;
  readonly toggleHelp: () => void;
  readonly toggleMute: () => string;
  /** Shows over the picture what a key did. */
  readonly cue: (words: string) => void;
}

const OWN_ARROWS = new Set(["radio", "range"]);
const PRESSED_BY_SPACE = new Set(["button", "submit", "reset", "checkbox"]);

function focusOf(element: Element | null): Focus {
  if (element === null || element === document.body) return "page";
  if (element instanceof HTMLInputElement) {
    if (OWN_ARROWS.has(element.type)) return "arrows";
    return PRESSED_BY_SPACE.has(element.type) ? "button" : "field";
  }
  if (element.matches("select, textarea, [contenteditable]")) return "field";
  if (element.matches(".slot-pick")) return "slot";
  if (element.matches(".card")) return "game";
  return element.matches("button, a[href], summary, [role=button]") ? "button" : "page";
}

function buttons(selector: string): HTMLButtonElement[] {
  return [...document.querySelectorAll<HTMLButtonElement>(selector)].filter((button) => !button.disabled && button.offsetParent !== null);
}

/** Moves the focus among `all`. Answers where it went; -1 when nothing lies there. */
function step(all: readonly HTMLElement[], direction: Direction): number {
  const from = all.indexOf(document.activeElement as HTMLElement);
  const to = neighbour(all.map((one) => one.getBoundingClientRect()), from, direction);
  all[to]?.focus();
  return to;
}

export function listenToKeys(keyboard: Keyboard): void {
  const { viewer, screen, cue } = keyboard;
  // The element that has the focus because it was pressed with a pointer.
  let pressed: Element | null = null;
  document.addEventListener("focusin", () => (pressed = null));
  document.addEventListener("click", (event) => {
    // A click that a key makes has no count.
    if (event.detail > 0) pressed = document.activeElement;
  });
  let spaceTaken = false;
  /** The captions that were put off last. */
  let captionBefore: string | null = null;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const focus = focusOf(document.activeElement);
    const shortcut = shortcutOf(event, focus, pressed !== null && pressed === document.activeElement);
    if (shortcut === null) return;
    // An open box takes all keys but the one that opened it.
    if (document.querySelector("dialog[open]") !== null && shortcut.kind !== "help") return;
    if (!act(shortcut, focus)) return;
    event.preventDefault();
    spaceTaken = event.key === " ";
  });
  // Some browsers press a button when space comes up, whatever became of its going down.
  document.addEventListener("keyup", (event) => {
    if (event.key !== " " || !spaceTaken) return;
    spaceTaken = false;
    event.preventDefault();
  });

  /** Answers whether there was anything to do. */
  function act(shortcut: Shortcut, focus: Focus): boolean {
    switch (shortcut.kind) {
      case "play":
        return play();
      case "mute": {
        const words = keyboard.toggleMute();
        viewer.say(words);
        cue(words);
        return true;
      }
      case "captions":
        return captions();
      case "full_screen":
        toggleFullScreen(screen);
        return true;
      case "sound":
        return sound(shortcut.slot);
      case "move":
        return move(shortcut.direction, focus);
      case "swap":
        return swap(shortcut.direction);
      case "rewind":
        return rewind(shortcut.seconds);
      case "help":
        keyboard.toggleHelp();
        return true;
      case "clear":
        viewer.picking.clearSelection();
        return false;
    }
  }

  function play(): boolean {
    const { picks, connection, phase } = viewer.state;
    if (picks.games.length === 0 || (connection !== "ready" && phase !== "watching")) return false;
    viewer.playOrPause();
    return true;
  }

  function captions(): boolean {
    const { captions, caption } = viewer.state;
    const wanted = caption === null ? captionLike(captions, captionBefore ?? "") : null;
    if (caption === null && wanted === null) return false;
    captionBefore = caption ?? captionBefore;
    viewer.chooseCaptions(wanted?.id ?? null);
    cue(wanted === null ? "Captions off" : `Captions: ${viewer.captionName(wanted.id)}`);
    return true;
  }

  function sound(slot: number): boolean {
    const game = viewer.state.picks.games[slot];
    if (game === undefined) return false;
    viewer.listen(game);
    cue(`Sound: ${viewer.title(game)}`);
    return true;
  }

  function rewind(seconds: number): boolean {
    const { reach, phase } = viewer.state;
    if (reach === null || phase !== "watching" || (seconds > 0 && reach.isLive)) return false;
    viewer.rewind.by(seconds);
    cue(`${Math.abs(seconds)} s ${seconds < 0 ? "back" : "forward"}`);
    return true;
  }

  function move(direction: Direction, focus: Focus): boolean {
    if (focus === "game") return step(buttons(".games .card"), direction) >= 0;
    const slots = buttons(".slots .slot-pick");
    if (focus === "slot") return step(slots, direction) >= 0;
    const { shown, picks, audio } = viewer.state;
    const heard = (shown ?? picks).games.indexOf(gameOfSound(audio) ?? "");
    const first = slots[heard] ?? slots[0];
    first?.focus({ preventScroll: true });
    return first !== undefined;
  }

  function swap(direction: Direction): boolean {
    const slots = buttons(".slots .slot-pick");
    const from = slots.indexOf(document.activeElement as HTMLButtonElement);
    const to = step(slots, direction);
    const [a, b] = [viewer.state.picks.games[from], viewer.state.picks.games[to]];
    if (a === undefined || b === undefined) return false;
    viewer.picking.exchangeSlots(from, to);
    const words = `${viewer.title(a)} and ${viewer.title(b)} change places`;
    viewer.say(words);
    cue(words);
    return true;
  }
}
