//! JSON lines: one event a line, blank lines apart.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::{Error, PAYLOAD_LIMIT, Result};

const BUFFER: usize = 1 << 18;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads events of a text file.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    is_at_start: bool,
}

impl Lines {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| failed(path, &error))?;
        Ok(Self { path: path.to_owned(), reader: BufReader::with_capacity(BUFFER, file), is_at_start: true })
    }

    /// The next line that isn't blank. Of a line that is too long for an event, just enough to see that it is.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            let mut line = self.line().map_err(|error| failed(&self.path, &error))?;
            if line.is_empty() {
                return Ok(None);
            }
            if std::mem::take(&mut self.is_at_start) && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(line));
            }
        }
    }

    /// With its end; empty at the end of the file.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let limit = PAYLOAD_LIMIT as u64 + 2;
        self.reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
        if line.len() as u64 == limit && line.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
        }
        Ok(line)
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::File { path: path.to_owned(), detail: error.to_string() }
}
