//! D2 and D4: false alarms stay within the budget, real changes are found, and findings explain themselves.
//!
//! Seeds are fixed, so a count is the same on every machine; docs/quality.md has the figures of longer runs.

use contract::{Contract, Fault, Finding, Severity, Subject as About};
use detectors::judge::{self, Baseline, Levels, Previous, REPORT_LEVEL};
use detectors::profile::WindowProfile;

use crate::simulation::{Cell, NUMERIC, Random, contract, contract_with, stationary, subject, window};

const BASELINE_DAYS: usize = 28;

fn judged(contract: &Contract, day: i64, baseline: &[WindowProfile], now: &WindowProfile) -> Vec<Finding> {
    let baseline = Baseline::new("the trailing 28d", baseline.to_vec());
    judge::judge_inputs(&subject(contract, day, &Previous::default()), &baseline, now)
}

fn stationary_days(contract: &Contract, random: &mut Random, days: usize, rows: usize) -> Vec<WindowProfile> {
    (0..days).map(|_| window(contract, rows, |column| stationary(random, column))).collect()
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or_default()
}

#[test]
fn d2_stationary_windows_stay_within_the_budget() {
    const WINDOWS: usize = 100;
    let contract = contract();
    let mut random = Random::new(2_026);
    let mut alarms = 0;
    let mut days = stationary_days(&contract, &mut random, BASELINE_DAYS, 200);
    for day in 0..WINDOWS {
        let now = window(&contract, 200, |column| stationary(&mut random, column));
        alarms += usize::from(worst(&judged(&contract, day as i64, &days, &now)) >= Severity::Warning);
        days.remove(0);
        days.push(now);
    }
    let allowed = Levels::for_window(&contract, 1).drift * WINDOWS as f64;
    assert!(alarms as f64 <= allowed, "{alarms} windows with a false alarm, {allowed:.1} are allowed");
}

#[test]
fn d2_wobbling_windows_stay_within_the_budget() {
    const WINDOWS: usize = 100;
    let contract = contract_with("  x: { type: float64 }\n  y: { type: float64 }\n  c: { type: string }\n");
    let mut random = Random::new(7);
    let mut alarms = 0;
    // Means and shares differ from day to day by far more than the sampling error of 500 rows.
    let make = |random: &mut Random| {
        let (shift, share) = (0.3 * random.normal(), (0.4 + 0.1 * random.normal()).clamp(0.05, 0.95));
        window(&contract, 500, |column| match column {
            0 => Cell::Number(random.normal() + shift),
            1 => Cell::Number(random.exponential() * (1.0 + 0.3 * shift)),
            _ => Cell::Name(if random.uniform() < share { "a" } else { "b" }.to_owned()),
        })
    };
    let mut days: Vec<_> = (0..BASELINE_DAYS).map(|_| make(&mut random)).collect();
    for day in 0..WINDOWS {
        let now = make(&mut random);
        alarms += usize::from(worst(&judged(&contract, day as i64, &days, &now)) >= Severity::Warning);
        days.remove(0);
        days.push(now);
    }
    let allowed = Levels::for_window(&contract, 1).drift * WINDOWS as f64;
    assert!(alarms as f64 <= allowed, "{alarms} windows with a false alarm, {allowed:.1} are allowed");
}

#[test]
fn d2_reports_on_equal_data_stay_within_their_level() {
    const REPORTS: usize = 300;
    let contract = contract();
    let mut random = Random::new(11);
    let mut drifted = 0;
    for _ in 0..REPORTS {
        let before = window(&contract, 300, |column| stationary(&mut random, column));
        let now = window(&contract, 40, |column| stationary(&mut random, column));
        let columns: Vec<_> = before.columns.into_iter().zip(now.columns).map(|(b, c)| (b, c, true)).collect();
        drifted += usize::from(judge::compare(&columns, REPORT_LEVEL).iter().any(|column| column.drifted));
    }
    assert!(drifted as f64 <= REPORTS as f64 * REPORT_LEVEL, "{drifted} of {REPORTS} reports");
}

/// How many of `days` windows in which one of the 20 columns has changed are found, through that column.
fn found(column: usize, rows: usize, days: usize, mut changed: impl FnMut(&mut Random) -> Cell) -> usize {
    let contract = contract();
    let mut random = Random::new(5);
    let baseline = stationary_days(&contract, &mut random, BASELINE_DAYS, rows);
    let hits = (0..days).filter(|day| {
        let now = window(&contract, rows, |index| {
            if index == column { changed(&mut random) } else { stationary(&mut random, index) }
        });
        let findings = judged(&contract, *day as i64, &baseline, &now);
        let name = &contract.schema[column].name;
        findings.iter().any(|finding| finding.feature == *name && finding.severity >= Severity::Warning)
    });
    hits.count()
}

