//! Runs a scan under a time limit. The aggregates of a scan add up over disjoint spans, so a statement that reaches the
//! limit, or has more answers than are held at a time, is bisected: first into fewer days, then within a day or within
//! the time before the first day. The following segments are no larger than the last one that was bisected, so the
//! limit is reached once for each halving: at most `log2(days) + 6` times.
//!
//! A scan that no index can narrow down is never bisected: each half would read the whole table again.

use jiff::Timestamp;

use super::{
    execute::Executor,
    scan::{Scan, StatementBody, without_index},
    session::{MAX_ANSWERS, NO_SPAN, SpanRow},
    span::{Edge, Span},
    time::TimeColumn,
};
use crate::database::{Fault, FaultClass};

/// A span is cut in two this many times at most, so into 64 segments.
const MAX_DEPTH: usize = 6;
/// A segment this short, in seconds, is not worth cutting.
const MIN_SEGMENT_S: i64 = 60;

/// A function that takes a span's id and the values of an answer.
pub type Sink<'a> = dyn FnMut(usize, Vec<Option<String>>) -> Result<(), Fault> + Send + 'a;

/// Spans that one statement reads.
struct Segment {
    spans: Vec<Span>,
    /// How often a span was cut in two for it.
    depth: usize,
}

impl Segment {
    /// The time before the first day often has far more rows than the days, so it is separated from them first.
    fn halved(&self) -> [Self; 2] {
        let middle = if self.has_base() { 1 } else { self.spans.len() / 2 };
        let (earlier, later) = self.spans.split_at(middle);
        [earlier, later].map(|spans| Self { spans: spans.to_vec(), depth: self.depth })
    }

    /// Whether the segment also contains the time before the first day.
    fn has_base(&self) -> bool {
        self.spans.len() > 1 && self.spans.first().is_some_and(|span| span.id == 0)
    }
}

/// How large segments may be, as the time limits that were reached have shown.
struct Limits {
    spans: usize,
    /// The span that had to be cut, and how often.
    cut: Option<(usize, usize)>,
}

