//! Schemas of parameters that are one of a few words, for the OpenAPI document.

use jiff::civil::Weekday;
use strum::IntoEnumIterator;
use utoipa::openapi::{Array, Object, ObjectBuilder, Type};

use crate::{
    access::{Role, Scope},
    metric::MetricType,
    query::{ExportFormat, VALUES, weekday},
    store::{JobKind, JobStatus, RevisionBasis, RunKind, RunStatus, Trigger},
};

pub fn formats() -> Object {
    one_of(ExportFormat::iter().map(ExportFormat::name))
}

pub fn metric_types() -> Object {
    one_of(MetricType::iter().map(MetricType::name))
}

pub fn correction_states() -> Object {
    one_of(["all", "in_force"])
}

pub fn correction_bases() -> Object {
    one_of(RevisionBasis::NAMES)
}

pub fn values() -> Object {
    one_of(VALUES)
}

pub fn weekdays() -> Object {
    one_of(Weekday::Monday.cycle_forward().take(7).map(weekday))
}

pub fn run_kinds() -> Object {
    one_of(RunKind::iter().map(RunKind::name))
}

pub fn run_statuses() -> Object {
    one_of(RunStatus::iter().map(RunStatus::name))
}

pub fn job_kinds() -> Object {
    one_of(JobKind::iter().map(JobKind::name))
}

pub fn job_statuses() -> Object {
    one_of(JobStatus::iter().map(JobStatus::name))
}

pub fn triggers() -> Object {
    one_of(Trigger::iter().map(Trigger::name))
}

pub fn key_roles() -> Object {
    one_of(Role::iter().filter(|role| *role != Role::Anonymous).map(Role::name))
}

pub fn key_scopes() -> Array {
    Array::new(one_of(Scope::iter().map(Scope::name)))
}

pub fn key_states() -> Object {
    one_of(["active", "expired", "revoked"])
}

pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}
