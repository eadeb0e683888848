//! Resolving declarations into definitions for a platform's tables.

use super::*;
use crate::{
    metric::{Definition, Kind, Measure, MetricType},
    platform::ForeignKey,
};

fn of<'a>(resolved: &'a Resolved, category: &str) -> &'a Definition {
    resolved.definitions.iter().find(|definition| definition.category == category).unwrap()
}

fn reason(resolved: &Resolved, category: &str) -> String {
    resolved.left_out.iter().find(|left_out| left_out.category == category).unwrap().reason.clone()
}

#[test]
fn the_preset_on_a_full_platform_is_complete() {
    let mut resolved = resolved("", &community(), &DetectedFormats::new());
    // It has no table of plays.
    resolved.left_out.retain(|left_out| left_out.reason != "no table of plays was found");
    assert_eq!((&resolved.left_out[..], &resolved.findings[..]), (&[][..], &[][..]));
    insta::assert_snapshot!(serde_json::to_string_pretty(&resolved.definitions).unwrap());
}

#[test]
fn a_platform_without_tracks_or_likes_leaves_out_their_metrics_with_reasons() {
    let mut schema = community();
    schema.tables.retain(|table| !["tracks", "likes"].contains(&table.name.as_str()));
    let resolved = resolved("", &schema, &DetectedFormats::new());
    assert!(!resolved.has_errors());
    assert_eq!(reason(&resolved, "likes_total"), "no table of likes was found");
    assert_eq!(reason(&resolved, "tracks_uploaded"), "no table of tracks was found");
    assert_eq!(reason(&resolved, "track_duration"), "no table of tracks was found");
    assert_eq!(reason(&resolved, "top_genres"), "no column of the genre was found in posts");
    assert_eq!(resolved.definitions.len() + resolved.left_out.len(), 15);
    let active = of(&resolved, "active_users");
    let sources: Vec<_> = active.sources.keys().map(String::as_str).collect();
    assert_eq!(sources, ["comments", "follows", "posts", "users"]);
}

#[test]
fn genres_fall_back_to_posts_and_durations_keep_their_unit() {
    let schema = schema(&[
        ("public.users", "id uuid, created_at timestamptz"),
        ("public.posts", "id uuid, genre text, created_at timestamptz"),
        ("public.tracks", "id uuid, duration_ms integer, duration text, created_at timestamptz"),
    ]);
    let resolved = resolved("", &schema, &DetectedFormats::new());
    assert_eq!(of(&resolved, "top_genres").measure.source_names(), ["posts"]);
    assert_eq!(of(&resolved, "track_duration").unit, "milliseconds");
    assert_eq!(
        reason(&resolved, "active_users"),
        "no table with an actor column was found (posts, comments, tracks, likes, follows)"
    );
}

#[test]
fn a_platform_without_tables_leaves_out_all_metrics_with_reasons() {
    let resolved = resolved("", &schema(&[]), &DetectedFormats::new());
    assert_eq!((resolved.definitions.len(), resolved.left_out.len()), (0, 15));
    assert_eq!(resolved.findings, []);
}

#[test]
fn fields_over_a_preset_metric_keep_its_measure_and_a_measure_replaces_it() {
    let text = r#"
        [metrics.posts_created]
        display_name = "Beiträge"
        filter = { status = "published" }
        [metrics.top_genres]
        top = 3
        [metrics.users_total]
        measure = "created"
        source = "users"
        [metrics.likes_total]
        active = false
        [metrics.tracks_uploaded]
        description = "Uploads"
    "#;
    let mut schema = community();
    schema.tables.retain(|table| table.name != "tracks" || table.schema.is_empty());
    let resolved = resolved(text, &schema, &DetectedFormats::new());
    assert_eq!(shown_findings(&resolved), "");
    let posts = of(&resolved, "posts_created");
    assert_eq!((posts.display_name.as_str(), posts.format_pattern.as_str()), ("Beiträge", "0,0"));
    let Measure::Created(rows) = &posts.measure else { panic!("{:?}", posts.measure) };
    assert_eq!(rows.filter.0.len(), 1);
    let users = of(&resolved, "users_total");
    assert_eq!((users.kind(), users.display_name.as_str()), (Kind::Flow, "Users total"));
    assert_eq!(reason(&resolved, "likes_total"), "switched off at daymark.toml:11: [metrics.likes_total]");
    assert_eq!(reason(&resolved, "tracks_uploaded"), "no table of tracks was found");
    assert!(reason(&resolved, "top_genres").contains("genre"));
}

