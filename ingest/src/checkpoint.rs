//! The key-value form of a shard's state.
//!
//! Keys are `s` and a letter: `sm` the shard itself; `sw` + window: phase, revision and the names of its cells; `sp` + window
//! and cell: a profile; `sq` + window and cell: its performance, which changes on its own; `sj` + window and number: a block
//! of the join's rows; `sl` + event id and offset: a label that waits. Each value begins with a version byte, and each is
//! written only when it has changed, so a checkpoint costs what changed since the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Contract, EventTime, Window};
use detectors::profile::{PerformanceProfile, WindowProfile};

use crate::codec::{Damage, Reader, Writer};
use crate::publication_codec::{get_counts, get_time, phase, phase_code, put_counts};
use crate::shard::guard::Unconfirmed;
use crate::shard::join::{Joined, NO_SEGMENT, Row, RowLabel};
use crate::shard::waiting::WaitingLabel;
use crate::shard::windows::{Profile, WindowState};
use crate::shard::{Changes, Identity, Shard, Stream};
use crate::{Error, Result};

/// What reading gives.
type Read<T> = std::result::Result<T, Damage>;

/// The version that this release writes.
const VERSION: u8 = 1;

const SHARD: u8 = b'm';
const WINDOW: u8 = b'w';
const PROFILE: u8 = b'p';
const PERFORMANCE: u8 = b'q';
const BLOCK: u8 = b'j';
const LABEL: u8 = b'l';

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

impl Shard {
    /// Entries that changed since the last call: together with earlier ones they restore this very state. What
    /// [`Shard::take_publications`], [`Shard::progress`] and [`Shard::take_rows`] would give is no part of it: take it first.
    pub fn checkpoint(&mut self) -> Result<Changes> {
        self.flush()?;
        let mut puts = vec![(vec![b's', SHARD], self.encode_own())];
        for state in self.windows.values_mut() {
            put_window(state, &mut puts);
        }
        let width = self.contract.segments.len();
        self.join.store_blocks(|start, block, rows, segments| {
            puts.push((block_key(start, block), encode_block(start, rows, segments, width)));
        });
        let (waiting, gone) = self.waiting.changes();
        puts.extend(waiting.iter().map(|(key, label)| (label_key(*key), encode_label(label))));
        let mut deletes = std::mem::take(&mut self.deletes);
        deletes.extend(gone.into_iter().map(label_key));
        let written: BTreeSet<&Vec<u8>> = puts.iter().map(|(key, _)| key).collect();
        deletes.retain(|key| !written.contains(key));
        Ok(Changes { puts, deletes })
    }

    /// From every entry that [`Shard::checkpoint`] ever put and did not delete, in any order. A contract with other columns,
    /// segments or windows than the stored one ends the windows that were open under the old one.
    pub fn restore(contract: Arc<Contract>, identity: Identity, epoch: u64, entries: Entries) -> Result<Self> {
        let mut shard = Self::new(contract, identity, epoch)?;
        let damaged = |shard: &Self, detail: &str| Error::Checkpoint {
            model: shard.contract.model.clone(),
            shard: shard.identity.shard,
            detail: detail.to_owned(),
        };
        let entries: BTreeMap<Vec<u8>, Vec<u8>> = entries.into_iter().collect();
        let Some(own) = entries.get([b's', SHARD].as_slice()) else {
            return if entries.is_empty() { Ok(shard) } else { Err(damaged(&shard, "its first entry is missing")) };
        };
        let stored_contract = shard.decode_own(own).map_err(|detail| damaged(&shard, detail))?;
        let is_same = stored_contract == fingerprint(&shard.contract);
        // Windows before their cells, and both before the rows that refer to them.
        for kind in [WINDOW, PROFILE, PERFORMANCE, BLOCK, LABEL] {
            for (key, value) in entries.iter().filter(|(key, _)| key.get(1) == Some(&kind)) {
                let key = key.get(2..).unwrap_or_default();
                shard.restore_entry(kind, key, value, is_same).map_err(|detail| damaged(&shard, detail))?;
            }
        }
        shard.complete(is_same)?;
        Ok(shard)
    }

