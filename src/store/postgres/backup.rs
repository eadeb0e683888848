//! Copies of the schema, by the programs pg_dump, pg_restore and psql.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use sqlx::{Connection, PgConnection, Row};

use super::{PostgresStore, connection::quoted, programs::pg_program};
use crate::{
    database::FaultClass,
    store::{Backups, StoreContents, StoreError, contract::ContentsSum, from_row},
};

/// `value` is a text here: the driver's own decimals have their digits in groups of four.
const SELECT_ALL_RECORDS: &str = "
    SELECT tenant_id, metric_date, metric_type, metric_category, value::TEXT AS value, metadata, provenance,
           definition_version, collection_id, collection_timestamp
    FROM daily_metrics
    ORDER BY tenant_id COLLATE \"C\", metric_category COLLATE \"C\", metric_type COLLATE \"C\", metric_date";
const COUNT_RUNS: &str = "SELECT count(*) FROM metric_collection_log";
const COUNT_DEFINITION_VERSIONS: &str = "SELECT count(*) FROM metric_definition_versions";
const COUNT_REVISIONS: &str = "SELECT count(*) FROM metric_revisions";
const COUNT_REDACTIONS: &str = "SELECT count(*) FROM redactions";

#[async_trait]
impl Backups for PostgresStore {
    fn copy_format(&self) -> String {
        format!("postgresql:{}", self.schema)
    }

    async fn copy_problem(&self) -> Option<String> {
        // A server that cannot be reached has its own message.
        let session = self.connect().await.ok()?;
        let server = session.server_version_num()? / 10_000;
        let _ = session.close().await;
        ["pg_dump", "pg_restore", "psql"].into_iter().find_map(|name| match client_version(name) {
            Err(error) => Some(not_started(name, &error)),
            Ok(Some(version)) if version < server => Some(format!(
                "{name} is of version {version}, and the server of version {server}: install a later one"
            )),
            Ok(_) => None,
        })
    }

    async fn copy_to(&self, file: &Path) -> Result<StoreContents, StoreError> {
        // The first look says whether the store is migrated.
        self.pool().await?;
        let failed = |error| self.failed(error);
        let mut session = self.connect().await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        sqlx::query(begin).execute(&mut session).await.map_err(failed)?;
        let snapshot: String = sqlx::query_scalar("SELECT pg_export_snapshot()")
            .fetch_one(&mut session)
            .await
            .map_err(failed)?;
        let contents = sum(&mut session).await.map_err(failed)?;
        // The snapshot lasts as long as the transaction of the session that exported it.
        let mut dump = pg_program("pg_dump", &self.options);
        dump.args(["--format=custom", "--no-password"])
            .arg(format!("--snapshot={snapshot}"))
            .arg(format!("--schema={}", pattern(&self.schema)))
            .arg(format!("--file={}", file.display()));
        self.run(dump).await?;
        let _ = session.close().await;
        self.compare(file, &contents).await?;
        Ok(contents)
    }

    async fn restore_from(&self, file: &Path) -> Result<(), StoreError> {
        let mut session = self.connect().await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
            .bind(&self.schema)
            .fetch_one(&mut session)
            .await
            .map_err(|error| self.failed(error))?;
        let _ = session.close().await;
        if exists {
            let message =
                "the schema exists already; restore into a database that has none of that name".to_owned();
            return Err(self.fault(FaultClass::Other, message));
        }
        let earlier = self.earlier_owner(file).await?;
        let mut restore = pg_program("pg_restore", &self.options);
        restore.args(["--no-owner", "--file=-"]).arg(file);
        let mut psql = pg_program("psql", &self.options);
        psql.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]);
        let end = self.takeover(&earlier) + "COMMIT;\n";
        let restoring = tokio::task::spawn_blocking(move || execute_archive(restore, psql, &end)).await;
        let outcome = restoring.map_err(|error| error.to_string()).and_then(|outcome| outcome);
        outcome.map_err(|message| self.fault(FaultClass::Other, message))
    }

    async fn contents(&self) -> Result<StoreContents, StoreError> {
        let mut session = self.pool().await?.acquire().await.map_err(|error| self.failed(error))?;
        sum(&mut session).await.map_err(|error| self.failed(error))
    }
}

