//! Data files: Parquet, CSV, Arrow IPC and JSON lines, one file or a folder of one kind, read by DataFusion in batches.
//!
//! - [`read`] opens them; [`window_profiles`] makes of them what the stream would have made of the same rows.
//! - Column names stay as they are, with capitals, dots and every script: refer to them by `datafusion::logical_expr::ident`.
//! - Memory: a few batches for each core, whatever the size of the files.

mod csv_schema;
mod files;
mod profiles;
mod typed;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::logical_expr::{ident, try_cast};

pub use profiles::window_profiles;

use crate::error::{Error, Result};
use files::FileKind;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Opens a file, or all data files of a folder (and its folders).
///
/// The schema is that of all rows, not of a sample: CSV and JSON lines are read twice. In CSV a column without any value
/// has the type `Null`; `NA`, `N/A` and `null` among numbers, times or booleans are nulls.
///
/// Errors: [`Error::File`] where the file system refuses, [`Error::Format`] where the content is no such data. Zero rows
/// below a header are no error.
pub async fn read(path: &Path) -> Result<DataFrame> {
    read_with(path, &BTreeSet::new()).await
}

/// Like [`read`]; CSV columns named in `texts` stay text whatever they look like.
async fn read_with(path: &Path, texts: &BTreeSet<String>) -> Result<DataFrame> {
    let (kind, files) = files::find(path)?;
    let context = session();
    let failed = |detail: String| Error::Format { path: path.to_owned(), detail };
    let (format, schema, casts): (Arc<dyn FileFormat>, _, _) = match kind {
        FileKind::Csv => {
            let (scanned, texts) = (files.clone(), texts.clone());
            let scan = tokio::task::spawn_blocking(move || csv_schema::scan(&scanned, &texts)).await;
            let scan = scan.map_err(|error| failed(error.to_string()))??;
            let format = CsvFormat::default().with_has_header(true).with_newlines_in_values(scan.has_newlines);
            (Arc::new(format), Some(scan.schema), scan.casts)
        }
        FileKind::Parquet => (Arc::new(ParquetFormat::default()), None, Vec::new()),
        FileKind::Arrow => (Arc::new(ArrowFormat), None, Vec::new()),
        FileKind::JsonLines | FileKind::JsonArray => {
            let format = JsonFormat::default()
                .with_schema_infer_max_rec(usize::MAX)
                .with_newline_delimited(kind == FileKind::JsonLines);
            (Arc::new(format), None, Vec::new())
        }
    };
    let options = ListingOptions::new(format).with_file_extension("");
    let mut urls = Vec::with_capacity(files.len());
    for file in &files {
        urls.push(files::url(file)?);
    }
    let schema = match schema {
        Some(schema) => schema,
        None => infer(&context, &options, &files, &urls).await?,
    };
    check_names(path, &schema)?;
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(|error| failed(error.to_string()))?;
    let data = context.read_table(Arc::new(table)).map_err(|error| failed(error.to_string()))?;
    cast(data, &casts).map_err(|error| failed(error.to_string()))
}

fn session() -> SessionContext {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let config =
        SessionConfig::new().with_target_partitions(cores).with_batch_size(BATCH_ROWS).with_collect_statistics(false);
    SessionContext::new_with_config(config)
}

/// The schema that all files fit into.
async fn infer(
    context: &SessionContext,
    options: &ListingOptions,
    files: &[PathBuf],
    urls: &[ListingTableUrl],
) -> Result<SchemaRef> {
    let state = context.state();
    let mut merged = Schema::empty();
    for (file, url) in files.iter().zip(urls) {
        let failed = |detail: String| Error::Format { path: file.clone(), detail };
        let schema = options.infer_schema(&state, url).await.map_err(|error| failed(first_line(&error.to_string())))?;
        merged = merge(&merged, &schema).map_err(failed)?;
    }
    Ok(Arc::new(merged))
}

/// Errors of parsers may quote what they read after the first line.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Both schemas' columns; where types differ, the one that holds both.
fn merge(one: &Schema, other: &Schema) -> std::result::Result<Schema, String> {
    let mut fields: Vec<Field> = one.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in other.fields() {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => {
                let Some(common) = common_type(known.data_type(), field.data_type()) else {
                    let (name, mine, theirs) = (field.name(), known.data_type(), field.data_type());
                    return Err(format!("column `{name}` is {theirs} here, but {mine} in the files before"));
                };
                *known = Field::new(field.name(), common, true);
            }
            None => fields.push(field.as_ref().clone().with_nullable(true)),
        }
    }
    Ok(Schema::new(fields))
}

fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    match (one, other) {
        (same, also) if same == also => Some(same.clone()),
        (DataType::Null, typed) | (typed, DataType::Null) => Some(typed.clone()),
        (a, b) if a.is_integer() && b.is_integer() => Some(DataType::Int64),
        (a, b) if a.is_numeric() && b.is_numeric() => Some(DataType::Float64),
        (a, b) if a.is_string() && b.is_string() => Some(DataType::Utf8View),
        _ => None,
    }
}

fn check_names(path: &Path, schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(twice) => {
            let detail = format!("column `{}` is there twice", twice.name());
            Err(Error::Format { path: path.to_owned(), detail })
        }
    }
}

/// Reads text columns that hold something typed besides `NA` as what they hold.
fn cast(data: DataFrame, casts: &[(String, DataType)]) -> datafusion::error::Result<DataFrame> {
    if casts.is_empty() {
        return Ok(data);
    }
    let names: Vec<String> = data.schema().fields().iter().map(|field| field.name().clone()).collect();
    let columns = names.iter().map(|name| match casts.iter().find(|(cast, _)| cast == name) {
        Some((_, to)) => try_cast(ident(name), to.clone()).alias(name),
        None => ident(name),
    });
    data.select(columns.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_folder_fit_into_one_schema() {
        let schema = |fields: &[(&str, DataType)]| {
            Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), false)).collect::<Vec<_>>())
        };
        let one = schema(&[("a", DataType::Int32), ("b", DataType::Null), ("c", DataType::Utf8)]);
        let other = schema(&[("d", DataType::Boolean), ("b", DataType::Boolean), ("a", DataType::Float32)]);
        let merged = merge(&merge(&Schema::empty(), &one).unwrap(), &other).unwrap();
        let types: Vec<_> = merged.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
        assert_eq!(
            types,
            [("a", DataType::Float64), ("b", DataType::Boolean), ("c", DataType::Utf8), ("d", DataType::Boolean)]
        );
        let error = merge(&one, &schema(&[("c", DataType::Boolean)])).unwrap_err();
        assert!(error.contains("`c`"), "{error}");
    }
}
