//! Data files: Parquet, CSV, Arrow IPC and JSON lines, one file or a folder of one kind, read by DataFusion in batches.
//!
//! - [`read`] opens them; [`window_profiles`] makes of them what the stream would have made of the same rows.
//! - Column names stay as they are, with capitals, dots and every script: refer to them by `datafusion::logical_expr::ident`.
//! - Memory: a few batches for each core, whatever the size of the files.

mod csv_schema;
mod declared;
mod files;
mod json;
mod json_cells;
mod profiles;
mod quotes;
mod typed;

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::{FileReader, StreamReader};
use contract::model::ColumnKind;
use contract::{Contract, printable};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::logical_expr::{ident, try_cast};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

pub use declared::declared;
pub use files::url as file_url;
pub use profiles::{own_name, window_profiles};
pub use typed::holds;

use crate::error::{Error, Result};
use files::FileKind;

/// Rows of a batch.
const BATCH_ROWS: usize = 8_192;

/// Opens a file, or all data files of a folder (and its folders).
///
/// The schema is that of all rows, not of a sample: CSV and JSON lines are read twice. A column without any value has the
/// type `Null` there, and one with values of several types is text; in CSV, `NA`, `N/A` and `null` among numbers, times or
/// booleans are nulls.
///
/// Errors: [`Error::File`] where the file system refuses, [`Error::Format`] where the content is no such data. Zero rows
/// below a header are no error.
pub async fn read(path: &Path) -> Result<DataFrame> {
    read_with(path, &BTreeSet::new()).await
}

/// Like [`read`]; CSV columns that the contract declares to be text stay text whatever they look like.
pub async fn read_declared(path: &Path, contract: &Contract) -> Result<DataFrame> {
    read_with(path, &text_columns(contract)).await
}

fn text_columns(contract: &Contract) -> BTreeSet<String> {
    let is_text = |column: &&contract::model::Column| column.kind == ColumnKind::String;
    contract.schema.iter().filter(is_text).map(|column| column.name.clone()).collect()
}

/// Like [`read`]; CSV columns named in `texts` stay text whatever they look like.
async fn read_with(path: &Path, texts: &BTreeSet<String>) -> Result<DataFrame> {
    let (kind, files) = files::find(path)?;
    let context = session();
    let failed = |detail: String| Error::Format { path: path.to_owned(), detail };
    let (format, schema, casts): (Arc<dyn FileFormat>, _, _) = match kind {
        FileKind::JsonLines | FileKind::JsonArray => return read_json(path, files, kind).await,
        FileKind::Csv => {
            let (scanned, texts) = (files.clone(), texts.clone());
            let scan = tokio::task::spawn_blocking(move || csv_schema::scan(&scanned, &texts)).await;
            let scan = scan.map_err(|error| failed(error.to_string()))??;
            check_names(path, scan.schema.fields().iter().map(|field| field.name()))?;
            let format = CsvFormat::default().with_has_header(true).with_newlines_in_values(scan.has_newlines);
            (Arc::new(format), Some(scan.schema), scan.casts)
        }
        FileKind::Parquet => (Arc::new(ParquetFormat::default()), None, Vec::new()),
        FileKind::Arrow => (Arc::new(ArrowFormat), None, Vec::new()),
    };
    let options = ListingOptions::new(format).with_file_extension("");
    let mut urls = Vec::with_capacity(files.len());
    for file in &files {
        urls.push(files::url(file)?);
    }
    let schema = match schema {
        Some(schema) => schema,
        None => infer(&context, &options, kind, &files, &urls).await?,
    };
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(|error| failed(error.to_string()))?;
    let data = context.read_table(Arc::new(table)).map_err(|error| failed(error.to_string()))?;
    cast(data, &casts).map_err(|error| failed(error.to_string()))
}

async fn read_json(path: &Path, files: Vec<PathBuf>, kind: FileKind) -> Result<DataFrame> {
    let failed = |detail: String| Error::Format { path: path.to_owned(), detail };
    let form = if kind == FileKind::JsonArray { json::Form::Array } else { json::Form::Lines };
    let table = tokio::task::spawn_blocking(move || json::table(files, form)).await;
    let table = table.map_err(|error| failed(error.to_string()))??;
    session().read_table(Arc::new(table)).map_err(|error| failed(error.to_string()))
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
    kind: FileKind,
    files: &[PathBuf],
    urls: &[ListingTableUrl],
) -> Result<SchemaRef> {
    let state = context.state();
    let mut merged = Schema::empty();
    for (file, url) in files.iter().zip(urls) {
        let failed = |detail: String| Error::Format { path: file.clone(), detail };
        let schema = options.infer_schema(&state, url).await.map_err(|error| failed(first_line(&error.to_string())))?;
        check_names(file, own_names(file, kind).map_err(failed)?.iter())?;
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
                    let (name, mine, theirs) = (printable(field.name()), known.data_type(), field.data_type());
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

/// The names as the file has them: inferring a schema makes one column of two that are called the same.
fn own_names(file: &Path, kind: FileKind) -> std::result::Result<Vec<String>, String> {
    let open = || File::open(file).map_err(|error| error.to_string());
    if kind == FileKind::Parquet {
        let reader = SerializedFileReader::new(open()?).map_err(|error| first_line(&error.to_string()))?;
        let fields = reader.metadata().file_metadata().schema().get_fields();
        return Ok(fields.iter().map(|field| field.name().to_owned()).collect());
    }
    let schema = if let Ok(reader) = FileReader::try_new(open()?, None) {
        reader.schema()
    } else {
        let reader = StreamReader::try_new(open()?, None);
        reader.map_err(|error| first_line(&error.to_string()))?.schema()
    };
    Ok(schema.fields().iter().map(|field| field.name().clone()).collect())
}

fn check_names<'a>(path: &Path, mut names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = HashSet::new();
    match names.find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(twice) => {
            let detail = format!("column `{}` is there twice", printable(twice));
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
