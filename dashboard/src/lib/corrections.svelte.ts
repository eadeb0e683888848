/** Corrections of recorded values. A record is never changed: a correction is a revision beside it, with a reason and an author. */
import { answered, daymark, type CorrectedAnswer, type Correction, type CorrectRequest, type SeriesSet } from "./api.ts";
import { hasCorrections } from "./chart/corrected.ts";
import { refreshShown } from "./resource.svelte.ts";

/** The most corrections of a page of the API, and how many pages a chart asks for. */
const PAGE = 200;
const MAX_PAGES = 5;

/**
 * The question for the corrections in force of the days of these series, which tell the reasons and authors. Nothing is asked where no
 * day is corrected.
 */
export function correctionsOf(sets: (SeriesSet | undefined)[], asOf?: string) {
  const known = sets.flatMap((set) => (set ? [set] : []));
  const [first] = known;
  const names = [...new Set(known.flatMap((set) => set.series.filter(hasCorrections).map((series) => series.metric_category)))];
  if (!first || names.length === 0) return undefined;
  const query = {
    category: names.join(","),
    from: first.from,
    to: first.to,
    state: "in_force" as const,
    limit: PAGE,
    ...(asOf ? { as_of: asOf } : {}),
  };
  return { key: `corrections ${JSON.stringify(query)}`, ask: () => pages(query) };
}

async function pages(query: Record<string, unknown>): Promise<Correction[]> {
  const found: Correction[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const asked = { ...query, ...(cursor ? { cursor } : {}) };
    const answer = await answered(daymark.GET("/api/v1/corrections", { params: { query: asked } }));
    found.push(...answer.corrections);
    if (answer.next_cursor == null) break;
    cursor = answer.next_cursor;
  }
  return found;
}

/** What the corrections would change; with `dry_run`, nothing is written. Refused, another correction may have come first, which is then shown. */
export async function correct(body: CorrectRequest): Promise<CorrectedAnswer> {
  try {
    return await answered(daymark.POST("/api/v1/corrections", { body }));
  } finally {
    if (!body.dry_run) await refreshShown();
  }
}
