//! Recognising tables and columns, on the schemas of known applications.

use std::collections::BTreeSet;

use super::*;
use crate::config::{
    columns_to_inspect,
    presets::{built_in, known_sources::recognise_known},
    recognise::{
        RowMeaning,
        ends::unused_end,
        flags::{FlagColumn, unused_flags},
        names::words,
        recognise,
        system_tables::application_tables,
    },
    settings::Preset,
};
use crate::platform::TableStatistics;

/// Formats a recognised source as `table: time, deleted, actor`, or the reason why there is none.
fn meaning(name: &str, columns: &str, detected: &DetectedFormats) -> String {
    let table = table(name, columns);
    match recognise(&table, detected, None, RowMeaning::Action) {
        Ok(found) => {
            let source = found.source;
            let or_none = |column: Option<String>| column.unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {}",
                source.time_column,
                or_none(source.deleted_column),
                or_none(source.actor_column)
            )
        }
        Err(reason) => reason,
    }
}

#[test]
fn the_columns_of_known_applications_are_recognised() {
    let of = |name: &str, columns: &str| meaning(name, columns, &DetectedFormats::new());
    for (name, columns, expected) in [
        (
            "public.topics",
            "id integer, user_id integer, created_at timestamp, updated_at timestamp, deleted_at timestamp null",
            "created_at deleted_at user_id",
        ),
        (
            "public.Posts",
            "Id integer, CreationDate timestamp, OwnerUserId integer, LastEditDate timestamp, ClosedDate timestamp",
            "CreationDate - OwnerUserId",
        ),
        (
            "public.wp_posts",
            "id integer, post_author integer, post_date timestamp, post_date_gmt timestamp, post_modified timestamp",
            "post_date - -",
        ),
        (
            "public.orders",
            "order_id integer, customer_id text, order_date date, required_date date, shipped_date date",
            "order_date - customer_id",
        ),
        (
            "public.rental",
            "rental_id integer, rental_date timestamp, return_date timestamp, customer_id integer, last_update timestamp",
            "rental_date - customer_id",
        ),
        (
            "public.customer",
            "customer_id integer, create_date date, last_update timestamp",
            "create_date - customer_id",
        ),
        (
            "public.messages",
            "id uuid, senderId uuid, insertedAt timestamptz, removedAt timestamptz null",
            "insertedAt removedAt senderId",
        ),
        ("public.readings", "sensor integer, measured timestamptz, value numeric", "measured - -"),
        (
            "public.pictures",
            "id uuid, created timestamptz, deleted_at date null, created_by uuid",
            "created - created_by",
        ),
        ("public.gone", "id uuid, created_at timestamptz, deleted_at timestamptz", "created_at - -"),
        ("public.employees", "id integer, birth_date date, hire_date date", "hire_date - -"),
        (
            "public.cards",
            "id integer, valid_until date",
            "table `cards` has no column that is known to contain the time of creation",
        ),
        (
            "public.genres",
            "id integer, name text",
            "table `genres` has no column that is known to contain the time of creation",
        ),
        (
            "public.both",
            "a timestamptz, b timestamptz",
            "table `both` has no column that is known to contain the time of creation",
        ),
        (
            "public.texts",
            "id integer, created_at text",
            "table `texts` has no column that is known to contain the time of creation",
        ),
    ] {
        assert_eq!(of(name, columns), expected, "{name}");
    }
}