#[test]
fn d2_real_changes_are_found_in_windows_of_500_rows() {
    const DAYS: usize = 12;
    let name = |level: u32| Cell::Name(format!("level-{level}"));
    let mean = found(0, 500, DAYS, |random| Cell::Number(random.normal() + 0.25));
    assert!(mean >= 10, "a mean 0.25 standard deviations away: {mean} of {DAYS}");
    let variance = found(0, 500, DAYS, |random| Cell::Number(random.normal() * 1.5_f64.sqrt()));
    assert!(variance >= 9, "half as much variance again: {variance} of {DAYS}");
    let skewed = found(4, 500, DAYS, |random| Cell::Number(random.exponential() * 1.25));
    assert!(skewed >= 9, "a quarter more of an exponential: {skewed} of {DAYS}");
    let missing =
        found(
            0,
            500,
            DAYS,
            |random| {
                if random.uniform() < 0.05 { Cell::Missing } else { Cell::Number(random.normal()) }
            },
        );
    assert_eq!(missing, DAYS, "5 % missing");
    let mix = found(NUMERIC + 2, 500, DAYS, |random| match random.zipf(5) {
        1 if random.uniform() < 0.34 => name(2),
        level => name(level),
    });
    assert!(mix >= 10, "15 points from one category to another: {mix} of {DAYS}");
    let unseen = found(NUMERIC + 2, 500, DAYS, |random| {
        if random.uniform() < 0.03 { Cell::Name("new".to_owned()) } else { name(random.zipf(5)) }
    });
    assert!(unseen >= 10, "3 % of a new category: {unseen} of {DAYS}");
}

#[test]
fn d2_reports_find_real_changes_from_30_rows_to_many() {
    let contract = contract_with("  x: { type: float64 }\n  c: { type: string }\n");
    for (rows, shift) in [(30, 2.0), (1_000, 0.3), (100_000, 0.12)] {
        let mut random = Random::new(rows as u64);
        let mut make = |shift: f64| {
            window(&contract, rows, |column| match column {
                0 => Cell::Number(random.normal() + shift),
                _ => Cell::Name(if random.uniform() < 0.2 + shift.min(1.0) / 2.0 { "a" } else { "b" }.to_owned()),
            })
        };
        let (before, now) = (make(0.0), make(shift));
        let columns: Vec<_> = before.columns.into_iter().zip(now.columns).map(|(b, c)| (b, c, true)).collect();
        for (column, comparison) in contract.schema.iter().zip(judge::compare(&columns, REPORT_LEVEL)) {
            assert!(comparison.drifted, "{rows} rows, {}: {comparison:?}", column.name);
            for result in comparison.detectors.iter().filter(|result| result.detector != "type_mismatch") {
                let (Some(statistic), Some(limit), Some(p)) = (result.statistic, result.threshold, result.p_value)
                else {
                    continue;
                };
                let is_beyond = statistic.abs() > limit;
                assert_eq!(
                    is_beyond,
                    p < result.level.unwrap(),
                    "{} says one thing twice: {result:?}",
                    result.detector
                );
            }
        }
    }
}

#[test]
fn d3_a_constant_that_changes_is_found_and_degenerate_columns_are_quiet() {
    let contract = contract_with("  k: { type: float64 }\n  v: { type: float64 }\n  n: { type: float64 }\n");
    let mut random = Random::new(3);
    let mut make = |constant: f64, varies: bool| {
        window(&contract, 100, |column| match column {
            0 => Cell::Number(constant),
            1 => Cell::Number(if varies { random.normal() } else { 5.0 }),
            _ => Cell::Missing,
        })
    };
    let (before, now) = (make(3.0, false), make(4.0, true));
    let columns: Vec<_> = before.columns.into_iter().zip(now.columns).map(|(b, c)| (b, c, true)).collect();
    let results = judge::compare(&columns, REPORT_LEVEL);
    let drifted: Vec<bool> = results.iter().map(|comparison| comparison.drifted).collect();
    assert_eq!(drifted, [true, true, false], "{results:?}");
    let days: Vec<_> = (0..BASELINE_DAYS).map(|_| make(3.0, false)).collect();
    let findings = judged(&contract, 30, &days, &make(4.0, false));
    assert!(findings.iter().any(|finding| finding.feature == "k" && finding.severity >= Severity::Warning));
    assert!(findings.iter().all(|finding| finding.feature == "k" || finding.severity == Severity::None));
}

