//! Determines, from a value and from what the same definition gives now, whether the platform has lost rows since.

use serde_json::{Map, Value};

use crate::metric::{Decimal, Measure, Observation};

/// The members of the metadata that say of what a value is made.
const PARTS: [&str; 8] =
    ["sample_size", "sum", "numerator", "denominator", "breakdown", "other", "total", "unlabelled"];

/// The members of the metadata that count rows, or add up over rows: with fewer rows, at least one of them is less.
const SIZES: [&str; 5] = ["sample_size", "numerator", "denominator", "total", "unlabelled"];

/// Whether `now`, which a definition of this measure gives by the present rows, is of fewer rows than the value and the metadata that
/// it gave `then`.
pub(super) fn is_loss(measure: &Measure, then: (&Decimal, &Map<String, Value>), now: &Observation) -> bool {
    let (value, metadata) = then;
    // Fewer rows may make more actors new or churned.
    if matches!(measure, Measure::Growth { .. }) {
        return now.value != *value;
    }
    // The total of a breakdown of averages is an average itself.
    let has_means = metadata.contains_key("sums");
    let sizes: Vec<_> = SIZES
        .into_iter()
        .filter(|name| *name != "total" || !has_means)
        .filter_map(|name| number(metadata, name).zip(number(&now.metadata, name)))
        .collect();
    match sizes.is_empty() {
        true => now.value < *value,
        false => sizes.iter().any(|(then, now)| now < then),
    }
}

fn number(metadata: &Map<String, Value>, name: &str) -> Option<Decimal> {
    match metadata.get(name)? {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}

/// Whether both values are made of the same parts.
pub(super) fn same_parts(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    PARTS.iter().all(|part| one.get(*part) == other.get(*part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metric::{ActorState, Filter, Rows};

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn rows() -> Rows {
        Rows { source: "posts".to_owned(), filter: Filter::default() }
    }

    fn is_loss_of(measure: &Measure, then: (i64, Value), now: (i64, Value)) -> bool {
        let now = Observation { value: now.0.into(), metadata: object(&now.1) };
        is_loss(measure, (&then.0.into(), &object(&then.1)), &now)
    }

    #[test]
    fn fewer_rows_than_at_the_time_are_a_loss() {
        let is_loss = |then, now| is_loss_of(&Measure::Created(rows()), then, now);
        assert!(is_loss((5, json!({})), (4, json!({}))));
        assert!(!is_loss((5, json!({})), (6, json!({}))), "rows that arrived late are no loss");
        let average = json!({"sample_size": 4, "sum": 20});
        assert!(is_loss((5, average.clone()), (9, json!({"sample_size": 3, "sum": 27}))));
        assert!(!is_loss((5, average), (4, json!({"sample_size": 4, "sum": 16}))));
        let labels = |total: i64| json!({"breakdown": {"jazz": total}, "total": total, "unlabelled": 1});
        assert!(is_loss((1, labels(8)), (1, labels(7))), "the value of a breakdown is its number of labels");
        let mut fewer = labels(9);
        fewer["unlabelled"] = json!(0);
        assert!(is_loss((1, labels(8)), (1, fewer)), "rows without a label were lost");
    }

    #[test]
    fn a_share_loses_rows_of_its_numerator_or_its_denominator() {
        let part = || Box::new(Measure::Created(rows()));
        let ratio = Measure::Ratio { numerator: part(), denominator: part() };
        let share = |numerator: i64, denominator: i64| {
            (numerator * 100 / denominator, json!({"numerator": numerator, "denominator": denominator}))
        };
        assert!(is_loss_of(&ratio, share(4, 8), share(3, 6)), "both lost rows");
        assert!(is_loss_of(&ratio, share(4, 8), share(3, 8)), "the posts of a user who stays were deleted");
        assert!(is_loss_of(&ratio, share(4, 8), share(4, 5)), "the share rises");
        assert!(!is_loss_of(&ratio, share(4, 8), share(4, 9)));
        let average = |numerator: i64, denominator: i64| {
            let metadata =
                json!({"numerator": numerator, "denominator": denominator, "sample_size": denominator});
            (numerator / denominator, metadata)
        };
        assert!(is_loss_of(&ratio, average(8, 4), average(4, 4)));
        assert!(!is_loss_of(&ratio, average(8, 4), average(12, 4)));
    }

    #[test]
    fn deleted_rows_may_make_more_actors_new_or_churned() {
        let growth = |state: ActorState| Measure::Growth { rows: vec![rows()], state, window_days: 7 };
        assert!(is_loss_of(&growth(ActorState::Churned), (3, json!({})), (4, json!({}))));
        assert!(is_loss_of(&growth(ActorState::New), (3, json!({})), (2, json!({}))));
        assert!(!is_loss_of(&growth(ActorState::New), (3, json!({})), (3, json!({}))));
    }

    #[test]
    fn the_total_of_a_breakdown_of_averages_counts_no_rows() {
        let means = |total: i64| {
            let metadata = json!({"breakdown": {"jazz": total}, "sums": {"jazz": total * 2}, "total": total, "sample_size": 2});
            (1, metadata)
        };
        assert!(!is_loss_of(&Measure::Created(rows()), means(8), means(7)));
    }

    #[test]
    fn values_of_other_parts_differ() {
        let parts = |jazz: i64| object(&json!({"breakdown": {"jazz": jazz}, "top_items": 1}));
        assert!(same_parts(&parts(1), &parts(1)));
        assert!(!same_parts(&parts(1), &parts(2)));
    }
}
