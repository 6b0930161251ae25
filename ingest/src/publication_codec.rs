//! The stored forms of publications (the checkpoint's outbox) and of windows' parts (the monitor's tables).

use std::collections::BTreeMap;

use contract::{EventTime, Window};
use detectors::profile::WindowProfile;

use crate::codec::{Damage, Reader, Writer};
use crate::publication::{
    Counts, DeadLetter, Evictions, HistoryFile, Outcomes, Phase, Publication, Reason, Watermarks, WindowCell,
    WindowPart,
};
use crate::{Error, Kind, Result};

/// What reading gives.
type Read<T> = std::result::Result<T, Damage>;

/// The version that this release writes.
const VERSION: u8 = 1;

/// What [`encode_cells`] keeps of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct PartContents {
    pub late_rows: u64,
    pub closed_by_idleness: bool,
    pub as_of: BTreeMap<Kind, i64>,
    pub cells: Vec<WindowCell>,
}

/// A part's contents as bytes; the same contents give the same bytes.
pub fn encode_cells(part: &WindowPart) -> Vec<u8> {
    let mut writer = Writer::versioned(VERSION);
    writer.unsigned(part.late_rows);
    writer.flag(part.closed_by_idleness);
    put_offsets(&mut writer, &part.as_of);
    writer.unsigned(part.cells.len() as u64);
    for cell in &part.cells {
        writer.text(&cell.version);
        writer.text(&cell.segment);
        writer.bytes(&cell.profile.to_bytes());
    }
    writer.finish()
}

pub fn decode_cells(bytes: &[u8]) -> Result<PartContents> {
    let damaged = |detail| Error::Stored { what: "part of a window", detail };
    let mut reader = Reader::versioned(bytes, VERSION).map_err(damaged)?;
    let mut head =
        || -> Read<_> { Ok((reader.unsigned()?, reader.flag()?, get_offsets(&mut reader)?, reader.length()?)) };
    let (late_rows, closed_by_idleness, as_of, length) = head().map_err(damaged)?;
    let mut cells = Vec::new();
    for _ in 0..length {
        let mut cell = || -> Read<_> { Ok((reader.text()?, reader.text()?, reader.bytes()?)) };
        let (version, segment, profile) = cell().map_err(damaged)?;
        let (version, segment) = (version.to_owned(), segment.to_owned());
        cells.push(WindowCell { version, segment, profile: WindowProfile::from_bytes(profile)? });
    }
    reader.finish().map_err(damaged)?;
    Ok(PartContents { late_rows, closed_by_idleness, as_of, cells })
}

impl Publication {
    /// For the outbox of a checkpoint.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::versioned(VERSION);
        writer.text(&self.model);
        writer.signed(i64::from(self.shard));
        writer.signed(i64::from(self.shards));
        writer.unsigned(self.epoch);
        writer.unsigned(self.sequence);
        put_watermarks(&mut writer, &self.watermarks);
        put_offsets(&mut writer, &self.offsets);
        put_counts(&mut writer, &self.counts);
        writer.unsigned(self.parts.len() as u64);
        for part in &self.parts {
            writer.signed(part.window.start.micros());
            writer.signed(part.window.end.micros());
            writer.unsigned(u64::from(part.revision));
            writer.byte(phase_code(part.phase));
            writer.bytes(&encode_cells(part));
        }
        writer.unsigned(self.dead_letters.len() as u64);
        self.dead_letters.iter().for_each(|letter| put_letter(&mut writer, letter));
        writer.unsigned(self.history_files.len() as u64);
        self.history_files.iter().for_each(|file| put_file(&mut writer, file));
        writer.finish()
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |detail| Error::Stored { what: "publication", detail };
        let mut reader = Reader::versioned(bytes, VERSION).map_err(damaged)?;
        let mut publication = get_head(&mut reader).map_err(damaged)?;
        for _ in 0..reader.length().map_err(damaged)? {
            let (window, revision, phase, contents) = get_part(&mut reader).map_err(damaged)?;
            let PartContents { late_rows, closed_by_idleness, as_of, cells } = decode_cells(contents)?;
            publication.parts.push(WindowPart { window, revision, phase, late_rows, closed_by_idleness, as_of, cells });
        }
        let mut rest = || -> Read<()> {
            for _ in 0..reader.length()? {
                let letter = get_letter(&mut reader, &publication)?;
                publication.dead_letters.push(letter);
            }
            for _ in 0..reader.length()? {
                publication.history_files.push(get_file(&mut reader)?);
            }
            Ok(())
        };
        rest().map_err(damaged)?;
        reader.finish().map_err(damaged)?;
        Ok(publication)
    }
}

