//! Distinct actors in a window of days. For many days at once every actor's active days are listed once, and each
//! active day is turned into the stretch of days whose window it fills alone: up to the window's length, or to the
//! actor's next active day. The count on a day is then a running sum of stretches begun less stretches ended, so that a
//! window of 30 days costs no more than one of a single day.

use jiff::ToSpan;

use super::{
    dialect::{Dialect, where_all},
    execute::Executor,
    parse::parse_count,
    session::Answer,
    span::Edge,
    time::TimeColumn,
};
use crate::{
    database::{Fault, FaultClass},
    metric::{Calendar, DayBounds, Rows, Tally},
    platform::{contract::Sources, schema::Schema},
};

pub struct DistinctReading<'a> {
    pub rows: &'a [Rows],
    pub sources: &'a Sources,
    pub window_days: u32,
}

impl DistinctReading<'_> {
    /// Answers come as (0, day offset from the first edge + 1, change of the count), or as (0, count) for one day.
    pub fn statement(
        &self,
        dialect: Dialect,
        schema: &Schema,
        calendar: &Calendar,
        days: &[DayBounds],
    ) -> Result<String, Fault> {
        let edges = self.edges(calendar, days);
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Ok(String::new()) };
        let inner = &edges[..edges.len() - 1];
        let single = days.len() == 1;
        let cast = self.actors_differ(schema);
        let mut parts = Vec::new();
        for rows in self.rows {
            let bucket = (!single).then_some(inner);
            parts.push(self.activity(dialect, rows, (*first, *last), bucket, cast)?);
        }
        // UNION removes duplicates, from within a part too; a single part has to say so itself.
        let activity = match parts.as_slice() {
            [only] => only.replacen("SELECT", "SELECT DISTINCT", 1),
            _ => parts.join("\n  UNION\n  "),
        };
        if single {
            let count = dialect.pack(&["count(*)".to_owned()]);
            return Ok(format!("SELECT {}, {count} FROM (\n  {activity}) AS actors", zero(dialect)));
        }
        Ok(self.changes(dialect, &activity))
    }

    /// The changes of the count from day to day, from each actor's active days.
    fn changes(&self, dialect: Dialect, activity: &str) -> String {
        let window = self.window_days;
        let least = if dialect == Dialect::Postgres { "least" } else { "min" };
        let stretch = format!(
            "SELECT daymark_day AS begins, {least}(daymark_day + {window}, coalesce(lead(daymark_day) \
             OVER (PARTITION BY daymark_actor ORDER BY daymark_day), daymark_day + {window})) AS ends\n  FROM active"
        );
        let values = dialect.pack(&["daymark_day".to_owned(), "change".to_owned()]);
        format!(
            "WITH active AS (\n  {activity}),\nstretches AS (\n  {stretch})\n\
             SELECT {}, {values} FROM (\n  SELECT begins AS daymark_day, count(*) AS change FROM stretches GROUP BY begins\n  \
             UNION ALL\n  SELECT ends, -count(*) FROM stretches GROUP BY ends) AS changes",
            zero(dialect)
        )
    }

    /// The actors of one source, with the day of each activity if there is more than one day.
    fn activity(
        &self,
        dialect: Dialect,
        rows: &Rows,
        (first, last): (Edge, Edge),
        bucket: Option<&[Edge]>,
        cast: bool,
    ) -> Result<String, Fault> {
        let missing =
            |what: &str| Fault::new(FaultClass::Other, format!("source `{}` has no {what}", rows.source));
        let source = self.sources.get(&rows.source).ok_or_else(|| missing("definition"))?;
        let actor = dialect.name(source.actor_column.as_deref().ok_or_else(|| missing("actor_column"))?);
        let time = TimeColumn::new(dialect, source, dialect.name(&source.time_column))?;
        let day = bucket.map_or_else(String::new, |edges| format!("{} AS daymark_day, ", time.bucket(edges)));
        let shown = if cast { format!("CAST({actor} AS text)") } else { actor.clone() };
        let filter = dialect.filter(&source.filter.and(&rows.filter)).unwrap_or_default();
        let between = time.between(Some(first), last);
        let present = format!("{actor} IS NOT NULL");
        let conditions = where_all([between.as_str(), &present, &filter]);
        Ok(format!("SELECT {day}{shown} AS daymark_actor\n  FROM {}{conditions}", dialect.table(source)))
    }

    /// Ids of different types (a uuid here, text there) are compared as text.
    fn actors_differ(&self, schema: &Schema) -> bool {
        let types: Vec<_> = self
            .rows
            .iter()
            .filter_map(|rows| {
                let source = self.sources.get(&rows.source)?;
                let table = schema.table(source.schema.as_deref(), &source.table)?;
                Some(&table.column(source.actor_column.as_deref()?)?.type_name)
            })
            .collect();
        types.windows(2).any(|pair| pair[0] != pair[1])
    }

    /// The start of every calendar day from the first one in the first day's window, and the end of the last day. A day
    /// that the zone skipped has a start too, the same as the next day's: windows count calendar days.
    fn edges(&self, calendar: &Calendar, days: &[DayBounds]) -> Vec<Edge> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
        let mut date = first.date.saturating_sub((i64::from(self.window_days) - 1).days());
        let mut edges = Vec::new();
        while date <= last.date {
            edges.push(Edge { instant: calendar.start_of(date), date });
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        edges.push(Edge { instant: last.end, date });
        edges
    }

    pub async fn answer(
        &self,
        executor: &mut Executor<'_>,
        schema: &Schema,
        days: &[DayBounds],
    ) -> Result<Vec<Tally>, Fault> {
        // A stack of runs of days, the earliest on top: distinct counts do not add up over parts of a window, but each
        // day's window may be read on its own.
        let mut runs = vec![days];
        let mut tallies = Vec::with_capacity(days.len());
        while let Some(run) = runs.pop() {
            let sql = self.statement(executor.dialect(), schema, executor.calendar(), run)?;
            match executor.answers(&sql).await {
                Ok(answers) => self.collect(&mut tallies, run, answers)?,
                Err(fault) if fault.class == FaultClass::TimedOut && run.len() > 1 => {
                    let (earlier, later) = run.split_at(run.len() / 2);
                    runs.push(later);
                    runs.push(earlier);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(tallies)
    }

    fn collect(
        &self,
        tallies: &mut Vec<Tally>,
        days: &[DayBounds],
        answers: Vec<Answer>,
    ) -> Result<(), Fault> {
        let Some(first) = days.first() else { return Ok(()) };
        let numbers = answers.iter().map(|(_, values)| {
            values.iter().map(|value| parse_count(value.as_deref())).collect::<Result<Vec<_>, _>>()
        });
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        if let ([_], Some([count])) = (days, numbers.first().map(Vec::as_slice)) {
            tallies.push(Tally::Count(*count));
            return Ok(());
        }
        let mut changes: std::collections::BTreeMap<i64, i64> = std::collections::BTreeMap::new();
        for number in &numbers {
            if let [day, change] = number.as_slice() {
                *changes.entry(*day).or_default() += change;
            }
        }
        let mut changes = changes.into_iter().peekable();
        let mut count = 0;
        for day in days {
            // Buckets count from 1, at the first day of the first window.
            let offset = i64::from((day.date - first.date).get_days()) + i64::from(self.window_days);
            while let Some((_, change)) = changes.next_if(|(day, _)| *day <= offset) {
                count += change;
            }
            tallies.push(Tally::Count(count));
        }
        Ok(())
    }
}

fn zero(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Postgres { "0::int8" } else { "0" }
}