    fn restore_entry(&mut self, kind: u8, key: &[u8], value: &[u8], is_same: bool) -> Read<()> {
        let (start, key) = if kind == LABEL { (EventTime::MIN, key) } else { split_time(key)? };
        match kind {
            WINDOW => {
                let state = decode_window(start, value, &self.contract)?;
                self.windows.insert(start, state);
            }
            PROFILE | PERFORMANCE => {
                let (version, segment) = split_cell(key)?;
                let state = self.windows.get_mut(&start).ok_or("a cell has no window")?;
                let is_closed = state.is_closed || !is_same;
                let cell = state.cell_mut(version, segment).ok_or("a cell has no place in its window")?;
                if kind == PERFORMANCE {
                    cell.performance = PerformanceProfile::from_bytes(value).map_err(|_| "a performance is damaged")?;
                    cell.is_performance_dirty = false;
                } else {
                    cell.profile = if is_closed {
                        Profile::Frozen(value.to_vec())
                    } else {
                        Profile::Live(Box::new(WindowProfile::from_bytes(value).map_err(|_| "a profile is damaged")?))
                    };
                    cell.is_profile_dirty = false;
                }
            }
            BLOCK => {
                let has_window = is_same && self.windows.contains_key(&start);
                for (mut row, segments) in decode_block(start, value)? {
                    if !has_window {
                        row.joined = None;
                    }
                    self.join.add(start, row, &segments, true);
                }
            }
            _ => {
                let (id, label) = decode_label(key, value)?;
                self.waiting.add(id, label);
            }
        }
        Ok(())
    }

    /// What the store holds is all there; windows of another contract end here.
    fn complete(&mut self, is_same: bool) -> Result<()> {
        for state in self.windows.values_mut() {
            state.is_dirty = false;
        }
        if !is_same {
            let open: Vec<EventTime> = self.windows.keys().copied().collect();
            for start in open {
                if let Some(state) = self.windows.get_mut(&start) {
                    state.close();
                }
                self.end_early(start)?;
            }
        }
        self.reset_wakes();
        Ok(())
    }

    fn encode_own(&self) -> Vec<u8> {
        let mut writer = Writer::versioned(VERSION);
        writer.wide(fingerprint(&self.contract));
        for stream in [&self.predictions, &self.labels] {
            writer.optional_signed(stream.next_offset);
            writer.optional_signed(stream.watermark.map(EventTime::micros));
            writer.flag(stream.unconfirmed.is_some());
            if let Some(event) = &stream.unconfirmed {
                writer.signed(event.offset);
                writer.signed(event.time.micros());
                writer.bytes(&event.payload);
            }
        }
        put_counts(&mut writer, &self.counts);
        writer.unsigned(self.sequence);
        writer.optional_signed(self.floor.map(EventTime::micros));
        writer.optional_signed(self.revised);
        writer.finish()
    }

    /// Returns the fingerprint of the contract that it was written under.
    fn decode_own(&mut self, bytes: &[u8]) -> Read<u128> {
        let mut reader = Reader::versioned(bytes, VERSION)?;
        let fingerprint = reader.wide()?;
        self.predictions = decode_stream(&mut reader)?;
        self.labels = decode_stream(&mut reader)?;
        self.counts = get_counts(&mut reader)?;
        self.sequence = reader.unsigned()?;
        self.floor = reader.optional_signed()?.map(EventTime::from_micros);
        self.revised = reader.optional_signed()?;
        reader.finish()?;
        Ok(fingerprint)
    }
}

/// What windows and rows depend on.
fn fingerprint(contract: &Contract) -> u128 {
    let mut writer = Writer::versioned(VERSION);
    for column in &contract.schema {
        writer.text(&column.name);
        writer.text(&format!("{:?} {:?}", column.kind, column.range));
    }
    contract.segments.iter().for_each(|segment| writer.text(&segment.column));
    writer.text(&format!("{:?} {:?}", contract.windows.size, contract.sources.labels.is_some()));
    xxhash_rust::xxh3::xxh3_128(&writer.finish())
}

fn decode_stream(reader: &mut Reader<'_>) -> Read<Stream> {
    let next_offset = reader.optional_signed()?;
    let watermark = reader.optional_signed()?.map(EventTime::from_micros);
    let unconfirmed = if reader.flag()? {
        Some(Unconfirmed { offset: reader.signed()?, time: get_time(reader)?, payload: reader.bytes()?.to_vec() })
    } else {
        None
    };
    Ok(Stream { next_offset, watermark, unconfirmed, is_idle: false, is_ended: false })
}