fn get_head(reader: &mut Reader<'_>) -> Read<Publication> {
    Ok(Publication {
        model: reader.text()?.to_owned(),
        shard: small(reader.signed()?)?,
        shards: small(reader.signed()?)?,
        epoch: reader.unsigned()?,
        sequence: reader.unsigned()?,
        watermarks: get_watermarks(reader)?,
        offsets: get_offsets(reader)?,
        counts: get_counts(reader)?,
        parts: Vec::new(),
        dead_letters: Vec::new(),
        history_files: Vec::new(),
    })
}

type Part<'a> = (Window, u32, Phase, &'a [u8]);

fn get_part<'a>(reader: &mut Reader<'a>) -> Read<Part<'a>> {
    let (start, end) = (get_time(reader)?, get_time(reader)?);
    Ok((Window { start, end }, reader.small()?, phase(reader.byte()?)?, reader.bytes()?))
}

fn put_letter(writer: &mut Writer, letter: &DeadLetter) {
    writer.byte(kind_code(letter.kind));
    writer.text(&letter.topic);
    writer.signed(i64::from(letter.partition));
    writer.signed(letter.offset);
    writer.text(letter.reason.name());
    writer.text(&letter.detail);
    writer.bytes(&letter.payload);
}

fn get_letter(reader: &mut Reader<'_>, publication: &Publication) -> Read<DeadLetter> {
    Ok(DeadLetter {
        model: publication.model.clone(),
        kind: kind(reader.byte()?)?,
        topic: reader.text()?.to_owned(),
        partition: small(reader.signed()?)?,
        offset: reader.signed()?,
        reason: {
            let name = reader.text()?;
            Reason::ALL.into_iter().find(|reason| reason.name() == name).ok_or("a reason is unknown to this release")?
        },
        detail: reader.text()?.to_owned(),
        payload: reader.bytes()?.to_vec(),
    })
}

fn put_file(writer: &mut Writer, file: &HistoryFile) {
    writer.byte(kind_code(file.kind));
    writer.text(&file.path);
    writer.unsigned(file.rows);
    writer.signed(file.min_time.micros());
    writer.signed(file.max_time.micros());
    writer.text(&file.sha256);
    writer.signed(file.first_offset);
    writer.signed(file.last_offset);
}

fn get_file(reader: &mut Reader<'_>) -> Read<HistoryFile> {
    Ok(HistoryFile {
        kind: kind(reader.byte()?)?,
        path: reader.text()?.to_owned(),
        rows: reader.unsigned()?,
        min_time: get_time(reader)?,
        max_time: get_time(reader)?,
        sha256: reader.text()?.to_owned(),
        first_offset: reader.signed()?,
        last_offset: reader.signed()?,
    })
}

fn put_watermarks(writer: &mut Writer, watermarks: &Watermarks) {
    writer.optional_signed(watermarks.prediction.map(EventTime::micros));
    writer.optional_signed(watermarks.label.map(EventTime::micros));
    writer.flag(watermarks.predictions_idle);
    writer.flag(watermarks.labels_idle);
}

fn get_watermarks(reader: &mut Reader<'_>) -> Read<Watermarks> {
    Ok(Watermarks {
        prediction: reader.optional_signed()?.map(EventTime::from_micros),
        label: reader.optional_signed()?.map(EventTime::from_micros),
        predictions_idle: reader.flag()?,
        labels_idle: reader.flag()?,
    })
}

fn put_offsets(writer: &mut Writer, offsets: &BTreeMap<Kind, i64>) {
    for kind in Kind::ALL {
        writer.optional_signed(offsets.get(&kind).copied());
    }
}

fn get_offsets(reader: &mut Reader<'_>) -> Read<BTreeMap<Kind, i64>> {
    let mut offsets = BTreeMap::new();
    for kind in Kind::ALL {
        if let Some(offset) = reader.optional_signed()? {
            offsets.insert(kind, offset);
        }
    }
    Ok(offsets)
}

pub(crate) fn put_counts(writer: &mut Writer, counts: &Counts) {
    for outcomes in [&counts.predictions, &counts.labels] {
        let Outcomes { accepted, duplicate, late, dead_letter, other_model, unmatched } = outcomes;
        for count in [accepted, duplicate, late, dead_letter, other_model, unmatched] {
            writer.unsigned(*count);
        }
    }
    let Evictions { rows, waiting_labels, windows } = counts.evicted;
    for count in [rows, waiting_labels, windows] {
        writer.unsigned(count);
    }
}

