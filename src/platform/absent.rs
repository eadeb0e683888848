//! The platform that is not configured: it can be handed around, and every use of it fails with [`FaultClass::Unconfigured`].

use std::sync::Arc;

use async_trait::async_trait;

use super::{Cut, DetectedFormats, Flag, PlannedStatement, Platform, Schema, Sources};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Reading},
};

pub fn absent() -> Arc<dyn Platform> {
    Arc::new(Absent)
}

struct Absent;

fn unconfigured() -> Fault {
    Fault::new(FaultClass::Unconfigured, "no platform is configured")
}

#[async_trait]
impl Platform for Absent {
    fn location(&self) -> String {
        "(none)".to_owned()
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        Err(unconfigured())
    }

    async fn detect_time_formats(&self, _columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        Err(unconfigured())
    }

    async fn open_cut(&self) -> Result<Box<dyn Cut>, Fault> {
        Err(unconfigured())
    }

    async fn flag(&self, _schema: &Schema, _flag: Flag<'_>, _id: &str) -> Result<bool, Fault> {
        Err(unconfigured())
    }

    fn plan(
        &self,
        _schema: &Schema,
        _sources: &Sources,
        _readings: &[Reading],
        _days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        Err(unconfigured())
    }
}
