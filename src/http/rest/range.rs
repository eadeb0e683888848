//! Which rows of an answer: `limit` and `offset`, the header `Range`, and what `Content-Range` says.

use axum::http::{HeaderMap, StatusCode, header};

use super::error::RestError;
use crate::store::TablePage;

/// The most rows of one answer. An answer that ends here has the status 206, whatever was asked for.
pub const MAX_ROWS: u64 = 10_000;

/// Rows by their number from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    /// At most [`MAX_ROWS`].
    pub(super) limit: u64,
    /// Whether more were asked for than an answer may have.
    capped: bool,
}

impl Range {
    /// What the parameters `limit` and `offset` and the header ask for together.
    ///
    /// # Errors
    /// When one of them is no number, or they have nothing in common.
    pub(super) fn new(
        limit: Option<&str>,
        offset: Option<&str>,
        header: Option<(u64, Option<u64>)>,
    ) -> Result<Self, RestError> {
        let limit = limit.map(|text| whole_number("limit", "Limit", text)).transpose()?;
        let offset = offset.map(|text| whole_number("offset", "Offset", text)).transpose()?.unwrap_or(0);
        let mut range = Self { offset, limit: limit.unwrap_or(u64::MAX), capped: false };
        if let Some((first, last)) = header
            && limit != Some(0)
        {
            range = range.intersection(first, last)?;
        }
        Ok(Self { limit: range.limit.min(MAX_ROWS), capped: range.limit > MAX_ROWS, ..range })
    }

    fn intersection(self, first: u64, last: Option<u64>) -> Result<Self, RestError> {
        let last = last.unwrap_or(u64::MAX);
        if last < first {
            return Err(RestError::range(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header.",
            ));
        }
        let end = self.offset.saturating_add(self.limit).min(last.saturating_add(1));
        let offset = self.offset.max(first);
        match offset < end {
            true => Ok(Self { offset, limit: end - offset, ..self }),
            false => Err(RestError::range("The Range header has no row in common with limit and offset.")),
        }
    }

    /// Status and `Content-Range` of a page of this range.
    ///
    /// # Errors
    /// When it begins after the last row.
    pub(super) fn answered(self, page: &TablePage) -> Result<(StatusCode, String), RestError> {
        let total = page.total.map_or("*".to_owned(), |total| total.to_string());
        let content_range = match page.rows {
            0 => format!("*/{total}"),
            rows => format!("{}-{}/{total}", self.offset, self.offset.saturating_add(rows - 1)),
        };
        match page.total {
            Some(rows) if self.offset > rows => {
                let details =
                    format!("An offset of {} was requested, but there are only {rows} rows.", self.offset);
                Err(RestError { content_range: Some(content_range.into()), ..RestError::range(details) })
            }
            Some(rows) if page.rows < rows => Ok((StatusCode::PARTIAL_CONTENT, content_range)),
            // Perhaps there are more: who wants to know asks for the next page, or for the count.
            None if self.capped && page.rows == self.limit => {
                Ok((StatusCode::PARTIAL_CONTENT, content_range))
            }
            _ => Ok((StatusCode::OK, content_range)),
        }
    }
}

/// The rows of a header `Range: 0-24` or `Range: 5-`. A header of any other form is ignored, as HTTP has it for units that
/// are not known.
pub(super) fn of_header(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (first, last) = headers.get(header::RANGE)?.to_str().ok()?.split_once('-')?;
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match last {
        "" => Some((number(first)?, None)),
        last => Some((number(first)?, Some(number(last)?))),
    }
}

fn whole_number(name: &'static str, title: &str, text: &str) -> Result<u64, RestError> {
    match text.parse::<i128>() {
        Ok(number) if number < 0 => {
            Err(RestError::range(format!("{title} should be greater than or equal to zero.")))
        }
        // More rows than there can be.
        Ok(number) => Ok(u64::try_from(number).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs())),
        Err(_) => Err(RestError::parse(name, text, 1, "expecting a whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limit: Option<&str>, offset: Option<&str>, header: &str) -> Result<(u64, u64), &'static str> {
        let headers = [(header::RANGE, header.parse().unwrap())].into_iter().collect();
        let range = Range::new(limit, offset, of_header(&headers));
        range.map(|range| (range.offset, range.limit)).map_err(|error| error.code)
    }

    #[test]
    fn parameters_and_header_meet() {
        assert_eq!(range(None, None, ""), Ok((0, MAX_ROWS)));
        assert_eq!(range(Some("5"), Some("2"), ""), Ok((2, 5)));
        assert_eq!(range(None, None, "5-6"), Ok((5, 2)));
        assert_eq!(range(None, None, "5-"), Ok((5, MAX_ROWS)));
        assert_eq!(range(Some("3"), None, "1-20"), Ok((1, 2)));
        assert_eq!(range(Some("0"), None, "1-20"), Ok((0, 0)));
        assert_eq!(range(Some("99999999"), Some("7"), ""), Ok((7, MAX_ROWS)));
        assert_eq!(range(None, Some("99999999999999999999999"), ""), Ok((i64::MAX as u64, MAX_ROWS)));
        for ignored in ["bytes=0-5", "x", "-5", "1-2-3", "+1-2", "99999999999999999999999-"] {
            assert_eq!(range(None, None, ignored), Ok((0, MAX_ROWS)), "{ignored}");
        }
    }

    #[test]
    fn nothing_in_common_is_an_error() {
        assert_eq!(range(None, None, "5-3"), Err("PGRST103"));
        assert_eq!(range(Some("3"), None, "3-4"), Err("PGRST103"));
        assert_eq!(range(Some("-1"), None, ""), Err("PGRST103"));
        assert_eq!(range(None, Some("-1"), ""), Err("PGRST103"));
        assert_eq!(range(Some("ten"), None, ""), Err("PGRST100"));
        assert_eq!(range(Some(""), None, ""), Err("PGRST100"));
    }

    #[test]
    fn the_answer_says_which_rows_it_has() {
        let answered = |limit, offset, rows, total| {
            let page = TablePage { json: String::new(), rows, total };
            let answered = Range::new(limit, Some(offset), None).unwrap().answered(&page);
            answered.map(|(status, range)| (status.as_u16(), range)).map_err(|error| error.status.as_u16())
        };
        assert_eq!(answered(None, "0", 24, None), Ok((200, "0-23/*".to_owned())));
        assert_eq!(answered(Some("2"), "0", 2, Some(24)), Ok((206, "0-1/24".to_owned())));
        assert_eq!(answered(Some("2"), "0", 2, None), Ok((200, "0-1/*".to_owned())));
        assert_eq!(answered(None, "24", 0, Some(24)), Ok((206, "*/24".to_owned())));
        assert_eq!(answered(None, "25", 0, Some(24)), Err(416));
        assert_eq!(answered(None, "25", 0, None), Ok((200, "*/*".to_owned())));
        assert_eq!(answered(None, "0", 0, Some(0)), Ok((200, "*/0".to_owned())));
        assert_eq!(answered(None, "0", MAX_ROWS, None), Ok((206, "0-9999/*".to_owned())), "cut");
        assert_eq!(answered(Some("10001"), "0", MAX_ROWS, None), Ok((206, "0-9999/*".to_owned())), "cut");
        assert_eq!(answered(Some("10000"), "0", MAX_ROWS, None), Ok((200, "0-9999/*".to_owned())));
    }
}