pub(crate) fn get_counts(reader: &mut Reader<'_>) -> Read<Counts> {
    let mut outcomes = || -> Read<Outcomes> {
        Ok(Outcomes {
            accepted: reader.unsigned()?,
            duplicate: reader.unsigned()?,
            late: reader.unsigned()?,
            dead_letter: reader.unsigned()?,
            other_model: reader.unsigned()?,
            unmatched: reader.unsigned()?,
        })
    };
    let (predictions, labels) = (outcomes()?, outcomes()?);
    let evicted =
        Evictions { rows: reader.unsigned()?, waiting_labels: reader.unsigned()?, windows: reader.unsigned()? };
    Ok(Counts { predictions, labels, evicted })
}

pub(crate) fn get_time(reader: &mut Reader<'_>) -> Read<EventTime> {
    reader.signed().map(EventTime::from_micros)
}

fn small(value: i64) -> Read<i32> {
    i32::try_from(value).map_err(|_| "a number is too large")
}

fn kind_code(kind: Kind) -> u8 {
    match kind {
        Kind::Prediction => 0,
        Kind::Label => 1,
    }
}

fn kind(code: u8) -> Read<Kind> {
    Kind::ALL.into_iter().find(|kind| kind_code(*kind) == code).ok_or("a kind is unknown to this release")
}

pub(crate) fn phase_code(phase: Phase) -> u8 {
    match phase {
        Phase::Closed => 1,
        Phase::Matured => 2,
        Phase::Revised => 3,
        Phase::Final => 4,
    }
}

pub(crate) fn phase(code: u8) -> Read<Phase> {
    let phases = [Phase::Closed, Phase::Matured, Phase::Revised, Phase::Final];
    phases.into_iter().find(|phase| phase_code(*phase) == code).ok_or("a phase is unknown to this release")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication() -> Publication {
        let time = EventTime::from_micros;
        let mut profile = WindowProfile::for_segment();
        profile.rows = 3;
        profile.score.update_values([0.25, 0.5, f64::NAN]);
        profile.performance.add(0.25, Some(true), true, 7);
        let part = WindowPart {
            window: Window { start: time(0), end: time(60) },
            revision: 2,
            phase: Phase::Revised,
            late_rows: 4,
            closed_by_idleness: true,
            as_of: BTreeMap::from([(Kind::Label, 9)]),
            cells: vec![WindowCell { version: "3".to_owned(), segment: "origin=Ö".to_owned(), profile }],
        };
        let outcomes = Outcomes { accepted: 1, duplicate: 2, late: 3, dead_letter: 4, other_model: 5, unmatched: 6 };
        Publication {
            model: "m".to_owned(),
            shard: 1,
            shards: 2,
            epoch: 3,
            sequence: 4,
            watermarks: Watermarks {
                prediction: Some(time(-5)),
                label: None,
                predictions_idle: false,
                labels_idle: true,
            },
            offsets: BTreeMap::from([(Kind::Prediction, 10), (Kind::Label, 9)]),
            counts: Counts {
                predictions: outcomes,
                labels: outcomes,
                evicted: Evictions { rows: 7, ..Evictions::default() },
            },
            parts: vec![part],
            dead_letters: vec![DeadLetter {
                model: "m".to_owned(),
                kind: Kind::Label,
                topic: "labels".to_owned(),
                partition: 1,
                offset: 8,
                reason: Reason::TimeInFuture,
                detail: "no".to_owned(),
                payload: vec![0, 255],
            }],
            history_files: vec![HistoryFile {
                kind: Kind::Prediction,
                path: "a.parquet".to_owned(),
                rows: 1,
                min_time: time(1),
                max_time: time(2),
                sha256: "00".to_owned(),
                first_offset: 0,
                last_offset: 3,
            }],
        }
    }

    #[test]
    fn publications_survive_the_outbox() {
        let publication = publication();
        assert_eq!(Publication::from_bytes(&publication.to_bytes()).unwrap(), publication);
    }

    #[test]
    fn e5_damage_is_an_error() {
        let bytes = publication().to_bytes();
        for length in 0..bytes.len() {
            assert!(Publication::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Publication::from_bytes(&[bytes, vec![0]].concat()).is_err());
        assert!(decode_cells(&[9]).is_err());
    }
}