#[test]
fn on_sqlite_the_values_determine_the_format() {
    let columns = "id INTEGER, created_at TEXT, deleted_at TEXT null, user_id INTEGER";
    let of = |formats: &[(&str, &str, TimeFormat)]| meaning("posts", columns, &told(formats));
    let empty = without_values("posts", "deleted_at");
    let mut detected = told(&[("posts", "created_at", TimeFormat::IsoUtc)]);
    assert_eq!(meaning("posts", columns, &detected), "created_at - user_id", "deletions in no one format");
    detected.extend(empty);
    assert_eq!(meaning("posts", columns, &detected), "created_at deleted_at user_id");
    assert_eq!(
        of(&[("posts", "created_at", TimeFormat::IsoUtc), ("posts", "deleted_at", TimeFormat::UnixSeconds)]),
        "created_at - user_id",
        "a deletion in another format is none"
    );
    assert!(of(&[]).contains("cannot be determined from its values"));
    assert!(
        of(&[("posts", "created_at", TimeFormat::UnixSeconds)]).contains("cannot be determined"),
        "a text is not read as a number"
    );
    // Mattermost stores 0 as long as the row is not deleted.
    let columns = "id TEXT, CreateAt INTEGER, DeleteAt INTEGER, UserId TEXT";
    let mut detected = told(&[("posts", "CreateAt", TimeFormat::UnixMillis)]);
    detected.extend(without_values("posts", "DeleteAt"));
    assert_eq!(meaning("posts", columns, &detected), "CreateAt DeleteAt UserId");
    let numbers = |format| meaning("events", "ts INTEGER", &told(&[("events", "ts", format)]));
    let empty = meaning("events", "ts INTEGER", &without_values("events", "ts"));
    assert!(empty.contains("cannot be determined from its values"), "an empty column of numbers");
    assert_eq!(numbers(TimeFormat::UnixMillis), "ts - -");
}

/// SQLite's tables declare most times as TEXT or INTEGER.
#[test]
fn on_sqlite_names_like_lent_at_stand_for_times() {
    let of = |columns: &str, formats: &[(&str, &str, TimeFormat)]| meaning("loan", columns, &told(formats));
    let columns = "id INTEGER, format TEXT, lent_at INTEGER, due_at INTEGER, returned_at INTEGER null";
    assert_eq!(of(columns, &[("loan", "lent_at", TimeFormat::UnixSeconds)]), "lent_at - -");
    let columns = "id INTEGER, issueDate TEXT, play_time INTEGER";
    assert_eq!(of(columns, &[("loan", "issueDate", TimeFormat::Date)]), "issueDate - -");
    assert!(of("id INTEGER, lent_at TEXT, given_at TEXT", &[]).contains("no column"), "neither stands out");
    assert_eq!(
        of("id INTEGER, lent_at TEXT, made DATETIME", &[("loan", "made", TimeFormat::IsoUtc)]),
        "made - -",
        "a type tells more than a name"
    );
}

#[test]
fn values_are_only_read_if_the_type_is_ambiguous() {
    assert_eq!(columns_to_inspect(&community()), []);
    let sqlite = schema(&[
        ("posts", "id INTEGER, created_at DATETIME, deleted_at TEXT null, title TEXT"),
        ("sqlite_sequence", "created_at TEXT"),
    ]);
    let columns: Vec<_> = columns_to_inspect(&sqlite).into_iter().map(|(_, column)| column).collect();
    assert_eq!(columns, ["created_at", "deleted_at"]);
}

#[test]
fn sources_of_the_preset_are_found_by_their_other_names() {
    let found = |name: &str, tables: &[(&str, &str)]| {
        let schema = schema(tables);
        let found = recognise_known(
            built_in(Preset::Community).unwrap(),
            name,
            &schema,
            &DetectedFormats::new(),
            None,
        );
        found.map(|found| format!("{}.{}", found.source.schema.unwrap_or_default(), found.source.table))
    };
    let with_time = "id integer, created_at timestamptz";
    for (source, table, expected) in [
        ("users", "public.User", ".User"),
        ("users", "public.members", ".members"),
        ("users", "app.accounts", "app.accounts"),
        ("users", "public.auth_user", ".auth_user"),
        ("posts", "public.article", ".article"),
        ("posts", "public.blog_posts", ".blog_posts"),
        ("comments", "public.reply", ".reply"),
        ("tracks", "public.Song", ".Song"),
        ("likes", "public.favourites", ".favourites"),
        ("likes", "public.postLikes", ".postLikes"),
        ("follows", "public.subscriptions", ".subscriptions"),
    ] {
        assert_eq!(found(source, &[(table, with_time)]).as_deref(), Ok(expected), "{table}");
    }
    assert_eq!(
        found("posts", &[("public.deleted_posts", with_time)]).unwrap_err(),
        "no table of posts was found"
    );
    assert_eq!(found("users", &[("auth.users", with_time)]).unwrap_err(), "no table of users was found");
    let several = found("likes", &[("public.post_likes", with_time), ("public.comment_likes", with_time)]);
    assert!(several.unwrap_err().contains("`post_likes`, `comment_likes`"));
    let timeless = [("public.profiles", "id integer"), ("public.users", with_time)];
    assert_eq!(found("users", &timeless).as_deref(), Ok(".users"), "the one that has a time column");
    let hidden = [("app.posts", with_time), ("public.articles", with_time)];
    assert_eq!(found("posts", &hidden).as_deref(), Ok(".articles"), "the search path comes first");
}

