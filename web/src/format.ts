// Figures as people read them. Pure.

/** `4.2 s`; a dash when unknown. */
export function seconds(value: number | null): string {
  return value === null || !Number.isFinite(value) ? "–" : `${value.toFixed(1)} s`;
}

/** Billable time, `2 min 21 s`: minutes with decimals would look like those that a contract rounds and bills. */
export function billed(billableSeconds: number): string {
  const whole = Math.floor(billableSeconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** `6.0 Mb/s`, `128 kb/s`. */
export function bitrate(bitsPerSecond: number): string {
  return bitsPerSecond >= 1e6 ? `${(bitsPerSecond / 1e6).toFixed(1)} Mb/s` : `${Math.round(bitsPerSecond / 1e3)} kb/s`;
}

/** `3 of 5,400`. */
export function dropped(count: number, total: number): string {
  return `${count.toLocaleString("en")} of ${total.toLocaleString("en")}`;
}

/** Two letters to stand in for a picture: `Knicks at Celtics` gives `KC`. */
export function initials(title: string): string {
  const words = title.split(/\s+/).filter((word) => /^\p{L}|^\p{N}/u.test(word) && word.length > 2);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : [words[0] ?? title];
  return chosen.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}

/** English list: `a`, `a and b`, `a, b and c`. */
export function list(words: readonly string[]): string {
  if (words.length < 2) return words[0] ?? "";
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
