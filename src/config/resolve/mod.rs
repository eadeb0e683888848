//! Resolves declarations into definitions for a platform's tables, and reports all mistakes.

mod actor_measures;
mod built_measure;
mod catalogue;
mod column_check;
mod definition;
mod derived;
mod empty;
mod find_table;
mod fit_preset;
mod joined_column;
mod measures;
mod query_measure;
mod ratio;
mod source_check;
mod time_column_check;
mod unfiltered;

use std::collections::BTreeMap;

use jiff::civil::Weekday;

pub use derived::{derived_findings, derived_metric, derived_metrics};
pub use empty::empty_sources;
pub use unfiltered::{source_tables, unfiltered_flags};

use crate::{
    config::{
        file::declaration::{Declarations, MetricDeclaration},
        finding::Finding,
        presets::{built_in, known_sources::known_tables},
        recognise::{time_format::to_detect, undecided_columns},
        resolve::{
            built_measure::BuiltMeasure,
            catalogue::{MAY_NOT_READ, SourceCatalogue},
            definition::definition,
            find_table::find_table,
            fit_preset::{Fitted, fitted},
            joined_column::named_column,
            measures::MeasureBuilder,
        },
        settings::Preset,
    },
    metric::{Definition, DefinitionError, MetricType},
    platform::{DetectedFormats, Schema, Table},
};

/// The result of resolving a configuration against a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// The definitions, ordered by category. They are complete only if no finding is an error.
    pub definitions: Vec<Definition>,
    /// The metrics that are not recorded, ordered by category.
    pub left_out: Vec<Omission>,
    pub findings: Vec<Finding>,
}

/// A metric that is declared but not defined on this platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omission {
    pub category: String,
    pub reason: String,
}

/// The declarations, and the platform that they are resolved against.
#[derive(Debug, Clone, Copy)]
pub struct ResolveRequest<'a> {
    pub declarations: &'a Declarations,
    pub preset: Preset,
    /// The value that a source's `tenant_column` must have.
    pub tenant: &'a str,
    /// The reporting time zone.
    pub time_zone: &'a str,
    /// The day on which a week to date begins.
    pub week_start: Weekday,
    pub schema: &'a Schema,
    pub detected: &'a DetectedFormats,
}

impl Resolved {
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }

    /// Whether metrics are left out, or computed otherwise, because the role of the platform may not read a table.
    pub fn lacks_a_privilege(&self) -> bool {
        self.findings.iter().any(|finding| finding.message.starts_with(MAY_NOT_READ))
    }
}

/// Returns the columns whose time format [`resolve`] needs to know from the platform's values, by table and column.
pub fn columns_to_detect(
    declarations: &Declarations,
    preset: Preset,
    schema: &Schema,
) -> Vec<(String, String)> {
    let declared = |name: &str| declarations.sources.iter().any(|source| source.name == name);
    let set = built_in(preset).into_iter();
    let known = set.flat_map(|set| set.sources.iter().chain(set.parts.iter().map(|part| &part.source)));
    let known = known.filter(|known| !declared(known.name));
    let of_preset = known.flat_map(|known| known_tables(known, schema)).flat_map(undecided_columns);
    // This includes columns with a declared format: a wrong one would assign rows to wrong days without an error.
    let of_file = declarations.sources.iter().flat_map(|source| {
        let table = find_table(source, schema).ok().map(|(_, table)| table);
        let named = [Some(&source.time_column), source.deleted_column.as_ref()].into_iter().flatten();
        let named = named.filter_map(move |name| {
            let found = named_column(schema, table?, name).ok()?;
            to_detect(found.table, found.column)
        });
        // The preset may read the source by another time.
        let of_moments = table.filter(|_| preset != Preset::None).map(undecided_columns);
        named.chain(of_moments.into_iter().flatten())
    });
    let mut columns: Vec<_> = of_preset.chain(of_file).collect();
    columns.sort();
    columns.dedup();
    columns
}

/// Resolves all metrics and checks them against the schema.
pub fn resolve(request: ResolveRequest) -> Resolved {
    let mut resolved = Resolved::default();
    let catalogue = catalogue(&request, &mut resolved.findings);
    let preset = preset(&request, &catalogue);
    let metrics = merged(&request.declarations.metrics, &preset.metrics);
    let declarations = declarations(&metrics);
    let builder = MeasureBuilder {
        catalogue: &catalogue,
        schema: request.schema,
        metrics: &declarations,
        time_zone: request.time_zone,
        week_start: request.week_start,
    };
    for metric in metrics.values() {
        let unfit =
            preset.unfit.get(&metric.declaration.category).filter(|_| metric.origin != DeclaredIn::File);
        define(metric, unfit, &builder, &mut resolved);
    }
    resolved
}

/// Resolves one more metric, which may refer to the sources and metrics of `request`, and checks it against the schema.
/// Problems with those are not reported, so the result may contain neither a definition nor an error.
pub fn resolve_further(request: ResolveRequest, metric: &MetricDeclaration) -> Resolved {
    let catalogue = catalogue(&request, &mut Vec::new());
    let preset = preset(&request, &catalogue);
    let declarations = declarations(&merged(&request.declarations.metrics, &preset.metrics));
    let builder = MeasureBuilder {
        catalogue: &catalogue,
        schema: request.schema,
        metrics: &declarations,
        time_zone: request.time_zone,
        week_start: request.week_start,
    };
    let metric = MergedMetric { declaration: metric.clone(), origin: DeclaredIn::File, optional: false };
    let mut resolved = Resolved::default();
    define(&metric, None, &builder, &mut resolved);
    resolved
}

