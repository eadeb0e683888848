//! The platform that is not configured: it can be handed around, and every use of it fails with [`FaultClass::Unconfigured`].

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    contract::{Cut, Flag, PlannedStatement, Platform, Sources},
    detected_format::DetectedFormats,
    schema::{DescribedQuery, Schema},
    statistics::{SampledTable, Statistics},
};
use crate::{
    database::{Deadline, Fault, FaultClass},
    metric::{DayBounds, Reading},
};

/// The platform of a process without a configured platform; every call fails.
pub struct UnconfiguredPlatform;

fn fault() -> Fault {
    Fault::new(FaultClass::Unconfigured, "no platform is configured")
}

#[async_trait]
impl Platform for UnconfiguredPlatform {
    fn location(&self) -> String {
        "(none)".to_owned()
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        Err(fault())
    }

    async fn describe(&self, _queries: &BTreeSet<String>) -> Result<Vec<DescribedQuery>, Fault> {
        Err(fault())
    }

    async fn detect_time_formats(&self, _columns: &[(String, String)]) -> Result<DetectedFormats, Fault> {
        Err(fault())
    }

    async fn statistics(&self, _tables: &[SampledTable]) -> Result<Statistics, Fault> {
        Err(fault())
    }

    async fn privileges(&self) -> Result<Vec<String>, Fault> {
        Err(fault())
    }

    async fn now(&self) -> Result<Option<Timestamp>, Fault> {
        Err(fault())
    }

    async fn open_cut(&self, _deadline: Deadline) -> Result<Box<dyn Cut>, Fault> {
        Err(fault())
    }

    async fn flag(&self, _schema: &Schema, _flag: Flag<'_>, _id: &str) -> Result<bool, Fault> {
        Err(fault())
    }

    fn plan(
        &self,
        _schema: &Schema,
        _sources: &Sources,
        _readings: &[Reading],
        _days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        Err(fault())
    }
}
