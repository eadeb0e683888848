//! Reading records.

use std::cmp::Ordering;

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};

use super::runs::last_runs;
use crate::{
    blocking::block_in_place_if_large,
    metric::{MetricKey, Provenance, Record},
    store::{
        Latest, MOST_SKIPPED, RecordCount, RecordedDays, Records, Runs, SeriesDays, SeriesQuestion,
        SeriesRows, StoreError, StoreSummary, Upkeep, ValuesAsked,
        from_row::{self, metric_key, record, record_count},
        in_force::revisions_in_force,
        row::{self, Columns},
        sql_store::{SqlRecords, SqlRuns, SqlStore, read_rows, retry},
    },
};

const TABLE: &str = "daily_metrics";

/// One look into the index `daily_metrics_by_cut`.
const SELECT_LAST_CUT: &str =
    "SELECT max(collection_timestamp) AS last_cut FROM daily_metrics WHERE tenant_id = $1";

/// Follows a WITH clause that defines `revisions_in_force`.
const COUNT_CORRECTED: &str = "
    SELECT revised.metric_type, revised.metric_category, recorded.provenance, count(*) AS corrected
    FROM revisions_in_force AS revised
    JOIN daily_metrics AS recorded
        ON recorded.tenant_id = revised.tenant_id AND recorded.metric_category = revised.metric_category
       AND recorded.metric_type = revised.metric_type AND recorded.metric_date = revised.metric_date
    WHERE revised.tenant_id = $1 AND revised.kind = 'value'
    GROUP BY revised.metric_type, revised.metric_category, recorded.provenance";

#[async_trait]
impl<S: SqlRecords + SqlRuns + Runs + Upkeep> Records for S {
    async fn recorded(&self, from: Date, to: Date) -> Result<RecordedDays, StoreError> {
        retry(self, || self.select_keys(from, to)).await
    }

    async fn recorded_span(&self) -> Result<Option<(Date, Date)>, StoreError> {
        let select = self.statement(S::OWN.select_span);
        let rows = retry(self, || self.fetch(&select)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let day = |column| row.optional_date(column).map_err(|error| self.failed(error));
        Ok(day("first")?.zip(day("last")?))
    }

    async fn last_cut(&self) -> Result<Option<Timestamp>, StoreError> {
        let select = self.statement(SELECT_LAST_CUT);
        let rows = retry(self, || self.fetch(&select)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        row.optional_instant("last_cut").map_err(|error| self.failed(error))
    }

    async fn records(
        &self,
        from: Date,
        to: Date,
        categories: Option<&[String]>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = retry(self, || self.select_records(from, to, categories)).await?;
        Ok(row::readable(self.shown(), TABLE, &rows, record))
    }

    async fn series(&self, question: &SeriesQuestion) -> Result<SeriesRows, StoreError> {
        // Runs are read first, so that the records of a run that has ended by then are in the records that are read
        // afterwards.
        let runs = self.incomplete_runs(question.from, question.to).await?;
        let series = self.series_days(question).await?;
        Ok(SeriesRows { series, runs })
    }

    async fn series_days(&self, question: &SeriesQuestion) -> Result<Vec<SeriesDays>, StoreError> {
        let rows = retry(self, || self.select_series(question)).await?;
        Ok(block_in_place_if_large(question.size(), || {
            from_row::series(self.shown(), TABLE, question, &rows)
        }))
    }

    async fn latest(&self, metrics: &[MetricKey], values: ValuesAsked) -> Result<Vec<Latest>, StoreError> {
        let (mut found, mut asked) = (Vec::with_capacity(metrics.len()), metrics.to_vec());
        let mut skipped = 0;
        while !asked.is_empty() && skipped <= MOST_SKIPPED {
            let rows = retry(self, || self.select_latest(&asked, skipped, values)).await?;
            let (read, unreadable) = from_row::latest(self.shown(), TABLE, &rows);
            found.extend(read);
            (asked, skipped) = (unreadable, skipped + 1);
        }
        found.sort_by_cached_key(|Latest { record, .. }| {
            (record.key.category.clone(), record.key.metric_type.name())
        });
        Ok(found)
    }

    async fn settle(&self, instant: Timestamp) -> Result<(), StoreError> {
        // The clock is read before the commits that are under way, so that what is committed later also has a later time.
        let settled = || async {
            let now = self.now().await?;
            match row::to_micros(instant).cmp(&now) {
                Ordering::Greater => Err(StoreError::Future { instant, now }),
                Ordering::Less if self.is_settled(instant).await? => Ok(()),
                // What is committed in the same tick of the clock gets the same time.
                Ordering::Less | Ordering::Equal => Err(StoreError::Unsettled { instant }),
            }
        };
        retry(self, settled).await
    }

    async fn summary(&self, day: Date, skipped: &[Date]) -> Result<StoreSummary, StoreError> {
        let (last_run, last_completed) = last_runs(self).await?;
        let rows = retry(self, || self.count_records(day, skipped)).await?;
        let mut counts = row::readable(self.shown(), TABLE, &rows, record_count);
        count_corrected(self, &mut counts).await?;
        Ok(StoreSummary { last_run, last_completed, counts })
    }
}

/// Counts the corrected values among the records.
async fn count_corrected(store: &impl SqlStore, counts: &mut [RecordCount]) -> Result<(), StoreError> {
    let select = store.statement(format!("WITH {}{COUNT_CORRECTED}", revisions_in_force(None)));
    for (key, recorded_as, corrected) in read_rows(store, TABLE, &select, corrected_count).await? {
        let Some(count) = counts.iter_mut().find(|count| count.key == key) else { continue };
        for (provenance, records) in &mut count.of_provenance {
            if *provenance == Provenance::Corrected {
                *records += corrected;
            } else if *provenance == recorded_as {
                *records = records.saturating_sub(corrected);
            }
        }
    }
    Ok(())
}

fn corrected_count(row: &impl Columns) -> Result<(MetricKey, Provenance, usize), sqlx::Error> {
    Ok((metric_key(row)?, row.variant("provenance")?, row.count("corrected")?))
}
