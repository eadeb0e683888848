//! Every reader of recorded values: what it shows of a corrected and of a withdrawn day, of the records, and as of an instant. The table
//! in docs/corrections.md names them.

use std::{collections::BTreeSet, fs, path::Path};

use daymark::collect::{CancellationToken, backfill};
use serde_json::{Value, json};

use crate::{
    site::{Reply, Settings, Site},
    world::{Heard, SOURCES, World, range},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_shows_each_view_on_postgres() {
    every_reader_shows_each_view(World::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_shows_each_view_on_sqlite() {
    every_reader_shows_each_view(World::sqlite().await).await;
}

/// As the file that the site's configuration is read from has it.
const DERIVED: &str = "
[derived.posts_doubled]
formula = 'posts_created * 2'
[derived.posts_of_three_days]
moving = 'sum'
of = 'posts_created'
window_days = 3
";

/// What was known when: the tenth day is recorded as 10 and corrected to 4, and the ninth is withdrawn.
const RECORDED: &str = "2025-01-11T12:00:00Z";
const CORRECTED: &str = "2025-01-20T10:00:00Z";
const WITHDRAWN: &str = "2025-01-21T10:00:00Z";

/// A reader, and how its answer is asked for and read.
struct Reader {
    /// As the table in docs/corrections.md names it.
    name: &'static str,
    /// The path of a question about `posts_created` on the tenth day.
    path: &'static str,
    /// What the parameters of a view are called; empty where the reader has no such view.
    recorded: &'static str,
    as_of: &'static str,
    /// The shown value of the tenth day.
    value: fn(&Reply) -> Value,
    /// What the value is multiplied by, as it is of a derived metric, and what is added, as it is of a longer interval: what the ninth
    /// and the eighth day add while the ninth is there, and after it was withdrawn.
    times: i64,
    plus: [i64; 2],
}

fn first_point(reply: &Reply) -> Value {
    reply.json()["series"][0]["points"].as_array().unwrap().last().unwrap()["value"].clone()
}

/// The point of the tenth day, which need not be the last one.
fn tenth_point(reply: &Reply) -> Value {
    let series = reply.json()["series"][0].clone();
    let mut points = series["points"].as_array().unwrap().iter();
    points.find(|point| point["from"] == "2025-01-10").unwrap()["value"].clone()
}

fn latest(reply: &Reply) -> Value {
    reply.json()["metrics"][0]["value"].clone()
}

fn row(reply: &Reply) -> Value {
    reply.json()[0]["value"].clone()
}

/// The column `value` of the row of the tenth day of a CSV.
fn cell(reply: &Reply) -> Value {
    let text = reply.text();
    let mut lines = text.lines();
    let place = lines.next().unwrap().split(',').position(|column| column == "value").unwrap();
    let row = lines.find(|line| line.contains("2025-01-10")).unwrap_or_else(|| panic!("{text}"));
    let cell = row.split(',').nth(place).unwrap().to_owned();
    if cell.is_empty() { Value::Null } else { serde_json::from_str(&cell).unwrap() }
}

const VALUES: &str = "values=recorded";
const AS_OF: &str = "as_of=";

fn readers() -> Vec<Reader> {
    let reader = |name, path, value| Reader {
        name,
        path,
        recorded: VALUES,
        as_of: AS_OF,
        value,
        times: 1,
        plus: [0, 0],
    };
    vec![
        reader(
            "`GET /api/v1/metrics`",
            "/api/v1/metrics?category=posts_created&from=2025-01-10&to=2025-01-10",
            first_point,
        ),
        Reader {
            plus: [17, 8],
            ..reader(
                "`GET /api/v1/metrics`",
                "/api/v1/metrics?category=posts_created&from=2025-01-08&to=2025-01-10&interval=month",
                first_point,
            )
        },
        Reader {
            times: 2,
            ..reader(
                "`GET /api/v1/metrics`",
                "/api/v1/metrics?category=posts_doubled&from=2025-01-10&to=2025-01-10",
                first_point,
            )
        },
        reader("`GET /api/v1/latest`", "/api/v1/latest?category=posts_created", latest),
        Reader {
            times: 2,
            ..reader("`GET /api/v1/latest`", "/api/v1/latest?category=posts_doubled", latest)
        },
        reader("`GET /api/v1/activity`", "/api/v1/activity?days=20&category=posts_created", tenth_point),
        reader(
            "`GET /api/v1/export`",
            "/api/v1/export?category=posts_created&from=2025-01-10&to=2025-01-10",
            cell,
        ),
        Reader {
            times: 2,
            ..reader(
                "`GET /api/v1/export`",
                "/api/v1/export?category=posts_doubled&from=2025-01-10&to=2025-01-10",
                cell,
            )
        },
        reader("`GET /api/v1/export/latest`", "/api/v1/export/latest?category=posts_created", cell),
        reader(
            "`GET /api/v1/export/activity`",
            "/api/v1/export/activity?days=20&category=posts_created",
            cell,
        ),
        Reader {
            recorded: "",
            as_of: "",
            ..reader(
                "`/rest/v1/daily_metrics`",
                "/rest/v1/daily_metrics?metric_category=eq.posts_created&metric_date=eq.2025-01-10",
                row,
            )
        },
        Reader {
            recorded: "",
            ..reader(
                "`/rest/v1/rpc/daily_metrics_as_of`",
                "/rest/v1/rpc/daily_metrics_as_of?metric_category=eq.posts_created&metric_date=eq.2025-01-10",
                row,
            )
        },
    ]
}

impl Reader {
    async fn ask(&self, site: &Site, view: &str) -> Value {
        let path = format!("{}&{view}", self.path);
        let reply = site.get(&path).await;
        assert!((200..300).contains(&reply.status), "{path}: {}", reply.text());
        (self.value)(&reply)
    }

    async fn expect(&self, site: &Site, view: &str, day: i64, plus: i64) {
        let shown = self.ask(site, view).await;
        assert_eq!(shown, json!(day * self.times + plus), "{} with {view}", self.path);
    }
}

async fn every_reader_shows_each_view(world: World) {
    let settings = Settings { file: format!("{SOURCES}{DERIVED}"), ..Settings::default() };
    let site = Site::start(world, settings).await;
    backfill(&site.world.context, &range(1, 10), &Heard::default(), &CancellationToken::new()).await.unwrap();
    correct(&site, CORRECTED, &json!({"date": "2025-01-10", "value": 4})).await;
    correct(&site, WITHDRAWN, &json!({"date": "2025-01-09", "withdraw": true})).await;
    let mut names = BTreeSet::new();
    for reader in readers() {
        names.insert(reader.name);
        let [before, after] = reader.plus;
        if reader.name != "`/rest/v1/rpc/daily_metrics_as_of`" {
            reader.expect(&site, "", 4, after).await;
        }
        if !reader.recorded.is_empty() {
            reader.expect(&site, reader.recorded, 10, before).await;
        }
        if !reader.as_of.is_empty() {
            for (instant, day, plus) in [
                (RECORDED, 10, before),
                ("2025-01-20T09:59:59.999999Z", 10, before),
                (CORRECTED, 4, before),
                (WITHDRAWN, 4, after),
            ] {
                reader.expect(&site, &format!("{}{instant}", reader.as_of), day, plus).await;
            }
        }
    }
    withdrawn_days_are_gaps(&site).await;
    known_rows_are_asked_for_as_postgrest_clients_do(&site).await;
    corrections_are_listed_and_exported(&site).await;
    let documented = documented();
    for name in names {
        assert!(documented.contains(name), "docs/corrections.md lacks {name}");
    }
}

async fn correct(site: &Site, instant: &str, change: &Value) {
    site.world.set_clock(instant);
    let mut correction = json!({"metric_category": "posts_created"});
    correction.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let body = json!({"reason": "wrong", "corrections": [correction]});
    let reply = site.post("/api/v1/corrections", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
}

/// A withdrawn day is a gap of series, and has no row.
async fn withdrawn_days_are_gaps(site: &Site) {
    for category in ["posts_created", "posts_doubled", "posts_of_three_days"] {
        let path = format!("/api/v1/metrics?category={category}&from=2025-01-09&to=2025-01-09");
        let gap = async |view: &str| {
            let series = site.get(&format!("{path}{view}")).await.json()["series"][0].clone();
            (series["points"][0]["value"].is_null(), series["gaps"][0]["cause"].clone())
        };
        assert_eq!(gap("").await, (true, json!("withdrawn")), "{category}");
        assert_eq!(gap(&format!("&as_of={WITHDRAWN}")).await, (true, json!("withdrawn")), "{category}");
        assert_eq!(gap(&format!("&as_of={CORRECTED}")).await, (false, Value::Null), "{category}");
        assert_eq!(gap("&values=recorded").await, (false, Value::Null), "{category}");
    }
    let rows = async |path: &str| site.get(path).await.json().as_array().unwrap().len();
    let of_day = "metric_category=eq.posts_created&metric_date=eq.2025-01-09";
    let known = format!("/rest/v1/rpc/daily_metrics_as_of?{of_day}&as_of=");
    assert_eq!(rows(&format!("/rest/v1/daily_metrics?{of_day}")).await, 0);
    assert_eq!(rows(&format!("{known}{WITHDRAWN}")).await, 0);
    assert_eq!(rows(&format!("{known}{CORRECTED}")).await, 1);
    assert_eq!(rows(&format!("{known}2025-01-11T11:59:59Z")).await, 0, "it was not recorded yet");
}

async fn known_rows_are_asked_for_as_postgrest_clients_do(site: &Site) {
    let path = "/rest/v1/rpc/daily_metrics_as_of?select=value,recorded_value,revision,provenance,judgement\
                &metric_category=eq.posts_created&order=metric_date.desc&limit=1";
    let body = json!({"as_of": CORRECTED});
    let rows = site.post(path, &body).await;
    let expected = json!([{"value": 4, "recorded_value": 10, "revision": 1, "provenance": "corrected", "judgement": null}]);
    assert_eq!((rows.status, rows.json()), (200, expected), "{}", rows.text());
    let before = site.post(path, &json!({"as_of": RECORDED})).await.json();
    assert_eq!((&before[0]["value"], &before[0]["revision"]), (&json!(10), &Value::Null));
    for (wrong, code) in [
        (json!({}), "PGRST202"),
        (json!({"as_of": null}), "22004"),
        (json!({"as_of": "yesterday"}), "22007"),
        (json!({"as_of": RECORDED, "until": RECORDED}), "PGRST202"),
    ] {
        let reply = site.post("/rest/v1/rpc/daily_metrics_as_of", &wrong).await;
        assert_eq!(reply.json()["code"], code, "{wrong}: {}", reply.text());
    }
    let none = site.send("GET", &format!("{path}&as_of={RECORDED}"), &[], None).await;
    assert_eq!(none.status, 401, "{}", none.text());
    // The role service starts runs by POST; a reader reads by both.
    let as_reader = format!("Bearer {}", site.reader);
    let headers = [("authorization", as_reader.as_str()), ("content-type", "application/json")];
    let reply = site.send("POST", path, &headers, Some(body.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let get = site.get(&format!("{path}&as_of={CORRECTED}")).await;
    assert_eq!(get.json(), reply.json());
    let head = site.send("HEAD", &format!("{path}&as_of={CORRECTED}"), &headers[..1], None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

async fn corrections_are_listed_and_exported(site: &Site) {
    let listed = async |view: &str| {
        let answer = site.get(&format!("/api/v1/corrections?{view}")).await.json();
        answer["corrections"].as_array().unwrap().len()
    };
    let exported = async |view: &str| {
        let reply = site.get(&format!("/api/v1/export/corrections?{view}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    };
    for (view, count) in [
        (String::new(), 2),
        (format!("as_of={CORRECTED}"), 1),
        (format!("as_of={RECORDED}"), 0),
        ("from=2025-01-10".to_owned(), 1),
        ("category=posts_total".to_owned(), 0),
    ] {
        assert_eq!(listed(&view).await, count, "{view}");
        assert_eq!(exported(&view).await.text().lines().count(), count + 1, "{view}");
    }
    let csv = exported("").await;
    assert!(csv.header("content-disposition").contains("daymark_corrections.csv"), "{:?}", csv.headers);
    let header = csv.text().lines().next().unwrap().to_owned();
    assert!(
        header.starts_with("metric_date,metric_type,metric_category,revision,kind,value,metadata"),
        "{header}"
    );
    let entries = exported("format=json").await.json();
    let page = site.get("/api/v1/corrections").await.json();
    assert_eq!(entries, page["corrections"], "the export has what the list has");
    let parquet = exported("format=parquet").await;
    assert!(parquet.body.starts_with(b"PAR1"));
    let wrong = site.get("/api/v1/export/corrections?state=some").await;
    assert_eq!(wrong.status, 400, "{}", wrong.text());
}

/// The readers that the table in docs/corrections.md names.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/corrections.md")).unwrap();
    let (_, table) = text.split_once("| Reader | ").expect("docs/corrections.md has the table of readers");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        row.split('|').nth(1).unwrap().split(", ").map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    })
    .collect()
}
