//! The range of rows of an answer: `limit` and `offset`, the header `Range`, and the header `Content-Range`.

use axum::http::{HeaderMap, StatusCode, header};

use super::error::RestError;
use crate::store::TablePage;

/// The most rows of one answer.
pub const MAX_ROWS: u64 = 10_000;

/// The most rows that an answer may leave out first. Each of them is read, so that a deeper page costs as much as all pages
/// before it.
pub const MAX_OFFSET: u64 = 100_000;

/// Rows by their number from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowRange {
    pub(super) offset: u64,
    /// One more than [`MAX_ROWS`] if more are requested, to detect whether there are more.
    pub(super) limit: u64,
}

impl RowRange {
    /// The range that the parameters `limit` and `offset` and the header select together.
    ///
    /// # Errors
    /// When one of them is not a number, their ranges do not overlap, or the offset is beyond [`MAX_OFFSET`].
    pub(super) fn new(
        limit: Option<&str>,
        offset: Option<&str>,
        header: Option<(u64, Option<u64>)>,
    ) -> Result<Self, RestError> {
        let limit = limit.map(|text| whole_number("limit", "Limit", text)).transpose()?;
        let offset = offset.map(|text| whole_number("offset", "Offset", text)).transpose()?.unwrap_or(0);
        let mut range = Self { offset, limit: limit.unwrap_or(u64::MAX) };
        if let Some((first, last)) = header
            && limit != Some(0)
        {
            range = range.intersection(first, last)?;
        }
        match range.offset {
            0..=MAX_OFFSET => Ok(Self { limit: range.limit.min(MAX_ROWS + 1), ..range }),
            deep => Err(too_deep(deep)),
        }
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
            true => Ok(Self { offset, limit: end - offset }),
            false => Err(RestError::range("The Range header has no row in common with limit and offset.")),
        }
    }

    /// Status and `Content-Range` of a page of this range.
    ///
    /// # Errors
    /// When it begins after the last row; or when all rows are requested and there are more than an answer may have,
    /// because a client that reads the rows only would not notice missing rows. HEAD returns no rows, so it has no such
    /// limit.
    pub(super) fn answered(self, page: &TablePage, is_head: bool) -> Result<(StatusCode, String), RestError> {
        let has_more = page.rows > MAX_ROWS;
        if has_more && !is_head {
            return Err(too_many_rows());
        }
        let total = page.total.map_or("*".to_owned(), |total| total.to_string());
        let rows = page.rows.min(MAX_ROWS);
        let content_range = match rows {
            0 => format!("*/{total}"),
            rows => format!("{}-{}/{total}", self.offset, self.offset.saturating_add(rows - 1)),
        };
        match page.total {
            Some(total) if self.offset > total => {
                let details =
                    format!("An offset of {} was requested, but there are only {total} rows.", self.offset);
                Err(RestError { content_range: Some(content_range.into()), ..RestError::range(details) })
            }
            Some(total) if rows < total => Ok((StatusCode::PARTIAL_CONTENT, content_range)),
            None if has_more => Ok((StatusCode::PARTIAL_CONTENT, content_range)),
            _ => Ok((StatusCode::OK, content_range)),
        }
    }
}

fn too_deep(offset: u64) -> RestError {
    let message = format!("the offset {offset} is too large: at most {MAX_OFFSET} rows can be skipped");
    RestError::bad_request("54000", message).hint(
        "Page by a key instead: order by a column, as in `order=id.asc`, and request the rows after the last one of the \
         previous page, as in `id=gt.4711`; or add filters.",
    )
}

