//! The schema of an exact decimal in the OpenAPI document.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::metric::Decimal;

impl PartialSchema for Decimal {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some(
                "An exact decimal, with every digit that is recorded: more than a float may hold.",
            ))
            .into()
    }
}

impl ToSchema for Decimal {
    fn name() -> std::borrow::Cow<'static, str> {
        "Decimal".into()
    }
}