/// Fahrenheit, warming from day to day, with weather that wobbles.
fn weather(contract: &Contract, random: &mut Random, day: usize, in_celsius: bool) -> WindowProfile {
    let today = 45.0 + 0.4 * day as f64 + 6.0 * random.normal();
    window(contract, 900, |column| {
        let fahrenheit = today - if column == 1 { 12.0 } else { 0.0 } + 5.0 * random.normal();
        match column {
            0 | 1 if in_celsius => Cell::Number((fahrenheit - 32.0) / 1.8),
            0 | 1 => Cell::Number(fahrenheit),
            _ => Cell::Number(random.normal()),
        }
    })
}

const WEATHER: &str = "  temp: { type: float64, unit: fahrenheit, source: weather }\n  dewp: { type: float64, unit: fahrenheit, \
                       source: weather }\n  other: { type: float64 }\n";

#[test]
fn d4_celsius_for_fahrenheit_is_found_each_day_and_explained() {
    let contract = contract_with(WEATHER);
    let mut random = Random::new(9);
    let days: Vec<_> = (0..BASELINE_DAYS).map(|day| weather(&contract, &mut random, day, false)).collect();
    // Quarantined days never enter the baseline, so it stays as it is.
    for day in BASELINE_DAYS..BASELINE_DAYS + 4 {
        let findings = judged(&contract, day as i64, &days, &weather(&contract, &mut random, day, true));
        let faults: Vec<_> = findings.iter().filter(|f| f.detector == "unit_change").collect();
        assert_eq!(faults.iter().map(|f| f.feature.as_str()).collect::<Vec<_>>(), ["temp", "dewp"], "day {day}");
        for fault in faults {
            assert_eq!((fault.fault, fault.severity), (Some(Fault::UnitChange), Severity::Critical));
            assert!(fault.explanation.contains("looks like celsius where fahrenheit is declared"));
            assert!(fault.explanation.contains("A fault of the pipeline, not drift."));
        }
        let others = findings.iter().filter(|f| f.feature == "temp" && f.severity > Severity::None);
        assert!(others.clone().count() > 1 && others.clone().all(|f| f.fault == Some(Fault::UnitChange)));
    }
}

#[test]
fn d4_warming_is_no_fault() {
    let contract = contract_with(WEATHER);
    let mut random = Random::new(10);
    let mut days: Vec<_> = (0..BASELINE_DAYS).map(|day| weather(&contract, &mut random, day, false)).collect();
    for day in BASELINE_DAYS..BASELINE_DAYS + 60 {
        let now = weather(&contract, &mut random, day, false);
        let findings = judged(&contract, day as i64, &days, &now);
        assert!(findings.iter().all(|finding| finding.fault.is_none()), "day {day}");
        days.remove(0);
        days.push(now);
    }
}

#[test]
fn d4_columns_that_vanish_or_freeze_are_faults() {
    let contract = contract_with("  gone: { type: float64 }\n  frozen: { type: string }\n");
    let mut random = Random::new(4);
    let days: Vec<_> = (0..BASELINE_DAYS)
        .map(|_| {
            window(&contract, 200, |column| match column {
                0 => Cell::Number(random.normal()),
                _ => Cell::Name(format!("level-{}", random.zipf(4))),
            })
        })
        .collect();
    let now =
        window(&contract, 200, |column| if column == 0 { Cell::Missing } else { Cell::Name("level-1".to_owned()) });
    let faults: Vec<_> = judged(&contract, 30, &days, &now).iter().filter_map(|f| f.fault).collect();
    assert!(faults.contains(&Fault::MissingColumn) && faults.contains(&Fault::ConstantColumn), "{faults:?}");
}

