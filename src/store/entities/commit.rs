//! Committing records, and with them the end of their run.

use jiff::civil::Date;

use super::{
    log_entry::{finish_run, run_in},
    redacted_labels::records_without_redacted,
};
use crate::{
    metric::{MetricKey, Record},
    store::{
        Finish, RunStatus, StoreError, outbox,
        sql_store::{SqlCommits, SqlEvents},
    },
};

pub(super) async fn commit<S: SqlCommits + SqlEvents>(
    store: &S,
    records: &[Record],
    finish: Option<&Finish>,
) -> Result<Vec<(Date, MetricKey)>, StoreError> {
    let failed = |error| store.failed(error);
    store.prepare_for(records).await?;
    let mut transaction = store.begin().await?;
    // The run is checked before its records are inserted, because the database refuses records of a finished run.
    if let Some(finish) = finish
        && let Some(run) = run_in(store, &mut transaction, finish.id).await.map_err(failed)?
        && run.status != RunStatus::Running
        && !finish.made(&run)
    {
        return Err(StoreError::RunFinished(finish.id));
    }
    let records = &*records_without_redacted(store, &mut transaction, records).await.map_err(failed)?;
    let (written, inserted) = store.insert_records(&mut transaction, records).await.map_err(failed)?;
    // Where nothing was inserted, an earlier attempt whose answer was lost may have written the records and their events.
    let mut events = if inserted > 0 { outbox::of_records(records, &written) } else { Vec::new() };
    if let Some(finish) = finish {
        let is_finished = finish_run(store, &mut transaction, finish).await.map_err(failed)?;
        let run = run_in(store, &mut transaction, finish.id).await.map_err(failed)?;
        match run {
            Some(run) if is_finished => events.extend(outbox::of_run(&run)),
            Some(run) if finish.made(&run) => {}
            _ => return Err(StoreError::RunFinished(finish.id)),
        }
    }
    store.insert_events(&mut transaction, &events).await.map_err(failed)?;
    store.end(transaction).await?;
    Ok(written)
}
