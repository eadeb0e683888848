//! Parquet: typed columns, a row group a page. Values are DECIMAL with as many places as any of them needs, which
//! a first pass over the rows determines.

use std::sync::Arc;

use bigdecimal::num_bigint::BigInt;
use jiff::civil::Date;
use parquet::{
    basic::Compression,
    data_type::{
        BoolType, ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
        Int64Type,
    },
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    encoder::Encoder,
    table::{Cell, ExportColumn, ExportType, Pages, Row},
};
use crate::{metric::Decimal, query::QueryError};

/// Digits of a DECIMAL of 16 bytes, which every reader knows, and of 32, which many do.
const PRECISIONS: [(usize, usize); 2] = [(38, 16), (76, 32)];
/// Parquet counts days from this date.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// How many digits some values have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digits {
    before_point: usize,
    after_point: usize,
}

/// The first pass, which finds the precision and scale that the decimals of an export need.
pub(super) struct Measuring {
    pub pages: Box<dyn Pages>,
    /// Of each column.
    digits: Vec<Digits>,
}

impl Measuring {
    pub fn new(pages: Box<dyn Pages>) -> Self {
        let digits = vec![Digits::default(); pages.columns().len()];
        Self { pages, digits }
    }

    /// Measures the next page; returns the encoder after the last page.
    ///
    /// # Errors
    /// When the store fails, or the values need more digits than a DECIMAL has.
    pub async fn step(&mut self) -> Result<Option<Parquet>, QueryError> {
        let Some(rows) = self.pages.next().await? else {
            return Parquet::new(self.pages.columns(), &self.digits).map(Some);
        };
        for row in &rows {
            for (digits, cell) in self.digits.iter_mut().zip(row) {
                if let Cell::Decimal(value) = cell {
                    *digits = digits.and(value);
                }
            }
        }
        Ok(None)
    }
}

impl Digits {
    fn and(self, value: &Decimal) -> Self {
        let value = value.to_string();
        let (whole, fraction) = value.trim_start_matches('-').split_once('.').unwrap_or((&value, ""));
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
    columns: &'static [ExportColumn],
    /// Of each column.
    widths: Vec<Width>,
}

/// The precision and scale of a DECIMAL column of the file.
#[derive(Debug, Clone, Copy)]
struct Width {
    digits: Digits,
    precision: usize,
    /// Of a value.
    bytes: usize,
}

impl Width {
    fn of(digits: Digits) -> Result<Self, QueryError> {
        let fitting = PRECISIONS.into_iter().find(|(precision, _)| digits.count() <= *precision);
        let (precision, bytes) = fitting.ok_or_else(|| too_many(digits))?;
        Ok(Self { digits, precision, bytes })
    }
}

impl Parquet {
    pub fn without_decimals(columns: &'static [ExportColumn]) -> Result<Self, QueryError> {
        Self::new(columns, &vec![Digits::default(); columns.len()])
    }