fn put_window(state: &mut WindowState, puts: &mut Entries) {
    let start = state.window.start;
    if state.is_dirty {
        puts.push((key(WINDOW, start), encode_window(state)));
        state.is_dirty = false;
    }
    for (number, version) in state.versions.iter_mut().enumerate() {
        for (segment, cell) in version.cells_mut().enumerate() {
            if cell.is_profile_dirty {
                puts.push((cell_key(PROFILE, start, number, segment), cell.profile_bytes()));
                cell.is_profile_dirty = false;
            }
            if cell.is_performance_dirty {
                puts.push((cell_key(PERFORMANCE, start, number, segment), cell.performance.to_bytes()));
                cell.is_performance_dirty = false;
            }
        }
    }
}

fn encode_window(state: &WindowState) -> Vec<u8> {
    let mut writer = Writer::versioned(VERSION);
    writer.signed(state.window.end.micros());
    writer.byte(state.phase.map_or(0, phase_code));
    writer.unsigned(u64::from(state.next_revision));
    writer.unsigned(state.late_rows);
    writer.flag(state.closed_by_idleness);
    writer.flag(state.is_closed);
    writer.flag(state.is_changed);
    writer.unsigned(state.versions.len() as u64);
    for version in &state.versions {
        writer.text(&version.name);
        writer.unsigned(version.segments.len() as u64);
        for segment in &version.segments {
            writer.text(&segment.column);
            writer.text(&segment.value);
        }
    }
    writer.finish()
}

fn decode_window(start: EventTime, bytes: &[u8], contract: &Contract) -> Read<WindowState> {
    let mut reader = Reader::versioned(bytes, VERSION)?;
    let mut state = WindowState::new(Window { start, end: get_time(&mut reader)? });
    state.phase = match reader.byte()? {
        0 => None,
        code => Some(phase(code)?),
    };
    state.next_revision = reader.small()?;
    state.late_rows = reader.unsigned()?;
    state.closed_by_idleness = reader.flag()?;
    state.is_closed = reader.flag()?;
    state.is_changed = reader.flag()?;
    for _ in 0..reader.length()? {
        let name = reader.text()?;
        let mut segments = Vec::new();
        for _ in 0..reader.length()? {
            segments.push((reader.text()?, reader.text()?));
        }
        state.restore_version(name, &segments, contract);
    }
    reader.finish()?;
    Ok(state)
}

const IS_REPLACED: u8 = 1;
const IS_JOINED: u8 = 1 << 1;
const HAS_SCORE: u8 = 1 << 2;
const HAS_CLASS: u8 = 1 << 3;
const CLASS: u8 = 1 << 4;
const HAS_LABEL: u8 = 1 << 5;
const HAS_LABEL_VALUE: u8 = 1 << 6;
const LABEL_VALUE: u8 = 1 << 7;

fn encode_block(start: EventTime, rows: &[Row], segments: &[u16], width: usize) -> Vec<u8> {
    let mut writer = Writer::versioned(VERSION);
    writer.unsigned(width as u64);
    writer.unsigned(rows.len() as u64);
    for (number, row) in rows.iter().enumerate() {
        writer.byte(row_flags(row));
        writer.wide(row.id);
        writer.signed(row.time.micros_since(start));
        let Some(joined) = &row.joined else { continue };
        writer.unsigned(u64::from(joined.version));
        if let Some(score) = joined.score {
            writer.float(score);
        }
        if let Some(label) = &joined.label {
            writer.signed(label.time.micros_since(row.time));
            writer.signed(label.offset);
        }
        for segment in segments.get(number * width..(number + 1) * width).unwrap_or_default() {
            writer.unsigned(u64::from(segment.wrapping_add(1)));
        }
    }
    writer.finish()
}

fn row_flags(row: &Row) -> u8 {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let joined = row.joined.as_ref();
    let label = joined.and_then(|joined| joined.label);
    let class = joined.and_then(|joined| joined.predicted);
    let value = label.and_then(|label| label.value);
    flag(row.is_replaced, IS_REPLACED)
        | flag(joined.is_some(), IS_JOINED)
        | flag(joined.is_some_and(|joined| joined.score.is_some()), HAS_SCORE)
        | flag(class.is_some(), HAS_CLASS)
        | flag(class == Some(true), CLASS)
        | flag(label.is_some(), HAS_LABEL)
        | flag(value.is_some(), HAS_LABEL_VALUE)
        | flag(value == Some(true), LABEL_VALUE)
}

