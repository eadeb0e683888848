//! One entry of the collection log: reading it, and ending its run.

use uuid::Uuid;

use crate::store::{
    Finish, Run,
    row::Columns,
    sql_store::{SqlSession, SqlStore},
    statement::Statement,
};

pub(in crate::store) const RUN_COLUMNS: &str =
    "id, kind, collection_date, collection_end_date, started_at, completed_at, status,
    metrics_collected, error_message, error_details, trigger, actor, host, process_id";

pub(super) fn select<S: SqlStore>(store: &S) -> Statement<'_> {
    store.statement(format!("SELECT {RUN_COLUMNS} FROM metric_collection_log WHERE tenant_id = $1"))
}

pub(super) fn select_run<S: SqlStore>(store: &S, id: Uuid) -> Statement<'_> {
    let mut query = select(store);
    query.push(" AND id = ").push_bind(id);
    query
}

pub(super) async fn run_in<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    id: Uuid,
) -> Result<Option<Run>, sqlx::Error> {
    session.fetch(&select_run(store, id)).await?.first().map(run).transpose()
}

/// Whether the run was still running until now.
pub(super) async fn finish_run<S: SqlStore>(
    store: &S,
    session: &mut S::Session,
    finish: &Finish,
) -> Result<bool, sqlx::Error> {
    let details = finish.bounded_details();
    let update = store
        .statement(S::OWN.finish_run)
        .bind(finish.id)
        .bind(finish.status.name())
        .bind(finish.completed_at)
        .bind(finish.short_message())
        .bind(details.as_deref());
    Ok(session.execute(&update).await? == 1)
}

pub(in crate::store) fn run(row: &impl Columns) -> Result<Run, sqlx::Error> {
    Ok(Run {
        id: row.uuid("id")?,
        kind: row.variant("kind")?,
        from: row.date("collection_date")?,
        to: row.date("collection_end_date")?,
        started_at: row.instant("started_at")?,
        completed_at: row.optional_instant("completed_at")?,
        status: row.variant("status")?,
        metrics_collected: row.get("metrics_collected")?,
        error_message: row.get("error_message")?,
        error_details: row.optional_object("error_details")?,
        trigger: row.variant("trigger")?,
        actor: row.get("actor")?,
        host: row.get("host")?,
        process_id: row.count("process_id")?,
    })
}
