//! The platform that is not configured: it can be handed around, and every use of it says what to do.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;

use super::{Cut, PlannedStatement, Platform, Schema, Sources};
use crate::{
    database::{Fault, FaultClass},
    metric::{DayBounds, Reading, TimeFormat},
};

/// `advice` is the answer to everything.
pub fn absent(advice: &str) -> Arc<dyn Platform> {
    Arc::new(Absent { advice: advice.to_owned() })
}

struct Absent {
    advice: String,
}

impl Absent {
    fn fault(&self) -> Fault {
        Fault::new(FaultClass::Other, self.advice.clone())
    }
}

#[async_trait]
impl Platform for Absent {
    fn location(&self) -> String {
        "(none)".to_owned()
    }

    async fn inspect(&self) -> Result<Schema, Fault> {
        Err(self.fault())
    }

    async fn detect_time_formats(
        &self,
        _columns: &[(String, String)],
    ) -> Result<HashMap<(String, String), TimeFormat>, Fault> {
        Err(self.fault())
    }

    async fn open_cut(&self) -> Result<Box<dyn Cut>, Fault> {
        Err(self.fault())
    }

    fn plan(
        &self,
        _schema: &Schema,
        _sources: &Sources,
        _readings: &[Reading],
        _days: &[DayBounds],
    ) -> Result<Vec<PlannedStatement>, Fault> {
        Err(self.fault())
    }
}
