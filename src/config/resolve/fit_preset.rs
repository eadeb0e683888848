//! Adapts the metrics of a preset to the sources that were found on a platform.

use std::collections::BTreeMap;

use crate::{
    config::{
        file::declaration::{Formula, MeasureName, MetricDeclaration, RatioSide},
        finding::Located,
        presets::{
            BuiltInSet,
            column_choice::{ChosenKey, ColumnCandidate, ColumnChoice, SourceCondition, SourceTest},
        },
        recognise::{
            Recognised,
            names::{plain, table_name},
        },
        resolve::{
            catalogue::SourceCatalogue,
            joined_column::{NamedColumn, named_column},
        },
    },
    metric::{Condition, Literal, Test},
    platform::{ColumnType, Schema},
};

/// The preset's metrics for one platform.
#[derive(Default)]
pub struct Fitted {
    pub metrics: Vec<MetricDeclaration>,
    /// The reasons why metrics cannot be used on this platform, by category.
    pub unfit: BTreeMap<String, String>,
}

/// Adapts the preset to the sources in the catalogue.
pub fn fitted(set: &BuiltInSet, catalogue: &SourceCatalogue, schema: &Schema) -> Fitted {
    let fit = Fit { set, catalogue, schema };
    let mut unfit = BTreeMap::new();
    let mut metrics = set.metrics();
    for metric in &mut metrics {
        if let Err(reason) = fit.adapt(metric) {
            unfit.insert(metric.category.clone(), reason);
        }
    }
    Fitted { metrics, unfit }
}

struct Fit<'a> {
    set: &'a BuiltInSet,
    catalogue: &'a SourceCatalogue<'a>,
    schema: &'a Schema,
}

impl Fit<'_> {
    fn adapt(&self, metric: &mut MetricDeclaration) -> Result<(), String> {
        for condition in self.set.conditions.iter().filter(|of| of.categories.contains(&&*metric.category)) {
            self.require(condition).inspect_err(|_| metric.formula.sources = None)?;
        }
        let category = metric.category.clone();
        for choice in self.set.columns.iter().filter(|choice| choice.category == category) {
            self.choose_column(metric, choice)?;
        }
        self.keep_active_sources(&mut metric.formula)
    }

    fn require(&self, condition: &SourceCondition) -> Result<(), String> {
        let Some(found) = self.catalogue.ready(condition.source) else { return Ok(()) };
        let source = &found.source;
        match condition.test {
            SourceTest::TellsEnds if source.deleted_column.is_none() && source.filter.is_empty() => {
                Err(format!(
                    "{} has no column that is known to contain the time of its end, so that what has ended would count; declare \
                 [sources.{}] with `deleted_column` or `filter`",
                    table_name(found.table),
                    condition.source
                ))
            }
            SourceTest::IsMissing => Err(format!("{} has them", table_name(found.table))),
            SourceTest::TellsEnds => Ok(()),
        }
    }

    fn choose_column(&self, metric: &mut MetricDeclaration, choice: &ColumnChoice) -> Result<(), String> {
        // A further column of a metric is one of the same source.
        let chosen = metric.formula.sources.as_ref().map(|sources| sources.value.clone());
        let sources = choice
            .sources
            .iter()
            .filter(|name| chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|of| of == *name)));
        let mut otherwise = None;
        for source in sources.clone() {
            let Some(recognised) = self.catalogue.ready(source) else { continue };
            for candidate in choice.columns {
                let Some((name, found)) = self.candidate(recognised, candidate, choice.numeric) else {
                    continue;
                };
                if let Some(reason) = changes_meaning(recognised, &found, candidate) {
                    otherwise = otherwise.or(Some(format!("`{name}` is not taken, because {reason}")));
                    continue;
                }
                metric.formula.sources = Some(self.located(vec![(*source).to_owned()]));
                self.set_column(&mut metric.formula, choice.key, name);
                metric.unit = candidate.unit.map(str::to_owned).or_else(|| metric.unit.take());
                return Ok(());
            }
        }
        let known: Vec<_> =
            sources.filter(|source| self.catalogue.ready(source).is_some()).copied().collect();
        match (choice.is_optional, otherwise, &known[..]) {
            (true, ..) => Ok(()),
            (_, Some(reason), _) => Err(reason),
            (.., []) => Err(self.catalogue.reason(choice.sources[0])),
            _ => Err(format!("no column of the {} was found in {}", choice.of, known.join(" or "))),
        }
    }

    /// The column of the candidate's name, as a measure names it.
    fn candidate<'t>(
        &'t self,
        recognised: &'t Recognised,
        candidate: &ColumnCandidate,
        numeric: bool,
    ) -> Option<(String, NamedColumn<'t>)> {
        let table = recognised.table;
        let name = match candidate.name.contains('.') {
            true => candidate.name.to_owned(),
            false => table.columns.iter().find(|column| plain(&column.name) == candidate.name)?.name.clone(),
        };
        let found = named_column(self.schema, table, &self.located(name.clone())).ok()?;
        let fits = !numeric || matches!(found.column.column_type, ColumnType::Integer | ColumnType::Number);
        fits.then_some((name, found))
    }

    fn set_column(&self, formula: &mut Formula, key: ChosenKey, name: String) {
        match key {
            ChosenKey::Column => formula.column = Some(self.located(name)),
            ChosenKey::Sum => formula.sum = Some(self.located(name)),
            ChosenKey::ColumnBelowZero => {
                let test = Test::LessThan(Literal::Number(0.into()));
                let below_zero = self.located(Condition { column: name.clone(), test });
                formula.filter = Some(self.located(vec![below_zero]));
                formula.column = Some(self.located(name));
            }
        }
    }

    fn located<T>(&self, value: T) -> Located<T> {
        Located::new(value, self.set.place)
    }

    /// Removes sources that are missing or have no actor column from counts of distinct actors.
    fn keep_active_sources(&self, formula: &mut Formula) -> Result<(), String> {
        for side in [&mut formula.numerator, &mut formula.denominator].into_iter().flatten() {
            if let RatioSide::Measure(inner) = &mut side.value {
                self.keep_active_sources(inner)?;
            }
        }
        let is_of_actors =
            formula.measure.as_ref().is_some_and(|measure| measure.value == MeasureName::DistinctActors);
        let Some(sources) = formula.sources.as_mut().filter(|_| is_of_actors) else { return Ok(()) };
        let acts = |name: &String| {
            self.catalogue.ready(name).is_some_and(|recognised| recognised.source.actor_column.is_some())
        };
        let names = sources.value.join(", ");
        sources.value.retain(acts);
        if sources.value.is_empty() {
            formula.sources = None;
            return Err(format!("no table with an actor column was found ({names})"));
        }
        Ok(())
    }
}

/// Why the values of a column are not what the candidate says.
fn changes_meaning(of: &Recognised, found: &NamedColumn, candidate: &ColumnCandidate) -> Option<String> {
    let columns = of.table.columns.iter().chain(&found.table.columns);
    let beside =
        columns.map(|column| &column.name).find(|name| candidate.unless.contains(&plain(name).as_str()))?;
    Some(format!("`{beside}` says of which period or number it is"))
}
