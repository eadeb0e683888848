//! The metadata of a corrected value. Readers and roll-ups need some of them: the size of an average's sample, the numerator and
//! denominator of a percentage, and the labels of a breakdown.

use serde_json::{Map, Value};

use super::rules::{Rules, check_members, without_made};
use crate::metric::{Decimal, MetricType};

/// Digits after the point to which a value may be rounded, although its metadata make a longer one.
const LEAST_DIGITS: i64 = 2;

/// The metadata of a correction to `value`: the given ones, if they fit the value and have the members that roll-ups need; without given
/// ones, those that can be computed from the metadata in force. An empty object is treated as not given.
///
/// # Errors
/// What is wrong with the given metadata, or why none can be computed.
pub(super) fn checked(
    rules: &Rules,
    in_force: &Map<String, Value>,
    value: &Decimal,
    given: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, String> {
    rules.check_value(value)?;
    let given = given.map(without_made).filter(|given| !given.is_empty());
    let mut metadata = match given {
        None => made_from(rules.metric_type, in_force, value)?,
        Some(given) => {
            check_given(rules, in_force, value, &given)?;
            given
        }
    };
    rules.complete(value, &mut metadata);
    Ok(metadata)
}

fn check_given(
    rules: &Rules,
    in_force: &Map<String, Value>,
    value: &Decimal,
    given: &Map<String, Value>,
) -> Result<(), String> {
    check_members(given, rules.members(in_force), "its metadata")?;
    if let Some(calculation) = given.get("calculation") {
        let own = rules.calculation.as_ref().map(|own| Value::from(own.as_str()));
        if own.as_ref() != Some(calculation) && in_force.get("calculation") != Some(calculation) {
            return Err("its `calculation` is made by the definition: leave it out".to_owned());
        }
    }
    match rules.metric_type {
        MetricType::Average => check_average(value, given),
        MetricType::Percentage => check_percentage(value, given),
        MetricType::Aggregate if in_force.contains_key("sums") => check_label_means(value, given),
        MetricType::Aggregate if in_force.contains_key("breakdown") => check_labels(rules, value, given),
        MetricType::Aggregate => size(given, "sample_size").map(|_| ()),
        MetricType::Count => Ok(()),
    }
}

/// Computes the metadata of `value` from those in force: an average keeps the size of its sample, and a share keeps its denominator and
/// gets the numerator that makes the value.
fn made_from(
    metric_type: MetricType,
    in_force: &Map<String, Value>,
    value: &Decimal,
) -> Result<Map<String, Value>, String> {
    let size = |name: &str| in_force.get(name).and_then(number);
    let mut metadata = Map::new();
    match metric_type {
        MetricType::Count => {}
        MetricType::Average => {
            if size("sample_size").is_some_and(|size| size.is_zero()) {
                return Err("the value in force is of no rows: give the metadata of the right one too, such as {\"sample_size\": 4}"
                    .to_owned());
            }
            if let Some(denominator) = size("denominator") {
                insert_share(&mut metadata, value * &denominator, &denominator);
            }
            metadata.extend(in_force.get("sample_size").map(|size| ("sample_size".to_owned(), size.clone())));
        }
        MetricType::Percentage => {
            let denominator = size("denominator");
            if denominator.as_ref().is_some_and(Decimal::is_zero) {
                return Err(
                    "the value in force is of no rows: give the metadata of the right one too, such as \
                            {\"numerator\": 1, \"denominator\": 4}"
                        .to_owned(),
                );
            }
            let numerator =
                denominator.as_ref().and_then(|whole| (value * whole).checked_div(&Decimal::from(100)));
            if let Some((numerator, denominator)) = numerator.zip(denominator) {
                insert_share(&mut metadata, numerator, &denominator);
            }
        }
        MetricType::Aggregate if in_force.contains_key("breakdown") => {
            let members = match in_force.contains_key("sums") {
                true => {
                    "`breakdown`, `sums`, `sample_sizes`, `other`, `sum`, `sample_size`, `total` and `unlabelled`"
                }
                false => "`breakdown`, `other`, `total` and `unlabelled`",
            };
            return Err(format!(
                "its value is the number of its labels: give the right metadata too, with {members} as the record has them"
            ));
        }
        MetricType::Aggregate => {}
    }
    Ok(metadata)
}

fn insert_share(metadata: &mut Map<String, Value>, numerator: Decimal, denominator: &Decimal) {
    metadata.insert("numerator".to_owned(), numerator.to_json());
    metadata.insert("denominator".to_owned(), denominator.to_json());
}

fn check_average(value: &Decimal, given: &Map<String, Value>) -> Result<(), String> {
    let size = size(given, "sample_size")?;
    if size.is_zero() {
        return check_no_rows(value, "sample_size");
    }
    if given.contains_key("std_deviation") {
        self::size(given, "std_deviation")?;
    }
    if given.contains_key("denominator") && self::size(given, "denominator")? != size {
        return Err("its `denominator` is not its `sample_size`".to_owned());
    }
    for part in ["sum", "numerator"] {
        if given.contains_key(part) {
            check_quotient(
                value,
                &member(given, part)?,
                &size,
                &format!("its `{part}` over its `sample_size`"),
            )?;
        }
    }
    Ok(())
}

fn check_percentage(value: &Decimal, given: &Map<String, Value>) -> Result<(), String> {
    let (numerator, denominator) = (size(given, "numerator")?, size(given, "denominator")?);
    if denominator.is_zero() {
        return check_no_rows(value, "denominator");
    }
    let scaled = &numerator * &Decimal::from(100);
    check_quotient(value, &scaled, &denominator, "its `numerator` in percent of its `denominator`")
}

/// A value of no rows is recorded as 0, which readers show as no data.
fn check_no_rows(value: &Decimal, size: &str) -> Result<(), String> {
    match value.is_zero() {
        true => Ok(()),
        false => Err(format!("a `{size}` of 0 says that there are no rows, so that the value must be 0")),
    }
}

/// The value may be the quotient as it is recorded, or rounded to its own digits, of which there are at least two.
fn check_quotient(value: &Decimal, whole: &Decimal, size: &Decimal, what: &str) -> Result<(), String> {
    let Some(quotient) = whole.checked_div(size) else { return Ok(()) };
    match quotient.is_rounded_to(value, LEAST_DIGITS) {
        true => Ok(()),
        false => Err(format!(
            "{what} is {quotient}, not {value}: put both right, or leave the metadata out, and they are made from those in force"
        )),
    }
}

fn check_labels(rules: &Rules, value: &Decimal, given: &Map<String, Value>) -> Result<(), String> {
    let labels = object(given, "breakdown")?;
    let mut total = Decimal::zero();
    for label in labels.keys() {
        let of_label = member(labels, label)?;
        rules.check_of_labels(label, &of_label)?;
        total = &total + &of_label;
    }
    let other = other(given, &["labels", "value"])?;
    check_number_of_labels(value, labels, other)?;
    let rest = member(other, "value")?;
    rules.check_of_labels("other", &rest)?;
    total = &total + &rest;
    rules.check_of_labels("unlabelled", &member(given, "unlabelled")?)?;
    match member(given, "total")? == total {
        true => Ok(()),
        false => Err(format!("its `total` is not the sum of its labels and of `other`, which is {total}")),
    }
}

fn check_label_means(value: &Decimal, given: &Map<String, Value>) -> Result<(), String> {
    let labels = object(given, "breakdown")?;
    let other = other(given, &["labels", "value", "sum", "sample_size"])?;
    let (sums, sizes) = (object(given, "sums")?, object(given, "sample_sizes")?);
    let has_labels = |other: &Map<String, Value>| {
        other.len() == labels.len() && labels.keys().all(|label| other.contains_key(label))
    };
    if !has_labels(sums) || !has_labels(sizes) {
        return Err("its `breakdown`, `sums` and `sample_sizes` must have the same labels".to_owned());
    }
    let (mut sum, mut rows) = (member(other, "sum")?, size(other, "sample_size")?);
    for label in labels.keys() {
        let (sum_of_label, size_of_label) = (member(sums, label)?, size(sizes, label)?);
        let what = format!("the mean of {}", crate::config::shown(label));
        check_quotient(&member(labels, label)?, &sum_of_label, &size_of_label, &what)?;
        (sum, rows) = (&sum + &sum_of_label, &rows + &size_of_label);
    }
    check_number_of_labels(value, labels, other)?;
    for part in ["total", "unlabelled"] {
        member(given, part)?;
    }
    match member(given, "sum")? == sum && size(given, "sample_size")? == rows {
        true => Ok(()),
        false => Err(format!(
            "its `sum` and `sample_size` are not those of its labels and of `other` together, which are {sum} and {rows}"
        )),
    }
}

fn check_number_of_labels(
    value: &Decimal,
    labels: &Map<String, Value>,
    other: &Map<String, Value>,
) -> Result<(), String> {
    let named = Decimal::from(i64::try_from(labels.len()).unwrap_or(i64::MAX));
    let unnamed = size(other, "labels")?;
    if !unnamed.is_whole() {
        return Err(format!("`labels` of its `other` is {unnamed}, which is not a whole number"));
    }
    let count = &named + &unnamed;
    match *value == count {
        true => Ok(()),
        false => Err(format!(
            "its value is the number of its labels, which is {count} with those that `other` counts, not {value}"
        )),
    }
}

fn object<'a>(metadata: &'a Map<String, Value>, name: &str) -> Result<&'a Map<String, Value>, String> {
    match metadata.get(name) {
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(format!("`{name}` of its metadata must be an object")),
        None => Err(format!("its metadata lack `{name}`")),
    }
}

/// The member for the labels that are not named, which has numbers only.
fn other<'a>(metadata: &'a Map<String, Value>, allowed: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let other = object(metadata, "other")?;
    check_members(other, allowed, "`other` of its metadata")?;
    for name in other.keys() {
        member(other, name)?;
    }
    Ok(other)
}

/// A number that must be there.
fn member(metadata: &Map<String, Value>, name: &str) -> Result<Decimal, String> {
    let name_shown = crate::config::shown(name);
    let Some(value) = metadata.get(name) else { return Err(format!("its metadata lack {name_shown}")) };
    number(value).ok_or_else(|| format!("{name_shown} of its metadata must be a number"))
}

/// As [`member`], and never negative.
fn size(metadata: &Map<String, Value>, name: &str) -> Result<Decimal, String> {
    let size = member(metadata, name)?;
    match size < Decimal::zero() {
        true => Err(format!("`{name}` of its metadata must not be negative")),
        false => Ok(size),
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