#[test]
fn names_are_split_into_words() {
    for (name, expected) in [
        ("blog_posts", "blog posts"),
        ("InvoiceLine", "invoice line"),
        ("Order Details", "order details"),
        ("post2like", "post2like"),
    ] {
        assert_eq!(words(name).join(" "), expected);
    }
}

/// Returns the time column that is chosen if these shares of rows have a value in each column.
fn chosen(columns: &str, filled: &[(&str, f64)]) -> String {
    let table = table("public.things", columns);
    let filled = filled.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect();
    let statistics = TableStatistics { rows: Some(1000), filled, ..TableStatistics::default() };
    match recognise(&table, &DetectedFormats::new(), Some(&statistics), RowMeaning::Action) {
        Ok(found) => found.source.time_column,
        Err(reason) => reason,
    }
}

#[test]
fn of_several_time_columns_the_filled_one_is_the_time_of_creation() {
    let stages = "seen_by_staff timestamptz null, acknowledged timestamptz null, solved timestamptz null";
    let shares = [("seen_by_staff", 0.4), ("acknowledged", 1.0), ("solved", 0.2)];
    assert_eq!(chosen(stages, &shares), "acknowledged");
    assert_eq!(
        chosen("submitted_at timestamptz null, started_at timestamptz", &[("submitted_at", 0.6)]),
        "started_at"
    );
    assert_eq!(chosen("a timestamptz now, b timestamptz", &[]), "a", "its default is the time of insertion");
    assert_eq!(
        chosen("created_at timestamptz null, due_at timestamptz", &[("created_at", 0.5)]),
        "created_at"
    );
    assert_eq!(chosen("created_at timestamptz null, made timestamptz", &[("created_at", 0.2)]), "made");
    assert!(chosen("a timestamptz, b timestamptz", &[]).contains("no column"), "neither stands out");
}

/// Numbers are times if their values are, on either database.
#[test]
fn numbers_called_paid_at_are_times_if_they_look_like_it() {
    for name in ["payments", "public.payments"] {
        let seconds = told(&[("payments", "paid_at", TimeFormat::UnixSeconds)]);
        assert_eq!(meaning(name, "id integer, paid_at integer", &seconds), "paid_at - -", "{name}");
        let counts = DetectedFormats::from([(
            ("payments".to_owned(), "paid_at".to_owned()),
            DetectedFormat { is_doubtful: true, ..detected(Some(TimeFormat::UnixSeconds), false) },
        )]);
        let refused = meaning(name, "id integer, paid_at integer", &counts);
        assert_eq!(refused, "the numbers of `payments.paid_at` are not those of times", "{name}");
    }
}

