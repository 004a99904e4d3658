// What the browser keeps for the pages between visits.

// A browser may refuse storage altogether; the page then works for as long as it is open.
export function read(item: string): string | null {
  try {
    return localStorage.getItem(item);
  } catch {
    return null;
  }
}

export function write(item: string, value: string): boolean {
  try {
    localStorage.setItem(item, value);
    return true;
  } catch {
    return false;
  }
}

export function forget(item: string): void {
  try {
    localStorage.removeItem(item);
  } catch {
    // What cannot be kept is not there.
  }
}
