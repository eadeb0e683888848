/** How figures are printed: each as soon as it is known, with its target. */

export type Unit = "ms" | "bytes" | "requests" | "of 100";

const NAME_CHARS = 66;

export interface Target {
  /** The limit that the figure is to keep. */
  atMost?: number;
  atLeast?: number;
}

export function report(name: string, value: number, unit: Unit, target: Target = {}): void {
  const shown = unit === "ms" ? value.toFixed(1) : value.toLocaleString("en-GB");
  const { atMost, atLeast } = target;
  const limit = atMost !== undefined ? `at most ${atMost.toLocaleString("en-GB")}` : atLeast !== undefined ? `at least ${atLeast}` : "";
  const isMissed = (atMost !== undefined && !(value <= atMost)) || (atLeast !== undefined && !(value >= atLeast));
  console.log(`${name.padEnd(NAME_CHARS)} ${`${shown} ${unit}`.padStart(16)}   ${limit}${isMissed ? "   MISSED" : ""}`);
}

export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
