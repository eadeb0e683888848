//! Reading a large table in parts, at least one for each session of the cut: what a scan computes adds up over disjoint
//! spans. The times at which it is cut are those of some of the rows read, so that the parts have about as many rows each;
//! when rows do not lie in the order of their times, or there are few, that is a guess which costs nothing but speed.

use jiff::Timestamp;

use super::{
    execute::Reader,
    scan::Scan,
    span::{Edge, Span},
    time::SAMPLE_STEPS,
};

/// So many rows, or fewer, are aimed at in a part of which something is listed for every row: it is held in memory.
const MAX_ROWS: u64 = 250_000;

/// Spans, in as many parts as are worth reading one by one, in order of time.
pub struct Parts {
    pub parts: Vec<Vec<Span>>,
    /// Whether none has more than twice [`MAX_ROWS`], as far as a sample tells.
    pub are_small: bool,
}

/// What some rows of a table tell of all.
struct Sample {
    /// Their times, ascending. None of a small table, nor of one without rowids, such as a view.
    times: Vec<Timestamp>,
    /// There are no more rows than this between one and the next, as far as they are evenly spread.
    step: u64,
    /// Whether parts can meet within a day.
    divides_days: bool,
}

impl Parts {
    pub fn whole(spans: Vec<Span>) -> Self {
        Self { parts: vec![spans], are_small: false }
    }

    /// `count` of them, as far as the sample has times within the spans.
    fn divide(spans: Vec<Span>, sample: &Sample, count: usize) -> Self {
        let times = within(&spans, &sample.times);
        let parts = divide(spans, times, count, sample.divides_days);
        let most = parts.iter().map(|spans| within(spans, &sample.times).len()).max().unwrap_or_default();
        let are_small = !sample.times.is_empty() && sample.rows(most) <= 2 * MAX_ROWS;
        Self { parts, are_small }
    }
}

impl Sample {
    /// How many rows there are between so many times and their neighbours, at most.
    fn rows(&self, times: usize) -> u64 {
        self.step.saturating_mul(times as u64 + 1)
    }
}

impl Reader<'_> {
    /// `spans` in parts, if the scan allows it and the table is large: in as many as can be read at once, or in small ones.
    pub async fn parts(&mut self, scan: &Scan<'_>, table: &str, spans: Vec<Span>, small: bool) -> Parts {
        let at_once = self.at_once();
        if !scan.comes_in_parts() || (at_once < 2 && !small) {
            return Parts::whole(spans);
        }
        let sample = self.sample(scan, table).await;
        let rows = sample.rows(within(&spans, &sample.times).len());
        let small = if small { usize::try_from(rows.div_ceil(MAX_ROWS)).unwrap_or(usize::MAX) } else { 1 };
        Parts::divide(spans, &sample, at_once.max(small))
    }

    async fn sample(&mut self, scan: &Scan<'_>, table: &str) -> Sample {
        let time = scan.time();
        let answers = self.answers(&time.sample_query(table, self.min_rows())).await.unwrap_or_default();
        let step = answers.first().map_or(0, |(rows, _)| *rows as u64 / SAMPLE_STEPS);
        let seconds = answers.into_iter().filter_map(|(_, values)| values.into_iter().next().flatten());
        let times = seconds.filter_map(|seconds| time.earliest_from(&seconds));
        let mut times: Vec<_> = times.filter(|instant| time.can_be_cut_at(*instant)).collect();
        times.sort_unstable();
        Sample { times, step, divides_days: time.divides_days() }
    }
}

/// Of the table's times only those within the spans matter: a range that is long past is divided by its own rows.
fn within<'a>(spans: &[Span], times: &'a [Timestamp]) -> &'a [Timestamp] {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return &[] };
    let start = first.lower.map_or(0, |lower| times.partition_point(|time| *time < lower.instant));
    let end = times.partition_point(|time| *time < last.upper.instant);
    times.get(start..end).unwrap_or_default()
}

/// `spans` in `count` parts at most, with about as many of the `times` in each; both are in order of time.
fn divide(spans: Vec<Span>, times: &[Timestamp], count: usize, divides_days: bool) -> Vec<Vec<Span>> {
    let count = count.min(times.len() + 1);
    let mut parts = Vec::with_capacity(count);
    let mut rest = spans;
    for part in 1..count {
        let (earlier, later) = cut(rest, Edge::utc(times[times.len() * part / count]), divides_days);
        parts.push(earlier);
        rest = later;
    }
    parts.push(rest);
    parts.retain(|spans| !spans.is_empty());
    parts
}

