//! Parquet: typed columns, a row group a page. Values are DECIMAL with as many places as any of them needs; how many
//! that is, a first pass over the rows finds out.

use std::sync::Arc;

use bigdecimal::num_bigint::BigInt;
use jiff::civil::Date;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{Encoder, Row, pages::Pages};
use crate::{metric::Decimal, query::QueryError};

/// Digits of a DECIMAL of 16 bytes, which every reader knows, and of 32, which many do.
const PRECISIONS: [(usize, usize); 2] = [(38, 16), (76, 32)];
/// Parquet counts days from here.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// How many digits some values have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digits {
    before_point: usize,
    after_point: usize,
}

/// The first pass, which finds out what the values of an export need.
pub(super) struct Measuring {
    pub pages: Pages,
    digits: Digits,
}

impl Measuring {
    pub fn new(pages: Pages) -> Self {
        Self { pages: pages.without_metadata(), digits: Digits::default() }
    }

    /// Looks at a page; after the last one there is the encoder.
    ///
    /// # Errors
    /// When the store fails, or the values need more digits than a DECIMAL has.
    pub async fn step(&mut self) -> Result<Option<Parquet>, QueryError> {
        let Some(rows) = self.pages.next().await? else { return Parquet::new(self.digits).map(Some) };
        for value in rows.iter().filter_map(|row| row.value.as_ref()) {
            self.digits = self.digits.and(&value.to_string());
        }
        Ok(None)
    }
}

impl Digits {
    fn and(self, value: &str) -> Self {
        let (whole, fraction) = value.trim_start_matches('-').split_once('.').unwrap_or((value, ""));
        Self {
            before_point: self.before_point.max(whole.trim_start_matches(['-', '0']).len()),
            after_point: self.after_point.max(fraction.len()),
        }
    }

    fn count(self) -> usize {
        self.before_point + self.after_point
    }
}

pub(super) struct Parquet {
    writer: SerializedFileWriter<Vec<u8>>,
    digits: Digits,
    /// Of a value.
    bytes: usize,
}

impl Parquet {
    /// # Errors
    /// When the values need more digits than a DECIMAL has.
    pub fn new(digits: Digits) -> Result<Self, QueryError> {
        let fitting = PRECISIONS.into_iter().find(|(precision, _)| digits.count() <= *precision);
        let (precision, bytes) = fitting.ok_or_else(|| too_many(digits))?;
        let schema = format!(
            "message daymark {{
                required int32 metric_date (DATE);
                required int32 metric_date_end (DATE);
                required binary interval (STRING);
                required binary metric_type (STRING);
                required binary metric_category (STRING);
                optional fixed_len_byte_array({bytes}) value (DECIMAL({precision}, {scale}));
                required binary state (STRING);
                optional binary provenance (STRING);
                optional int32 definition_version;
                required int32 days_recorded;
                required int32 days_due;
                optional binary metadata (STRING);
            }}",
            scale = digits.after_point
        );
        let schema = parse_message_type(&schema).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("daymark ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        Ok(Self { writer: writer.map_err(failed)?, digits, bytes })
    }

    fn write_group(
        &mut self,
        rows: &[Row],
        values: &[Option<FixedLenByteArray>],
    ) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut column = 0;
        while let Some(mut writer) = group.next_column()? {
            write_column(&mut writer, column, rows, values)?;
            writer.close()?;
            column += 1;
        }
        group.close().map(drop)
    }

    /// What was written since the last time. The writer counts the bytes on its own, so they need not stay.
    fn take(&mut self) -> Result<Vec<u8>, QueryError> {
        self.writer.flush().map_err(|error| QueryError::Export(error.to_string()))?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }
}

impl Encoder for Parquet {
    fn page(&mut self, rows: &[Row]) -> Result<Vec<u8>, QueryError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let value = |row: &Row| {
            let value = row.value.as_ref()?;
            let fits = self.digits.and(&value.to_string()) == self.digits;
            Some(if fits { fixed(&value.decimal(), self.digits.after_point, self.bytes) } else { None })
        };
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            values.push(match value(row) {
                None => None,
                Some(Some(bytes)) => Some(bytes),
                // Recorded between the two passes.
                Some(None) => {
                    let message = "a value was recorded meanwhile that needs more digits; export again";
                    return Err(QueryError::Export(message.to_owned()));
                }
            });
        }
        self.write_group(rows, &values).map_err(failed)?;
        self.take()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, QueryError> {
        self.writer.finish().map_err(failed)?;
        self.take()
    }
}

