// The figures of a run, a line `name value unit` each, for the pages.

/** What hls.js saw: `rows` of the rounds of figures and of the cold ones. */
export function figures(rows) {
  const of = (player) => rows.filter((row) => row.kind === "warm" && row.player === player).map((row) => row.figures);
  const [standard, low] = [of("hls.js"), of("hls.js near live")];
  const all = (some, name) => some.flatMap((one) => one[name] ?? []);
  const cold = rows.filter((row) => row.kind === "cold").map((row) => row.figures);
  const lines = [
    ["latency_ll_s", median(all(low, "clockS")), "s"],
    ["latency_std_s", median(all(standard, "clockS")), "s"],
    ["swap_ll_p95_s", p95(all(low, "swapsS")), "s"],
    ["swap_std_p95_s", p95(all(standard, "swapsS")), "s"],
    ["start_warm_ms", median(all(standard, "startMs")), "ms"],
    ["start_cold_most_ms", Math.max(...all(cold, "startMs")), "ms"],
    ["cold_start_stalls", cold.reduce((sum, one) => sum + one.stalls.length + one.startStalls.length, 0), "stalls"],
  ];
  return lines.map(([name, value, unit]) => `${name} ${value.toFixed(unit === "s" ? 2 : 0)} ${unit}\n`).join("");
}

function median(values) {
  return sorted(values)[Math.floor(values.length / 2)];
}

function p95(values) {
  return sorted(values)[Math.ceil(values.length * 0.95) - 1];
}

function sorted(values) {
  return [...values].sort((a, b) => a - b);
}
