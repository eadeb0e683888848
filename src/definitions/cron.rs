//! The job of pg_cron that calls the SQL functions: when it has to run, what is missing for it, and other jobs that call the same
//! function.

use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};

use crate::{
    collect::Context,
    config::Finding,
    store::{CronJob, CronState},
};

/// The name of the job.
pub const CRON_JOB: &str = "daymark-collect";

/// See <https://github.com/citusdata/pg_cron/issues/290>.
const A_DAY_EARLY: &str = ", and the releases 1.6.0 and 1.6.1 of pg_cron run a job that names a day of the month or of the week a day \
                           early (update the package to 1.6.2 or later)";

/// How many days ahead the ends of days are looked at. Clocks are changed twice a year.
const DAYS_AHEAD: i32 = 400;
const DAY_S: i64 = 86_400;

/// The schedule of the job: the time of the day in the zone of pg_cron at which every day of the next year has settled. Where clocks
/// are changed, that is the later of the two times.
pub fn cron_schedule(context: &Context, state: &CronState) -> String {
    let calendar = &context.tenant.calendar;
    let zone = TimeZone::get(&state.time_zone).unwrap_or(TimeZone::UTC);
    let civil_second = |instant: Timestamp| {
        let shown = zone.to_datetime(instant);
        TimeZone::UTC.to_timestamp(shown).map_or(0, Timestamp::as_second)
    };
    let first = context.last_finished();
    let days = calendar.days(first, first.saturating_add(DAYS_AHEAD.days()));
    let latest = days.iter().map(|day| {
        let midnight = TimeZone::UTC.to_timestamp(day.next.at(0, 0, 0, 0)).map_or(0, Timestamp::as_second);
        civil_second(context.ready_at(day.date)) - midnight
    });
    let second = latest.max().unwrap_or_default().rem_euclid(DAY_S);
    // A time between two minutes is that of the later one.
    let minute = SignedDuration::from_secs(second + 59).as_mins() % (24 * 60);
    format!("{} {} * * *", minute % 60, minute / 60)
}

/// What keeps a job from being made, a sentence each, with what to do. Without the extension, `CREATE EXTENSION` may still succeed.
pub fn missing_for_cron(state: &CronState, schedule: &str) -> Vec<String> {
    let CronState { current_database, role, command, .. } = state;
    let mut missing = Vec::new();
    if state.available.is_none() {
        missing.push(
            "the server does not have pg_cron: install it (on Debian: apt-get install postgresql-<version>-cron)"
                .to_owned(),
        );
    }
    if state.is_preloaded == Some(false) {
        missing.push(format!(
            "pg_cron is not preloaded: set `shared_preload_libraries = 'pg_cron'` and `cron.database_name = '{current_database}'` in \
             postgresql.conf, and restart the server"
        ));
    }
    if let Some(other) = state.database.as_ref().filter(|database| *database != current_database) {
        missing.push(format!(
            "pg_cron has its jobs in the database {other}, and the store is in {current_database}: set `cron.database_name = \
             '{current_database}'` in postgresql.conf and restart the server, or run in {other}: SELECT \
             cron.schedule_in_database('{CRON_JOB}', '{schedule}', '{}', '{current_database}')",
            command.replace('\'', "''")
        ));
    }
    if TimeZone::get(&state.time_zone).is_err() {
        missing.push(format!(
            "the time zone of pg_cron, {}, is not one that Daymark knows: set `cron.timezone` in postgresql.conf to another name of it",
            state.time_zone
        ));
    }
    if state.extension.is_some() && !state.may_use {
        missing.push(format!(
            "the role {role} may not use pg_cron: run this command as the owner of the store; for {role}, if this is the owner, let an \
             administrator run `GRANT USAGE ON SCHEMA cron TO {role}`"
        ));
    }
    missing
}

/// A sentence for each further job that calls `collect_daily_metrics`, such as the one at midnight of a hand-made set-up.
pub fn other_cron_jobs(state: &CronState, schedule: &str) -> Vec<String> {
    let others = state.jobs.iter().filter(|job| !is_own(job));
    let sentence = |job: &CronJob| {
        let name = job.name.clone().unwrap_or_else(|| job.id.to_string());
        format!(
            "the job {name} of pg_cron runs `{}` at `{}`; days can be recorded at `{schedule}`, and before that a call fails or records \
             an earlier day{}: remove it with SELECT cron.unschedule({})",
            job.command,
            job.schedule,
            if may_run_a_day_early(state, job) { A_DAY_EARLY } else { "" },
            job.id
        )
    };
    others.map(sentence).collect()
}

