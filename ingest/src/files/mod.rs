//! Event files as a source: the stream without Kafka.
//!
//! Files are interleaved by arrival: the order within a file stands; between files the one whose next event is the earliest
//! comes first, predictions before labels. An event whose time can't be read, or lies implausibly far ahead, comes where it
//! stands. So the same files give the same publications, whatever the size of batches.

mod lines;
mod parquet;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Contract, EventTime};

use crate::decode::TimeReader;
use crate::publication::Publication;
use crate::shard::{Identity, JUMP, Shard};
use crate::{Error, Kind, Record, Result};

use self::lines::Lines;
use self::parquet::ParquetLines;

/// Event files, opened.
pub struct EventFiles {
    files: Vec<EventFile>,
}

struct EventFile {
    kind: Kind,
    source: Source,
    /// The next event.
    next: Option<Vec<u8>>,
    /// When the next event comes, compared with other files; None: at once.
    due: Option<EventTime>,
    /// The time of the last event that had one.
    time: Option<EventTime>,
}

enum Source {
    Lines(Lines),
    Parquet(Box<ParquetLines>),
}

impl EventFiles {
    /// Opens JSON lines (`.jsonl`, `.ndjson`, `.json`) and Parquet files; of folders, every such file in the order of names.
    pub fn open(predictions: &[PathBuf], labels: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for (kind, paths) in [(Kind::Prediction, predictions), (Kind::Label, labels)] {
            for path in paths {
                for path in expand(path)? {
                    let source = Source::open(&path)?;
                    files.push(EventFile { kind, source, next: None, due: None, time: None });
                }
            }
        }
        Ok(Self { files })
    }

    /// The file that has the next event.
    fn next_file(&mut self) -> Option<&mut EventFile> {
        let files = self.files.iter_mut().filter(|file| file.next.is_some());
        // Of equals the first one stands: predictions were opened before labels.
        files.min_by_key(|file| file.due)
    }

    fn is_exhausted(&self, kind: Kind) -> bool {
        self.files.iter().all(|file| file.kind != kind || file.next.is_none())
    }
}

fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::File { path: path.to_owned(), detail: error.to_string() };
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if Format::of(&file).is_some() {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::File { path: path.to_owned(), detail: "the folder has no event files".to_owned() });
    }
    Ok(files)
}

#[derive(Clone, Copy)]
enum Format {
    Lines,
    Parquet,
}

impl Format {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Lines),
            "parquet" | "pq" => Some(Self::Parquet),
            _ => None,
        }
    }
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        match Format::of(path) {
            Some(Format::Lines) => Ok(Self::Lines(Lines::open(path)?)),
            Some(Format::Parquet) => Ok(Self::Parquet(Box::new(ParquetLines::open(path)?))),
            None => {
                // By the name, as a folder's files are chosen: events of another form would all be dead letters.
                let detail = "the name of an event file ends in .jsonl, .ndjson, .json or .parquet".to_owned();
                Err(Error::File { path: path.to_owned(), detail })
            }
        }
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Lines(lines) => lines.next(),
            Self::Parquet(lines) => lines.next(),
        }
    }
}

impl EventFile {
    /// Reads ahead by one event.
    fn advance(&mut self, times: &mut TimeReader) -> Result<()> {
        self.next = self.source.next()?;
        let time = self.next.as_deref().and_then(|payload| times.time(payload));
        let is_far = |time: EventTime| self.time.is_some_and(|last| time > last + JUMP);
        self.due = match time {
            // It must not hold back the rest of its file until all others are read.
            Some(time) if is_far(time) => self.time,
            other => other,
        };
        self.time = time.or(self.time);
        Ok(())
    }
}

/// Runs files through a shard.
pub struct Replay {
    shard: Shard,
    prediction_times: TimeReader,
    label_times: Option<TimeReader>,
    next_offsets: [i64; 2],
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NotStarted,
    Reading,
    Done,
}

impl Replay {
    /// A replay that has read nothing. It keeps no history.
    pub fn new(contract: Arc<Contract>) -> Self {
        let mut topics =
            std::collections::BTreeMap::from([(Kind::Prediction, contract.sources.predictions.topic.clone())]);
        topics.extend(contract.sources.labels.as_ref().map(|labels| (Kind::Label, labels.topic.clone())));
        let prediction_times = TimeReader::new(&contract.fields.predictions.time);
        let label_times = contract.fields.labels.as_ref().map(|fields| TimeReader::new(&fields.time));
        let shard = Shard::empty(contract, Identity { shard: 0, shards: 1, topics }, 0).without_history();
        Self { shard, prediction_times, label_times, next_offsets: [0; 2], progress: Progress::NotStarted }
    }

    /// Reads up to so many events, and gives what is to be told because of them. After the last event every window goes
    /// through all of its states; then there is a last word on watermarks and counts; then None.
    pub fn next(&mut self, files: &mut EventFiles, batch_rows: usize) -> Result<Option<Vec<Publication>>> {
        match self.progress {
            Progress::Done => return Ok(None),
            Progress::NotStarted => self.start(files)?,
            Progress::Reading => {}
        }
        for _ in 0..batch_rows.max(1) {
            if !self.read_one(files)? {
                self.shard.finish()?;
                self.progress = Progress::Done;
                let mut publications = self.shard.take_publications();
                publications.push(self.shard.progress());
                return Ok(Some(publications));
            }
        }
        Ok(Some(self.shard.take_publications()))
    }

    fn start(&mut self, files: &mut EventFiles) -> Result<()> {
        for file in &mut files.files {
            file.advance(self.times(file.kind))?;
        }
        for kind in Kind::ALL {
            if files.is_exhausted(kind) {
                self.shard.end_of_source(kind)?;
            }
        }
        self.progress = Progress::Reading;
        Ok(())
    }

    /// False at the end.
    fn read_one(&mut self, files: &mut EventFiles) -> Result<bool> {
        let Some(file) = files.next_file() else { return Ok(false) };
        let kind = file.kind;
        let payload = file.next.take();
        file.advance(self.times(kind))?;
        let [predictions, labels] = &mut self.next_offsets;
        let next_offset = if kind == Kind::Prediction { predictions } else { labels };
        let offset = *next_offset;
        *next_offset += 1;
        self.shard.accept(kind, &[Record { offset, timestamp: None, payload: payload.as_deref() }])?;
        if files.is_exhausted(kind) {
            self.shard.end_of_source(kind)?;
        }
        Ok(true)
    }

    fn times(&mut self, kind: Kind) -> &mut TimeReader {
        match (kind, &mut self.label_times) {
            (Kind::Label, Some(times)) => times,
            _ => &mut self.prediction_times,
        }
    }
}
