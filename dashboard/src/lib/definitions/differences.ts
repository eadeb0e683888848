/** How two declarations of a metric differ, member by member. */

export interface Difference {
  member: string;
  /** `undefined` where the declaration does not have the member. */
  before: string | undefined;
  after: string | undefined;
}

type Declaration = Record<string, unknown>;

function written(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function differences(before: Declaration, after: Declaration): Difference[] {
  const members = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return members
    .map((member) => ({ member, before: written(before[member]), after: written(after[member]) }))
    .filter((difference) => difference.before !== difference.after);
}
