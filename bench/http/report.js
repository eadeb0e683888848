// Turns the measurements of the rounds into ratios and a table.

import { cpus } from "node:os";

import { median } from "./median.js";

/**
 * The pairs that are compared. Targets are ratios of ours to theirs: `target` is the minimum for requests a second, `p99Target`
 * the maximum for the p99 of clients that pause between their requests. (At full load p99 measures the length of the queue.)
 */
const COMPARISONS = [
  { what: "30 days, cached", ours: "activityCached", theirs: "nginx", target: 0.7, p99Target: 2 },
  { what: "30 days, no cache", ours: "activity", theirs: "activityPostgrest", target: 4 },
  { what: "30 days, no cache", ours: "activity", theirs: "activityFastify", target: 1 },
  { what: "365 days × 5, no cache", ours: "year", theirs: "yearPostgrestAll", target: 5 },
  { what: "365 days × 5, no cache", ours: "year", theirs: "yearPostgrest" },
  { what: "365 days × 5, no cache", ours: "year", theirs: "yearFastify" },
];
const FIELDS = ["perSecond", "p99Ms", "pacedPerSecond", "pacedP99Ms", "processorUs"];
/** The maximum ratio of memory at the end to memory when settled. */
const FLAT = 1.05;

/** `rounds` is a list of measurements by side. A ratio is computed within each round, and the median of the rounds is reported. */
export function report(sides, rounds, memories) {
  const figures = Object.entries(sides).map(([id, { name, bytes }]) => {
    const of = (field) => median(rounds.map((round) => round[id][field]));
    return { id, name, bytes, ...Object.fromEntries(FIELDS.map((field) => [field, of(field)])) };
  });
  const comparisons = compare(rounds);
  const memory = memories.map((one) => ({ ...one, growth: one.after / one.settled, missed: one.after / one.settled > FLAT }));
  const processor = `${cpus().length} × ${cpus()[0].model.trim()}`;
  return { processor, rounds: rounds.length, figures, comparisons, memory };
}

/** Returns a line for each comparison over the rounds so far. */
export function progress(sides, rounds) {
  const line = ({ what, theirs, target, throughput, pacedP99 }) =>
    `${what}: ${throughput.toFixed(2)} × ${sides[theirs].name}${target === null ? "" : ` (≥ ${target})`}, p99 ${pacedP99.toFixed(2)} ×`;
  return compare(rounds).map(line);
}

function compare(rounds) {
  return COMPARISONS.map(({ what, ours, theirs, target = null, p99Target = null }) => {
    const ratio = (field) => median(rounds.map((round) => round[ours][field] / round[theirs][field]));
    const [throughput, p99, pacedP99] = [ratio("perSecond"), ratio("p99Ms"), ratio("pacedP99Ms")];
    const missed = { throughput: target !== null && throughput < target, p99: p99Target !== null && pacedP99 > p99Target };
    return { what, ours, theirs, target, p99Target, throughput, p99, pacedP99, missed };
  });
}

export function text({ processor, rounds, figures, comparisons, memory }) {
  const verdict = (missed) => (missed ? "MISSED" : "");
  const name = (id) => figures.find((figure) => figure.id === id).name;
  const answers = figures.map(({ id, name, bytes, perSecond, p99Ms, pacedPerSecond, pacedP99Ms, processorUs }) => [
    id.startsWith("year") ? "365 days × 5" : "30 days", name, bytes, perSecond.toFixed(0), p99Ms.toFixed(2), pacedPerSecond.toFixed(0), pacedP99Ms.toFixed(2),
    processorUs.toFixed(0),
  ]);
  const compared = comparisons.map(({ what, theirs, target, p99Target, throughput, p99, pacedP99, missed }) => [
    what, name(theirs), throughput.toFixed(2), target === null ? "" : `≥ ${target} ${verdict(missed.throughput)}`,
    pacedP99.toFixed(2), p99Target === null ? "" : `≤ ${p99Target} ${verdict(missed.p99)}`, p99.toFixed(2),
  ]);
  const resident = memory.map(({ name, before, settled, after, most, missed }) => [
    name, ...[before, settled, after, most].map((mib) => mib.toFixed(1)), `≤ ${FLAT} × settled ${verdict(missed)}`,
  ]);
  return [
    `HTTP, on ${processor}, medians of ${rounds} rounds`,
    table(["answer", "by", "bytes", "requests/s", "p99 ms", "paced: requests/s", "p99 ms", "server's CPU µs/request"], answers),
    "Daymark's figures by theirs, medians of the rounds' ratios",
    table(["answer", "than", "requests/s", "target", "p99 paced", "target", "p99 full"], compared),
    `Resident memory of \`daymark serve\` in MiB, 200 connections for ${memory[0].seconds} s`,
    table(["30 days", "before", "settled", "after", "most", "target"], resident),
  ].join("\n\n");
}

function table(head, rows) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => "  " + line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()).join("\n");
}