fn decode_block(start: EventTime, bytes: &[u8]) -> Read<Vec<(Row, Vec<u16>)>> {
    let mut reader = Reader::versioned(bytes, VERSION)?;
    let width: usize = reader.small()?;
    let mut rows = Vec::new();
    for _ in 0..reader.length()? {
        let flags = reader.byte()?;
        let is = |flag: u8| flags & flag != 0;
        let id = reader.wide()?;
        let time = EventTime::from_micros(start.micros().saturating_add(reader.signed()?));
        let mut segments = Vec::new();
        let joined = if is(IS_JOINED) {
            let version = reader.small()?;
            let score = if is(HAS_SCORE) { Some(reader.float()?) } else { None };
            let label = if is(HAS_LABEL) {
                let known = EventTime::from_micros(time.micros().saturating_add(reader.signed()?));
                let value = is(HAS_LABEL_VALUE).then_some(is(LABEL_VALUE));
                Some(RowLabel { time: known, offset: reader.signed()?, value })
            } else {
                None
            };
            for _ in 0..width {
                let number: u32 = reader.small()?;
                segments.push(number.checked_sub(1).map_or(NO_SEGMENT, |number| number as u16));
            }
            Some(Joined { version, score, predicted: is(HAS_CLASS).then_some(is(CLASS)), label })
        } else {
            None
        };
        rows.push((Row { id, time, joined, is_replaced: is(IS_REPLACED) }, segments));
    }
    reader.finish()?;
    Ok(rows)
}

fn encode_label(label: &WaitingLabel) -> Vec<u8> {
    let mut writer = Writer::versioned(VERSION);
    writer.signed(label.time.micros());
    writer.optional_signed(label.value.map(i64::from));
    writer.optional_signed(label.watermark_before.map(EventTime::micros));
    writer.finish()
}

fn decode_label(key: &[u8], bytes: &[u8]) -> Read<(u128, WaitingLabel)> {
    let (id, offset) = key.split_at_checked(16).ok_or("a label's key is malformed")?;
    let id = u128::from_be_bytes(id.try_into().map_err(|_| "a label's key is malformed")?);
    let offset = i64::from_be_bytes(offset.try_into().map_err(|_| "a label's key is malformed")?);
    let mut reader = Reader::versioned(bytes, VERSION)?;
    let label = WaitingLabel {
        time: get_time(&mut reader)?,
        offset,
        value: reader.optional_signed()?.map(|value| value == 1),
        watermark_before: reader.optional_signed()?.map(EventTime::from_micros),
        is_stored: true,
    };
    reader.finish()?;
    Ok((id, label))
}

fn key(kind: u8, start: EventTime) -> Vec<u8> {
    // Times sort like their keys: the sign bit is turned around.
    let ordered = start.micros().cast_unsigned() ^ (1 << 63);
    [&[b's', kind], ordered.to_be_bytes().as_slice()].concat()
}

fn cell_key(kind: u8, start: EventTime, version: usize, segment: usize) -> Vec<u8> {
    [key(kind, start), (version as u16).to_be_bytes().to_vec(), (segment as u16).to_be_bytes().to_vec()].concat()
}

pub(crate) fn block_key(start: EventTime, block: u32) -> Vec<u8> {
    [key(BLOCK, start), block.to_be_bytes().to_vec()].concat()
}

fn label_key((id, offset): (u128, i64)) -> Vec<u8> {
    [&[b's', LABEL], id.to_be_bytes().as_slice(), offset.to_be_bytes().as_slice()].concat()
}

/// All keys that a window may have in the store, its rows' excepted.
pub(crate) fn window_keys(state: &WindowState) -> Vec<Vec<u8>> {
    let start = state.window.start;
    let mut keys = vec![key(WINDOW, start)];
    for (number, version) in state.versions.iter().enumerate() {
        for segment in 0..=version.segments.len() {
            keys.push(cell_key(PROFILE, start, number, segment));
            keys.push(cell_key(PERFORMANCE, start, number, segment));
        }
    }
    keys
}

fn split_time(key: &[u8]) -> Read<(EventTime, &[u8])> {
    let (time, rest) = key.split_at_checked(8).ok_or("a key is malformed")?;
    let ordered = u64::from_be_bytes(time.try_into().map_err(|_| "a key is malformed")?);
    Ok((EventTime::from_micros((ordered ^ (1 << 63)).cast_signed()), rest))
}

fn split_cell(key: &[u8]) -> Read<(u16, u16)> {
    match *key {
        [a, b, c, d] => Ok((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
        _ => Err("a cell's key is malformed"),
    }
}
