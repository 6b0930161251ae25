//! A small model and its events, the same on every machine: for `replay`, and for Kafka.

use std::fmt::Write;
use std::path::Path;

/// Microseconds.
pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3600 * SECOND;
/// 2026-03-02T00:00:00Z, the beginning of every stream here.
pub const BEGIN: i64 = 1_772_409_600 * SECOND;

/// The contract of the shop's model. Windows of an hour, labels within two days.
pub const CONTRACT: &str = r"version: 1
model: shop
task: binary_classification
owner: shop-team
sources:
  predictions: { topic: shop.scores, format: json }
  labels: { topic: shop.outcomes, format: json, horizon: 2d }
fields:
  predictions: { event_id: /id, time: /at, version: /model/version, features: /input, score: /output/p }
  labels: { event_id: /id, time: { pointer: /known_at, unit: ms }, label: /bought }
schema:
  amount: { type: float64, range: [0, 10000], unit: EUR }
  visits: { type: int64 }
  country: { type: string }
  returning: { type: boolean }
segments: [ country ]
windows: { size: 1h, lateness: 5m, maturity: 3h }
baseline: { inputs: { trailing: 2d }, outputs: training, performance: training }
budget: { false_alarms: 1, per: 30d }
rules: [ packs/default.yaml ]
";

/// A 64-bit linear congruential generator, upper bits.
pub struct Numbers(u64);

impl Numbers {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        (self.uniform() * limit as f64) as u64
    }
}

/// One record of a log: when it was written (event time for honest producers), and its bytes.
#[derive(Clone, Debug)]
pub struct Entry {
    pub written: i64,
    pub bytes: Vec<u8>,
}

/// What a model's two topics hold, each in order.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub predictions: Vec<Entry>,
    pub labels: Vec<Entry>,
}

impl Log {
    /// `hours` of `hourly` events and their labels: out of order within the lateness, some too late, duplicates,
    /// corrected labels, labels that never come; no record that can't be read.
    pub fn clean(seed: u64, hours: i64, hourly: i64) -> Self {
        let mut numbers = Numbers::seeded(seed);
        let mut log = Self::default();
        for index in 0..hours * hourly {
            let written = BEGIN + index * (HOUR / hourly);
            // Mostly up to four minutes behind the newest; one in two hundred is hours late.
            let behind = if numbers.below(200) == 0 { 4 * HOUR } else { numbers.below(240) as i64 * SECOND };
            let time = written - behind;
            let event = prediction(&mut numbers, index, time);
            log.predictions.push(Entry { written, bytes: event.0.clone().into_bytes() });
            if numbers.below(50) == 0 {
                log.predictions.push(Entry { written: written + SECOND, bytes: event.0.into_bytes() });
            }
            log.label(&mut numbers, index, time, event.1);
        }
        log.labels.sort_by_key(|label| label.written);
        log
    }

    fn label(&mut self, numbers: &mut Numbers, index: i64, time: i64, probability: f64) {
        // One in twelve never gets a label; one in a hundred gets it too late.
        if numbers.below(12) == 0 {
            return;
        }
        let delay = if numbers.below(100) == 0 { 50 * HOUR } else { (600 + numbers.below(7200) as i64) * SECOND };
        let bought = numbers.uniform() < probability;
        self.labels.push(label(index, time + delay, bought));
        if numbers.below(40) == 0 {
            self.labels.push(label(index, time + delay + HOUR, !bought));
        }
    }

    /// The same log with records in it that nobody can use: after every `every` records one of each kind of mistake.
    pub fn with_garbage(mut self, every: usize) -> Self {
        let event = |id: &str, at: &str| {
            format!(r#"{{{id} {at} "model": {{"version": "1"}}, "input": {{"amount": 1}}, "output": {{"p": 0.5}}}}"#)
        };
        let at = r#""at": "2026-03-02T01:00:00Z","#;
        let mistakes = [
            "\u{0}\u{1}not json".to_owned(),
            r#"{"id": "g1", "at":"#.to_owned(),
            event("", at),
            event(r#""id": "g2","#, ""),
            event(r#""id": "g3","#, r#""at": true,"#),
            event(r#""id": "g4","#, r#""at": "2099-01-01T00:00:00Z","#),
            event(r#""id": "g5","#, r#""at": "not a time","#),
        ];
        let mut kept = Vec::new();
        for (index, entry) in self.predictions.into_iter().enumerate() {
            let written = entry.written;
            kept.push(entry);
            if index % every == every - 1 {
                let bytes = mistakes[(index / every) % mistakes.len()].as_bytes().to_vec();
                kept.push(Entry { written, bytes });
            }
        }
        self.predictions = kept;
        self
    }

    /// Writes both topics as JSON lines. Bytes that hold a line break can't be written so.
    pub fn write(&self, folder: &Path) {
        let lines = |entries: &[Entry]| {
            let mut bytes = Vec::new();
            for entry in entries {
                bytes.extend_from_slice(&entry.bytes);
                bytes.push(b'\n');
            }
            bytes
        };
        std::fs::write(folder.join("predictions.jsonl"), lines(&self.predictions)).unwrap();
        std::fs::write(folder.join("labels.jsonl"), lines(&self.labels)).unwrap();
    }
}

/// A prediction's JSON and its score.
fn prediction(numbers: &mut Numbers, index: i64, time: i64) -> (String, f64) {
    let amount = 20.0 + 200.0 * numbers.uniform() * numbers.uniform();
    let visits = numbers.below(9);
    let country = ["DE", "FR", "IT", "PL"][numbers.below(4) as usize];
    let returning = numbers.below(3) == 0;
    let score = 0.05 + 0.9 * numbers.uniform();
    let mut text = String::new();
    let _ = write!(
        text,
        r#"{{"id": "e{index}", "at": "{at}", "model": {{"version": "1"}}, "input": {{"amount": {amount}, "visits": {visits}, "country": "{country}", "returning": {returning}}}, "output": {{"p": {score}}}}}"#,
        at = rfc3339(time),
    );
    (text, score)
}

fn label(index: i64, known_at: i64, bought: bool) -> Entry {
    let bytes = format!(r#"{{"id": "e{index}", "known_at": {}, "bought": {bought}}}"#, known_at / 1000).into_bytes();
    Entry { written: known_at, bytes }
}

/// A time as text, to the millisecond (civil-from-days by Howard Hinnant).
pub fn rfc3339(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(24 * HOUR), micros.rem_euclid(24 * HOUR));
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (rest / HOUR, rest % HOUR / (60 * SECOND));
    let (second, millisecond) = (rest % (60 * SECOND) / SECOND, rest % SECOND / 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[test]
fn times_as_text() {
    assert_eq!(rfc3339(BEGIN), "2026-03-02T00:00:00.000Z");
    assert_eq!(rfc3339(BEGIN - 1000), "2026-03-01T23:59:59.999Z");
}