fn too_many(digits: Digits) -> QueryError {
    QueryError::TooManyDigits(format!(
        "the values need {} digits before the point and {} after it, more than the 76 of Parquet; export CSV or NDJSON",
        digits.before_point, digits.after_point
    ))
}

fn failed(error: ParquetError) -> QueryError {
    QueryError::Export(error.to_string())
}

/// The value as an integer of `scale` places after the point: two's complement, the highest byte first.
fn fixed(value: &Decimal, scale: usize, bytes: usize) -> Option<FixedLenByteArray> {
    let scaled = value.inner().with_scale(i64::try_from(scale).ok()?);
    let (integer, _): (BigInt, i64) = scaled.into_bigint_and_exponent();
    let short = integer.to_signed_bytes_be();
    let fill = if integer < BigInt::ZERO { 0xFF } else { 0 };
    let mut padded = vec![fill; bytes.checked_sub(short.len())?];
    padded.extend(short);
    Some(ByteArray::from(padded).into())
}

/// Writes the column at `place` of [`Row::COLUMNS`].
fn write_column(
    writer: &mut SerializedColumnWriter<'_>,
    place: usize,
    rows: &[Row],
    values: &[Option<FixedLenByteArray>],
) -> Result<(), ParquetError> {
    let texts = |writer, of: fn(&Row) -> &str| required_texts(writer, rows.iter().map(of));
    match Row::COLUMNS[place] {
        "metric_date" => required_numbers(writer, rows.iter().map(|row| days(row.metric_date))),
        "metric_date_end" => required_numbers(writer, rows.iter().map(|row| days(row.metric_date_end))),
        "interval" => texts(writer, |row| row.interval),
        "metric_type" => texts(writer, |row| row.metric_type),
        "metric_category" => texts(writer, |row| &row.metric_category),
        "value" => {
            let (present, levels) = optional(values.iter().cloned());
            writer.typed::<FixedLenByteArrayType>().write_batch(&present, Some(&levels), None).map(drop)
        }
        "state" => texts(writer, |row| row.state),
        "provenance" => optional_texts(writer, rows.iter().map(|row| row.provenance.map(str::to_owned))),
        "definition_version" => {
            let (present, levels) = optional(rows.iter().map(|row| row.definition_version));
            writer.typed::<Int32Type>().write_batch(&present, Some(&levels), None).map(drop)
        }
        "days_recorded" => required_numbers(writer, rows.iter().map(|row| number(row.days_recorded))),
        "days_due" => required_numbers(writer, rows.iter().map(|row| number(row.days_due))),
        _ => optional_texts(writer, rows.iter().map(Row::metadata_text)),
    }
}

fn required_numbers(
    writer: &mut SerializedColumnWriter<'_>,
    numbers: impl Iterator<Item = i32>,
) -> Result<(), ParquetError> {
    writer.typed::<Int32Type>().write_batch(&numbers.collect::<Vec<_>>(), None, None).map(drop)
}

fn required_texts<'a>(
    writer: &mut SerializedColumnWriter<'_>,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), ParquetError> {
    let texts: Vec<_> = texts.map(ByteArray::from).collect();
    writer.typed::<ByteArrayType>().write_batch(&texts, None, None).map(drop)
}

fn optional_texts(
    writer: &mut SerializedColumnWriter<'_>,
    texts: impl Iterator<Item = Option<String>>,
) -> Result<(), ParquetError> {
    let (present, levels) = optional(texts.map(|text| text.map(|text| ByteArray::from(text.into_bytes()))));
    writer.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None).map(drop)
}

/// The values that are there, and for each row whether one is.
fn optional<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    (present, levels)
}

fn days(date: Date) -> i32 {
    EPOCH.until(date).map_or(0, |span| span.get_days())
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_on_both_sides_of_the_point() {
        let digits =
            ["0", "-12.5", "007", "0.0001", "345"].iter().fold(Digits::default(), |all, one| all.and(one));
        assert_eq!(digits, Digits { before_point: 3, after_point: 4 });
        assert!(Parquet::new(Digits { before_point: 70, after_point: 6 }).is_ok());
        let error = Parquet::new(Digits { before_point: 70, after_point: 7 }).err().unwrap().to_string();
        assert!(error.contains("export CSV or NDJSON"), "{error}");
    }

    #[test]
    fn values_are_twos_complement() {
        let bytes = |text: &str| fixed(&text.parse().unwrap(), 2, 4).unwrap().data().to_vec();
        assert_eq!(bytes("1"), [0, 0, 0, 100]);
        assert_eq!(bytes("-0.01"), [255, 255, 255, 255]);
        assert_eq!(bytes("0"), [0, 0, 0, 0]);
    }
}
