//! Builds a metric's measure from its declaration, and checks every column that it names against the tables.

use std::collections::BTreeMap;

use crate::{
    config::{
        file::declaration::{Formula, MeasureName, MetricDeclaration, RatioSide, Returns},
        finding::{Finding, Located},
        recognise::names::table_name,
        resolve::{
            catalogue::{SourceCatalogue, Unready},
            column_check::{check_condition, check_number, find_column},
            joined_column::{FoundColumn, joined_column},
        },
        suggest::{shown, suggestion},
    },
    metric::{
        AddsUp, Breakdown, Condition, Filter, JoinedColumn, LabelFold, Measure, Phase, Quantile, QueryShape,
        Rows, Window,
    },
    platform::{Column, Schema, Table},
};

/// The default number of labels that a breakdown names.
const DEFAULT_TOP: usize = 10;

/// The measures that a ratio may consist of. Excluding ratios also ends the recursion.
const COUNTS: [MeasureName; 4] =
    [MeasureName::Created, MeasureName::Existing, MeasureName::DistinctActors, MeasureName::Distinct];

/// Builds the measures of all metrics.
pub struct MeasureBuilder<'a> {
    pub catalogue: &'a SourceCatalogue<'a>,
    pub schema: &'a Schema,
    pub metrics: &'a BTreeMap<String, MetricDeclaration>,
    /// The reporting time zone.
    pub time_zone: &'a str,
}

