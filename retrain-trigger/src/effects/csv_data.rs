//! The pinned rows as CSV, for trainers that are scripts (`retrain.executor.format: csv`).

use std::fs::File;
use std::io::{BufWriter, Error};
use std::path::Path;

use arrow::csv::WriterBuilder;
use contract::artifact::hash_file;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::files;
use super::manifest::DataFile;
use crate::world::Outcome;

/// Writes a pinned Parquet file beside itself as CSV: a line of names, times as RFC 3339, labels as `true` or `false`, nothing
/// for what is missing. The same rows give the same bytes.
pub(super) fn write(folder: &Path, parquet: &DataFile) -> Outcome<DataFile> {
    let source = folder.join(&parquet.path);
    let path = Path::new(&parquet.path).with_extension("csv");
    let target = folder.join(&path);
    copy(folder, &source, &target).map_err(|error| files::cannot_write(&target, &error))?;
    let (sha256, _) = hash_file(&target).map_err(|error| files::cannot_read(&target, &error))?;
    Ok(DataFile { path: path.to_string_lossy().into_owned(), sha256, rows: parquet.rows })
}

fn copy(folder: &Path, source: &Path, target: &Path) -> std::io::Result<()> {
    let rows =
        ParquetRecordBatchReaderBuilder::try_new(File::open(source)?).and_then(ParquetRecordBatchReaderBuilder::build);
    let file = files::begin(folder)?;
    let mut writer = WriterBuilder::new().with_header(true).build(BufWriter::new(file));
    for batch in rows.map_err(Error::other)? {
        writer.write(&batch.map_err(Error::other)?).map_err(Error::other)?;
    }
    let file = writer.into_inner().into_inner().map_err(|error| Error::other(error.to_string()))?;
    files::keep(file, target)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn scripts_get_names_times_labels_and_gaps_that_they_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let batch = RecordBatch::try_from_iter([
            ("event_id", Arc::new(StringArray::from(vec!["a,1", "b"])) as _),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000]).with_timezone("UTC")) as _),
            ("temp", Arc::new(Float64Array::from(vec![Some(0.5), None])) as _),
            ("label", Arc::new(BooleanArray::from(vec![true, false])) as _),
        ])
        .unwrap();
        let file = File::create(folder.path().join("train.parquet")).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let parquet = DataFile { path: "train.parquet".to_owned(), sha256: String::new(), rows: 2 };
        let csv = write(folder.path(), &parquet).unwrap();
        assert_eq!((csv.path.as_str(), csv.rows), ("train.csv", 2));
        assert_eq!(write(folder.path(), &parquet).unwrap(), csv, "written again, it is the same");
        let text = std::fs::read_to_string(folder.path().join("train.csv")).unwrap();
        assert_eq!(
            text,
            "event_id,time,temp,label\n\"a,1\",1970-01-01T00:00:00Z,0.5,true\nb,1970-01-01T00:00:01.500Z,,false\n"
        );
    }
}
