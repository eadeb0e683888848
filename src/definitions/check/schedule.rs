//! The part of `check` for the schedule: when the next day is collected, what keeps it from being collected, and whether the day that
//! was due last is recorded.

use jiff::{SignedDuration, Timestamp, civil::Date};

use super::CheckScope;
use crate::{
    collect::Context,
    config::Finding,
    definitions::{CRON_JOB, own_cron_job},
    store::{AlertEvaluation, LockName, RunFilter, RunKind, RunStatus, ScheduleState, StoreError},
};

/// How long after its time a day is recorded at the latest, if something collects it: `daymark collect` is run every hour.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_mins(90);

/// Checks the schedule. A store that fails is reported by its own checks.
pub(super) async fn check_schedule(context: &Context, scope: CheckScope) -> Vec<Finding> {
    let now = context.now();
    let mut findings: Vec<_> = check_times(context, now).into_iter().collect();
    if scope.store
        && let Ok(state) = context.tenant.store.schedule_state().await
    {
        match paused(context, &state, now) {
            Some(pause) => findings.push(pause),
            None => findings.extend(overdue(context, &state, now).await.unwrap_or_default()),
        }
        findings.extend(silent(context, &state, now));
        findings.extend(silent_alerts(context).await.unwrap_or_default());
    }
    findings
}

/// The finding about a schedule that never collects again, or always too late for a day to count as observed.
fn check_times(context: &Context, now: Timestamp) -> Option<Finding> {
    let Some((date, at)) = context.due_times().next_due(now) else {
        let message = "`schedule.cron` has no time in the future, so that `daymark serve` collects nothing";
        return Some(Finding::error("schedule", message).hint(
            "correct the expression, or leave it out: then each day is collected when it has settled",
        ));
    };
    let end = context.tenant.calendar.bounds(date)?.end;
    let late = at.duration_since(end);
    let limit = context.tenant.observed_within;
    (late > limit).then(|| {
        let cause = if context.tenant.cron.is_some() { "`schedule.cron`" } else { "`settle_minutes`" };
        let message = format!(
            "by {cause} the next day, {date}, is collected {late:#} after its end, at {}: its values will be `reconstructed`, because \
             days are `observed` within {limit:#} only",
            context.tenant.calendar.display(at)
        );
        let hint = settling_time(context, end).unwrap_or_else(|| {
            "collect earlier, or raise `collect.observed_within_hours` if rows of the platform are not deleted in that time"
                .to_owned()
        });
        Finding::warning("schedule", message).hint(hint)
    })
}

/// Names a time of the cron expression at which the day that ended at `end` still settles, such as midnight.
fn settling_time(context: &Context, end: Timestamp) -> Option<String> {
    let ready_at = end.checked_add(context.tenant.settle).ok()?;
    let early = context.tenant.cron.as_ref()?.at_or_after(end).filter(|early| *early < ready_at)?;
    let display = |at| context.tenant.calendar.display(at);
    Some(format!(
        "at {} the day still settles (`settle_minutes`): give `schedule.cron` a time at or after {}",
        display(early),
        display(ready_at)
    ))
}

fn paused(context: &Context, state: &ScheduleState, now: Timestamp) -> Option<Finding> {
    let pause = state.pause(now)?;
    let display = |at| context.tenant.calendar.display(at);
    let until =
        pause.until.map_or_else(|| "without an end".to_owned(), |until| format!("until {}", display(until)));
    let message = format!(
        "collecting on schedule is paused {until}, since {} by {}: {}",
        display(pause.paused_at),
        pause.paused_by,
        pause.reason
    );
    Some(
        Finding::warning("schedule", message)
            .hint("`daymark schedule resume` ends the pause; what was missed is filled then"),
    )
}

/// The finding about a leader that hangs.
fn silent(context: &Context, state: &ScheduleState, now: Timestamp) -> Option<Finding> {
    let leader = state.leader.as_ref().filter(|_| state.is_silent(now))?;
    let message = format!(
        "process {} on {} holds the leader's lock and has written no heartbeat since {}",
        leader.process_id,
        leader.host,
        context.tenant.calendar.display(leader.seen_at)
    );
    Some(Finding::warning("schedule", message).hint("it hangs: end it, and another instance takes over"))
}

/// The finding about an instance that holds the lock of alerts and evaluates none.
async fn silent_alerts(context: &Context) -> Result<Option<Finding>, StoreError> {
    let store = context.tenant.store.as_ref();
    let AlertEvaluation::Silent(age) = AlertEvaluation::read(store).await? else { return Ok(None) };
    let holder = store.holder(&LockName::Alerts).await?;
    let message = format!(
        "{} holds the lock of alerts and has evaluated no rules for {:#}",
        holder.as_deref().unwrap_or("an instance"),
        SignedDuration::from_secs(age.as_secs())
    );
    Ok(Some(Finding::warning("alerts", message).hint(
        "its log says why evaluations fail; if it says nothing, it hangs: end it, and another instance takes over",
    )))
}

/// The finding about a day that was due and is not recorded, although earlier ones are.
async fn overdue(
    context: &Context,
    state: &ScheduleState,
    now: Timestamp,
) -> Result<Option<Finding>, StoreError> {
    let store = &context.tenant.store;
    let long_ago = now.checked_sub(OVERDUE_AFTER).unwrap_or(now);
    let (Some(due), Some((first, newest))) =
        (context.due_times().last_due(long_ago), store.recorded_span().await?)
    else {
        return Ok(None);
    };
    // A store that is looked at with another zone or clock is reported by other checks.
    if newest >= due || first > due {
        return Ok(None);
    }
    let message = format!("nothing is recorded of {due}, which was due; the newest record is of {newest}");
    let cause = match last_failure(context, due).await? {
        Some(failure) => Some(failure),
        None => not_run_by_cron(context).await.or_else(|| not_led(context, state)),
    };
    let hint = match cause {
        Some(cause) => format!("{cause}; `daymark gaps` lists what is missing"),
        None => "run `daymark serve`, or `daymark collect` every hour; `daymark gaps` lists what is missing"
            .to_owned(),
    };
    Ok(Some(Finding::warning("schedule", message).hint(hint)))
}

/// Why the last attempt at `date` failed, if it did.
async fn last_failure(context: &Context, date: Date) -> Result<Option<String>, StoreError> {
    let attempts = RunFilter {
        kind: Some(RunKind::Collect),
        days: Some((date, date)),
        limit: Some(1),
        ..RunFilter::default()
    };
    let last = context.tenant.store.runs(&attempts).await?.into_iter().next();
    Ok(last.filter(|run| run.status == RunStatus::Failed).map(|run| {
        let reason = run.error_message.unwrap_or_default();
        format!("its last attempt, at {}, failed: {reason}", context.tenant.calendar.display(run.started_at))
    }))
}

/// The job of pg_cron that should have recorded it, if there is one.
async fn not_run_by_cron(context: &Context) -> Option<String> {
    let state = context.tenant.store.cron_state().await.ok()??;
    own_cron_job(&state).map(|_| {
        format!(
            "the job {CRON_JOB} of pg_cron did not record it; SELECT * FROM cron.job_run_details ORDER BY runid DESC lists its runs"
        )
    })
}

/// The instance that led last, if none leads any more.
fn not_led(context: &Context, state: &ScheduleState) -> Option<String> {
    let leader = state.leader.as_ref().filter(|_| !state.is_led)?;
    let seen_at = context.tenant.calendar.display(leader.seen_at);
    Some(format!(
        "no instance of `daymark serve` collects: the last one was process {} on {}, seen last {seen_at}",
        leader.process_id, leader.host
    ))
}
