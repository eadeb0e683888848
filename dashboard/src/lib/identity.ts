/** Which metric is which: the type of a metric may have been changed, which makes another metric of the same name. */

interface Metric {
  metric_category: string;
  metric_type: string;
}

export function isSameMetric(a: Metric, b: Metric): boolean {
  return a.metric_category === b.metric_category && a.metric_type === b.metric_type;
}

/** One of each name, in the order of the names: the active one, or the first one where none is active. */
export function oneOfEach<T extends Metric & { is_active: boolean }>(all: T[]): T[] {
  const found = new Map<string, T>();
  for (const one of all) {
    const known = found.get(one.metric_category);
    if (!known || (one.is_active && !known.is_active)) found.set(one.metric_category, one);
  }
  return [...found.values()];
}