/// The spans before and from `at`. Only what came before the first day is divided, a day is not.
fn cut(mut spans: Vec<Span>, at: Edge, divides_days: bool) -> (Vec<Span>, Vec<Span>) {
    let mut later = spans.split_off(spans.partition_point(|span| span.upper.instant <= at.instant));
    // Of the edges of a column of dates only the dates count.
    let before =
        |one: Edge, other: Edge| one.instant < other.instant && (divides_days || one.date < other.date);
    if let Some(base) = later.first_mut().filter(|span| span.id == 0)
        && base.lower.is_none_or(|lower| before(lower, at))
        && before(at, base.upper)
    {
        spans.push(Span { upper: at, ..*base });
        base.lower = Some(at);
    }
    (spans, later)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::metric::Calendar;

    const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

    fn cut_at(day: i16, hour: i8) -> (Vec<Span>, Vec<Span>) {
        let days = Calendar::utc().days(date(2025, 1, 1), date(2025, 1, 3));
        let at = date(2024, 12, 31).at(hour, 0, 0, 0).in_tz("UTC").unwrap().timestamp();
        let at = at + jiff::SignedDuration::from_hours(24 * i64::from(day));
        cut(Span::of_days(&days, true), Edge::utc(at), false)
    }

    fn sample(times: &[Timestamp], step: u64) -> Sample {
        Sample { times: times.to_vec(), step, divides_days: true }
    }

    fn ids(spans: &[Span]) -> Vec<usize> {
        spans.iter().map(|span| span.id).collect()
    }

    #[test]
    fn what_came_before_the_first_day_is_divided_and_a_day_is_not() {
        let (earlier, later) = cut_at(-9, 7);
        assert_eq!((ids(&earlier), ids(&later)), (vec![0], vec![0, 1, 2, 3]));
        assert_eq!((earlier[0].lower, Some(earlier[0].upper)), (None, later[0].lower));
        assert_eq!(later[0].upper, later[1].lower.unwrap());
        let (earlier, later) = cut_at(2, 7);
        assert_eq!((ids(&earlier), ids(&later)), (vec![0, 1], vec![2, 3]));
        let (earlier, later) = cut_at(9, 7);
        assert_eq!((ids(&earlier), ids(&later)), (vec![0, 1, 2, 3], vec![]));
    }

    #[test]
    fn a_range_long_past_is_divided_by_the_rows_that_it_reads() {
        let midnight = |day: jiff::civil::Date| day.in_tz("UTC").unwrap().timestamp();
        let times: Vec<_> = (0..64).map(|step| midnight(date(2024, 1, 1)) + DAY * (10 * step)).collect();
        let lengths = |from, to, with_base| {
            let spans = Span::of_days(&Calendar::utc().days(from, to), with_base);
            let parts = Parts::divide(spans, &sample(&times, 1), 2).parts;
            parts.iter().map(Vec::len).collect::<Vec<_>>()
        };
        // 60 days with six times among them, and nothing before or behind.
        assert_eq!(lengths(date(2024, 3, 1), date(2024, 4, 29), false), [30, 30]);
        // A day of the first year, and all that came before it: half of that is read by either.
        assert_eq!(lengths(date(2024, 6, 1), date(2024, 6, 1), true), [1, 2]);
        let days = Calendar::utc().days(date(2024, 6, 1), date(2024, 6, 1));
        let parts = Parts::divide(Span::of_days(&days, true), &sample(&times, 1), 2).parts;
        assert_eq!(parts[0][0].upper.instant, midnight(date(2024, 3, 21)));
        // Where the table has no rows, there is one part.
        assert_eq!(lengths(date(2023, 3, 1), date(2023, 4, 29), true), [61]);
    }

    #[test]
    fn parts_are_small_as_far_as_a_sample_tells() {
        let midnight = date(2024, 1, 1).in_tz("UTC").unwrap().timestamp();
        let parts = |sample: &Sample, count| {
            let spans = Span::of_days(&Calendar::utc().days(date(2024, 6, 1), date(2024, 6, 1)), true);
            let Parts { parts, are_small } = Parts::divide(spans, sample, count);
            (parts.len(), are_small)
        };
        let daily: Vec<_> = (1..64).map(|step| midnight + DAY * step).collect();
        assert_eq!(parts(&sample(&daily, 1000), 2), (2, true));
        assert_eq!(parts(&sample(&daily, 100_000), 26), (26, true));
        assert_eq!(parts(&sample(&daily, 100_000), 2), (2, false));
        assert_eq!(parts(&sample(&daily, 250_000), 1000), (64, true));
        assert_eq!(parts(&sample(&daily, 250_001), 1000), (64, false));
        assert_eq!(parts(&sample(&daily, u64::MAX), 1000), (64, false));
        assert_eq!(parts(&sample(&[], 0), 1), (1, false), "nothing is known of it");
        // All rows are of one day, or of one moment.
        let minutely: Vec<_> = (1..64).map(|step| midnight + jiff::SignedDuration::from_mins(step)).collect();
        assert_eq!(parts(&sample(&minutely, 100_000), 26), (26, true));
        let dates = Sample { divides_days: false, ..sample(&minutely, 100_000) };
        assert_eq!(parts(&dates, 26), (2, false));
        assert_eq!(parts(&sample(&[midnight; 63], 100_000), 26), (2, false));
    }

    #[test]
    fn a_date_is_on_one_side_only() {
        // Before the end of what came before, but on its last date or, in other zones, behind it.
        let (earlier, later) = cut_at(0, 7);
        assert_eq!((ids(&earlier), ids(&later)), (vec![0], vec![0, 1, 2, 3]));
        let (first, rest) = cut(later, Edge { date: date(2025, 1, 1), ..earlier[0].upper }, false);
        assert_eq!((ids(&first), ids(&rest)), (vec![], vec![0, 1, 2, 3]));
        let later_that_day = earlier[0].upper.instant + jiff::SignedDuration::from_hours(1);
        let (first, rest) = cut(rest, Edge::utc(later_that_day), false);
        assert_eq!((ids(&first), ids(&rest)), (vec![], vec![0, 1, 2, 3]));
    }
}