/// The result of building one measure.
#[derive(Debug, Default)]
pub struct BuiltMeasure {
    pub measure: Option<Measure>,
    pub findings: Vec<Finding>,
    /// The reasons why sources of the preset are missing.
    pub missing: Vec<String>,
    /// The name of a source, metric or key with an error that has been reported already.
    pub broken: Option<String>,
    /// The columns that the measure names through foreign keys, with the names of their sources.
    pub joined: Vec<(String, JoinedColumn)>,
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
            let names: Vec<_> = MeasureName::ALL.iter().map(|(name, _)| shown(name)).collect();
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
            MeasureName::Breakdown => self.breakdown(formula, built),
            MeasureName::Ratio => {
                let numerator = self.operand(formula, "numerator", &formula.numerator, built);
                let denominator = self.operand(formula, "denominator", &formula.denominator, built);
                Some(Measure::Ratio { numerator: Box::new(numerator?), denominator: Box::new(denominator?) })
            }
            MeasureName::Sql => sql(formula, built),
        }
    }

    fn distinct_actors(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let sources = required(formula, "sources", &formula.sources, built)?;
        let rows: Vec<_> =
            sources.value.iter().map(|name| self.rows(formula, sources, name, built)).collect();
        for (name, rows) in sources.value.iter().zip(&rows) {
            let without_actor =
                self.catalogue.ready(name).is_some_and(|source| source.source.actor_column.is_none());
            if rows.is_some() && without_actor {
                let message =
                    format!("source `{name}` has no actor_column, which is needed to count distinct actors");
                let hint = format!("add `actor_column = \"…\"` to [sources.{name}]");
                built.findings.push(Finding::error(&sources.place, message).hint(hint));
            }
        }
        let rows = rows.into_iter().map(|rows| Some(rows?.0)).collect::<Option<_>>()?;
        Some(Measure::Distinct { rows, column: None, window: window(formula, built) })
    }

    fn distinct(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
        let column = required(formula, "column", &formula.column, built);
        let sources = required(formula, "sources", &formula.sources, built)?;
        let read: Vec<_> =
            sources.value.iter().map(|name| self.rows(formula, sources, name, built)).collect();
        let column = column?;
        for (rows, table) in read.iter().flatten() {
            self.column(rows, table, column, built);
        }
        let rows = read.into_iter().map(|rows| Some(rows?.0)).collect::<Option<_>>()?;
        Some(Measure::Distinct { rows, column: Some(column.value.clone()), window: window(formula, built) })
    }

    /// Returns the rows and the column of numbers of a measure that folds one.
    fn numbers(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<(Rows, String)> {
        let column = required(formula, "column", &formula.column, built);
        let (rows, table) = self.single_rows(formula, built)?;
        let name = column?;
        if let Some((column, of)) = self.column(&rows, table, name, built) {
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
        self.column(&rows, table, column, built);
        let fold = self.label_fold(formula, &rows, table, built);
        Some(Measure::Breakdown(Breakdown {
            rows,
            column: column.value.clone(),
            phase: phase(formula),
            top: formula.top.as_ref().map_or(DEFAULT_TOP, |top| top.value),
            fold,
        }))
    }

    /// Returns what is computed of the rows of each label.
    fn label_fold(
        &self,
        formula: &Formula,
        rows: &Rows,
        table: &Table,
        built: &mut BuiltMeasure,
    ) -> LabelFold {
        let sum = formula.sum.iter().map(|name| (name, LabelFold::Sum(name.value.clone())));
        let average = formula.average.iter().map(|name| (name, LabelFold::Average(name.value.clone())));
        let distinct = formula.distinct.iter().map(|name| (name, LabelFold::Distinct(name.value.clone())));
        let folds: Vec<_> = sum.chain(average).chain(distinct).collect();
        for (name, fold) in &folds {
            let found = self.column(rows, table, name, built);
            if let (Some((column, of)), LabelFold::Sum(_) | LabelFold::Average(_)) = (found, fold) {
                built.findings.extend(check_number(of, column, name));
            }
        }
        if let Some((second, _)) = folds.get(1) {
            let message = "a breakdown has one of `sum`, `average` and `distinct`, not several";
            built.findings.push(Finding::error(&second.place, message).hint("write a metric for each"));
        }
        folds.into_iter().next().map(|(_, fold)| fold).unwrap_or_default()
    }

    /// Finds the column of a measure in the table of its source, or through a foreign key of it. Returns it with the table that it
    /// is a column of.
    fn column<'t>(
        &'t self,
        rows: &Rows,
        table: &'t Table,
        name: &Located<String>,
        built: &mut BuiltMeasure,
    ) -> Option<(&'t Column, &'t Table)> {
        let found = match joined_column(self.schema, table, name) {
            None => find_column(table, name).map(|column| (column, table)),
            Some(found) => found.map(|FoundColumn { column, table: of, join }| {
                let explained = format!(
                    "{} is read from {}, joined by `{}.{}` = `{}.{}`; it has the value that it has when it is read",
                    shown(&name.value),
                    table_name(of),
                    table.name,
                    join.foreign_key,
                    join.table,
                    join.key
                );
                built.findings.push(Finding::note(&name.place, explained));
                built.joined.push((rows.source.clone(), join));
                (column, of)
            }),
        };
        found.map_err(|finding| built.findings.push(finding)).ok()
    }

    /// Returns the rows of a formula that must have exactly one source.
    fn single_rows(&self, formula: &Formula, built: &mut BuiltMeasure) -> Option<(Rows, &Table)> {
        let sources = required(formula, "source", &formula.sources, built)?;
        let [name] = &sources.value[..] else {
            let message = "this measure reads one source";
            built.findings.push(Finding::error(&sources.place, message).hint("give `source = \"…\"`"));
            return None;
        };
        self.rows(formula, sources, name, built)
    }

    fn rows(
        &self,
        formula: &Formula,
        sources: &Located<Vec<String>>,
        name: &str,
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
                        built.findings.push(Finding::error(&sources.place, message).hint(hint));
                    }
                }
                return None;
            }
        };
        let conditions: &[Located<Condition>] = formula.filter.as_ref().map_or(&[], |filter| &filter.value);
        let wrong = conditions.iter().filter_map(|condition| check_condition(recognised.table, condition));
        built.findings.extend(wrong);
        let filter = Filter(conditions.iter().map(|condition| condition.value.clone()).collect());
        Some((Rows { source: name.to_owned(), filter }, recognised.table))
    }

    fn is_active(&self, category: &str) -> bool {
        let active = self.metrics.get(category).and_then(|metric| metric.active.as_ref());
        active.is_none_or(|active| active.value)
    }

    /// Builds one side of a ratio.
    fn operand(
        &self,
        formula: &Formula,
        key: &str,
        operand: &Option<Located<RatioSide>>,
        built: &mut BuiltMeasure,
    ) -> Option<Measure> {
        let Located { value, place } = required(formula, key, operand, built)?;
        let inner = match value {
            RatioSide::Measure(inner) => inner.as_ref(),
            RatioSide::Metric(category) => match self.metrics.get(category) {
                Some(metric) => &metric.formula,
                None => {
                    built.findings.push(self.unknown_metric(key, category, place));
                    return None;
                }
            },
        };
        if let Some(measure) = inner.measure.as_ref().filter(|measure| !COUNTS.contains(&measure.value)) {
            let message = format!(
                "{key}: a ratio consists of the measures `created`, `existing`, `distinct_actors` and `distinct`, not of `{}`",
                measure.value.name()
            );
            built.findings.push(Finding::error(place, message));
            return None;
        }
        let BuiltMeasure { measure, findings, missing, broken, joined } = self.build(inner);
        built.joined.extend(joined);
        built.missing.extend(missing);
        built.broken = built.broken.take().or(broken);
        match value {
            // The problems of an active metric are reported when it is resolved itself, those of an inactive metric
            // here.
            RatioSide::Metric(category) if self.is_active(category) => {
                built.broken = built.broken.take().or((!findings.is_empty()).then(|| category.clone()));
            }
            _ => built.findings.extend(findings),
        }
        measure
    }

    fn unknown_metric(&self, key: &str, category: &str, place: &str) -> Finding {
        let hint = suggestion(category, self.metrics.keys().map(String::as_str));
        Finding::error(place, format!("{key}: there is no metric {}", shown(category))).maybe_hint(hint)
    }
}

