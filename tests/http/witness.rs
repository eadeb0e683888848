//! Compares answers with the true values, which are known in advance for the ten days of [`crate::world`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Mutex,
};

use serde_json::Value;

use crate::site::Reply;

/// A metric and a day.
type Place = (String, String);

#[derive(Default)]
pub struct Witness {
    /// For each request, the metrics and days for which an answer had a value.
    seen: Mutex<HashMap<String, BTreeSet<Place>>>,
    /// The number of answers by status.
    counts: Mutex<BTreeMap<u16, usize>>,
}

/// The value of a metric on a day of January 2025.
pub fn truth(category: &str, date: &str) -> u64 {
    let day: u64 = date.strip_prefix("2025-01-").expect(date).parse().unwrap();
    assert!((1..=10).contains(&day), "{category} has a value on {date}");
    match category {
        "posts_created" => day,
        "posts_total" => day * (day + 1) / 2,
        "comments_created" => 1,
        "authors" => day.min(2),
        other => panic!("there is no metric {other}"),
    }
}

impl Witness {
    /// The metrics and days for which a request that begins now must return a value.
    pub fn known(&self, target: &str) -> BTreeSet<Place> {
        self.seen.lock().unwrap().get(target).cloned().unwrap_or_default()
    }

    /// How many answers had this status.
    pub fn count(&self, status: u16) -> usize {
        self.counts.lock().unwrap().get(&status).copied().unwrap_or(0)
    }

    pub fn summary(&self) -> String {
        format!("{:?}", self.counts.lock().unwrap())
    }

    /// Checks an answer and remembers its values. `known` is what [`Self::known`] returned before the request.
    pub fn hear(&self, target: &str, known: &BTreeSet<Place>, reply: &Reply) {
        *self.counts.lock().unwrap().entry(reply.status).or_default() += 1;
        assert!(!reply.header("x-request-id").is_empty(), "{target}: {reply:?}");
        if reply.status != 200 {
            return well_formed(target, reply);
        }
        let values = values(target, reply);
        for ((category, date), value) in &values {
            assert_eq!(*value, truth(category, date).to_string(), "{target}: {category} on {date}");
        }
        if target.starts_with("/api/v1/latest") {
            return;
        }
        let places: BTreeSet<_> = values.into_iter().map(|(place, _)| place).collect();
        let lost: Vec<_> = known.difference(&places).collect();
        assert!(lost.is_empty(), "{target}: recorded values are missing: {lost:?}");
        self.seen.lock().unwrap().entry(target.to_owned()).or_default().extend(places);
    }
}

fn well_formed(target: &str, reply: &Reply) {
    if reply.status == 503 {
        assert!(!reply.header("retry-after").is_empty(), "{target}: {reply:?}");
    }
    if target.starts_with("/rest/") {
        let error = reply.json();
        assert!(error["code"].is_string() && error["message"].is_string(), "{target}: {error}");
    } else {
        reply.problem();
    }
}

/// Every value of a single day in the answer.
fn values(target: &str, reply: &Reply) -> Vec<(Place, String)> {
    if target.starts_with("/api/v1/export") {
        return exported(&reply.body);
    }
    let answer = reply.json();
    let place = |row: &Value, date: &str| (text(&row["metric_category"]), text(&row[date]));
    if target.starts_with("/rest/") {
        let rows = answer.as_array().unwrap().iter();
        return rows.map(|row| (place(row, "metric_date"), row["value"].to_string())).collect();
    }
    if target.starts_with("/api/v1/latest") {
        let metrics =
            answer["metrics"].as_array().unwrap().iter().filter(|metric| !metric["value"].is_null());
        return metrics.map(|metric| (place(metric, "metric_date"), metric["value"].to_string())).collect();
    }
    let series = answer["series"].as_array().unwrap();
    assert!(!series.is_empty(), "{target}: {answer}");
    series.iter().flat_map(of_series).collect()
}

fn of_series(series: &Value) -> Vec<(Place, String)> {
    let category = text(&series["metric_category"]);
    let points = series["points"].as_array().unwrap().iter().filter(|point| !point["value"].is_null());
    if series["interval"] == "day" {
        return points
            .map(|point| ((category.clone(), text(&point["from"])), point["value"].to_string()))
            .collect();
    }
    // The value of a longer interval is the sum of its recorded days.
    for point in points {
        let (from, to) = (text(&point["from"]), text(&point["to"]));
        let days = (1..=10).map(|day| format!("2025-01-{day:02}")).filter(|day| (&from..=&to).contains(&day));
        let whole: u64 = days.map(|day| truth(&category, &day)).sum();
        let value = point["value"].as_u64().unwrap();
        match point["days_recorded"] == point["days_due"] {
            true => assert_eq!(value, whole, "{point}"),
            false => assert!(value < whole, "{point}"),
        }
    }
    Vec::new()
}

fn exported(body: &[u8]) -> Vec<(Place, String)> {
    let mut reader = csv::Reader::from_reader(body);
    let columns = reader.headers().unwrap().clone();
    let column = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (date, category, value) = (column("metric_date"), column("metric_category"), column("value"));
    let rows = reader.records().map(|row| row.unwrap());
    let values = rows.map(|row| ((row[category].to_owned(), row[date].to_owned()), row[value].to_owned()));
    values.filter(|(_, value)| !value.is_empty()).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
