//! The judgement of a value, as it is answered.

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value};
use strum::IntoEnumIterator;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type, schema::SchemaType},
};

use crate::{
    judgement::{Judgement, Reason, Verdict},
    metric::Decimal,
};

/// The approximate size of a judgement in an answer, in bytes.
pub(super) const JUDGEMENT_BYTES: usize = 256;

/// Whether the value is what the metric's history leads one to expect. It is derived from the records, and is made again when the
/// judge changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ValueJudgement {
    #[schema(schema_with = verdict)]
    pub verdict: &'static str,
    /// Why the value is an anomaly, or why it is not judged; null for a normal value.
    #[schema(schema_with = reason)]
    pub reason: Option<&'static str>,
    /// The edges of the band in which the value was expected; null without enough history.
    pub expected_low: Option<Decimal>,
    pub expected_high: Option<Decimal>,
    /// How many standard deviations the value is above the expected one; negative if it is below. Null without enough history.
    pub score: Option<Decimal>,
    /// How many days it was judged by, the first and the last of them.
    pub baseline_days: usize,
    #[schema(value_type = Option<String>, format = Date)]
    pub baseline_from: Option<Date>,
    #[schema(value_type = Option<String>, format = Date)]
    pub baseline_to: Option<Date>,
    /// The version of the algorithm.
    pub judge_version: i32,
}

impl From<Judgement> for ValueJudgement {
    fn from(judgement: Judgement) -> Self {
        let Judgement { judge_version, verdict, reason, expected, score, baseline } = judgement;
        let (expected_low, expected_high) = expected.unzip();
        Self {
            verdict: verdict.name(),
            reason: reason.map(Reason::name),
            expected_low,
            expected_high,
            score,
            baseline_days: baseline.map_or(0, |baseline| baseline.days),
            baseline_from: baseline.map(|baseline| baseline.from),
            baseline_to: baseline.map(|baseline| baseline.to),
            judge_version,
        }
    }
}

impl ValueJudgement {
    /// As a JSON object.
    pub(super) fn object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        }
    }
}

fn verdict() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Verdict::iter().map(Verdict::name)))
        .build()
}

fn reason() -> Object {
    let names = Reason::iter().map(|reason| Value::from(reason.name()));
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(names.into_iter().chain([Value::Null])))
        .build()
}
