//! Lists in parameters.

/// The parts of a list with commas. Empty ones are parts, too: what is given and empty is not the same as what is not
/// given, and an error that whoever knows the names will make of it.
pub fn comma_list(text: Option<&str>) -> Vec<String> {
    text.map(|text| text.split(',').map(|part| part.trim().to_owned()).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_not_none() {
        assert_eq!(comma_list(None), [""; 0]);
        assert_eq!(comma_list(Some("a, b,,c ")), ["a", "b", "", "c"]);
        assert_eq!(comma_list(Some(" ")), [""]);
        assert_eq!(comma_list(Some("a,")), ["a", ""]);
    }
}