#[test]
fn a_time_that_no_name_tells_is_guessed_from_the_values() {
    let table = table("stays", "id INTEGER, plate TEXT, entered INTEGER, left INTEGER null, fee INTEGER");
    let schema = Schema { tables: vec![table.clone()], ..Schema::default() };
    let columns: Vec<_> = columns_to_inspect(&schema).into_iter().map(|(_, column)| column).collect();
    assert_eq!(columns, ["entered", "fee", "left", "plate"]);
    let entered = ("stays", "entered", TimeFormat::UnixSeconds);
    let guess = |detected: &DetectedFormats, rows: u64| {
        let statistics = TableStatistics { rows: Some(rows), ..TableStatistics::default() };
        let found = recognise(&table, detected, Some(&statistics), RowMeaning::Action);
        found.map(|found| found.guess.map(|guess| (guess.column.name.clone(), guess.is_used)))
    };
    let name = "entered".to_owned();
    assert_eq!(guess(&told(&[entered]), 5000), Ok(Some((name.clone(), true))));
    assert_eq!(guess(&told(&[entered]), 50), Ok(Some((name.clone(), false))), "few rows prove little");
    let two = told(&[entered, ("stays", "fee", TimeFormat::UnixSeconds)]);
    assert_eq!(guess(&two, 5000), Ok(Some((name, false))), "neither stands out");
    let left = told(&[("stays", "left", TimeFormat::UnixSeconds)]);
    assert!(guess(&left, 5000).unwrap_err().contains("no column"), "an end is no beginning");
}

#[test]
fn the_end_of_a_row_is_recognised_by_its_name_and_its_format() {
    let of = |name: &str, columns: &str| {
        let table = table(name, &format!("id integer, created_at timestamptz, {columns}"));
        let found = recognise(&table, &DetectedFormats::new(), None, RowMeaning::Action).unwrap();
        let end = unused_end(&table, &found.source, &DetectedFormats::new());
        end.map(|end| (end.column.name.clone(), end.problem.is_none()))
    };
    for column in ["returned_at", "unfollowedAt", "ended_at", "left_on", "cancelled_at", "left"] {
        let end = of("public.things", &format!("{column} timestamptz null"));
        assert_eq!(end, Some((column.to_owned(), true)));
    }
    assert_eq!(of("public.members", "left_on date null"), Some(("left_on".to_owned(), false)));
    for columns in [
        "left_on timestamptz",
        "finished_at timestamptz null",
        "left text null",
        "deleted_at timestamptz null, ended_at timestamptz null",
    ] {
        assert_eq!(of("public.things", columns), None, "{columns}");
    }
    assert_eq!(of("public.returns", "returned_at timestamptz null"), None, "rows begin with it");
    let table = table("issues", "created_at INTEGER, closed INTEGER null");
    let seconds = detected(Some(TimeFormat::UnixSeconds), false);
    let ends = |closed: DetectedFormat| {
        let formats = [("created_at", seconds), ("closed", closed)];
        let formats =
            formats.map(|(column, format)| (("issues".to_owned(), column.to_owned()), format)).into();
        let source = recognise(&table, &formats, None, RowMeaning::Action).unwrap().source;
        unused_end(&table, &source, &formats).is_some()
    };
    assert!(ends(seconds));
    assert!(!ends(DetectedFormat { out_of_range: true, ..detected(None, false) }), "a flag");
    assert!(!ends(detected(None, false)), "no values and no `at`");
}

