//! The schema of a filter.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::metric::Decimal;

/// A condition for each of these columns; a row must meet all of them.
#[derive(Serialize, ToSchema)]
#[schema(as = Filter)]
pub struct FilterSchema(HashMap<String, ConditionSchema>);

/// A value, one of several values, or comparisons that must all hold.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = Condition)]
pub enum ConditionSchema {
    Equals(LiteralSchema),
    In(Literals),
    Comparisons(Box<Comparisons>),
}

#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(min_properties = 1)]
pub struct Comparisons {
    #[schema(required = false)]
    equals: LiteralSchema,
    #[schema(required = false)]
    not_equals: LiteralSchema,
    #[schema(required = false)]
    r#in: Literals,
    #[schema(required = false)]
    not_in: Literals,
    #[schema(required = false)]
    less_than: LiteralSchema,
    #[schema(required = false)]
    at_most: LiteralSchema,
    #[schema(required = false)]
    greater_than: LiteralSchema,
    #[schema(required = false)]
    at_least: LiteralSchema,
    #[schema(required = false)]
    is_null: bool,
    /// None of these values; unlike with `not_in`, NULL passes.
    #[schema(required = false)]
    is_not: Literals,
}

/// One of several values.
#[derive(Serialize, ToSchema)]
#[schema(min_items = 1)]
pub struct Literals(Vec<LiteralSchema>);

/// Dates and times are strings.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read by the derive macro only")]
#[schema(as = Literal)]
pub enum LiteralSchema {
    Text(String),
    Number(Decimal),
    Boolean(bool),
}
