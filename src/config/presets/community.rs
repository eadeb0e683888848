//! What the community preset looks for: people who write, upload, like and follow.

use super::{
    built_in_set::BuiltInSet,
    column_choice::{ChosenKey, ColumnCandidate, ColumnChoice},
    known_source::{KnownSource, People},
};
use crate::config::settings::Preset;

pub const COMMUNITY: BuiltInSet = BuiltInSet {
    preset: Preset::Community,
    place: "the community preset",
    text: include_str!("community.toml"),
    sources: &SOURCES,
    moments: &[],
    parts: &[],
    columns: &COLUMNS,
    conditions: &[],
    signature: &["posts", "tracks"],
};

const SOURCES: [KnownSource; 7] = [
    KnownSource::of_actors(
        "users",
        &["profiles", "users", "accounts", "members", "persons", "people"],
        &["profiles", "users"],
        People::MostReferenced,
    ),
    KnownSource {
        needs_actor: &["statuses"],
        ..KnownSource::of_actions(
            "posts",
            &["posts", "articles", "threads", "topics", "statuses"],
            &["posts"],
        )
    },
    KnownSource::of_actions("comments", &["comments", "replies"], &["comments"]),
    KnownSource::of_actions("tracks", &["tracks", "songs"], &["tracks", "songs"]),
    KnownSource::of_actions("plays", &["plays", "listens"], &["plays", "listens"]),
    KnownSource::of_actions(
        "likes",
        &["likes", "reactions", "favorites", "favourites"],
        &["likes", "reactions", "favorites", "favourites"],
    ),
    KnownSource {
        is_free: true,
        ..KnownSource::of_actions(
            "follows",
            &["follows", "followers", "subscriptions"],
            &["follows", "followers"],
        )
    },
];

const COLUMNS: [ColumnChoice; 3] = [
    ColumnChoice {
        category: "track_duration",
        key: ChosenKey::Column,
        of: "duration",
        sources: &["tracks"],
        columns: &[
            ColumnCandidate::named("durationseconds"),
            ColumnCandidate::named("durationsecs"),
            ColumnCandidate::named("durationsec"),
            ColumnCandidate::named("durations"),
            ColumnCandidate::named("lengthseconds"),
            ColumnCandidate::in_unit("durationms", "milliseconds"),
            ColumnCandidate::in_unit("durationmillis", "milliseconds"),
            ColumnCandidate::in_unit("milliseconds", "milliseconds"),
            ColumnCandidate::named("duration"),
        ],
        numeric: true,
        is_optional: false,
    },
    ColumnChoice {
        category: "top_tracks",
        key: ChosenKey::Column,
        of: "track",
        sources: &["plays"],
        columns: &[
            ColumnCandidate::named("tracktitle"),
            ColumnCandidate::named("trackname"),
            ColumnCandidate::named("track.title"),
            ColumnCandidate::named("track.name"),
            ColumnCandidate::named("song.title"),
            ColumnCandidate::named("song.name"),
            ColumnCandidate::named("trackid"),
            ColumnCandidate::named("songid"),
            ColumnCandidate::named("track"),
            ColumnCandidate::named("song"),
        ],
        numeric: false,
        is_optional: false,
    },
    ColumnChoice {
        category: "top_genres",
        key: ChosenKey::Column,
        of: "genre",
        sources: &["tracks", "posts"],
        columns: &[
            ColumnCandidate::named("genre"),
            ColumnCandidate::named("genrename"),
            ColumnCandidate::named("maingenre"),
            ColumnCandidate::named("genre.name"),
            ColumnCandidate::named("genre.title"),
            ColumnCandidate::named("genreid"),
        ],
        numeric: false,
        is_optional: false,
    },
];
