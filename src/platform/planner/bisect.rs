//! Running a scan under a time limit: a statement that takes too long is bisected by time, and again, because what a scan
//! computes adds up over disjoint spans.

use jiff::Timestamp;

use super::{
    execute::Executor,
    scan::{Body, Scan},
    session::{MAX_ANSWERS, NO_SPAN},
    span::{Edge, Span},
    time::TimeColumn,
};
use crate::database::{Fault, FaultClass};

/// A span is cut in two this many times at most, so into 64 segments.
const MAX_DEPTH: usize = 6;
/// A segment this short, in seconds, is not worth cutting.
const MIN_SEGMENT_S: i64 = 60;

/// Spans that one statement reads.
struct Segment {
    spans: Vec<Span>,
    /// How often a span was cut in two for it.
    depth: usize,
}

impl Executor<'_> {
    /// Runs the scan over all spans and hands every answer to `sink`, in order of time.
    pub async fn scan(
        &mut self,
        scan: &Scan<'_>,
        table: &str,
        body: &Body,
        spans: Vec<Span>,
        sink: &mut (dyn FnMut(usize, Vec<Option<String>>) -> Result<(), Fault> + Send),
    ) -> Result<(), Fault> {
        // A stack: the earliest segment is on top.
        let mut segments = vec![Segment { spans, depth: 0 }];
        while let Some(Segment { spans, depth }) = segments.pop() {
            if spans.is_empty() {
                continue;
            }
            let fault = match self.answers(&scan.statement(body, &spans)).await {
                Ok(mut answers) if answers.len() <= MAX_ANSWERS => {
                    answers.sort_by_key(|(id, _)| *id);
                    for (id, values) in answers.into_iter().filter(|(id, _)| *id != NO_SPAN) {
                        sink(id, values)?;
                    }
                    continue;
                }
                Ok(_) => Fault::new(
                    FaultClass::Other,
                    format!(
                        "more than {MAX_ANSWERS} different labels; break down by a column with fewer values"
                    ),
                ),
                Err(fault) if fault.class == FaultClass::TimedOut => fault,
                Err(fault) => return Err(fault),
            };
            let halves = match spans.as_slice() {
                [span] if depth < MAX_DEPTH => self.halve(scan, table, *span).await?,
                [_] => None,
                _ => Some((spans[..spans.len() / 2].to_vec(), spans[spans.len() / 2..].to_vec())),
            };
            let Some((earlier, later)) = halves else { return Err(fault) };
            let depth = if spans.len() == 1 { depth + 1 } else { depth };
            segments.extend([later, earlier].map(|spans| Segment { spans, depth }));
        }
        Ok(())
    }

    async fn halve(
        &mut self,
        scan: &Scan<'_>,
        table: &str,
        span: Span,
    ) -> Result<Option<(Vec<Span>, Vec<Span>)>, Fault> {
        // Without an index every segment reads the whole table again: nothing would be won.
        if !scan.is_indexed() {
            return Ok(None);
        }
        let lower = match span.lower {
            Some(lower) => Some(lower.instant),
            None => self.earliest(scan.time(), table).await?,
        };
        let middle = lower.and_then(|lower| middle(scan.time(), lower, span.upper.instant));
        let Some(middle) = middle else { return Ok(None) };
        let inside_a_day =
            span.lower.is_some_and(|lower| lower.date >= middle.date) || middle.date >= span.upper.date;
        if inside_a_day && !scan.time().divides_days() {
            return Ok(None);
        }
        Ok(Some((vec![Span { upper: middle, ..span }], vec![Span { lower: Some(middle), ..span }])))
    }
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
