//! Turns declarations into the definitions that are recorded on a platform with certain tables, and reports every mistake
//! on the way.

mod catalogue;
mod column_check;
mod fit_preset;
mod measures;
mod source_check;
mod unfiltered;

use std::collections::BTreeMap;

pub use unfiltered::{flagged_tables, unfiltered_flags};

use crate::{
    config::{
        file::declaration::{Declarations, MetricDeclaration},
        finding::Finding,
        presets::known_sources::{known_sources, known_tables},
        recognise::{time_format::to_detect, undecided_columns},
        resolve::{
            catalogue::SourceCatalogue,
            fit_preset::{Fitted, fitted},
            measures::{BuiltMeasure, MeasureBuilder},
            source_check::find_table,
        },
        settings::Preset,
    },
    metric::{Definition, DefinitionError, Measure, MetricType},
    platform::{DetectedFormats, Schema},
};

/// The definitions that a configuration makes on a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    /// By category. Complete only when no finding is an error.
    pub definitions: Vec<Definition>,
    /// Metrics that are not recorded, by category.
    pub left_out: Vec<Omission>,
    pub findings: Vec<Finding>,
}

/// A metric that the configuration knows and does not define.
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
    /// What a source's `tenant_column` is compared with.
    pub tenant: &'a str,
    /// The reporting time zone.
    pub time_zone: &'a str,
    pub schema: &'a Schema,
    pub detected: &'a DetectedFormats,
}

