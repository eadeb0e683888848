//! Builds the measures that count distinct actors, or distinct values of another column.

use crate::{
    config::{
        file::declaration::Formula,
        finding::{Finding, Located},
        resolve::{
            built_measure::{BuiltMeasure, required},
            measures::MeasureBuilder,
        },
        suggest::shown,
    },
    metric::{Measure, Retention, Rows},
};

impl MeasureBuilder<'_> {
    pub(super) fn distinct_actors(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let rows = self.actor_rows(formula, built)?;
        Some(Measure::Distinct { rows, column: None, window: self.window(formula, built) })
    }

    pub(super) fn distinct(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let column = required(formula, "column", &formula.column, built);
        let sources = required(formula, "sources", &formula.sources, built)?;
        let read = self.rows_of_sources(formula, sources, built);
        let column = column?;
        for (rows, table) in read.iter().flatten() {
            self.column(&rows.source, table, column, built);
        }
        let rows = read.into_iter().map(|rows| Some(rows?.0)).collect::<Option<_>>()?;
        Some(Measure::Distinct {
            rows,
            column: Some(column.value.clone()),
            window: self.window(formula, built),
        })
    }

    pub(super) fn retention(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let after_days = required(formula, "after_days", &formula.after_days, built);
        let cohort = self.cohort(formula, built);
        let rows = self.actor_rows(formula, built);
        let (after_days, cohort, rows) = (after_days?, cohort?, rows?);
        let window_days = formula.window_days.as_ref().map_or(1, |days| days.value);
        let retention = Retention { rows, cohort, after_days: after_days.value, window_days };
        if retention.is_always_whole() && window_days == after_days.value + 1 {
            let message = format!(
                "the window has the day of the cohort, on which everyone who comes then is active, so that the share is always 100; \
                 the window must have at most {} days",
                after_days.value
            );
            let hint = "leave the day out, or take the cohort from a source of its own: `cohort = \"…\"`";
            built.findings.push(Finding::warning(&after_days.place, message).hint(hint));
        }
        Some(Measure::Retention(retention))
    }

    /// Returns the rows that cohorts are taken from, if a source is given; `None` if something is wrong with it.
    fn cohort(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Option<Rows>> {
        if formula.unreadable.contains(&"cohort") {
            built.broken = Some("cohort".to_owned());
            return None;
        }
        let Some(Located { value: cohort, .. }) = &formula.cohort else { return Some(None) };
        let name = &cohort.source;
        let (rows, _) = self.rows(&name.value, &name.place, &cohort.filter, built)?;
        self.require_actor(&name.value, &name.place, built);
        Some(Some(rows))
    }

    pub(super) fn growth(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let state = required(formula, "state", &formula.state, built);
        let rows = self.actor_rows(formula, built)?;
        let window_days = formula.window_days.as_ref().map_or(1, |days| days.value);
        Some(Measure::Growth { rows, state: state?.value, window_days })
    }

    /// Returns the rows of sources each of which has actors.
    fn actor_rows(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Vec<Rows>> {
        let sources = required(formula, "sources", &formula.sources, built)?;
        let rows = self.rows_of_sources(formula, sources, built);
        for (name, rows) in sources.value.iter().zip(&rows) {
            if rows.is_some() {
                self.require_actor(name, &sources.place, built);
            }
        }
        rows.into_iter().map(|rows| Some(rows?.0)).collect()
    }

    fn require_actor(&self, name: &str, place: &str, built: &mut BuiltMeasure) {
        if self.catalogue.ready(name).is_some_and(|source| source.source.actor_column.is_none()) {
            let message =
                format!("source {} has no actor_column, which is needed to distinguish actors", shown(name));
            let hint = format!("add `actor_column = \"…\"` to [sources.{name}]");
            built.findings.push(Finding::error(place, message).hint(hint));
        }
    }
}