#[test]
fn every_measure_can_be_declared() {
    let resolved = resolved(include_str!("every_measure.toml"), &community(), &DetectedFormats::new());
    assert_eq!(shown_findings(&resolved), "");
    let json = serde_json::to_string_pretty(&resolved.definitions).unwrap();
    let read_back: Vec<Definition> = serde_json::from_str(&json).unwrap();
    assert_eq!(read_back, resolved.definitions, "what is stored of a definition is all of it");
    insta::assert_snapshot!(json);
    assert_eq!(of(&resolved, "posts_per_author").metric_type, MetricType::Average);
}

#[test]
fn every_mistake_about_the_platform_is_found_at_once() {
    let mut schema = community();
    for table in &mut schema.tables {
        table.readable = table.name != "likes";
    }
    schema.tables.push(super::table("app.invoices", "id integer, created_at timestamptz null"));
    let resolved = resolved(include_str!("misfits.toml"), &schema, &DetectedFormats::new());
    insta::assert_snapshot!(shown_findings(&resolved));
    assert!(resolved.has_errors());
}

#[test]
fn unreadable_keys_are_not_reported_as_missing() {
    let text = r#"
        [metrics.a]
        measure = "craeted"
        source = "posts"
        [metrics.b]
        measure = "existing"
        source = 3
        [metrics.c]
        measure = "distinct_actors"
        sources = []
        [metrics.d]
        measure = "average"
        source = "posts"
        column = 4
        [metrics.e]
        measure = "ratio"
        numerator = { measure = "creatd", source = "posts" }
        denominator = 7
        [metrics.f]
        measure = "sql"
        query = 5
        returns = "valeu"
        [metrics.g]
        measure = "sql"
        query = "SELECT 1 AS value WHERE {day} IS NOT NULL"
        returns = "value"
        adds_up = "summ"
    "#;
    let file = read(text);
    assert_eq!(file.problems.len(), 9, "{:?}", file.problems);
    let resolved = resolved_file(&file, &community(), &DetectedFormats::new());
    assert_eq!(shown_findings(&resolved), "");
}

