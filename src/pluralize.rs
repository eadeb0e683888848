//! Formats counts in messages, with the noun in the singular or the plural.

/// Returns texts such as `1 day`, `2 days` or `3 entries`.
pub fn pluralize(count: impl TryInto<u64>, singular: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    match (count, singular.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o']))) {
        (1, _) => format!("1 {singular}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ => format!("{count} {singular}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_follows_its_count() {
        assert_eq!(
            [pluralize(1, "day"), pluralize(2, "day"), pluralize(0, "entry")],
            ["1 day", "2 days", "0 entries"]
        );
    }
}
