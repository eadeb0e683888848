//! "Did you mean": finds the known name that is nearest to a wrong one by the Damerau-Levenshtein distance, and formats
//! untrusted names safely.

use strum::IntoEnumIterator;

/// The most characters of a name in a message; longer ones are cut.
const SHOWN_CHARS: usize = 64;
/// The most names that are listed if none is near.
const LISTED: usize = 20;
/// The least length at which the beginning of a name is enough to suggest the whole name.
const SHORTEST_BEGINNING: usize = 3;
/// The most names that one message suggests.
const MAX_SUGGESTED: usize = 3;

/// Returns the variants of an enum with their names.
pub fn named_variants<T: IntoEnumIterator + Copy + Into<&'static str>>() -> Vec<(&'static str, T)> {
    T::iter().map(|variant| (variant.into(), variant)).collect()
}

/// Returns the candidate that is nearest to `name`, if it differs in at most a third of its characters.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    closest(name, candidates).filter(|(distance, _)| *distance <= allowed).map(|(_, candidate)| candidate)
}

/// Returns the candidate with the least distance from `name`, and the distance.
fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<(usize, &'a str)> {
    // The time is quadratic in the lengths, and a name that long is not a typing mistake.
    if name.chars().count() > SHOWN_CHARS {
        return None;
    }
    let lower_case = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| (strsim::damerau_levenshtein(&lower_case, &candidate.to_lowercase()), candidate))
        .min()
}

/// Returns the nearest candidate, or else the first few that begin with `name`.
pub fn similar_names<'a>(name: &str, candidates: &[&'a str]) -> Vec<&'a str> {
    if let Some(candidate) = nearest(name, candidates.iter().copied()) {
        return vec![candidate];
    }
    let beginning = name.to_lowercase();
    let begins = |candidate: &&&str| {
        beginning.chars().count() >= SHORTEST_BEGINNING && candidate.to_lowercase().starts_with(&beginning)
    };
    candidates.iter().filter(begins).take(MAX_SUGGESTED).copied().collect()
}

/// Returns `did you mean …?`, or else a list of all candidates; if there are more than [`LISTED`], the nearest one.
pub fn suggestion<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<_> = candidates.into_iter().collect();
    let similar = similar_names(name, &candidates);
    if !similar.is_empty() {
        let names: Vec<_> = similar.into_iter().map(shown).collect();
        return Some(format!("did you mean {}?", names.join(" or ")));
    }
    if candidates.len() > LISTED {
        let (_, candidate) = closest(name, candidates)?;
        return Some(format!("the most similar name is {}", shown(candidate)));
    }
    let names: Vec<_> = candidates.into_iter().map(shown).collect();
    (!names.is_empty()).then(|| format!("possible here: {}", names.join(", ")))
}

/// Returns a suggestion of the nearest name of a time zone.
pub fn nearest_zone(name: &str) -> Option<String> {
    let zones: Vec<_> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
    let zone = nearest(name, zones.iter().map(String::as_str))?;
    Some(format!("did you mean {}?", shown(zone)))
}

/// Formats an untrusted name in backticks, cut to [`SHOWN_CHARS`] and with control characters escaped.
pub fn shown(name: &str) -> String {
    let mut text: String = name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        let names = ["time_column", "time_format", "table"];
        assert_eq!(nearest("time_colum", names), Some("time_column"));
        assert_eq!(nearest("Time_Column", names), Some("time_column"));
        assert_eq!(nearest("tabel", names), Some("table"));
        assert_eq!(nearest("filter", names), None);
        assert_eq!(nearest(&"x".repeat(100_000), names), None);
    }

    #[test]
    fn names_with_the_given_beginning_are_suggested() {
        let hint = |name: &str, names: &[&str]| suggestion(name, names.iter().copied()).unwrap();
        let metrics = ["posters", "posts_created", "posts_of_jazz", "posts_total", "posts_with_images"];
        assert_eq!(hint("sun", &["saturday", "sunday"]), "did you mean `sunday`?");
        assert_eq!(
            hint("Posts", &metrics[1..]),
            "did you mean `posts_created` or `posts_of_jazz` or `posts_total`?"
        );
        // Two letters are too few for a suggestion, and the nearest name has precedence.
        assert_eq!(hint("su", &["saturday", "sunday"]), "possible here: `saturday`, `sunday`");
        assert_eq!(hint("poster", &metrics), "did you mean `posters`?");
    }

    #[test]
    fn the_nearest_of_many_is_named_however_far_it_is() {
        let many: Vec<_> = (0..=LISTED).map(|number| format!("metric_{number}")).collect();
        let hint = |names: &[String]| suggestion("posts_7", names.iter().map(String::as_str));
        assert_eq!(hint(&many).as_deref(), Some("the most similar name is `metric_7`"));
        assert_eq!(hint(&many[..2]).as_deref(), Some("possible here: `metric_0`, `metric_1`"));
        assert_eq!(hint(&[]), None);
    }

    #[test]
    fn shown_names_are_cut_and_escaped() {
        assert_eq!(shown("a\u{1b}[31m\0"), "`a\\u{1b}[31m\\0`");
        assert_eq!(shown(&"x".repeat(70)), format!("`{}…`", "x".repeat(64)));
    }
}
