//! Lists in parameters, separated by commas.

/// The parts of a list. Empty parts are kept, because an empty list is not an absent one: the caller, which knows the
/// names, reports them as an error.
pub fn comma_list(text: Option<&str>) -> Vec<String> {
    text.map(|text| text.split(',').map(|part| part.trim().to_owned()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_not_an_absent_one() {
        assert_eq!(comma_list(None), [""; 0]);
        assert_eq!(comma_list(Some("a, b,,c ")), ["a", "b", "", "c"]);
        assert_eq!(comma_list(Some(" ")), [""]);
        assert_eq!(comma_list(Some("a,")), ["a", ""]);
    }
}
