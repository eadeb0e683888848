//! Builds a metric's measure from its declaration, and checks every column that it names against the tables.

use std::collections::BTreeMap;

use jiff::civil::Weekday;
use strum::IntoEnumIterator;

use crate::{
    config::{
        file::declaration::{Formula, MeasureName, MetricDeclaration},
        finding::{Finding, Located},
        resolve::{
            built_measure::{BuiltMeasure, DEFAULT_TOP, required},
            catalogue::{SourceCatalogue, Unready},
            column_check::{check_condition, check_number},
            joined_column::{NamedColumn, join_note, named_column},
            query_measure,
        },
        suggest::shown,
    },
    metric::{
        Breakdown, CalendarPeriod, Condition, Filter, LabelAggregate, Measure, Phase, Quantile, Rows, Window,
    },
    platform::{Column, Schema, Table},
};

/// Builds the measures of all metrics.
pub struct MeasureBuilder<'a> {
    pub catalogue: &'a SourceCatalogue<'a>,
    pub schema: &'a Schema,
    pub metrics: &'a BTreeMap<String, MetricDeclaration>,
    /// The reporting time zone.
    pub time_zone: &'a str,
    /// The day on which a week to date begins.
    pub week_start: Weekday,
}

impl MeasureBuilder<'_> {
    pub fn build(&self, formula: &Formula) -> BuiltMeasure {
        let mut built = BuiltMeasure::default();
        built.measure = self.measure(formula, &mut built);
        built
    }

    /// Builds the measure; `None` if something is missing or wrong, which is then recorded in `built`.
    fn measure(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        if formula.unreadable.contains(&"measure") {
            built.broken = Some("measure".to_owned());
            return None;
        }
        let Some(Located { value: name, .. }) = &formula.measure else {
            let names: Vec<_> = MeasureName::iter().map(|name| shown(name.name())).collect();
            let problem = Finding::error(&formula.place, "`measure` is missing");
            built.findings.push(problem.hint(format!("set it to one of {}", names.join(", "))));
            return None;
        };
        for (key, place) in formula.given_keys().into_iter().filter(|(key, _)| !name.keys().contains(key)) {
            let message = format!("the measure `{}` has no key `{key}`", name.name());
            let hint = format!("its keys are: {}", name.keys().join(", "));
            built.findings.push(Finding::error(place, message).hint(hint));
        }
        match name {
            MeasureName::Created => Some(Measure::Created(self.single_rows(formula, built)?.0)),
            MeasureName::Existing => Some(Measure::Existing(self.single_rows(formula, built)?.0)),
            MeasureName::DistinctActors => self.distinct_actors(formula, built),
            MeasureName::Distinct => self.distinct(formula, built),
            MeasureName::Average => {
                let (rows, column) = self.numbers(formula, built)?;
                Some(Measure::Average { rows, column })
            }
            MeasureName::Sum => {
                let (rows, column) = self.numbers(formula, built)?;
                Some(Measure::Sum { rows, column, phase: phase(formula) })
            }
            MeasureName::Minimum => {
                let (rows, column) = self.numbers(formula, built)?;
                Some(Measure::Minimum { rows, column })
            }
            MeasureName::Maximum => {
                let (rows, column) = self.numbers(formula, built)?;
                Some(Measure::Maximum { rows, column })
            }
            MeasureName::Median => self.quantile(formula, Quantile::MEDIAN, built),
            MeasureName::Quantile => {
                let quantile =
                    required(formula, "quantile", &formula.quantile, built).map(|share| share.value);
                self.quantile(formula, quantile.unwrap_or(Quantile::MEDIAN), built)
            }
            MeasureName::Retention => self.retention(formula, built),
            MeasureName::Growth => self.growth(formula, built),
            MeasureName::Breakdown => self.breakdown(formula, built),
            MeasureName::Ratio => self.ratio(formula, built),
            MeasureName::Sql => query_measure::sql(formula, built),
        }
    }

    /// Returns the rows and the column of numbers of a measure that aggregates one.
    fn numbers(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<(Rows, String)> {
        let column = required(formula, "column", &formula.column, built);
        let (rows, table) = self.single_rows(formula, built)?;
        let name = column?;
        if let Some((column, of)) = self.column(&rows.source, table, name, built) {
            built.findings.extend(check_number(of, column, name));
        }
        Some((rows, name.value.clone()))
    }

    fn quantile(&self, formula: &Formula, quantile: Quantile, built: &mut BuiltMeasure) -> Option<Measure> {
        let (rows, column) = self.numbers(formula, built)?;
        let window_days = formula.window_days.as_ref().map_or(1, |days| days.value);
        Some(Measure::Quantile { rows, column, quantile, window_days })
    }

    fn breakdown(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let column = required(formula, "column", &formula.column, built);
        let (rows, table) = self.single_rows(formula, built)?;
        let column = column?;
        self.column(&rows.source, table, column, built);
        let aggregate = self.label_aggregate(formula, &rows, table, built);
        Some(Measure::Breakdown(Breakdown {
            rows,
            column: column.value.clone(),
            phase: phase(formula),
            top: formula.top.as_ref().map_or(DEFAULT_TOP, |top| top.value),
            aggregate,
        }))
    }

    /// Returns what is computed of the rows of each label.
    fn label_aggregate(
        &self,
        formula: &Formula,
        rows: &Rows,
        table: &Table,
        built: &mut BuiltMeasure,
    ) -> LabelAggregate {
        let sum = formula.sum.iter().map(|name| (name, LabelAggregate::Sum(name.value.clone())));
        let average = formula.average.iter().map(|name| (name, LabelAggregate::Average(name.value.clone())));
        let distinct =
            formula.distinct.iter().map(|name| (name, LabelAggregate::Distinct(name.value.clone())));
        let aggregates: Vec<_> = sum.chain(average).chain(distinct).collect();
        for (name, aggregate) in &aggregates {
            let found = self.column(&rows.source, table, name, built);
            if let (Some((column, of)), LabelAggregate::Sum(_) | LabelAggregate::Average(_)) =
                (found, aggregate)
            {
                built.findings.extend(check_number(of, column, name));
            }
        }
        if let Some((second, _)) = aggregates.get(1) {
            let message = "a breakdown has one of `sum`, `average` and `distinct`, not several";
            built.findings.push(Finding::error(&second.place, message).hint("write a metric for each"));
        }
        aggregates.into_iter().next().map(|(_, aggregate)| aggregate).unwrap_or_default()
    }

    /// Finds a column in the table of a source, or through a foreign key of it. Returns it with the table that it is a column of.
    pub(super) fn column<'t>(
        &'t self,
        source: &str,
        table: &'t Table,
        name: &Located<String>,
        built: &mut BuiltMeasure,
    ) -> Option<(&'t Column, &'t Table)> {
        let found = named_column(self.schema, table, name).map_err(|finding| built.findings.push(finding));
        let NamedColumn { column, table: of, join } = found.ok()?;
        if let Some(join) = join {
            let joined = (source.to_owned(), join);
            if !built.joined.contains(&joined) {
                built.findings.push(join_note(table, name, &joined.1));
                built.joined.push(joined);
            }
        }
        Some((column, of))
    }

    /// Returns the rows of a formula that must have exactly one source.
    fn single_rows(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<(Rows, &Table)> {
        let sources = required(formula, "source", &formula.sources, built)?;
        let [name] = &sources.value[..] else {
            let message = "this measure reads one source";
            built.findings.push(Finding::error(&sources.place, message).hint("give `source = \"…\"`"));
            return None;
        };
        self.rows(name, &sources.place, conditions(formula), built)
    }

    /// Returns the rows of each source of a formula.
    pub(super) fn rows_of_sources(
        &self,
        formula: &Formula,
        sources: &Located<Vec<String>>,
        built: &mut BuiltMeasure,
    ) -> Vec<Option<(Rows, &Table)>> {
        let names = sources.value.iter();
        names.map(|name| self.rows(name, &sources.place, conditions(formula), built)).collect()
    }

    /// Returns the rows of the source that meet the conditions. `place` is that of the source's name.
    pub(super) fn rows(
        &self,
        name: &str,
        place: &str,
        conditions: &[Located<Condition>],
        built: &mut BuiltMeasure,
    ) -> Option<(Rows, &Table)> {
        let recognised = match self.catalogue.get(name) {
            Ok(recognised) => recognised,
            Err(unready) => {
                match unready {
                    Unready::Broken => built.broken = Some(name.to_owned()),
                    Unready::Missing(reason) if !built.missing.contains(&reason) => {
                        built.missing.push(reason)
                    }
                    Unready::Missing(_) => {}
                    Unready::Unknown(near) => {
                        let message = format!("source {} is not declared", shown(name));
                        let hint = near.unwrap_or_else(|| format!("add a [sources.{name}] section"));
                        built.findings.push(Finding::error(place, message).hint(hint));
                    }
                }
                return None;
            }
        };
        for condition in conditions {
            let column = Located::new(condition.value.column.clone(), &condition.place);
            if let Some((column, of)) = self.column(name, recognised.table, &column, built) {
                built.findings.extend(check_condition(of, column, condition));
            }
        }
        let filter = Filter(conditions.iter().map(|condition| condition.value.clone()).collect());
        Some((Rows { source: name.to_owned(), filter }, recognised.table))
    }

    pub(super) fn window(&self, formula: &Formula, built: &mut BuiltMeasure) -> Window {
        let to_date = |period: CalendarPeriod| Window::ToDate(period).with_week_from(self.week_start);
        match (&formula.window, &formula.window_days) {
            (Some(period), Some(_)) => {
                let message = "give `window` or `window_days`, not both";
                built.findings.push(Finding::error(&period.place, message));
                to_date(period.value)
            }
            (Some(period), None) => to_date(period.value),
            (None, days) => Window::Days(days.as_ref().map_or(1, |days| days.value)),
        }
    }
}

fn conditions(formula: &Formula) -> &[Located<Condition>] {
    formula.filter.as_ref().map_or(&[], |filter| &filter.value)
}

fn phase(formula: &Formula) -> Phase {
    formula.of.as_ref().map_or(Phase::Created, |phase| phase.value)
}