    /// # Errors
    /// When the values need more digits than a DECIMAL has.
    fn new(columns: &'static [ExportColumn], digits: &[Digits]) -> Result<Self, QueryError> {
        let widths = digits.iter().map(|digits| Width::of(*digits)).collect::<Result<Vec<_>, _>>()?;
        let fields: String =
            columns.iter().zip(&widths).map(|(column, width)| field(column, *width) + ";\n").collect();
        let schema = parse_message_type(&format!("message daymark {{\n{fields}}}")).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("daymark ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        Ok(Self { writer: writer.map_err(failed)?, columns, widths })
    }

    fn write_group(&mut self, rows: &[Row]) -> Result<(), QueryError> {
        let mut group = self.writer.next_row_group().map_err(failed)?;
        let mut place = 0;
        while let Some(mut writer) = group.next_column().map_err(failed)? {
            let cells = rows.iter().map(|row| row.get(place).unwrap_or(&Cell::None));
            match (self.columns.get(place), self.widths.get(place)) {
                (Some(column), Some(width)) => write_column(&mut writer, column, *width, cells)?,
                _ => return Err(QueryError::Export("a column is not known".to_owned())),
            }
            writer.close().map_err(failed)?;
            place += 1;
        }
        group.close().map(drop).map_err(failed)
    }

    /// Takes the bytes that were written since the last call. The writer counts bytes itself, so the buffer can be emptied.
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
        self.write_group(rows)?;
        self.take()
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<u8>, QueryError> {
        self.writer.finish().map_err(failed)?;
        self.take()
    }
}

/// A column in the language of Parquet's schemas.
fn field(column: &ExportColumn, width: Width) -> String {
    let presence = if column.is_optional { "optional" } else { "required" };
    let (physical, logical) = match column.kind {
        ExportType::Text | ExportType::Object => ("binary".to_owned(), " (STRING)".to_owned()),
        ExportType::Date => ("int32".to_owned(), " (DATE)".to_owned()),
        ExportType::Instant => ("int64".to_owned(), " (TIMESTAMP(MICROS,true))".to_owned()),
        ExportType::Number => ("int32".to_owned(), String::new()),
        ExportType::Long => ("int64".to_owned(), String::new()),
        ExportType::Boolean => ("boolean".to_owned(), String::new()),
        ExportType::Decimal => {
            let decimal = format!(" (DECIMAL({}, {}))", width.precision, width.digits.after_point);
            (format!("fixed_len_byte_array({})", width.bytes), decimal)
        }
    };
    format!("{presence} {physical} {}{logical}", column.name)
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

fn write_column<'a>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &ExportColumn,
    width: Width,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<(), QueryError> {
    let is_optional = column.is_optional;
    match column.kind {
        ExportType::Text | ExportType::Object => {
            let text = |cell: &Cell| cell.text().map(|text| ByteArray::from(text.into_owned().into_bytes()));
            write::<ByteArrayType>(writer, is_optional, cells.map(text))
        }
        ExportType::Date | ExportType::Number => write::<Int32Type>(writer, is_optional, cells.map(number)),
        ExportType::Instant | ExportType::Long => write::<Int64Type>(writer, is_optional, cells.map(long)),
        ExportType::Boolean => {
            let boolean = |cell: &Cell| if let Cell::Boolean(value) = cell { Some(*value) } else { None };
            write::<BoolType>(writer, is_optional, cells.map(boolean))
        }
        ExportType::Decimal => {
            let values = cells.map(|cell| decimal(cell, width)).collect::<Result<Vec<_>, _>>()?;
            write::<FixedLenByteArrayType>(writer, is_optional, values.into_iter())
        }
    }
}

/// The values that are there, and for each row of a column that may lack some whether one is.
fn write<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    is_optional: bool,
    values: impl Iterator<Item = Option<T::T>>,
) -> Result<(), QueryError> {
    let (mut present, mut levels) = (Vec::new(), Vec::new());
    for value in values {
        levels.push(i16::from(value.is_some()));
        present.extend(value);
    }
    let levels = is_optional.then_some(levels);
    writer.typed::<T>().write_batch(&present, levels.as_deref(), None).map(drop).map_err(failed)
}

fn number(cell: &Cell) -> Option<i32> {
    match cell {
        Cell::Date(date) => Some(EPOCH.until(*date).map_or(0, |span| span.get_days())),
        Cell::Integer(integer) => Some(i32::try_from(*integer).unwrap_or(i32::MAX)),
        _ => None,
    }
}

fn long(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Instant(instant) => Some(instant.as_microsecond()),
        Cell::Integer(integer) => Some(*integer),
        _ => None,
    }
}

fn decimal(cell: &Cell, width: Width) -> Result<Option<FixedLenByteArray>, QueryError> {
    let Cell::Decimal(value) = cell else { return Ok(None) };
    let fits = width.digits.and(value) == width.digits;
    let bytes = if fits { fixed(value, width.digits.after_point, width.bytes) } else { None };
    // A row that was recorded between the two passes may have more digits than the first pass measured.
    let message = "a value was recorded meanwhile that needs more digits; export again";
    bytes.map(Some).ok_or_else(|| QueryError::Export(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_on_both_sides_of_the_point() {
        let digits = ["0", "-12.5", "007", "0.0001", "345"]
            .iter()
            .fold(Digits::default(), |all, one| all.and(&one.parse().unwrap()));
        assert_eq!(digits, Digits { before_point: 3, after_point: 4 });
        assert!(Width::of(Digits { before_point: 70, after_point: 6 }).is_ok());
        let error = Width::of(Digits { before_point: 70, after_point: 7 }).err().unwrap().to_string();
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
