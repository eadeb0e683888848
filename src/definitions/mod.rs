//! Definitions as code: resolving a configuration against the platform (`resolve.rs`), showing its SQL (`plan.rs`),
//! updating the store to match it (`apply.rs`), creating one definition through the API (`define.rs`), previewing
//! one (`preview.rs`), listing what one can read (`readable.rs`), and checking
//! everything that a collection depends on (`check/`).

mod apply;
mod check;
mod cron;
mod define;
mod functions;
mod other_tenants;
mod plan;
mod preview;
mod readable;
mod resolve;
mod source_warnings;

pub use apply::{AppliedChange, ApplyReport, FieldChange, ZoneChange, apply, diff, made_through_api};
pub use check::{CheckReport, CheckScope, check};
pub use cron::{CRON_JOB, check_cron, cron_schedule, missing_for_cron, other_cron_jobs, own_cron_job};
pub use define::{DefineError, Defined, define, switch_off};
pub use functions::{FunctionsError, check_functions, function_calendar, function_spec};
pub use other_tenants::other_tenants;
pub use plan::plan;
pub use preview::{
    PREVIEW_DAYS, Preview, PreviewDays, PreviewedDay, preview, preview_definitions, preview_metric,
    preview_plan, request_preview_context,
};
pub use readable::{Readable, ReadableTable, readable};
pub use resolve::resolve;
pub use source_warnings::source_warnings;
