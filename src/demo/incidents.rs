//! The incidents and changes in a demonstration of about a year or more: days of unusual activity, a night whose run fails,
//! nights without a run, a definition that changes; and the annotations that say so.

use std::sync::Arc;

use jiff::{ToSpan, civil::Date};
use serde_json::Value;

use super::{period::Period, scenario::Scenario};
use crate::{
    annotations::annotate,
    collect::{self, CancellationToken, Context, Tenant},
    config::Config,
    definitions::define,
    platform::Platform,
    store::AnnotationText,
};

/// The fewest days that have incidents; shorter demonstrations are of ordinary days only.
const MIN_DAYS: i32 = 300;
/// The days of the incidents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incidents {
    /// Three times as much happens as usually.
    viral: Date,
    /// Twice the usual activity, without an annotation, so that a user can discover it.
    busy: Date,
    /// The first of two days on which almost nothing happens.
    outage: Date,
    /// The run of this day fails.
    failed: Date,
    /// The first of two days for which there is no run.
    missed: Date,
    defined: Date,
    redefined: Date,
}

impl Incidents {
    /// The incidents of a period; `None` if it is too short for them.
    pub fn of(period: Period) -> Option<Self> {
        let before = |days: i64| period.last.saturating_sub(days.days());
        let is_long = (period.last - period.first).get_days() >= MIN_DAYS;
        is_long.then(|| Self {
            viral: before(24),
            busy: before(3),
            outage: before(131),
            failed: before(52),
            missed: before(75),
            defined: before(210),
            redefined: before(96),
        })
    }

    /// The factor by which the activity of a day differs from the usual one.
    pub fn activity(&self, day: Date) -> f64 {
        match day {
            day if day == self.viral => 2.9,
            day if day == self.busy => 2.1,
            day if day == self.outage || day == self.outage.saturating_add(1.day()) => 0.12,
            _ => 1.0,
        }
    }

    pub fn is_missed(&self, day: Date) -> bool {
        day == self.missed || day == self.missed.saturating_add(1.day())
    }

    pub fn fails(&self, day: Date) -> bool {
        day == self.failed
    }

    /// Makes or changes the definition whose day this is.
    pub async fn change_definitions(
        &self,
        scenario: &Scenario,
        (context, config): (&Context, &Config),
        day: Date,
    ) -> anyhow::Result<()> {
        let definition = &scenario.definition;
        let body = match day {
            day if day == self.defined => definition.before,
            day if day == self.redefined => definition.after,
            _ => return Ok(()),
        };
        if let Value::Object(body) = serde_json::from_str(body)? {
            define(context, config, definition.category, &body).await?;
        }
        Ok(())
    }

    /// Annotates the days, and pauses the schedule, which would fill the gaps.
    pub async fn tell(&self, scenario: &Scenario, context: &Context) -> anyhow::Result<()> {
        let outage_end = self.outage.saturating_add(1.day());
        for (first_day, last_day, category, text) in [
            (self.viral, self.viral, None, scenario.story.viral),
            (self.outage, outage_end, None, scenario.story.outage),
            (self.failed, self.failed, None, "The database was being moved, and the night's run failed"),
            (self.redefined, self.redefined, Some(scenario.definition.category), scenario.definition.reason),
        ] {
            let category = category.map(str::to_owned);
            annotate(context, AnnotationText { first_day, last_day, category, text: text.to_owned() })
                .await?;
        }
        let reason = "The gaps of the demonstration are left to be looked at; resume, and they are filled";
        collect::pause(context, reason, None).await?;
        Ok(())
    }
}

/// Runs the collection of the present day with a platform that does not exist, so that it fails.
pub async fn fail_to_collect(context: &Context, nowhere: Arc<dyn Platform>) -> anyhow::Result<()> {
    let tenant = Tenant { platform: nowhere, ..(*context.tenant).clone() };
    let context = Context { tenant: Arc::new(tenant), ..context.clone() };
    let outcome = collect::collect_day(&context, None, &[], &CancellationToken::new()).await;
    let recorded = outcome.map_or(0, |report| report.recorded.len());
    anyhow::ensure!(recorded == 0, "a platform that does not exist had {recorded} values");
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_year_has_incidents_and_a_few_weeks_have_none() {
        let period = |first| Period { first, last: date(2025, 12, 31) };
        assert_eq!(Incidents::of(period(date(2025, 9, 1))), None);
        let incidents = Incidents::of(period(date(2024, 12, 1))).unwrap();
        let days: Vec<_> = (0..395).map(|days| date(2024, 12, 1).saturating_add(days.days())).collect();
        assert_eq!(days.iter().filter(|day| incidents.is_missed(**day)).count(), 2);
        assert_eq!(days.iter().filter(|day| incidents.fails(**day)).count(), 1);
        assert_eq!(days.iter().filter(|day| incidents.activity(**day) != 1.0).count(), 4);
    }
}
