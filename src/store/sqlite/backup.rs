//! Copies of the file.

use std::{fs::File, io, path::Path};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::{Connection, Executor, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::SqliteStore;
use crate::{
    database::FaultClass,
    store::{Backups, StoreContents, StoreError, contract::ContentsSum, from_row},
};

/// Counts records of the copy that differ from those of the store. There are none unless the copy is wrong, because records stay.
const SELECT_FOREIGN: &str = "
    SELECT count(*) FROM (SELECT * FROM copy.daily_metrics EXCEPT SELECT * FROM main.daily_metrics)";
/// By tenant and metric: the primary key.
const SELECT_ALL_RECORDS: &str = "
    SELECT tenant_id, metric_date, metric_type, metric_category, value, metadata, provenance, definition_version,
           collection_id, collection_timestamp
    FROM daily_metrics
    ORDER BY tenant_id, metric_category, metric_type, metric_date";
const COUNT_RECORDS: &str = "SELECT count(*) FROM daily_metrics";
const COUNT_RUNS: &str = "SELECT count(*) FROM metric_collection_log";
const COUNT_DEFINITION_VERSIONS: &str = "SELECT count(*) FROM metric_definition_versions";
const COUNT_REVISIONS: &str = "SELECT count(*) FROM metric_revisions";
const COUNT_REDACTIONS: &str = "SELECT count(*) FROM redactions";

#[async_trait]
impl Backups for SqliteStore {
    fn copy_format(&self) -> String {
        "sqlite".to_owned()
    }

    async fn copy_problem(&self) -> Option<String> {
        None
    }

    async fn copy_to(&self, file: &Path) -> Result<StoreContents, StoreError> {
        let failed = |error| self.failed(error);
        let mut source = self.pool().await?.acquire().await.map_err(failed)?;
        let before: i64 = sqlx::query_scalar(COUNT_RECORDS).fetch_one(&mut *source).await.map_err(failed)?;
        // The copy is a state of the file, whatever is written meanwhile, and has no free pages and no write-ahead log.
        let copying = sqlx::query("VACUUM INTO ?1").bind(self.name_of(file)?);
        copying.execute(&mut *source).await.map_err(failed)?;
        drop(source);
        let synced = File::open(file).and_then(|file| file.sync_all());
        synced.map_err(|error| self.io_failed(file, &error))?;

        let contents = self.contents_of(file).await?;
        let mut compared = self.pool().await?.acquire().await.map_err(failed)?.detach();
        let attach = sqlx::query("ATTACH ?1 AS copy").bind(self.name_of(file)?);
        attach.execute(&mut compared).await.map_err(failed)?;
        let foreign: i64 =
            sqlx::query_scalar(SELECT_FOREIGN).fetch_one(&mut compared).await.map_err(failed)?;
        compared.close().await.map_err(failed)?;
        if foreign > 0 || contents.records() < before.unsigned_abs() {
            let message = format!(
                "its copy has {} records, {foreign} of them other than those of the store, which had {before}",
                contents.records()
            );
            return Err(self.fault(FaultClass::Other, message));
        }
        Ok(contents)
    }

    async fn restore_from(&self, file: &Path) -> Result<(), StoreError> {
        let wal = format!("{}-wal", self.path.display());
        if self.file_exists()? || Path::new(&wal).exists() {
            let message = "there is a file already; restore into a place where there is none".to_owned();
            return Err(self.fault(FaultClass::Other, message));
        }
        self.contents_of(file).await?;
        self.place(file).map_err(|error| self.io_failed(&self.path, &error))
    }

    async fn contents(&self) -> Result<StoreContents, StoreError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
        sum(&mut connection).await.map_err(|error| self.failed(error))
    }
}

impl SqliteStore {
    /// Returns the contents of a copy, after SQLite has checked all of its pages, indexes and references.
    async fn contents_of(&self, file: &Path) -> Result<StoreContents, StoreError> {
        let reading = async {
            let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
            let mut copy = SqliteConnection::connect_with(&options).await?;
            let findings: Vec<String> =
                sqlx::query_scalar("PRAGMA integrity_check(5)").fetch_all(&mut copy).await?;
            let orphans = copy.fetch_all("PRAGMA foreign_key_check").await?.len();
            let contents = match (findings.join("; ").as_str(), orphans) {
                ("ok", 0) => Ok(sum(&mut copy).await?),
                ("ok", orphans) => Err(format!("{orphans} rows refer to rows that do not exist")),
                (findings, _) => Err(findings.to_owned()),
            };
            copy.close().await?;
            Ok(contents)
        };
        let read: Result<_, sqlx::Error> = reading.await;
        let damaged = |what: String| {
            self.fault(FaultClass::Other, format!("the copy {} is damaged: {what}", file.display()))
        };
        read.map_err(|error| damaged(error.to_string()))?.map_err(damaged)
    }

    /// Puts a copy of `file` where the store is to be. It gets its name when it is complete and on the disk.
    fn place(&self, file: &Path) -> io::Result<()> {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        // A temporary file is for its owner alone, as the store is.
        let mut target = tempfile::NamedTempFile::new_in(directory)?;
        io::copy(&mut File::open(file)?, target.as_file_mut())?;
        target.as_file().sync_all()?;
        target.persist_noclobber(&self.path).map_err(|error| error.error)?;
        File::open(directory)?.sync_all()
    }

    fn name_of<'a>(&self, file: &'a Path) -> Result<&'a str, StoreError> {
        let is_not_text = || format!("{} is not UTF-8, as SQLite needs it", file.display());
        file.to_str().ok_or_else(|| self.fault(FaultClass::Other, is_not_text()))
    }
}

async fn sum(connection: &mut SqliteConnection) -> Result<StoreContents, sqlx::Error> {
    let mut sum = ContentsSum::default();
    let mut rows = sqlx::query(SELECT_ALL_RECORDS).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        sum.add(row.try_get("tenant_id")?, &from_row::record(&row)?);
    }
    drop(rows);
    let runs = sqlx::query_scalar(COUNT_RUNS).fetch_one(&mut *connection).await?;
    let versions = sqlx::query_scalar(COUNT_DEFINITION_VERSIONS).fetch_one(&mut *connection).await?;
    let revisions = sqlx::query_scalar(COUNT_REVISIONS).fetch_one(&mut *connection).await?;
    let redactions = sqlx::query_scalar(COUNT_REDACTIONS).fetch_one(connection).await?;
    Ok(sum.finish([runs, versions, revisions, redactions]))
}
