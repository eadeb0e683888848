//! A cut is a session that holds a snapshot open; what is asked of it is the same for every database.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Cut, PlatformOptions, Schema, Sources,
    execute::{Reader, ReadingResults},
    session::Session,
    time::TimeColumn,
};
use crate::{
    database::Fault,
    metric::{DayBounds, Reading, Source},
};

pub struct SessionCut<S> {
    pub session: S,
    pub options: PlatformOptions,
}

impl<S: Session> SessionCut<S> {
    fn reader(&mut self) -> Reader<'_> {
        Reader::new(&mut self.session, &self.options)
    }
}

#[async_trait]
impl<S: Session> Cut for SessionCut<S> {
    async fn read(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<ReadingResults, Fault> {
        self.reader().read(schema, sources, readings, days).await
    }

    async fn earliest(&mut self, source: &Source) -> Result<Option<Timestamp>, Fault> {
        let dialect = self.session.dialect();
        let time = TimeColumn::new(dialect, source, dialect.name(&source.time_column))?;
        self.reader().earliest(&time, &dialect.table(source)).await
    }

    async fn explain(
        &mut self,
        schema: &Schema,
        sources: &Sources,
        readings: &[Reading],
        days: &[DayBounds],
    ) -> Result<Vec<Result<String, Fault>>, Fault> {
        self.reader().explain(schema, sources, readings, days).await
    }
}
