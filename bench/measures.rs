//! The measures of one column, of labels or of actors that are compared with SQL written by hand, each over the same year.

/// Metrics of one measure, and the SQL that gives the same values.
pub struct MeasureCase {
    pub what: &'static str,
    /// The metrics as `daymark.toml` has them, beside the source `posts`.
    pub metrics: &'static str,
    pub postgres: &'static str,
    pub sqlite: &'static str,
    /// The highest ratio that is accepted.
    pub at_most: f64,
}

macro_rules! sql {
    ($name:literal) => {
        (
            include_str!(concat!("postgres/measures/", $name, ".sql")),
            include_str!(concat!("sqlite/measures/", $name, ".sql")),
        )
    };
}

/// A measure may cost half as much again as SQL by hand.
const USUAL: f64 = 1.5;

fn case(
    what: &'static str,
    metrics: &'static str,
    (postgres, sqlite): (&'static str, &'static str),
) -> MeasureCase {
    MeasureCase { what, metrics, postgres, sqlite, at_most: USUAL }
}

pub fn cases() -> Vec<MeasureCase> {
    vec![
        case(
            "365 days, sums of a day and in all",
            "[metrics.seconds]\nmeasure = 'sum'\nsource = 'posts'\ncolumn = 'duration_seconds'\n\
             [metrics.seconds_total]\nmeasure = 'sum'\nsource = 'posts'\ncolumn = 'duration_seconds'\nof = 'existing'\n",
            sql!("sums"),
        ),
        case(
            "365 days, minimum and maximum",
            "[metrics.shortest]\nmeasure = 'minimum'\nsource = 'posts'\ncolumn = 'duration_seconds'\n\
             [metrics.longest]\nmeasure = 'maximum'\nsource = 'posts'\ncolumn = 'duration_seconds'\n",
            sql!("extremes"),
        ),
        case("365 days, median and 95th percentile", QUANTILES, sql!("quantiles")),
        case(
            "365 days, the median of a week",
            "[metrics.median_of_the_week]\nmeasure = 'median'\nsource = 'posts'\ncolumn = 'duration_seconds'\n\
             window_days = 7\n",
            sql!("quantile_windows"),
        ),
        case(
            "365 days, a sum of a join",
            "[sources.joined]\nquery = 'SELECT p.created_at, p.duration_seconds, a.username FROM posts p \
             JOIN profiles a ON a.id = p.author_id'\ntime_column = 'created_at'\n\
             [metrics.seconds_of_some]\nmeasure = 'sum'\nsource = 'joined'\ncolumn = 'duration_seconds'\n\
             filter = { username = { less_than = 'member 2' } }\n",
            sql!("join"),
        ),
        case(
            "365 days, existing rows by label, as many labels as profiles",
            "[metrics.posts_by_author]\nmeasure = 'breakdown'\nsource = 'posts'\ncolumn = 'author_id'\n\
             of = 'existing'\ntop = 5\n",
            sql!("labels_existing"),
        ),
        case(
            "365 days, a sum by label",
            "[metrics.seconds_by_genre]\nmeasure = 'breakdown'\nsource = 'posts'\ncolumn = 'genre'\n\
             sum = 'duration_seconds'\ntop = 5\n",
            sql!("breakdown_sum"),
        ),
        case(
            "365 days, an average by label",
            "[metrics.mean_seconds_by_genre]\nmeasure = 'breakdown'\nsource = 'posts'\ncolumn = 'genre'\n\
             average = 'duration_seconds'\ntop = 5\n",
            sql!("breakdown_average"),
        ),
        case(
            "365 days, a distinct count by label",
            "[metrics.authors_by_genre]\nmeasure = 'breakdown'\nsource = 'posts'\ncolumn = 'genre'\n\
             distinct = 'author_id'\ntop = 5\n",
            sql!("breakdown_distinct"),
        ),
        case(
            "365 days, actors of the week and month to date",
            "[metrics.authors_of_the_week]\nmeasure = 'distinct'\nsource = 'posts'\ncolumn = 'author_id'\nwindow = 'week'\n\
             [metrics.authors_of_the_month]\nmeasure = 'distinct'\nsource = 'posts'\ncolumn = 'author_id'\nwindow = 'month'\n",
            sql!("distinct"),
        ),
        case("365 days, retention after 1, 7 and 28 days", RETENTION, sql!("retention")),
        case(
            "365 days, new, retained, resurrected and churned actors",
            "[metrics.new_authors]\nmeasure = 'growth'\nstate = 'new'\nsource = 'posts'\nwindow_days = 7\n\
             [metrics.retained_authors]\nmeasure = 'growth'\nstate = 'retained'\nsource = 'posts'\nwindow_days = 7\n\
             [metrics.resurrected_authors]\nmeasure = 'growth'\nstate = 'resurrected'\nsource = 'posts'\nwindow_days = 7\n\
             [metrics.churned_authors]\nmeasure = 'growth'\nstate = 'churned'\nsource = 'posts'\nwindow_days = 7\n",
            sql!("growth"),
        ),
    ]
}

pub const QUANTILES: &str = "[metrics.median_seconds]\nmeasure = 'median'\nsource = 'posts'\ncolumn = 'duration_seconds'\n\
     [metrics.high_seconds]\nmeasure = 'quantile'\nquantile = 0.95\nsource = 'posts'\ncolumn = 'duration_seconds'\n";

/// Retention of authors by their first post.
pub const RETENTION: &str = "[metrics.retention_1]\nmeasure = 'retention'\nsource = 'posts'\nafter_days = 1\n\
     [metrics.retention_7]\nmeasure = 'retention'\nsource = 'posts'\nafter_days = 7\n\
     [metrics.retention_28]\nmeasure = 'retention'\nsource = 'posts'\nafter_days = 28\nwindow_days = 7\n";