/// The extension's version does not tell 1.6.0 and 1.6.1 from later releases of 1.6. Of a schedule's five fields, the third and the
/// fifth are days.
fn may_run_a_day_early(state: &CronState, job: &CronJob) -> bool {
    let fields: Vec<_> = job.schedule.split_whitespace().collect();
    let names_a_day = [2, 4].iter().any(|field| fields.get(*field).is_some_and(|field| *field != "*"));
    state.extension.as_deref() == Some("1.6") && names_a_day
}

/// The job that `daymark sql schedule` made.
pub fn own_cron_job(state: &CronState) -> Option<&CronJob> {
    state.jobs.iter().find(|job| is_own(job))
}

fn is_own(job: &CronJob) -> bool {
    job.name.as_deref() == Some(CRON_JOB)
}

/// Checks the jobs of pg_cron that call the functions.
pub async fn check_cron(context: &Context) -> Vec<Finding> {
    let place = "pg_cron";
    let state = match context.tenant.store.cron_state().await {
        Ok(Some(state)) => state,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![Finding::warning(place, error.to_string())],
    };
    let schedule = cron_schedule(context, &state);
    let hint = "run `daymark sql schedule`";
    let mut findings: Vec<_> = other_cron_jobs(&state, &schedule)
        .into_iter()
        .map(|sentence| Finding::warning(place, sentence))
        .collect();
    for job in state.jobs.iter().filter(|job| is_own(job)) {
        let missing = missing_for_cron(&state, &schedule);
        findings.extend(missing.into_iter().map(|sentence| Finding::error(place, sentence)));
        findings.extend(failed_run(&state, job));
        if !job.is_active {
            findings.push(Finding::warning(place, format!("the job {CRON_JOB} is not active")).hint(hint));
        }
        if job.schedule != schedule || job.command != state.command {
            let message = format!(
                "the job {CRON_JOB} runs `{}` at `{}`, and would be made to run `{}` at `{schedule}`",
                job.command, job.schedule, state.command
            );
            findings.push(Finding::warning(place, message).hint(hint));
        }
    }
    findings
}

/// The finding about the job's newest run, if it failed.
fn failed_run(state: &CronState, job: &CronJob) -> Option<Finding> {
    // A pause is a finding of its own.
    let failure = job.failure.as_ref().filter(|failure| !failure.contains("the schedule is paused"))?;
    let message = format!("the last run of the job {CRON_JOB} failed: {}", failure.trim());
    if failure.contains("connection failed") {
        let hint = format!(
            "let the role {} connect from where pg_cron does (`cron.host`, in pg_hba.conf), or set `cron.use_background_workers = on`",
            state.role
        );
        return Some(Finding::error("pg_cron", message).hint(hint));
    }
    let hint = "SELECT * FROM cron.job_run_details ORDER BY runid DESC lists its runs";
    Some(Finding::warning("pg_cron", message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_of_the_first_releases_of_1_6_is_named_for_jobs_that_name_a_day() {
        let warned = |extension: &str, schedule: &str| {
            let job = CronJob {
                id: 7,
                name: None,
                schedule: schedule.to_owned(),
                command: "SELECT collect_daily_metrics()".to_owned(),
                is_active: true,
                failure: None,
            };
            let state =
                CronState { extension: Some(extension.to_owned()), jobs: vec![job], ..CronState::default() };
            other_cron_jobs(&state, "15 0 * * *").concat().contains("a day early")
        };
        assert!(warned("1.6", "20 0 1 * *"), "a day of the month");
        assert!(warned("1.6", "20 0 * * 1-5"), "days of the week");
        assert!(!warned("1.6", "20 0 * * *") && !warned("1.6", "30 seconds"), "these name no day");
        assert!(
            !warned("1.5", "20 0 1 * *") && !warned("1.7", "20 0 1 * *"),
            "these versions have no such fault"
        );
    }
}