/// The table of each source by name, or the reason why it cannot be read.
pub fn source_tables_by_name<'a>(request: &ResolveRequest<'a>) -> Vec<(String, Result<&'a Table, String>)> {
    catalogue(request, &mut Vec::new()).tables()
}

fn catalogue<'a>(request: &ResolveRequest<'a>, findings: &mut Vec<Finding>) -> SourceCatalogue<'a> {
    let ResolveRequest { declarations, tenant, schema, detected, preset, .. } = request;
    SourceCatalogue::new(&declarations.sources, built_in(*preset), tenant, schema, detected, findings)
}

fn preset(request: &ResolveRequest, catalogue: &SourceCatalogue) -> Fitted {
    built_in(request.preset).map(|set| fitted(set, catalogue, request.schema)).unwrap_or_default()
}

fn declarations(metrics: &BTreeMap<String, MergedMetric>) -> BTreeMap<String, MetricDeclaration> {
    metrics.iter().map(|(category, metric)| (category.clone(), metric.declaration.clone())).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredIn {
    Preset,
    /// A metric of the preset with some keys overridden by the file.
    Overridden,
    File,
}

struct MergedMetric {
    declaration: MetricDeclaration,
    origin: DeclaredIn,
    /// Whether its sources are those of the preset, so that it is left out if they are missing.
    optional: bool,
}

/// Merges the metrics of the file and the preset by category. A metric of the file that sets a measure replaces the
/// preset's metric; otherwise its keys override those of the preset.
fn merged(file: &[MetricDeclaration], preset: &[MetricDeclaration]) -> BTreeMap<String, MergedMetric> {
    let of_preset = |declaration: &MetricDeclaration| MergedMetric {
        declaration: declaration.clone(),
        origin: DeclaredIn::Preset,
        optional: true,
    };
    let mut metrics: BTreeMap<_, _> =
        preset.iter().map(|declaration| (declaration.category.clone(), of_preset(declaration))).collect();
    for declaration in file {
        let base = preset.iter().find(|base| base.category == declaration.category);
        let metric = match base.filter(|_| declaration.formula.measure.is_none()) {
            Some(base) => MergedMetric {
                declaration: declaration.over(base),
                origin: DeclaredIn::Overridden,
                optional: declaration.formula.sources.is_none(),
            },
            None => {
                MergedMetric { declaration: declaration.clone(), origin: DeclaredIn::File, optional: false }
            }
        };
        metrics.insert(declaration.category.clone(), metric);
    }
    metrics
}

/// Adds the metric to the definitions, to the omissions, or to the findings.
fn define(metric: &MergedMetric, unfit: Option<&String>, builder: &MeasureBuilder, resolved: &mut Resolved) {
    let MergedMetric { declaration, origin, optional } = metric;
    let mut leave_out = |reason: String| {
        resolved.left_out.push(Omission { category: declaration.category.clone(), reason });
    };
    if let Some(active) = declaration.active.as_ref().filter(|active| !active.value) {
        return leave_out(format!("switched off at {}", active.place));
    }
    let BuiltMeasure { measure, mut findings, mut missing, broken, joined } =
        builder.build(&declaration.formula);
    let wrong = findings.iter().any(Finding::is_error);
    if let Some(reason) = unfit.filter(|_| measure.is_none() || wrong) {
        return leave_out(reason.clone());
    }
    if *optional && !missing.is_empty() {
        missing.dedup();
        return leave_out(missing.join("; "));
    }
    findings.extend(missing.into_iter().map(|reason| {
        Finding::error(&declaration.place, reason).hint("declare the table in a [sources.…] section")
    }));
    let definition = measure
        .map(|measure| definition(declaration, measure, &joined, builder))
        .filter(|_| !findings.iter().any(Finding::is_error));
    if let (Some(signed), Some(declared)) = (&declaration.formula.signed, &declaration.metric_type)
        && signed.value
        && declared.value == MetricType::Count
    {
        let message = "a count is never negative, so that it cannot be `signed`";
        findings.push(Finding::error(&signed.place, message).hint("leave out `type`, or `signed`"));
    }
    if let Some(definition) = &definition {
        findings.extend(definition.problems().iter().map(|problem| of_definition(problem, declaration)));
    }
    let wrong = findings.iter().any(Finding::is_error);
    match definition.filter(|_| !wrong) {
        Some(definition) => {
            resolved.definitions.push(definition);
            resolved.findings.extend(findings);
        }
        None if *origin == DeclaredIn::Preset => {
            let reasons: Vec<_> = findings.into_iter().map(|finding| finding.message).collect();
            let broken = broken.map(|name| format!("`{name}`, which it needs, has an error"));
            leave_out(broken.unwrap_or_else(|| reasons.join("; ")));
        }
        None => resolved.findings.extend(findings),
    }
}

fn of_definition(problem: &DefinitionError, declaration: &MetricDeclaration) -> Finding {
    let place = match (problem, &declaration.metric_type) {
        (DefinitionError::TypeMismatch { .. }, Some(metric_type)) => &metric_type.place,
        _ => &declaration.place,
    };
    Finding::error(place, problem.to_string())
}