impl PostgresStore {
    /// The role that owned the tables of the copy.
    async fn earlier_owner(&self, file: &Path) -> Result<String, StoreError> {
        let file = file.to_owned();
        let listing = tokio::task::spawn_blocking(move || {
            Command::new("pg_restore").arg("--list").arg(file).stdin(Stdio::null()).output()
        });
        let listed = match listing.await {
            Ok(Ok(output)) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(Err(error)) => return Err(self.fault(FaultClass::Other, not_started("pg_restore", &error))),
            Err(error) => return Err(self.fault(FaultClass::Other, error.to_string())),
        };
        let owner = listed.lines().find_map(owner_of_records).map(str::to_owned);
        owner.ok_or_else(|| {
            self.fault(FaultClass::Other, "the copy does not say who owned its tables".to_owned())
        })
    }

    /// Commands of psql that give the restoring role, which owns the tables, the privileges that the earlier owner had, and revoke them
    /// from the earlier owner. The restoring role then lacks the privileges to change records, as the earlier owner did after the
    /// migrations.
    fn takeover(&self, earlier: &str) -> String {
        let select: Vec<_> =
            include_str!("select_takeover.sql").lines().filter(|line| !line.starts_with("--")).collect();
        let earlier = format!("'{}'", earlier.replace('\'', "''"));
        let select = select.join("\n").replace("$1", &earlier);
        // `\gexec` executes each of the statements that the query returns.
        format!("SET LOCAL search_path TO {}, pg_temp;\n{select}\n\\gexec\n", quoted(&self.schema))
    }

    /// Reads all of the dump back, and compares how many rows it has with the snapshot that it is of.
    async fn compare(&self, file: &Path, contents: &StoreContents) -> Result<(), StoreError> {
        let file = file.to_owned();
        let counting = tokio::task::spawn_blocking(move || rows_of(&file)).await;
        let counting = counting.map_err(|error| error.to_string()).and_then(|counted| counted);
        let rows = counting.map_err(|message| self.fault(FaultClass::Other, message))?;
        let of = |prefix: &str| -> u64 {
            rows.iter().filter(|(table, _)| table.starts_with(prefix)).map(|(_, rows)| rows).sum()
        };
        let tables = [
            "daily_metrics",
            "metric_collection_log",
            "metric_definition_versions",
            "metric_revisions",
            "redactions",
        ];
        let found = tables.map(of);
        let StoreContents { runs, definition_versions, revisions, redactions, .. } = *contents;
        let expected = [contents.records(), runs, definition_versions, revisions, redactions];
        if found != expected {
            let shown = |[records, runs, versions, revisions, redactions]: [u64; 5]| {
                format!(
                    "{records} records, {runs} runs, {versions} versions of definitions, {revisions} revisions and {redactions} redactions"
                )
            };
            let message = format!("its copy has {}; the store has {}", shown(found), shown(expected));
            return Err(self.fault(FaultClass::Other, message));
        }
        Ok(())
    }

    /// Runs a program of PostgreSQL to its end.
    async fn run(&self, mut command: Command) -> Result<(), StoreError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let finished = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output()).await;
        let message = match finished {
            Ok(Ok(output)) if output.status.success() => return Ok(()),
            Ok(Ok(output)) => failure(&name, &String::from_utf8_lossy(&output.stderr)),
            Ok(Err(error)) => not_started(&name, &error),
            Err(error) => error.to_string(),
        };
        Err(self.fault(FaultClass::Other, message))
    }
}

