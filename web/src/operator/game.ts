// A game's form: its fields as text, and back. Pure.

/** Lines of a field that hold something. */
export function linesOf(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** `name=value`, a line each. */
export function labelLines(labels: Record<string, string>): string {
  return Object.entries(labels).map(([name, value]) => (value === "" ? name : `${name}=${value}`)).join("\n");
}

export function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

/** An id made of a title, to begin with: `Hawks at Ravens` gives `hawks-at-ravens`. */
export function idFrom(title: string): string {
  const plain = title.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 64);
}
