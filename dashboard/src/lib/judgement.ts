/** Sentences about values that are not what the history of their metric leads one to expect. */
import type { Judgement } from "./api.ts";
import { formatNumber, formatValue, plural } from "./format.ts";

/** The band in which the value was expected: `4 to 36`. A count that is never negative is not expected below zero. */
function band({ expected_low: low, expected_high: high }: Judgement, value: number, pattern: string, unit: string, locale?: string): string {
  if (low == null || high == null) return "";
  const from = value >= 0 ? Math.max(0, low as number) : (low as number);
  return `${formatNumber(from, pattern, locale)} to ${formatValue(high as number, pattern, unit, locale)}`;
}

/** Why the value is an anomaly; `undefined` where it is none. */
export function anomalySentence(
  judgement: Judgement | null | undefined,
  value: number,
  pattern: string,
  unit: string,
  locale?: string,
): string | undefined {
  if (judgement?.verdict !== "anomaly") return undefined;
  const expected = band(judgement, value, pattern, unit, locale);
  const days = plural(judgement.baseline_days, "day", "days", locale);
  switch (judgement.reason) {
    case "out_of_range":
      return "unusual: outside of what its definition calls believable";
    case "zero":
      return `unusual: zero, as on none of the ${days} that it was judged by`;
    case "no_rows":
      return `unusual: there were no rows, as on none of the ${days} that it was judged by`;
    default: {
      const score = judgement.score == null ? "" : ` by ${formatNumber(Math.abs(judgement.score as number), "0.0", locale)} standard deviations`;
      return `unusual: ${judgement.reason === "below" ? "below" : "above"} the expected ${expected}${score}, judged by ${days}`;
    }
  }
}