/// Returns the conditions that exclude the flagged rows of a table.
fn conditions(columns: &str, values: &[(&str, &[&str])]) -> String {
    let table = table("public.things", columns);
    let values = values.iter().map(|(name, values)| {
        ((*name).to_owned(), values.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
    });
    let statistics =
        TableStatistics { rows: Some(9), values: values.collect(), ..TableStatistics::default() };
    let source =
        recognise(&table, &DetectedFormats::new(), Some(&statistics), RowMeaning::Action).unwrap().source;
    let flags = unused_flags(&table, &source, Some(&statistics));
    flags.iter().filter_map(FlagColumn::condition).collect::<Vec<_>>().join("; ")
}

#[test]
fn flags_are_recognised_by_name_type_and_values() {
    let of = |columns: &str, values: &[(&str, &[&str])]| {
        conditions(&format!("created_at timestamptz, {columns}"), values)
    };
    for (columns, values, expected) in [
        ("deleted boolean", &[][..], "deleted = false"),
        ("isHidden boolean null", &[], "isHidden = { is_not = [true] }"),
        ("published boolean", &[], "published = true"),
        ("spam integer", &[("spam", &["0", "1"][..])], "spam = 0"),
        ("deleted integer", &[("deleted", &["0", "1731000000"])], ""),
        ("deleted_by integer", &[("deleted_by", &["1"])], ""),
        ("removed_at timestamptz null, hidden_at timestamptz null", &[], "hidden_at = { is_null = true }"),
        ("banned_until timestamptz null", &[], ""),
        (
            "status text",
            &[("status", &["draft", "live", "trashed"])],
            "status = { not_in = [\"draft\", \"trashed\"] }",
        ),
        ("status text null", &[("status", &["draft", "live"])], "status = { is_not = [\"draft\"] }"),
        ("state text", &[("state", &["CA", "NY"])], ""),
        ("status integer", &[("status", &["0", "1", "2"])], ""),
        (
            "status text",
            &[("status", &["failed", "pending", "succeeded"])],
            "status = { not_in = [\"failed\"] }",
        ),
        (
            "status text null",
            &[("status", &["booked", "cancelled", "no_show"])],
            "status = { is_not = [\"cancelled\", \"no_show\"] }",
        ),
        ("status text", &[], ""),
        ("drafts_count integer, note text", &[], ""),
        ("no_show boolean", &[], "no_show = false"),
        ("isNoShow boolean null", &[], "isNoShow = { is_not = [true] }"),
        ("no_show integer", &[("no_show", &["0", "1"])], "no_show = 0"),
        ("refunded text", &[("refunded", &["N", "Y"])], "refunded = \"N\""),
        ("failed integer", &[], ""),
        ("failed integer", &[("failed", &["0", "1", "2"])], ""),
        ("refunded_at timestamptz null", &[], ""),
        ("show boolean", &[], ""),
        ("deleted text", &[("deleted", &["N", "Y"])], "deleted = \"N\""),
        ("deleted text", &[("deleted", &["N"])], "deleted = \"N\""),
        ("deleted text", &[("deleted", &["", "Y"])], "deleted = \"\""),
        ("deleted text", &[("deleted", &["N", "Y", "n"])], "deleted = [\"N\", \"n\"]"),
        ("deleted text", &[("deleted", &["N", "X"])], ""),
        ("deleted text", &[("deleted", &[""])], ""),
        ("deleted text null", &[("deleted", &["No"])], "deleted = { is_not = [\"Yes\"] }"),
        ("deleted text null", &[("deleted", &["TRUE"])], "deleted = { is_not = [\"TRUE\"] }"),
        ("active text null", &[("active", &["f"])], "active = \"t\""),
        ("deleted_by text", &[("deleted_by", &["n", "y"])], ""),
        ("deleted numeric", &[("deleted", &["0", "1"])], "deleted = 0"),
        ("deleted numeric", &[], ""),
        ("deleted bit", &[("deleted", &["1"])], "deleted = \"0\""),
        ("deleted bit null", &[], "deleted = { is_not = [\"1\"] }"),
        ("deleted yes_no", &[("deleted", &["No", "Yes"])], "deleted = \"No\""),
        ("deleted yes_no null", &[("deleted", &["No"])], ""),
        ("deleted boolean", &[("deleted", &["false", "true"])], "deleted = false"),
    ] {
        assert_eq!(of(columns, values), expected, "{columns}");
    }
}

#[test]
fn tables_of_tools_extensions_and_stores_are_not_application_tables() {
    let mut schema = schema(&[
        ("public.orders", "created_at timestamptz"),
        ("public.jobs", "created_at timestamptz"),
        ("public.knex_migrations", "created_at timestamptz"),
        ("public.sensors", "created_at timestamptz"),
        ("past.daily_metrics", "created_at timestamptz"),
        ("past.metric_collection_log", "created_at timestamptz"),
        ("past.jobs", "created_at timestamptz"),
    ]);
    schema.tables[3].of_extension = true;
    let names: Vec<_> =
        application_tables(&schema).iter().map(|table| format!("{}.{}", table.schema, table.name)).collect();
    assert_eq!(names, ["public.orders", "public.jobs"]);
}
