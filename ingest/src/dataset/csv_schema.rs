//! The types of CSV columns, from all rows: a sample would fail on the column that is empty at first and numeric later.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use contract::printable;
use csv::{ByteRecord, ErrorKind, Reader};

use super::quotes::Quotes;
use crate::error::{Error, Result};

const INTEGER: u8 = 1;
const FLOAT: u8 = 1 << 1;
const BOOLEAN: u8 = 1 << 2;
const DATE: u8 = 1 << 3;
const TIMESTAMP: u8 = 1 << 4;
/// `NA` and its like: a null among numbers, a word among words.
const NOT_AVAILABLE: u8 = 1 << 5;
const TEXT: u8 = 1 << 6;

/// What a first reading found out.
pub struct Scan {
    pub schema: SchemaRef,
    /// Columns that are read as text, since they hold `NA`, and the types of their other values.
    pub casts: Vec<(String, DataType)>,
    /// Some value spans lines, so the file can't be cut at line ends.
    pub has_newlines: bool,
}

/// Reads files that have the same header; columns named in `texts` are text.
pub fn scan(files: &[PathBuf], texts: &BTreeSet<String>) -> Result<Scan> {
    let mut names: Option<Vec<String>> = None;
    let mut seen: Vec<u8> = Vec::new();
    let mut has_newlines = false;
    for file in files {
        let opened = File::open(file);
        let opened = opened.map_err(|error| Error::File { path: file.clone(), detail: error.to_string() })?;
        let mut reader = Reader::from_reader(Quotes::new(opened));
        let header = header(file, &mut reader)?;
        match &names {
            None => {
                seen = header.iter().map(|name| if texts.contains(name) { TEXT } else { 0 }).collect();
                names = Some(header);
            }
            Some(first) if *first == header => {}
            Some(_) => {
                let detail = "its header differs from that of the files before".to_owned();
                return Err(Error::Format { path: file.clone(), detail });
            }
        }
        has_newlines |= scan_file(file, reader, &mut seen)?;
    }
    let names = names.unwrap_or_default();
    let mut casts = Vec::new();
    let fields: Vec<Field> = names
        .into_iter()
        .zip(seen)
        .map(|(name, seen)| {
            let (read_as, cast_to) = data_type(seen);
            casts.extend(cast_to.map(|to| (name.clone(), to)));
            Field::new(name, read_as, true)
        })
        .collect();
    Ok(Scan { schema: Arc::new(Schema::new(fields)), casts, has_newlines })
}

/// Names as they stand; a column without a name is called by its place.
fn header(file: &Path, reader: &mut Reader<Quotes<File>>) -> Result<Vec<String>> {
    let header = reader.headers().map_err(|error| failed(file, &error))?;
    let refused = |detail: String| Err(Error::Format { path: file.to_owned(), detail });
    if header.is_empty() {
        return refused("it has no header".to_owned());
    }
    if let (1, Some(name)) = (header.len(), header.get(0))
        && let Some(separator) = [';', '\t'].into_iter().find(|separator| name.contains(*separator))
    {
        let (name, separator) = (printable(name), separator.escape_default());
        return refused(format!("it has one column `{name}`: is `{separator}` the separator? It must be `,`"));
    }
    let name = |(place, name): (usize, &str)| {
        if name.is_empty() { format!("column_{}", place + 1) } else { name.to_owned() }
    };
    Ok(header.iter().enumerate().map(name).collect())
}

/// Adds the kinds of values of one file's rows; whether any value spans lines.
fn scan_file(file: &Path, mut reader: Reader<Quotes<File>>, seen: &mut [u8]) -> Result<bool> {
    let mut record = ByteRecord::new();
    let mut has_newlines = false;
    loop {
        let read = reader.read_byte_record(&mut record);
        // An open quote makes rows that seem to have too few values, or none that seem wrong.
        if let Some(detail) = reader.get_ref().problem() {
            return Err(Error::Format { path: file.to_owned(), detail });
        }
        if !read.map_err(|error| failed(file, &error))? {
            return Ok(has_newlines);
        }
        let bytes = record.as_slice();
        if std::str::from_utf8(bytes).is_err() {
            let line = record.position().map_or(0, csv::Position::line);
            let detail = format!("line {line} is not UTF-8");
            return Err(Error::Format { path: file.to_owned(), detail });
        }
        has_newlines |= bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        for (value, seen) in record.iter().zip(seen.iter_mut()) {
            if *seen & TEXT == 0 {
                *seen |= classify(value);
            }
        }
    }
}

/// Never quotes the file: values are nobody's business in an error.
fn failed(file: &Path, error: &csv::Error) -> Error {
    let path = file.to_owned();
    let line = error.position().map_or_else(String::new, |position| format!("line {}: ", position.line()));
    match error.kind() {
        ErrorKind::Io(error) => Error::File { path, detail: error.to_string() },
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let values = if *len == 1 { "value" } else { "values" };
            Error::Format { path, detail: format!("{line}{len} {values} where the header has {expected_len}") }
        }
        ErrorKind::Utf8 { .. } => Error::Format { path, detail: format!("{line}not UTF-8") },
        _ => Error::Format { path, detail: format!("{line}malformed CSV") },
    }
}

