//! D4 and D2: broken pipelines are found and told from changed worlds, and chance is no fault.

use contract::{Contract, Fault, Finding, Severity};
use detectors::judge::{self, Baseline, Previous};
use detectors::profile::WindowProfile;

use crate::simulation::{Cell, Random, contract_with, subject, window};

const DAYS: usize = 28;

fn judged(contract: &Contract, baseline: &[WindowProfile], now: &WindowProfile) -> Vec<Finding> {
    let baseline = Baseline::new("the trailing 28d", baseline.to_vec());
    judge::judge_inputs(&subject(contract, DAYS as i64, &Previous::default()), &baseline, now)
}

/// The verdicts: (column, fault).
fn faults(findings: &[Finding]) -> Vec<(&str, Fault)> {
    let verdicts = findings.iter().filter_map(|finding| Some((finding, finding.fault?)));
    verdicts
        .filter(|(finding, fault)| finding.detector == fault.name())
        .map(|(f, fault)| (&*f.feature, fault))
        .collect()
}

fn flag(is_set: bool) -> Cell {
    Cell::Name(if is_set { "yes" } else { "no" }.to_owned())
}

#[test]
fn d4_a_change_of_type_is_found_however_few_rows_it_leaves() {
    let contract = contract_with("  x: { type: float64 }\n  c: { type: string }\n");
    let mut random = Random::new(21);
    let mut make = |rows: usize| {
        window(&contract, rows, |column| match column {
            0 => Cell::Number(random.normal()),
            _ => Cell::Name(format!("level-{}", random.zipf(4))),
        })
    };
    let days: Vec<_> = (0..DAYS).map(|_| make(200)).collect();
    for column in [0, 1] {
        for mistyped in [120, 180, 200_usize] {
            // An event with a value of a wrong type is a dead letter: it is no row of any column.
            let mut now = make(200 - mistyped);
            now.columns[column].add_mistyped(mistyped as u64);
            let findings = judged(&contract, &days, &now);
            let name = &*contract.schema[column].name;
            assert_eq!(faults(&findings), [(name, Fault::TypeChange)], "{mistyped} of 200");
            let rate = findings.iter().find(|f| f.detector == "type_mismatch" && f.feature == name).unwrap();
            assert_eq!((rate.severity, rate.fault), (Severity::Critical, Some(Fault::TypeChange)), "{mistyped} of 200");
            assert_eq!(rate.statistic, Some(mistyped as f64 / 200.0));
        }
    }
}

#[test]
fn d2_a_rare_flag_that_is_absent_has_not_frozen() {
    let contract = contract_with("  flag: { type: string }\n  number: { type: int64 }\n  weekday: { type: int64 }\n");
    let mut random = Random::new(22);
    let mut make = |day: usize, rows: usize| {
        window(&contract, rows, |column| match column {
            0 => flag(random.uniform() < 0.02),
            1 => Cell::Number(f64::from(u8::from(random.uniform() < 0.02))),
            _ => Cell::Number((day % 7) as f64),
        })
    };
    let days: Vec<_> = (0..DAYS).map(|day| make(day, 400)).collect();
    let mut constants = 0;
    for day in DAYS..DAYS + 60 {
        let now = make(day, 60);
        constants += usize::from(now.columns[0].as_categorical().unwrap().count("yes") == Some(0));
        let findings = judged(&contract, &days, &now);
        assert!(faults(&findings).is_empty(), "day {day}: {:?}", faults(&findings));
    }
    assert!(constants > 5, "{constants} windows without the flag");
}

