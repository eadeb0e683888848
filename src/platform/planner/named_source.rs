//! Finds the source of a reading, and checks that its query stays inside the brackets that are put around it.

use super::{
    dialect::Dialect,
    single_select::{require_no_parameters, require_single_select},
};
use crate::{
    database::{Fault, FaultClass},
    metric::Source,
    platform::contract::Sources,
};

/// # Errors
/// When there is no source of that name, or its query is not a single SELECT.
pub fn named_source<'a>(dialect: Dialect, sources: &'a Sources, name: &str) -> Result<&'a Source, Fault> {
    let undefined = || Fault::new(FaultClass::Other, format!("source `{name}` is not defined"));
    let source = sources.get(name).ok_or_else(undefined)?;
    require_sound(dialect, source)?;
    Ok(source)
}

/// # Errors
/// When the source's query is not a single SELECT, or has a parameter.
pub fn require_sound(dialect: Dialect, source: &Source) -> Result<(), Fault> {
    match &source.query {
        Some(query) => {
            require_no_parameters(dialect, query)?;
            require_single_select(dialect, query.trim().trim_end_matches(';'))
        }
        None => Ok(()),
    }
}
