//! Builds the measure of a query of the user's own.

use crate::{
    config::{
        file::declaration::{Formula, Returns},
        finding::Finding,
        resolve::built_measure::{BuiltMeasure, DEFAULT_TOP, required},
        suggest::{nearest, shown},
    },
    metric::{AddsUp, Measure, QueryShape},
};

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

pub(super) fn sql(formula: &Formula, built: &mut BuiltMeasure) -> Option<Measure> {
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
    built
        .findings
        .extend(unknown_placeholder(&query.value).map(|warning| Finding::warning(&query.place, warning)));
    let measure = Measure::Sql { query: query.value.trim().to_owned(), shape, adds_up };
    if !measure.reconstructible() {
        let message =
            "the query does not use the day, so that it can only be recorded on time, never backfilled";
        let hint = "use {day_start} and {day_end} (instants) or {day} (a date) in the query";
        built.findings.push(Finding::warning(&query.place, message).hint(hint));
    }
    Some(measure)
}

/// What to say about a name in braces that is nearly one of a placeholder. Others may be part of a text.
fn unknown_placeholder(query: &str) -> Option<String> {
    const KNOWN: [&str; 3] = ["day", "day_start", "day_end"];
    let names = query.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    let unknown = names.filter(|name| !KNOWN.contains(name));
    let similar = |name: &str| nearest(name, KNOWN).map(|near| (shown(&format!("{{{name}}}")), near));
    let (written, near) = unknown.into_iter().find_map(similar)?;
    Some(format!("{written} is no placeholder; did you mean `{{{near}}}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_braces_that_is_nearly_a_placeholder_is_warned_of() {
        let told = |query: &str| unknown_placeholder(query);
        let query = "SELECT count(*) AS value FROM posts WHERE at < {day_ende} AND at >= {day_start}";
        assert_eq!(told(query).as_deref(), Some("`{day_ende}` is no placeholder; did you mean `{day_end}`?"));
        assert_eq!(
            told("SELECT 1 WHERE a = {dday}").as_deref(),
            Some("`{dday}` is no placeholder; did you mean `{day}`?")
        );
        for right in
            ["SELECT {day}, '{day_start}', {day_end}", "SELECT '{jazz,rock}', '{\"a\": 1}'", "SELECT '}{'"]
        {
            assert_eq!(told(right), None, "{right}");
        }
    }
}
