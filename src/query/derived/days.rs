//! The days of a derived series: which of them have a value of every input, and why the others do not.

use jiff::civil::Date;
use strum::VariantArray;

use crate::{
    metric::Provenance,
    query::{
        day_range::DayRange,
        response::{ProvenanceRun, Series, SeriesGap},
    },
};

/// The version in the answers of a derived metric, which has none.
const NO_VERSION: i32 = 0;

/// How a day of a derived series came about.
pub(super) enum DerivedDay<'a> {
    /// Every input has a record; the place in [`Provenance::VARIANTS`] of the one that says most about the value.
    Recorded(usize),
    /// The input that lacks a record, with its gap.
    Missing(&'a Series, Option<&'a SeriesGap>),
}

/// The place in [`Provenance::VARIANTS`] of the provenance of the series' record of `date`; `None` without a record.
pub(super) fn recorded_as(series: &Series, date: Date) -> Option<usize> {
    let runs = &series.recorded;
    let run = runs.get(runs.partition_point(|run| run.to < date)).filter(|run| run.from <= date)?;
    Some(place(run))
}

/// The same of all records from `from` to `to`: the one that says most.
pub(super) fn recorded_between(series: &Series, from: Date, to: Date) -> usize {
    let runs = &series.recorded;
    let first = runs.partition_point(|run| run.to < from);
    let inside = runs.iter().skip(first).take_while(|run| run.from <= to);
    inside.map(place).max().unwrap_or(0)
}

fn place(run: &ProvenanceRun) -> usize {
    Provenance::VARIANTS.iter().position(|one| one.name() == run.provenance).unwrap_or(0)
}

/// The gap of the series that `date` is in.
pub(super) fn gap_of(series: &Series, date: Date) -> Option<&SeriesGap> {
    let gaps = &series.gaps;
    gaps.get(gaps.partition_point(|gap| gap.to < date)).filter(|gap| gap.from <= date)
}

/// The runs of recorded days and the gaps of a derived series, by `of` each of its days.
pub(super) fn runs_and_gaps<'a>(
    range: &DayRange,
    of: impl Fn(Date) -> DerivedDay<'a>,
) -> (Vec<ProvenanceRun>, Vec<SeriesGap>) {
    let (mut runs, mut gaps) = (Vec::<ProvenanceRun>::new(), Vec::<SeriesGap>::new());
    // What the day before continues: a run, or the gap of an input.
    let mut before: Option<Result<usize, *const SeriesGap>> = None;
    for date in &range.days {
        let day = of(*date);
        let now = match &day {
            DerivedDay::Recorded(provenance) => Ok(*provenance),
            DerivedDay::Missing(_, gap) => Err(gap.map_or(std::ptr::null(), std::ptr::from_ref)),
        };
        match (before == Some(now), &day) {
            (true, DerivedDay::Recorded(_)) => {
                if let Some(run) = runs.last_mut() {
                    (run.to, run.days) = (*date, run.days + 1);
                }
            }
            (true, DerivedDay::Missing(..)) => {
                if let Some(gap) = gaps.last_mut() {
                    (gap.to, gap.days) = (*date, gap.days + 1);
                }
            }
            (false, DerivedDay::Recorded(provenance)) => runs.push(ProvenanceRun {
                from: *date,
                to: *date,
                days: 1,
                provenance: Provenance::VARIANTS
                    .get(*provenance)
                    .copied()
                    .unwrap_or(Provenance::Observed)
                    .name(),
                definition_version: NO_VERSION,
            }),
            (false, DerivedDay::Missing(input, gap)) => {
                gaps.extend(gap.map(|gap| inherited(*date, input, gap)))
            }
        }
        before = Some(now);
    }
    (runs, gaps)
}

fn inherited(date: Date, input: &Series, gap: &SeriesGap) -> SeriesGap {
    let explanation = format!("its input `{}`: {}", input.metric_category, gap.explanation);
    SeriesGap { from: date, to: date, days: 1, explanation, ..gap.clone() }
}
