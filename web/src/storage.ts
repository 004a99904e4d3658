// What the browser keeps for the pages: between visits, or for as long as a tab is there.

/** A browser may refuse storage altogether; the page then works for as long as it is open. */
class Store {
  /** Only reached for when used: reading the property alone throws where storage is refused. */
  constructor(private readonly area: () => Storage) {}

  read(item: string): string | null {
    try {
      return this.area().getItem(item);
    } catch {
      return null;
    }
  }

  write(item: string, value: string): boolean {
    try {
      this.area().setItem(item, value);
      return true;
    } catch {
      return false;
    }
  }

  forget(item: string): void {
    try {
      this.area().removeItem(item);
    } catch {
      // What cannot be kept is not there.
    }
  }
}

const browser = new Store(() => localStorage);

/** Of this tab: it outlives a reload, and goes with the tab. */
export const tab = new Store(() => sessionStorage);

export const read = (item: string) => browser.read(item);
export const write = (item: string, value: string) => browser.write(item, value);
export const forget = (item: string) => browser.forget(item);
