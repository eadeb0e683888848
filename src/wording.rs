//! Words for people that more than one layer writes.

/// `1 day`, `2 days`, `3 entries`.
pub fn counted(count: impl TryInto<u64>, singular: &str) -> String {
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
    fn things_are_counted_in_words() {
        assert_eq!(
            [counted(1, "day"), counted(2, "day"), counted(0, "entry")],
            ["1 day", "2 days", "0 entries"]
        );
    }
}
