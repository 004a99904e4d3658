// Picking: which game goes into which slot, and in which layout, before a session plays and while it does.

import { addGame, chooseLayout, exchange, placeGame, removeSlot, type Picks } from "./picks";
import type { ViewerState } from "./state";

/** What picking needs of the viewer. */
export interface PickingHost {
  state(): ViewerState;
  set(change: Partial<ViewerState>): void;
  title(game: string): string;
  /** Wishes for `picks`. */
  want(picks: Picks): void;
}

export class Picking {
  constructor(private readonly host: PickingHost) {}

  /** A game was chosen in the list: into the selected slot, else into a new one; held when all slots are taken. */
  chooseGame(game: string): void {
    const { host } = this;
    const { picks, selectedSlot, heldGame, layouts } = host.state();
    if (selectedSlot !== null) return this.put(game, selectedSlot);
    const slot = picks.games.indexOf(game);
    if (slot >= 0) {
      if (this.isStill()) host.want(removeSlot(picks, slot, layouts));
      else this.selectSlot(slot);
      return;
    }
    const grown = addGame(picks, game, layouts);
    if (grown !== null) host.want(grown);
    else if (heldGame === game) host.set({ heldGame: null, said: "" });
    else host.set({ heldGame: game, said: `Now choose the slot for ${host.title(game)}` });
  }

  /** A slot was chosen on the picture: takes the held game, else becomes the one the next game goes into. */
  selectSlot(slot: number): void {
    const { host } = this;
    const { heldGame, selectedSlot, picks } = host.state();
    if (heldGame !== null) return this.put(heldGame, slot);
    if (selectedSlot === slot) return host.set({ selectedSlot: null, said: "" });
    const game = picks.games[slot];
    if (game !== undefined) host.set({ selectedSlot: slot, said: `Slot ${slot + 1}, ${host.title(game)}: choose a game to put here` });
  }

  clearSelection(): void {
    const { selectedSlot, heldGame } = this.host.state();
    if (selectedSlot !== null || heldGame !== null) this.host.set({ selectedSlot: null, heldGame: null, said: "" });
  }

  put(game: string, slot: number): void {
    const { picks } = this.host.state();
    this.letGo();
    if (slot < picks.games.length) this.host.want(placeGame(picks, slot, game));
    else this.chooseGame(game);
  }

  exchangeSlots(a: number, b: number): void {
    this.letGo();
    this.host.want(exchange(this.host.state().picks, a, b));
  }

  remove(slot: number): void {
    const { picks, layouts } = this.host.state();
    if (picks.games.length === 1 && !this.isStill()) return;
    this.letGo();
    this.host.want(removeSlot(picks, slot, layouts));
  }

  takeLayout(id: string): void {
    const { layouts, picks, games } = this.host.state();
    const layout = layouts.find((one) => one.id === id);
    if (layout !== undefined) this.host.want(chooseLayout(picks, layout, games));
  }

  private letGo(): void {
    this.host.set({ selectedSlot: null, heldGame: null });
  }

  /** Nothing plays. */
  private isStill(): boolean {
    const { phase } = this.host.state();
    return phase === "idle" || phase === "ended";
  }
}