impl Resolved {
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// The columns whose format of time [`resolve`] wants the platform's values to tell, by table and column.
pub fn columns_to_detect(
    declarations: &Declarations,
    preset: Preset,
    schema: &Schema,
) -> Vec<(String, String)> {
    let declared = |name: &str| declarations.sources.iter().any(|source| source.name == name);
    let known = known_sources().filter(|name| preset == Preset::Community && !declared(name));
    let of_preset = known.flat_map(|name| known_tables(name, schema)).flat_map(undecided_columns);
    // Also where the format is declared: a wrong one would count rows into wrong days, and no error would tell.
    let of_file = declarations.sources.iter().flat_map(|source| {
        let table = find_table(source, schema).ok().map(|(_, table)| table);
        let named = [Some(&source.time_column), source.deleted_column.as_ref()].into_iter().flatten();
        named.filter_map(move |name| to_detect(table?, table?.column(&name.value)?))
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
    let builder =
        MeasureBuilder { catalogue: &catalogue, metrics: &declarations, time_zone: request.time_zone };
    for wanted in metrics.values() {
        let unfit =
            preset.unfit.get(&wanted.declaration.category).filter(|_| wanted.origin != DeclaredIn::File);
        define(wanted, unfit, &builder, &mut resolved);
    }
    resolved
}

/// Resolves one more metric, which may name the sources and metrics of `request`, and checks it against the schema.
/// Problems with those are not reported, so that the result may hold neither a definition nor an error.
pub fn resolve_further(request: ResolveRequest, metric: &MetricDeclaration) -> Resolved {
    let catalogue = catalogue(&request, &mut Vec::new());
    let preset = preset(&request, &catalogue);
    let declarations = declarations(&merged(&request.declarations.metrics, &preset.metrics));
    let builder =
        MeasureBuilder { catalogue: &catalogue, metrics: &declarations, time_zone: request.time_zone };
    let wanted = Wanted { declaration: metric.clone(), origin: DeclaredIn::File, optional: false };
    let mut resolved = Resolved::default();
    define(&wanted, None, &builder, &mut resolved);
    resolved
}

fn catalogue<'a>(request: &ResolveRequest<'a>, findings: &mut Vec<Finding>) -> SourceCatalogue<'a> {
    let with_preset = request.preset == Preset::Community;
    let ResolveRequest { declarations, tenant, schema, detected, .. } = request;
    SourceCatalogue::new(&declarations.sources, with_preset, tenant, schema, detected, findings)
}

fn preset(request: &ResolveRequest, catalogue: &SourceCatalogue) -> Fitted {
    match request.preset {
        Preset::Community => fitted(catalogue),
        Preset::None => Fitted { metrics: Vec::new(), unfit: BTreeMap::new() },
    }
}

fn declarations(metrics: &BTreeMap<String, Wanted>) -> BTreeMap<String, MetricDeclaration> {
    metrics.iter().map(|(category, wanted)| (category.clone(), wanted.declaration.clone())).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredIn {
    Preset,
    /// Of the preset, with fields of the file over it.
    Overridden,
    File,
}

struct Wanted {
    declaration: MetricDeclaration,
    origin: DeclaredIn,
    /// Whether its sources are those of the preset, so that it is left out when they are not there.
    optional: bool,
}

/// The file's metrics over the preset's, by category. One that names a measure replaces the preset's altogether.
fn merged(file: &[MetricDeclaration], preset: &[MetricDeclaration]) -> BTreeMap<String, Wanted> {
    let of_preset = |declaration: &MetricDeclaration| Wanted {
        declaration: declaration.clone(),
        origin: DeclaredIn::Preset,
        optional: true,
    };
    let mut metrics: BTreeMap<_, _> =
        preset.iter().map(|declaration| (declaration.category.clone(), of_preset(declaration))).collect();
    for declaration in file {
        let base = preset.iter().find(|base| base.category == declaration.category);
        let wanted = match base.filter(|_| declaration.formula.measure.is_none()) {
            Some(base) => Wanted {
                declaration: declaration.over(base),
                origin: DeclaredIn::Overridden,
                optional: declaration.formula.sources.is_none(),
            },
            None => Wanted { declaration: declaration.clone(), origin: DeclaredIn::File, optional: false },
        };
        metrics.insert(declaration.category.clone(), wanted);
    }
    metrics
}

/// Adds the metric to the definitions, to the omissions, or to the findings.
fn define(wanted: &Wanted, unfit: Option<&String>, builder: &MeasureBuilder, resolved: &mut Resolved) {
    let Wanted { declaration, origin, optional } = wanted;
    let mut leave_out = |reason: String| {
        resolved.left_out.push(Omission { category: declaration.category.clone(), reason });
    };
    if let Some(active) = declaration.active.as_ref().filter(|active| !active.value) {
        return leave_out(format!("switched off at {}", active.place));
    }
    let BuiltMeasure { measure, mut findings, mut missing, broken } = builder.build(&declaration.formula);
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
        .map(|measure| definition(declaration, measure, builder))
        .filter(|_| !findings.iter().any(Finding::is_error));
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
            let broken = broken.map(|name| format!("`{name}`, which it needs, has a problem"));
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

fn definition(declaration: &MetricDeclaration, measure: Measure, builder: &MeasureBuilder) -> Definition {
    let implied = measure.makes().first().copied().unwrap_or(MetricType::Count);
    let metric_type = declaration.metric_type.as_ref().map_or(implied, |metric_type| metric_type.value);
    let sources = measure.source_names().into_iter();
    let sources = sources
        .filter_map(|name| Some((name.to_owned(), builder.catalogue.ready(name)?.source.clone())))
        .collect();
    let or = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    let (unit, format_pattern) = match metric_type {
        MetricType::Aggregate if !matches!(measure.makes(), [MetricType::Aggregate]) => ("", "0,0.00"),
        MetricType::Count => ("count", "0,0"),
        MetricType::Average => ("average", "0,0.00"),
        MetricType::Percentage => ("percentage", "0.0"),
        MetricType::Aggregate => ("labels", "0,0"),
    };
    Definition {
        metric_type,
        category: declaration.category.clone(),
        display_name: or(&declaration.display_name, &title(&declaration.category)),
        description: or(&declaration.description, ""),
        unit: or(&declaration.unit, unit),
        format_pattern: or(&declaration.format_pattern, format_pattern),
        expected: declaration.expected.clone(),
        time_zone: builder.time_zone.to_owned(),
        measure,
        sources,
    }
}

/// `posts_created` → `Posts created`.
pub fn title(category: &str) -> String {
    let mut title = category.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}