#[test]
fn d4_a_blip_is_told_from_a_run() {
    let contract = contract_with("  x: { type: float64 }\n");
    let mut random = Random::new(12);
    let mut make = |shift: f64| window(&contract, 500, |_| Cell::Number(random.normal() + shift));
    let baseline = Baseline::new("the trailing 28d", (0..BASELINE_DAYS).map(|_| make(0.0)).collect());
    let mut previous = Previous::default();
    for day in 40..43_i64 {
        let findings = judge::judge_inputs(&subject(&contract, day, &previous), &baseline, &make(1.0));
        let moved = findings.iter().find(|finding| finding.detector == "location").unwrap().clone();
        assert_eq!(moved.consecutive, (day - 39) as u32);
        assert_eq!(moved.since, subject(&contract, 40, &previous).window.start);
        let words = if day == 40 { "this may be a blip" } else { "windows in a row, since" };
        assert!(moved.explanation.contains(words), "{}", moved.explanation);
        assert!(moved.explanation.starts_with("x moved: mean"), "{}", moved.explanation);
        previous = Previous::from_findings(&findings);
    }
    let findings = judge::judge_inputs(&subject(&contract, 43, &previous), &baseline, &make(0.0));
    assert!(findings.iter().all(|finding| finding.consecutive == 0));
}

#[test]
fn d2_a_short_baseline_judges_nothing_and_says_what_it_lacks() {
    let contract = contract_with("  x: { type: float64 }\n");
    let mut random = Random::new(13);
    let mut make = |shift: f64| window(&contract, 500, |_| Cell::Number(random.normal() + shift));
    let days: Vec<_> = (0..7).map(|_| make(0.0)).collect();
    let findings = judged(&contract, 7, &days, &make(9.0));
    assert_eq!(worst(&findings), Severity::None);
    let moved = findings.iter().find(|finding| finding.detector == "location").unwrap();
    assert_eq!(moved.reason.as_deref(), Some("learning: the baseline has 7 windows of the 8 needed"));
    assert!(moved.statistic.unwrap() > 8.0);
    let few = window(&contract, 20, |_| Cell::Number(0.0));
    let days: Vec<_> = (0..BASELINE_DAYS).map(|_| make(0.0)).collect();
    let findings = judged(&contract, 30, &days, &few);
    let reasons = findings.iter().filter_map(|finding| finding.reason.as_deref());
    assert!(reasons.into_iter().any(|reason| reason == "20 rows of the 30 needed"));
}

/// Labelled rows whose true odds are those of the score, `distorted` logits off.
fn labelled(random: &mut Random, rows: usize, distorted: f64) -> WindowProfile {
    let mut profile = WindowProfile { rows: rows as u64, ..WindowProfile::default() };
    let logistic = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let today = 0.2 * random.normal();
    for _ in 0..rows {
        let logit = random.normal() - 1.0;
        let label = random.uniform() < logistic(logit + today + distorted);
        profile.performance.add_prediction();
        profile.performance.add(logistic(logit), Some(logit > 0.0), label, 3_600_000_000);
    }
    profile
}

#[test]
fn d2_decay_of_the_log_loss_is_found_and_ordinary_days_are_not() {
    const DAYS: usize = 150;
    let contract = contract_with("  x: { type: float64 }\n");
    let mut random = Random::new(14);
    let baseline = Baseline::new("the training days", (0..56).map(|_| labelled(&mut random, 900, 0.0)).collect());
    let tested = |findings: &[Finding]| {
        let above_info = findings.iter().filter(|finding| finding.severity > Severity::Info);
        assert!(above_info.clone().all(|finding| finding.detector == "log_loss"));
        above_info.count()
    };
    let previous = Previous::default();
    let mut alarms = 0;
    for day in 0..DAYS {
        let now = labelled(&mut random, 900, 0.0);
        alarms += tested(&judge::judge_performance(&subject(&contract, day as i64, &previous), &baseline, &now, &[]));
    }
    let allowed = Levels::for_window(&contract, 1).performance * DAYS as f64;
    assert!(alarms as f64 <= allowed + 2.0 * allowed.sqrt(), "{alarms} false alarms, {allowed:.1} are expected");
    for day in 0..5 {
        let now = labelled(&mut random, 900, 2.0);
        let findings = judge::judge_performance(&subject(&contract, day, &previous), &baseline, &now, &[]);
        assert_eq!(tested(&findings), 1);
        let decayed = findings.iter().find(|finding| finding.detector == "log_loss").unwrap();
        assert_eq!(decayed.subject, About::Performance);
        assert!(decayed.explanation.contains("is usual in the training days"), "{}", decayed.explanation);
        assert!(
            decayed
                .interval
                .is_some_and(|(low, high)| low < decayed.statistic.unwrap() && decayed.statistic.unwrap() < high)
        );
    }
    let unlabelled = WindowProfile { rows: 900, ..WindowProfile::default() };
    let findings = judge::judge_performance(&subject(&contract, 9, &previous), &baseline, &unlabelled, &[]);
    assert!(findings.iter().all(|finding| finding.reason.as_deref() == Some("0 labelled rows of the 30 needed")));
}