/// Has `psql` execute the statements of an archive, which `restore` writes, and then those of `end`, in one transaction. Where one of the
/// processes ends before, this one included, psql's input ends without the COMMIT of `end`, and nothing is restored.
fn execute_archive(mut restore: Command, mut psql: Command, end: &str) -> Result<(), String> {
    let pipes = psql.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut executing = pipes.spawn().map_err(|error| not_started("psql", &error))?;
    let pipes = restore.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reading = pipes.spawn().map_err(|error| not_started("pg_restore", &error))?;
    let (input, output) = (executing.stdin.take(), reading.stdout.take());
    let written = input.zip(output).ok_or_else(|| io::ErrorKind::BrokenPipe.into()).and_then(
        |(mut input, mut statements)| {
            input.write_all(b"BEGIN;\n")?;
            io::copy(&mut statements, &mut input)?;
            drop(statements);
            let read = reading.wait_with_output()?;
            if read.status.success() {
                input.write_all(end.as_bytes())?;
            }
            io::Result::Ok(read)
        },
    );
    let executed = executing.wait_with_output().map_err(|error| error.to_string())?;
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    match written {
        // What psql says is the reason why nothing could be written to it any more.
        _ if !executed.status.success() => Err(failure("psql", &said(&executed))),
        Ok(read) if !read.status.success() => Err(failure("pg_restore", &said(&read))),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the copy cannot be restored: {error}")),
    }
}

/// The major version of a program of PostgreSQL; `None` where it says none.
fn client_version(name: &str) -> std::io::Result<Option<u32>> {
    let output = Command::new(name).arg("--version").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = said.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    Ok(number.and_then(|digits| digits.parse().ok()))
}

fn failure(name: &str, said: &str) -> String {
    let hidden = said.contains("row-level security policy");
    let hint = if hidden { "; run it as the owner of the store, who sees every row" } else { "" };
    format!("{name} failed: {}{hint}", said.trim())
}

fn not_started(name: &str, error: &std::io::Error) -> String {
    format!(
        "{name} cannot be started ({error}): install PostgreSQL's client programs, of the server's version or later, and put \
         them on PATH"
    )
}

/// How many rows a dump has of each table. The whole file is read and decompressed.
fn rows_of(file: &Path) -> Result<BTreeMap<String, u64>, String> {
    let mut command = Command::new("pg_restore");
    command.arg("--data-only").arg("--file=-").arg(file);
    let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().map_err(|error| not_started("pg_restore", &error))?;
    let (mut rows, mut table) = (BTreeMap::<String, u64>::new(), None);
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(|error| error.to_string())?;
            table = match table {
                // The end of a table's data. A row that begins so would have the backslash doubled.
                Some(_) if line == b"\\." => None,
                Some(table) => {
                    *rows.entry(String::clone(&table)).or_default() += 1;
                    Some(table)
                }
                None => copied_table(&String::from_utf8_lossy(&line)),
            };
        }
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(rows),
        false => Err(format!("its copy cannot be read: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// The table of a line such as `COPY daymark.daily_metrics_2025 (tenant_id, …) FROM stdin;`.
fn copied_table(line: &str) -> Option<String> {
    let (table, _) = line.strip_prefix("COPY ")?.strip_suffix(" FROM stdin;")?.split_once(" (")?;
    Some(table.rsplit('.').next().unwrap_or(table).trim_matches('"').to_owned())
}

/// The owner in the line of a listing such as `226; 1259 16400 TABLE daymark daily_metrics daymark_owner`.
fn owner_of_records(line: &str) -> Option<&str> {
    let (_, of_table) = line.split_once(" TABLE ")?;
    of_table.split_once(" daily_metrics ").map(|(_, owner)| owner)
}

/// A pattern of pg_dump that matches this name alone.
fn pattern(schema: &str) -> String {
    format!("\"{}\"", schema.replace('"', "\"\""))
}

async fn sum(session: &mut PgConnection) -> Result<StoreContents, sqlx::Error> {
    let mut sum = ContentsSum::default();
    let mut rows = sqlx::query(SELECT_ALL_RECORDS).fetch(&mut *session);
    while let Some(row) = rows.try_next().await? {
        sum.add(row.try_get("tenant_id")?, &from_row::record(&row)?);
    }
    drop(rows);
    let runs = sqlx::query_scalar(COUNT_RUNS).fetch_one(&mut *session).await?;
    let versions = sqlx::query_scalar(COUNT_DEFINITION_VERSIONS).fetch_one(&mut *session).await?;
    let revisions = sqlx::query_scalar(COUNT_REVISIONS).fetch_one(&mut *session).await?;
    let redactions = sqlx::query_scalar(COUNT_REDACTIONS).fetch_one(session).await?;
    Ok(sum.finish([runs, versions, revisions, redactions]))
}