#[test]
fn d4_a_column_that_freezes_is_found() {
    let contract = contract_with("  x: { type: float64 }\n  flag: { type: string }\n  new: { type: string }\n");
    let mut random = Random::new(23);
    let mut make = |is_frozen: bool| {
        window(&contract, 200, |column| match (column, is_frozen) {
            (0, true) => Cell::Number(0.25),
            (0, false) => Cell::Number((random.normal() * 4.0).round() / 4.0),
            (1, _) => flag(!is_frozen && random.uniform() < 0.25),
            (_, true) => Cell::Name("never seen".to_owned()),
            (_, false) => flag(random.uniform() < 0.5),
        })
    };
    let days: Vec<_> = (0..DAYS).map(|_| make(false)).collect();
    let findings = judged(&contract, &days, &make(true));
    assert_eq!(faults(&findings), ["x", "flag", "new"].map(|name| (name, Fault::ConstantColumn)));
    let verdict = findings.iter().find(|f| f.feature == "x" && f.detector == "constant_column").unwrap();
    let words =
        "x has the one value 0.25 in all 200 rows that have a value; it used to vary, with that value in at most ";
    assert!(verdict.explanation.starts_with(words), "{}", verdict.explanation);
}

#[test]
fn d4_columns_that_are_not_judged_have_no_faults() {
    let schema = "  gone: { type: float64, judge: false }\n  frozen: { type: string, judge: false }\n  typed: { type: float64, \
                  judge: false }\n  temp: { type: float64, unit: fahrenheit, judge: false }\n";
    let contract = contract_with(schema);
    let mut random = Random::new(24);
    let mut make = |is_broken: bool| {
        let today = 45.0 + random.normal();
        window(&contract, 200, |column| match column {
            0 if is_broken => Cell::Missing,
            1 => flag(!is_broken && random.uniform() < 0.5),
            3 if is_broken => Cell::Number((today + random.normal() - 32.0) / 1.8),
            3 => Cell::Number(today + random.normal()),
            _ => Cell::Number(random.normal()),
        })
    };
    let days: Vec<_> = (0..DAYS).map(|_| make(false)).collect();
    let mut now = make(true);
    now.columns[2].add_mistyped(900);
    let findings = judged(&contract, &days, &now);
    assert!(findings.iter().all(|finding| finding.fault.is_none() && finding.severity == Severity::None));
    let judging = contract_with(&schema.replace(", judge: false", ""));
    assert_eq!(faults(&judged(&judging, &days, &now)).len(), 4);
}

#[test]
fn d4_a_cold_wave_is_no_change_of_unit() {
    let contract = contract_with("  temp: { type: float64, unit: fahrenheit }\n");
    let mut random = Random::new(25);
    let mut make = |mean: f64, is_celsius: bool| {
        window(&contract, 900, |_| {
            let fahrenheit = mean + 5.0 * random.normal();
            Cell::Number(if is_celsius { (fahrenheit - 32.0) / 1.8 } else { fahrenheit })
        })
    };
    let means = [39.0, 51.0, 45.0, 48.0, 42.0, 37.0, 53.0];
    let days: Vec<_> = (0..DAYS).map(|day| make(means[day % 7], false)).collect();
    // 15 °F is 59 °F in degrees Celsius: the mean alone fits a change of the unit.
    let cold = judged(&contract, &days, &make(15.0, false));
    assert!(faults(&cold).is_empty(), "{:?}", faults(&cold));
    assert!(cold.iter().any(|finding| finding.severity >= Severity::Warning), "it is drift");
    for mean in [37.0, 45.0, 59.0] {
        let celsius = judged(&contract, &days, &make(mean, true));
        assert_eq!(faults(&celsius), [("temp", Fault::UnitChange)], "{mean}");
    }
}

#[test]
fn d4_a_column_that_became_infinite_is_found() {
    let contract = contract_with("  x: { type: float64 }\n");
    let mut random = Random::new(26);
    let days: Vec<_> = (0..DAYS).map(|_| window(&contract, 200, |_| Cell::Number(random.normal()))).collect();
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let now = window(&contract, 200, |_| Cell::Number(value));
        let findings = judged(&contract, &days, &now);
        let rate = findings.iter().find(|finding| finding.detector == "non_finite_rate").unwrap();
        assert_eq!((rate.statistic, rate.severity), (Some(1.0), Severity::Critical), "{value}");
        let columns = [(days[0].columns[0].clone(), now.columns[0].clone(), true)];
        assert_eq!(judge::compare(&columns, judge::REPORT_LEVEL)[0].severity, Severity::Critical, "{value}");
    }
}
