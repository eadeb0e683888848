//! Decimals as answers carry them: JSON numbers with every digit.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::metric::Decimal;

/// A decimal as its digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Exact(pub Number);

impl Exact {
    /// The number itself, to compute with.
    pub fn decimal(&self) -> Decimal {
        // What a store holds is a finite decimal, and so is what was computed from it.
        self.0.as_str().parse().unwrap_or_default()
    }
}

impl From<&Decimal> for Exact {
    fn from(value: &Decimal) -> Self {
        Self(value.to_number())
    }
}

impl From<Decimal> for Exact {
    fn from(value: Decimal) -> Self {
        Self(value.to_number())
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

impl PartialSchema for Exact {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some(
                "An exact decimal, with every digit that is recorded: more than a float may hold.",
            ))
            .into()
    }
}

impl ToSchema for Exact {
    fn name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }
}