fn too_many_rows() -> RestError {
    let message = format!("there are more than {MAX_ROWS} rows, but an answer can have {MAX_ROWS} at most");
    let (last, next, end) = (MAX_ROWS - 1, MAX_ROWS, 2 * MAX_ROWS - 1);
    RestError::new(StatusCode::PAYLOAD_TOO_LARGE, "54000", message).hint(format!(
        "Request ordered pages: range(0, {last}), range({next}, {end}) and so on (`limit` and `offset` in the URL); \
         or add filters."
    ))
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
        // The number is larger than any number of rows.
        Ok(number) => Ok(u64::try_from(number).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs())),
        Err(_) => Err(RestError::parse(name, text, 1, "expecting a whole number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(limit: Option<&str>, offset: Option<&str>, header: &str) -> Result<(u64, u64), &'static str> {
        let headers = [(header::RANGE, header.parse().unwrap())].into_iter().collect();
        let range = RowRange::new(limit, offset, of_header(&headers));
        range.map(|range| (range.offset, range.limit)).map_err(|error| error.code)
    }

    #[test]
    fn the_range_is_the_intersection_of_parameters_and_header() {
        assert_eq!(range(None, None, ""), Ok((0, MAX_ROWS + 1)));
        assert_eq!(range(Some("5"), Some("2"), ""), Ok((2, 5)));
        assert_eq!(range(None, None, "5-6"), Ok((5, 2)));
        assert_eq!(range(None, None, "5-"), Ok((5, MAX_ROWS + 1)));
        assert_eq!(range(Some("3"), None, "1-20"), Ok((1, 2)));
        assert_eq!(range(Some("0"), None, "1-20"), Ok((0, 0)));
        assert_eq!(range(Some("99999999"), Some("7"), ""), Ok((7, MAX_ROWS + 1)));
        assert_eq!(range(Some("10000"), None, ""), Ok((0, MAX_ROWS)));
        assert_eq!(range(None, Some("100000"), ""), Ok((MAX_OFFSET, MAX_ROWS + 1)));
        for ignored in ["bytes=0-5", "x", "-5", "1-2-3", "+1-2", "99999999999999999999999-"] {
            assert_eq!(range(None, None, ignored), Ok((0, MAX_ROWS + 1)), "{ignored}");
        }
    }

    #[test]
    fn a_deep_offset_is_refused() {
        assert_eq!(range(None, Some("100001"), ""), Err("54000"));
        assert_eq!(range(None, Some("99999999999999999999999"), ""), Err("54000"));
        assert_eq!(range(None, None, "100001-100002"), Err("54000"));
    }

    #[test]
    fn an_empty_intersection_is_an_error() {
        assert_eq!(range(None, None, "5-3"), Err("PGRST103"));
        assert_eq!(range(Some("3"), None, "3-4"), Err("PGRST103"));
        assert_eq!(range(Some("-1"), None, ""), Err("PGRST103"));
        assert_eq!(range(None, Some("-1"), ""), Err("PGRST103"));
        assert_eq!(range(Some("ten"), None, ""), Err("PGRST100"));
        assert_eq!(range(Some(""), None, ""), Err("PGRST100"));
    }

    #[test]
    fn the_answer_says_which_rows_it_has() {
        let of = |limit, offset, rows, total, is_head| {
            let page = TablePage { json: None, rows, total };
            let answered = RowRange::new(limit, Some(offset), None).unwrap().answered(&page, is_head);
            answered.map(|(status, range)| (status.as_u16(), range)).map_err(|error| error.status.as_u16())
        };
        let answered = |limit, offset, rows, total| of(limit, offset, rows, total, false);
        assert_eq!(answered(None, "0", 24, None), Ok((200, "0-23/*".to_owned())));
        assert_eq!(answered(Some("2"), "0", 2, Some(24)), Ok((206, "0-1/24".to_owned())));
        assert_eq!(answered(Some("2"), "0", 2, None), Ok((200, "0-1/*".to_owned())));
        assert_eq!(answered(None, "24", 0, Some(24)), Ok((206, "*/24".to_owned())));
        assert_eq!(answered(None, "25", 0, Some(24)), Err(416));
        assert_eq!(answered(None, "25", 0, None), Ok((200, "*/*".to_owned())));
        assert_eq!(answered(None, "0", 0, Some(0)), Ok((200, "*/0".to_owned())));
        assert_eq!(answered(None, "0", MAX_ROWS, None), Ok((200, "0-9999/*".to_owned())));
        assert_eq!(answered(None, "0", MAX_ROWS + 1, None), Err(413));
        assert_eq!(answered(Some("10001"), "0", MAX_ROWS + 1, Some(20_000)), Err(413));
        let counted = |total| of(None, "0", MAX_ROWS + 1, total, true);
        assert_eq!(counted(None), Ok((206, "0-9999/*".to_owned())));
        assert_eq!(counted(Some(20_000)), Ok((206, "0-9999/20000".to_owned())));
    }
}