fn window(formula: &Formula, built: &mut BuiltMeasure) -> Window {
    match (&formula.window, &formula.window_days) {
        (Some(period), Some(_)) => {
            let message = "give `window` or `window_days`, not both";
            built.findings.push(Finding::error(&period.place, message));
            Window::ToDate(period.value)
        }
        (Some(period), None) => Window::ToDate(period.value),
        (None, days) => Window::Days(days.as_ref().map_or(1, |days| days.value)),
    }
}

fn phase(formula: &Formula) -> Phase {
    formula.of.as_ref().map_or(Phase::Created, |phase| phase.value)
}

fn required<'f, T>(
    formula: &Formula,
    key: &str,
    value: &'f Option<Located<T>>,
    built: &mut BuiltMeasure,
) -> Option<&'f Located<T>> {
    if formula.unreadable.contains(&key) {
        built.broken = Some(key.to_owned());
    } else if value.is_none() {
        let measure = formula.measure.as_ref().map_or("", |measure| measure.value.name());
        let message = format!("`{key}` is missing, which the measure `{measure}` requires");
        let hint = match key {
            "returns" => {
                Some("write what the query returns: \"value\", \"average\", \"ratio\" or \"labels\"")
            }
            "quantile" => Some("the 95th percentile is `quantile = 0.95`"),
            _ => None,
        };
        let hint = hint.map(str::to_owned);
        built.findings.push(Finding::error(&formula.place, message).maybe_hint(hint));
    }
    value.as_ref()
}

/// Returns how the values of a query add up over days, which must be said of a single value.
fn adds_up(formula: &Formula, returns: Returns, built: &mut BuiltMeasure) -> Option<AddsUp> {
    match (&formula.adds_up, returns) {
        (None, Returns::Value) if formula.unreadable.contains(&"adds_up") => {
            built.broken = Some("adds_up".to_owned());
            None
        }
        (None, Returns::Value) => {
            let problem = Finding::error(
                &formula.place,
                "`adds_up` is missing, which says how the days of a week are combined",
            );
            let hint = "\"sum\": the sum of its days; \"last\": the value of its last day; \"never\": a distinct count, which does not \
                        add up";
            built.findings.push(problem.hint(hint));
            None
        }
        (Some(adds_up), Returns::Value | Returns::Labels) => Some(adds_up.value),
        (Some(adds_up), _) => {
            let message = "`adds_up` is only allowed for a query that returns \"value\" or \"labels\"";
            built.findings.push(Finding::error(&adds_up.place, message));
            None
        }
        (None, _) => Some(AddsUp::Never),
    }
}

fn sql(formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
    let query = required(formula, "query", &formula.query, built);
    let returns = required(formula, "returns", &formula.returns, built)?;
    if let (Some(top), false) = (&formula.top, returns.value == Returns::Labels) {
        let message = "`top` is only allowed for a query that returns \"labels\"";
        built.findings.push(Finding::error(&top.place, message));
    }
    if let (Some(signed), Returns::Average | Returns::Ratio) = (&formula.signed, returns.value) {
        let message = "`signed` is only allowed for a query that returns \"value\" or \"labels\"";
        built.findings.push(Finding::error(&signed.place, message));
    }
    let shape = match returns.value {
        Returns::Value => QueryShape::Value,
        Returns::Average => QueryShape::Average,
        Returns::Ratio => QueryShape::Ratio,
        Returns::Labels => {
            let signed = formula.signed.as_ref().is_some_and(|signed| signed.value);
            QueryShape::Labels { top: formula.top.as_ref().map_or(DEFAULT_TOP, |top| top.value), signed }
        }
    };
    let adds_up = adds_up(formula, returns.value, built)?;
    let query = query?;
    let measure = Measure::Sql { query: query.value.trim().to_owned(), shape, adds_up };
    if !measure.reconstructible() {
        let message =
            "the query does not use the day, so that it can only be recorded on time, never backfilled";
        let hint = "use {day_start} and {day_end} (instants) or {day} (a date) in the query";
        built.findings.push(Finding::warning(&query.place, message).hint(hint));
    }
    Some(measure)
}