#[test]
fn on_sqlite_a_format_is_detected_or_required() {
    let schema = schema(&[
        ("posts", "id INTEGER, at TEXT"),
        ("events", "at INTEGER"),
        ("comments", "created_at TEXT"),
        ("invoices", "created_at TEXT"),
    ]);
    let text = "[sources.posts]\ntable = 'posts'\ntime_column = 'at'\n[sources.events]\ntable = \
                'events'\ntime_column = 'at'\n[metrics.m]\nmeasure = 'created'\nsource = 'posts'\n";
    let declarations = read(text).declarations;
    let tables = |preset| {
        let columns = crate::config::columns_to_detect(&declarations, preset, &schema);
        columns.into_iter().map(|(table, _)| table).collect::<Vec<_>>()
    };
    assert_eq!(tables(Preset::Community), ["comments", "events", "posts"]);
    assert_eq!(tables(Preset::None), ["events", "posts"]);
    let of = |formats: &[(&str, &str, TimeFormat)]| resolved(text, &schema, &told(formats));
    let good = of(&[("posts", "at", TimeFormat::IsoUtc), ("events", "at", TimeFormat::UnixSeconds)]);
    assert_eq!(shown_findings(&good), "");
    assert_eq!(super::resolution::of(&good, "m").sources["posts"].time_format, TimeFormat::IsoUtc);
    let untold = of(&[("events", "at", TimeFormat::Iso)]);
    insta::assert_snapshot!(shown_findings(&untold), @r#"
    Error daymark.toml:3: [sources.posts]: the time format of `posts.at` cannot be determined from its values
        add `time_format`, one of `iso`, `iso_utc`, `iso_utc_t`, `date`
    Error daymark.toml:6: [sources.events]: the time format of `events.at` cannot be determined from its values
        add `time_format`, one of `unix_seconds`, `unix_millis`
    "#);
}

#[test]
fn errors_of_a_metric_are_reported_once_even_if_others_use_it() {
    let text = |active: bool| {
        format!(
            "[metrics.good]\nmeasure = 'created'\nsource = 'posts'\nfilter = {{ titel = 'x' }}\nactive = {active}\n\
             [metrics.rate]\nmeasure = 'ratio'\nnumerator = 'good'\ndenominator = 'posts_created'"
        )
    };
    for active in [true, false] {
        let resolved = resolved(&text(active), &community(), &DetectedFormats::new());
        let findings = shown_findings(&resolved);
        assert_eq!(resolved.findings.len(), 1, "{findings}");
        assert!(
            findings.contains("daymark.toml:4: [metrics.good.filter]")
                && findings.contains("did you mean `title`?"),
            "{findings}"
        );
    }
}

#[test]
fn iso_texts_of_another_zone_are_not_taken_for_utc() {
    let schema = schema(&[("posts", "at TEXT")]);
    let text = |format: &str| {
        format!(
            "[sources.posts]\ntable = 'posts'\ntime_column = 'at'\ntime_format = '{format}'\ntime_zone = 'Europe/Berlin'"
        )
    };
    let detected = told(&[("posts", "at", TimeFormat::IsoUtc)]);
    let of = |format: &str| resolved(&text(format), &schema, &detected);
    assert!(
        shown_findings(&of("iso")).contains("are UTC, not `Europe/Berlin`"),
        "{}",
        shown_findings(&of("iso"))
    );
    assert!(of("iso").has_errors());
    assert_eq!(shown_findings(&of("iso_utc")), "");
}

#[test]
fn row_level_security_causes_a_warning() {
    let mut schema = schema(&[
        ("public.posts", "id uuid, created_at timestamptz"),
        ("public.users", "created_at timestamptz"),
    ]);
    schema.tables[0].row_security = true;
    for text in ["", "[sources.posts]\ntable = 'posts'\ntime_column = 'created_at'"] {
        let resolved = resolved(text, &schema, &DetectedFormats::new());
        let findings = shown_findings(&resolved);
        assert_eq!(resolved.findings.len(), 1, "{findings}");
        assert!(
            findings.starts_with("Warning")
                && findings.contains("row level security applies to the platform's role on `posts`"),
            "{findings}"
        );
        assert!(!resolved.has_errors());
    }
}

#[test]
fn on_sqlite_a_declared_format_is_compared_with_the_values() {
    let schema = schema(&[("posts", "at DATETIME, gone DATETIME null")]);
    let findings = |format: &str, told: Option<&DetectedFormats>| {
        let text = format!("[sources.posts]\ntable = 'posts'\ntime_column = 'at'\ntime_format = '{format}'");
        shown_findings(&resolved(&text, &schema, told.unwrap_or(&DetectedFormats::new())))
    };
    let at = |format| told(&[("posts", "at", format)]);
    assert_eq!(
        findings("unix_seconds", Some(&at(TimeFormat::UnixMillis))),
        "Error daymark.toml:4: [sources.posts]: the values of `posts.at` are in the format `unix_millis`, not in \
         `unix_seconds`\n    write `time_format = \"unix_millis\"`"
    );
    assert!(findings("iso_utc", None).contains("not all values of `posts.at` are in the format `iso_utc`"));
    for told in [TimeFormat::Iso, TimeFormat::IsoUtc, TimeFormat::IsoUtcT, TimeFormat::Date] {
        assert_eq!(findings("iso", Some(&at(told))), "");
        assert_eq!(findings(told.name(), Some(&without_values("posts", "at"))), "");
        assert!(findings("unix_millis", Some(&at(told))).starts_with("Error"));
    }
    assert!(findings("iso_utc", Some(&at(TimeFormat::Iso))).contains("write `time_format = \"iso\"`"));
    assert!(findings("iso", Some(&at(TimeFormat::UnixSeconds))).starts_with("Error"));
    assert_eq!(
        findings("iso", None),
        "Warning daymark.toml:3: [sources.posts]: not all values of `at` can be read as a time, and rows with other values \
         belong to no day\n    a time is written as 2025-01-31 23:59:59, or with a T, and may end in Z or in an offset such as \
         +01:00"
    );
    let gone =
        "[sources.posts]\ntable = 'posts'\ntime_column = 'at'\ntime_format = 'iso'\ndeleted_column = 'gone'";
    let warned = shown_findings(&resolved(gone, &schema, &at(TimeFormat::Iso)));
    assert!(warned.contains(
        "not all values of `gone` can be read as a time, and rows with other values count as existing"
    ));
}

#[test]
fn a_nullable_column_causes_a_warning_unless_no_value_is_null() {
    let text = "[sources.posts]\ntable = 'posts'\ntime_column = 'at'\ntime_format = 'iso'";
    let sqlite = schema(&[("posts", "at DATETIME null")]);
    let findings = |detected: &DetectedFormats| shown_findings(&resolved(text, &sqlite, detected));
    let told = |has_null| {
        let format = detected(Some(TimeFormat::Iso), has_null);
        DetectedFormats::from([(("posts".to_owned(), "at".to_owned()), format)])
    };
    let warning = "Warning daymark.toml:3: [sources.posts]: `at` may be NULL, and rows without a value belong to no day";
    assert_eq!(findings(&told(false)), "");
    assert_eq!(findings(&told(true)), warning);
    assert!(findings(&DetectedFormats::new()).starts_with(warning));
    let said = format!("{text}\nfilter = {{ at = {{ is_null = false }} }}");
    assert_eq!(shown_findings(&resolved(&said, &sqlite, &told(true))), "");
}

#[test]
fn deletions_in_another_format_than_creations_are_refused_or_left_out() {
    let schema = schema(&[("posts", "created_at DATETIME, deleted_at DATETIME null")]);
    let text = "[sources.posts]\ntable = 'posts'\ntime_column = 'created_at'\ndeleted_column = 'deleted_at'";
    let columns = crate::config::columns_to_detect(&read(text).declarations, Preset::None, &schema);
    assert_eq!(columns.len(), 2);
    let formats =
        [("posts", "created_at", TimeFormat::IsoUtc), ("posts", "deleted_at", TimeFormat::UnixSeconds)];
    let declared = resolved(text, &schema, &told(&formats));
    assert!(declared.has_errors());
    let refused = shown_findings(&declared);
    assert!(
        refused.contains("deleted_column: the values of `posts.deleted_at` are in the format `unix_seconds`"),
        "{refused}"
    );
    let recognised = resolved("", &schema, &told(&formats));
    assert!(!recognised.has_errors());
    let warned = shown_findings(&recognised);
    assert!(
        warned.starts_with("Warning") && warned.contains("soft-deleted rows of posts count as existing"),
        "{warned}"
    );
    assert_eq!(of(&recognised, "posts_total").sources["posts"].deleted_column, None);
    let statistics = crate::platform::Statistics::default();
    let options = crate::config::StarterOptions::default();
    let template = crate::config::starter_file(&schema, &told(&formats), &statistics, None, &options).text;
    assert!(template.contains("# no deleted_column: the values of `posts.deleted_at` are in"), "{template}");
}

#[test]
fn plays_are_counted_and_spread_over_their_tracks() {
    let mut schema = schema(&[
        ("public.tracks", "id uuid, user_id uuid, title text, created_at timestamptz"),
        ("public.track_plays", "id uuid, track_id uuid, created_at timestamptz"),
    ]);
    let without_key = resolved("", &schema, &DetectedFormats::new());
    let Measure::Breakdown(top) = &of(&without_key, "top_tracks").measure else { panic!("not a breakdown") };
    assert_eq!(top.column, "track_id");
    let name = |text: &str| text.to_owned();
    schema.foreign_keys.push(ForeignKey {
        schema: name("public"),
        table: name("track_plays"),
        column: name("track_id"),
        to_schema: name("public"),
        to_table: name("tracks"),
        to_column: name("id"),
    });
    let resolved = resolved("", &schema, &DetectedFormats::new());
    assert!(!resolved.has_errors(), "{}", shown_findings(&resolved));
    for category in ["plays_total", "plays_created", "top_tracks"] {
        assert_eq!(of(&resolved, category).sources["plays"].table, "track_plays", "{category}");
    }
    let Measure::Breakdown(top) = &of(&resolved, "top_tracks").measure else { panic!("not a breakdown") };
    assert_eq!(top.column, "track.title", "a title says more than an id");
}
