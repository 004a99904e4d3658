// The result for people: a line for each watch, and what was wrong below.

const COLUMNS = [
  ["player", (row) => row.player],
  ["round", (row) => row.round],
  ["start ms", (row) => row.figures.startMs],
  ["frames", (row) => row.figures.frames],
  ["missing", ({ figures }) => withStart(figures.startMissing, figures.missing)],
  ["stalls", ({ figures }) => withStart(figures.startStalls.length, figures.stalls.length)],
  ["errors", (row) => row.errors.length],
  ["latency s", (row) => row.figures.latencyS],
  ["", (row) => (row.wrong.length === 0 ? "" : row.strict ? "WRONG" : "known")],
];

/** Those of the start apart, as in `1+2`. */
function withStart(atStart, later) {
  return atStart === 0 ? later : `${atStart}+${later}`;
}

export function table(rows) {
  const lines = [COLUMNS.map(([name]) => name), ...rows.map((row) => COLUMNS.map(([, value]) => String(value(row) ?? "–")))];
  const widths = COLUMNS.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  return lines.map((line) => line.map((text, at) => (at < 2 ? text.padEnd(widths[at]) : text.padStart(widths[at]))).join("  ").trimEnd()).join("\n");
}