/// The type to read a column as, and the type to make of it if that is another one.
fn data_type(seen: u8) -> (DataType, Option<DataType>) {
    let typed = match seen & !NOT_AVAILABLE {
        0 => DataType::Null,
        INTEGER => DataType::Int64,
        kinds if kinds & !(INTEGER | FLOAT) == 0 => DataType::Float64,
        BOOLEAN => DataType::Boolean,
        DATE => DataType::Date32,
        kinds if kinds & !(DATE | TIMESTAMP) == 0 => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    };
    if seen & NOT_AVAILABLE == 0 || matches!(typed, DataType::Null | DataType::Utf8) {
        (typed, None)
    } else {
        (DataType::Utf8, Some(typed))
    }
}

/// The kind of one value. What is accepted here is what Arrow's parsers accept.
fn classify(value: &[u8]) -> u8 {
    match value {
        [] => 0,
        [b'0'..=b'9' | b'+' | b'-' | b'.' | b' ', ..] => number(value).unwrap_or_else(|| time_or_word(value)),
        word => named(word),
    }
}

fn number(value: &[u8]) -> Option<u8> {
    let trimmed = value.trim_ascii();
    let unsigned = trimmed.strip_prefix(b"-").or_else(|| trimmed.strip_prefix(b"+")).unwrap_or(trimmed);
    let after_digits = |text: &[u8]| text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let whole = after_digits(unsigned);
    let mut rest = unsigned.get(whole..)?;
    if rest.is_empty() && whole > 0 {
        let fits = whole <= 18 || std::str::from_utf8(trimmed).is_ok_and(|text| text.parse::<i64>().is_ok());
        return Some(if fits && trimmed.len() == value.len() { INTEGER } else { FLOAT });
    }
    let mut digits = whole;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = after_digits(fraction);
        digits += length;
        rest = fraction.get(length..)?;
    }
    if digits == 0 {
        return named_number(unsigned);
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"-").or_else(|| exponent.strip_prefix(b"+")).unwrap_or(exponent);
        let length = after_digits(exponent);
        return (length > 0 && length == exponent.len()).then_some(FLOAT);
    }
    rest.is_empty().then_some(FLOAT)
}

fn named_number(word: &[u8]) -> Option<u8> {
    let names: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];
    names.iter().any(|name| word.eq_ignore_ascii_case(name)).then_some(FLOAT)
}

fn named(word: &[u8]) -> u8 {
    if let Some(number) = named_number(word) {
        return number;
    }
    if word.eq_ignore_ascii_case(b"true") || word.eq_ignore_ascii_case(b"false") {
        return BOOLEAN;
    }
    let missing: [&[u8]; 6] = [b"NA", b"N/A", b"#N/A", b"null", b"NULL", b"None"];
    if missing.contains(&word) { NOT_AVAILABLE } else { TEXT }
}

fn time_or_word(value: &[u8]) -> u8 {
    let is_dated = value.get(4) == Some(&b'-') && value.get(7) == Some(&b'-');
    let parses = |value| std::str::from_utf8(value).is_ok_and(|text| string_to_timestamp_nanos(text).is_ok());
    match value.len() {
        10 if is_dated && parses(value) => DATE,
        11.. if is_dated && parses(value) => TIMESTAMP,
        _ => TEXT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_kinds() {
        for (text, kind) in [
            ("", 0),
            ("0", INTEGER),
            ("-12", INTEGER),
            ("+7", INTEGER),
            ("9223372036854775807", INTEGER),
            ("9223372036854775808", FLOAT),
            (" 5", FLOAT),
            ("1.5e-7", FLOAT),
            (".5", FLOAT),
            ("1.", FLOAT),
            ("NaN", FLOAT),
            ("-Infinity", FLOAT),
            ("true", BOOLEAN),
            ("FALSE", BOOLEAN),
            ("2013-01-01", DATE),
            ("2013-01-01T05:00:00Z", TIMESTAMP),
            ("2013-01-01 05:00:00.25", TIMESTAMP),
            ("2013-13-01", TEXT),
            ("NA", NOT_AVAILABLE),
            (".", TEXT),
            ("-", TEXT),
            ("1e", TEXT),
            ("1.2.3", TEXT),
            ("١٢", TEXT),
            ("naïve", TEXT),
        ] {
            assert_eq!(classify(text.as_bytes()), kind, "{text:?}");
        }
    }

    #[test]
    fn kinds_make_types() {
        assert_eq!(data_type(0), (DataType::Null, None));
        assert_eq!(data_type(INTEGER | FLOAT), (DataType::Float64, None));
        assert_eq!(data_type(INTEGER | NOT_AVAILABLE), (DataType::Utf8, Some(DataType::Int64)));
        assert_eq!(data_type(INTEGER | BOOLEAN), (DataType::Utf8, None));
        assert_eq!(data_type(TEXT | NOT_AVAILABLE), (DataType::Utf8, None));
        let time = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(data_type(DATE | TIMESTAMP), (time, None));
    }
}
