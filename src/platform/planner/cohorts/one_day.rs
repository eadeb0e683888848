//! Cohorts on one day: the days since the earliest cohort fall into few parts, and the parts of an actor's first and latest row tell
//! which cohort the actor is in, and in which windows.

use super::group::{CohortActivity, CohortCount, CohortGroup};
use crate::{
    database::Fault,
    metric::{Calendar, DayBounds, Decimal, Tally},
    platform::{
        planner::{
            activity::{union, union_all},
            day_boundaries::DayBoundaries,
            dialect::Dialect,
            time::TimeColumn,
        },
        schema::Schema,
    },
};

impl CohortGroup<'_> {
    pub(super) fn boundaries_of(&self, calendar: &Calendar, day: &DayBounds) -> DayBoundaries {
        DayBoundaries::of_day(calendar, day, self.boundaries())
    }

    /// As [`Self::statement`] for one day, which the parameters of the statement name.
    pub fn statement_of_parameters(&self, schema: &Schema) -> Result<String, Fault> {
        let activity = self.activity(Dialect::Postgres, schema)?;
        Ok(self.of_one_day(&activity, &DayBoundaries::of_parameters(self.boundaries())))
    }

    /// How many days before the day a part begins: at each day of a cohort and after it, and with each window.
    fn boundaries(&self) -> Vec<u32> {
        let of_count = |wanted: &CohortCount| match *wanted {
            CohortCount::Retention { after_days, window_days } => {
                vec![after_days, after_days.saturating_sub(1), window_days - 1]
            }
            CohortCount::Arrivals { window_days } => vec![window_days - 1],
        };
        self.wanted.iter().flat_map(of_count).collect()
    }

    pub(super) fn of_one_day(&self, activity: &CohortActivity<'_>, boundaries: &DayBoundaries) -> String {
        let dialect = activity.dialect();
        let mut counts = Vec::new();
        for wanted in &self.wanted {
            match *wanted {
                CohortCount::Retention { after_days, window_days } => {
                    let is_in = format!("daymark_first = {}", boundaries.part(after_days));
                    let is_active = format!("daymark_latest >= {}", boundaries.part(window_days - 1));
                    counts.push(format!("count(*) FILTER (WHERE {is_in})"));
                    counts.push(format!("count(*) FILTER (WHERE {is_in} AND {is_active})"));
                }
                CohortCount::Arrivals { window_days } => {
                    let since = boundaries.part(window_days - 1);
                    counts.push(format!("count(*) FILTER (WHERE daymark_first >= {since})"));
                }
            }
        }
        format!(
            "SELECT {}, {} FROM (\n  {}) AS actors",
            dialect.zero(),
            dialect.pack(&counts),
            self.actors(activity, boundaries)
        )
    }

    /// The part of each actor's cohort and that of the actor's latest row.
    fn actors(&self, activity: &CohortActivity<'_>, boundaries: &DayBoundaries) -> String {
        let dialect = activity.dialect();
        let part = |name: &str| {
            let name = name.to_owned();
            move |time: &TimeColumn| format!("{} AS {name}, ", boundaries.part_of(dialect, time))
        };
        let Some(cohort) = &activity.cohort else {
            let rows = union_all(&activity.active.selects(boundaries.all(), part("daymark_part")));
            let actors = format!(
                "SELECT daymark_actor, min(daymark_part) AS daymark_first, max(daymark_part) AS daymark_latest FROM (\n  \
                 {rows}) AS activity\n  GROUP BY daymark_actor"
            );
            return without_earlier(activity, boundaries, &actors);
        };
        let cohorts = union(&cohort.selects(boundaries.all(), part("daymark_first")));
        let windows = self.wanted.iter().filter_map(|wanted| match wanted {
            CohortCount::Retention { window_days, .. } => Some(window_days - 1),
            CohortCount::Arrivals { .. } => None,
        });
        let since = boundaries.from(windows.max().unwrap_or_default());
        let rows = union_all(&activity.active.selects(since, part("daymark_part")));
        format!(
            "SELECT daymark_first, daymark_latest FROM (\n  {cohorts}) AS cohorts\n  \
             LEFT JOIN (\n  SELECT daymark_actor, max(daymark_part) AS daymark_latest FROM (\n  {rows}) AS activity\n  \
             GROUP BY daymark_actor) AS latest ON latest.daymark_actor = cohorts.daymark_actor"
        )
    }
}

/// The actors who have no row before the first part. SQLite would look for each of them in turn.
fn without_earlier(activity: &CohortActivity<'_>, boundaries: &DayBoundaries, actors: &str) -> String {
    let earlier = union_all(&activity.active.selects((None, boundaries.first()), |_| String::new()));
    let is_new = match activity.dialect() {
        Dialect::Postgres => format!(
            "NOT EXISTS (\n  SELECT 1 FROM (\n  {earlier}) AS earlier WHERE earlier.daymark_actor = seen.daymark_actor)"
        ),
        Dialect::Sqlite => format!("daymark_actor NOT IN (\n  {earlier})"),
    };
    format!("SELECT daymark_first, daymark_latest FROM (\n  {actors}) AS seen\n  WHERE {is_new}")
}

/// For each reading its tally, from the counts of a day.
pub(super) fn tallies(wanted: &[CohortCount], counts: &[i64]) -> Vec<Tally> {
    let mut counts = counts.iter().copied();
    let mut next = || counts.next().unwrap_or_default();
    let tally = |wanted: &CohortCount| match wanted {
        CohortCount::Retention { .. } => {
            let denominator = Decimal::from(next());
            Tally::Ratio { numerator: Decimal::from(next()), denominator }
        }
        CohortCount::Arrivals { .. } => Tally::Count(next()),
    };
    wanted.iter().map(tally).collect()
}

/// The tally of each reading as JSON, from the counts of a day in `cells`.
pub fn tallies_as_json(wanted: &[CohortCount]) -> Vec<String> {
    let mut place = 0;
    let mut next = || {
        place += 1;
        format!("cells[{place}]::int8")
    };
    let tally = |wanted: &CohortCount| match wanted {
        CohortCount::Retention { .. } => {
            let denominator = next();
            format!("jsonb_build_array({}, {denominator})", next())
        }
        CohortCount::Arrivals { .. } => format!("to_jsonb({})", next()),
    };
    wanted.iter().map(tally).collect()
}
