//! The query string of an endpoint without parameters: any that is given is an error.

use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
pub struct NoQuery {}