impl Executor<'_> {
    /// Runs the scan over all spans and hands every answer to `sink`, in order of time.
    pub async fn scan(
        &mut self,
        scan: &Scan<'_>,
        body: &StatementBody,
        spans: Vec<Span>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        let tested = if self.has_other_texts(scan, &spans).await? { Some(scan.testing_rows()) } else { None };
        let scan = tested.as_ref().unwrap_or(scan);
        let mut limits = Limits { spans: spans.len(), cut: None };
        let mut reads_ranges = scan.is_indexed();
        // A stack: the earliest segment is on top.
        let mut segments = vec![Segment { spans, depth: 0 }];
        while let Some(segment) = segments.pop() {
            if segment.spans.is_empty() {
                continue;
            }
            if let Some([earlier, later]) = self.cut_to(&limits, scan, &segment).await? {
                segments.extend([later, earlier]);
                continue;
            }
            let fault = match self.answers(&scan.statement(body, &segment.spans)).await {
                Ok(answers) if answers.len() <= MAX_ANSWERS => {
                    hand_on(answers, sink)?;
                    continue;
                }
                Ok(answers) => too_many(&answers, body, &segment)?,
                Err(fault) if fault.class == FaultClass::TimedOut && !self.is_over() => {
                    reads_ranges = reads_ranges || self.reads_ranges(scan, body, &segment).await?;
                    if !reads_ranges {
                        return Err(without_index(scan.source(), fault));
                    }
                    fault
                }
                Err(fault) => return Err(fault),
            };
            match segment.spans.as_slice() {
                [span] => limits.cut = Some((span.id, segment.depth + 1)),
                spans if segment.has_base() => limits.spans = spans.len() - 1,
                spans => limits.spans = spans.len() / 2,
            }
            match self.cut_to(&limits, scan, &segment).await? {
                Some([earlier, later]) => segments.extend([later, earlier]),
                None => return Err(fault),
            }
        }
        Ok(())
    }

    /// Whether some of the texts in the spans are not times, so that their order alone does not tell the day of a row. If this
    /// query reaches the time limit, the column is treated as one with such texts.
    pub async fn has_other_texts(&mut self, scan: &Scan<'_>, spans: &[Span]) -> Result<bool, Fault> {
        let Some(query) = scan.other_text_query(spans) else { return Ok(false) };
        match self.answers(&query).await {
            Ok(answers) => Ok(!answers.is_empty()),
            Err(fault) if fault.class == FaultClass::TimedOut && !self.is_over() => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    /// Whether the database would read the last of the days by an index, although none is known of: the source may be a view
    /// of an indexed table.
    async fn reads_ranges(
        &mut self,
        scan: &Scan<'_>,
        body: &StatementBody,
        segment: &Segment,
    ) -> Result<bool, Fault> {
        let Some(day) = segment.spans.last().filter(|span| span.lower.is_some()) else { return Ok(false) };
        self.reads_a_range(&scan.statement(body, &[*day])).await
    }

    /// The segment in two, if it is larger than the limits allow and can be cut.
    async fn cut_to(
        &mut self,
        limits: &Limits,
        scan: &Scan<'_>,
        segment: &Segment,
    ) -> Result<Option<[Segment; 2]>, Fault> {
        let Segment { spans, depth } = segment;
        match (spans.as_slice(), limits.cut) {
            ([span], Some((id, needed))) if span.id == id && *depth < needed && needed <= MAX_DEPTH => {
                let halves = self.halve(scan, *span).await?;
                Ok(halves.map(|halves| halves.map(|span| Segment { spans: vec![span], depth: depth + 1 })))
            }
            (spans, _) if spans.len() > limits.spans.max(1) => Ok(Some(segment.halved())),
            _ => Ok(None),
        }
    }

    async fn halve(&mut self, scan: &Scan<'_>, span: Span) -> Result<Option<[Span; 2]>, Fault> {
        let lower = match span.lower {
            Some(lower) => Some(lower.instant),
            None => self.earliest(scan.time(), &scan.table()).await?,
        };
        let middle = lower.and_then(|lower| middle(scan.time(), lower, span.upper.instant));
        let Some(middle) = middle else { return Ok(None) };
        let inside_a_day =
            span.lower.is_some_and(|lower| lower.date >= middle.date) || middle.date >= span.upper.date;
        if inside_a_day && !scan.time().divides_days() {
            return Ok(None);
        }
        Ok(Some([Span { upper: middle, ..span }, Span { lower: Some(middle), ..span }]))
    }
}

fn hand_on(mut answers: Vec<SpanRow>, sink: &mut Sink<'_>) -> Result<(), Fault> {
    answers.sort_by_key(|(id, _)| *id);
    answers.into_iter().filter(|(id, _)| *id != NO_SPAN).try_for_each(|(id, values)| sink(id, values))
}

/// The fault of a segment that has more answers than are held; `Err` where fewer days would have no fewer each.
fn too_many(answers: &[SpanRow], body: &StatementBody, segment: &Segment) -> Result<Fault, Fault> {
    let fault = Fault::new(
        FaultClass::TooLarge,
        format!(
            "more than {} different labels a day; break down by a column with fewer values",
            body.max_labels
        ),
    );
    let most = |id: usize| answers.iter().filter(|(of, _)| *of == id).count();
    if segment.spans.iter().any(|span| most(span.id) > body.max_labels) { Err(fault) } else { Ok(fault) }
}

/// Half-way between two instants, to the second; or about so, where the column has no order half-way.
fn middle(time: &TimeColumn, lower: Timestamp, upper: Timestamp) -> Option<Edge> {
    let length_s = upper.as_second() - lower.as_second();
    if length_s < 2 * MIN_SEGMENT_S {
        return None;
    }
    let mut fractions = [(1, 2), (1, 4), (3, 4)].into_iter().map(|(part, of)| length_s / of * part);
    fractions.find_map(|after_s| {
        let instant = Timestamp::from_second(lower.as_second() + after_s).ok()?;
        time.can_be_cut_at(instant).then(|| Edge::utc(instant))
    })
}
