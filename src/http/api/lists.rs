//! Lists in parameters.

/// The parts of a list with commas. Empty ones do not count, unless there is nothing else: what is given and empty is not
/// the same as what is not given, and an error that whoever knows the names will make of it.
pub fn list(text: Option<&str>) -> Vec<String> {
    let Some(text) = text else { return Vec::new() };
    let parts: Vec<_> =
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if parts.is_empty() { vec![String::new()] } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_not_none() {
        assert_eq!(list(None), [""; 0]);
        assert_eq!(list(Some("a, b,,c ")), ["a", "b", "c"]);
        for empty in ["", ",", " , "] {
            assert_eq!(list(Some(empty)), [""], "{empty:?}");
        }
    }
}
