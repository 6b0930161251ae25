//! Windows of simulated data with a known truth, the same on every machine.

use std::path::Path;

use contract::{Contract, EventTime, Window};
use detectors::judge::{Levels, Previous, Subject};
use detectors::profile::{ColumnProfile, WindowProfile};

/// A 64-bit linear congruential generator with a good last mix (PCG's output function, simplified).
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d };
        random.uniform();
        random
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.state ^ (self.state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        mixed ^ (mixed >> 32)
    }

    /// In (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Student's t with three degrees of freedom: no fourth moment.
    pub fn heavy(&mut self) -> f64 {
        let chi = (0..3).map(|_| self.normal().powi(2)).sum::<f64>() / 3.0;
        self.normal() / chi.sqrt()
    }

    /// Of `levels` categories with shares that fall like 1 / rank.
    pub fn zipf(&mut self, levels: u32) -> u32 {
        let total: f64 = (1..=levels).map(|rank| 1.0 / f64::from(rank)).sum();
        let mut left = self.uniform() * total;
        for rank in 1..=levels {
            left -= 1.0 / f64::from(rank);
            if left <= 0.0 {
                return rank;
            }
        }
        levels
    }
}

/// One column's value.
pub enum Cell {
    Number(f64),
    Name(String),
    Missing,
}

/// The kinds of columns of the simulated model: 12 numeric, 8 categorical.
pub const NUMERIC: usize = 12;
pub const CATEGORICAL: usize = 8;
const LEVELS: [u32; CATEGORICAL] = [2, 3, 5, 8, 12, 20, 40, 100];

/// A stationary value of a column.
pub fn stationary(random: &mut Random, column: usize) -> Cell {
    Cell::Number(match column {
        0..=3 => random.normal(),
        6 => random.normal().exp(),
        7 => random.heavy(),
        8 => (random.exponential() * 3.0).floor(),
        9 => f64::from(u8::from(random.uniform() < 0.3)),
        10 if random.uniform() < 0.3 => 0.0,
        4 | 5 | 10 => random.exponential(),
        11 if random.uniform() < 0.1 => return Cell::Missing,
        11 => 1e6 + random.normal(),
        _ => return Cell::Name(format!("level-{}", random.zipf(LEVELS[column - NUMERIC]))),
    })
}

/// A contract with those columns and one-day windows.
pub fn contract() -> Contract {
    let numeric = (0..NUMERIC).map(|i| format!("  x{i}: {{ type: float64 }}\n"));
    let categorical = (0..CATEGORICAL).map(|i| format!("  c{i}: {{ type: string }}\n"));
    contract_with(&numeric.chain(categorical).collect::<String>())
}

/// A contract of a binary classifier with that schema.
pub fn contract_with(schema: &str) -> Contract {
    let text = format!(
        "version: 1\nmodel: m\ntask: binary_classification\nsources: {{ predictions: {{ topic: t }}, labels: {{ topic: l, \
         horizon: 7d }} }}\nfields:\n  predictions: {{ event_id: /id, time: /time, score: /score, prediction: /class }}\n  \
         labels: {{ event_id: /id, time: /time, label: /label }}\nschema:\n{schema}windows: {{ size: 1d, maturity: 6h }}\n\
         budget: {{ false_alarms: 1, per: 30d }}\n"
    );
    contract::lower::contract_from_text(&text, Path::new("m.yaml")).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// A window of `rows` rows whose cells come from `cell(column)`.
pub fn window(contract: &Contract, rows: usize, mut cell: impl FnMut(usize) -> Cell) -> WindowProfile {
    let mut profile = WindowProfile::for_contract(contract);
    profile.rows = rows as u64;
    for (index, column) in profile.columns.iter_mut().enumerate() {
        let cells: Vec<Cell> = (0..rows).map(|_| cell(index)).collect();
        match column {
            ColumnProfile::Numeric(numeric) => {
                let values =
                    cells.iter().map(|cell| if let Cell::Number(number) = cell { Some(*number) } else { None });
                numeric.update(&values.collect::<arrow::array::Float64Array>()).unwrap();
            }
            ColumnProfile::Categorical(categorical) => categorical.update_names(
                cells.iter().map(|cell| if let Cell::Name(name) = cell { Some(name.as_str()) } else { None }),
            ),
        }
    }
    profile
}

/// What a judgement of window number `day` needs.
pub fn subject<'a>(contract: &'a Contract, day: i64, previous: &'a Previous) -> Subject<'a> {
    const DAY: i64 = 86_400_000_000;
    let window = Window { start: EventTime::from_micros(day * DAY), end: EventTime::from_micros((day + 1) * DAY) };
    Subject { contract, window, revision: 1, version: "", previous, levels: Levels::for_window(contract, 1) }
}
