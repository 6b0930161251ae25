//! The laws of profiles and detectors, on arbitrary values.

use detectors::judge::{REPORT_LEVEL, compare};
use detectors::profile::{CategoricalProfile, ColumnProfile, NumericProfile, PerformanceProfile};
use detectors::univariate::builtin_detectors;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// All that a column may hold: ordinary, huge and tiny numbers, infinities, NaN and few distinct ones.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0_f64,
        2 => (0..5_i8).prop_map(f64::from),
        1 => any::<f64>(),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-0.0),
            Just(1e308), Just(-1e308), Just(f64::MAX), Just(f64::MIN), Just(5e-324), Just(1e-200)
        ],
    ]
}

fn numeric(values: &[f64]) -> NumericProfile {
    let mut profile = NumericProfile::new(Some((-50.0, 50.0)));
    profile.update_values(values.iter().copied());
    profile
}

fn categorical(names: &[u16]) -> CategoricalProfile {
    let names: Vec<String> = names.iter().map(|name| format!("name-{name}")).collect();
    let mut profile = CategoricalProfile::new();
    profile.update_names(names.iter().map(|name| Some(name.as_str())));
    profile
}

/// Every number that the detectors give is finite, p-values are probabilities, and the same data are no distance away.
fn check_detectors(before: &ColumnProfile, now: &ColumnProfile) {
    for detector in builtin_detectors().iter().filter(|detector| detector.applies_to(now)) {
        let name = detector.name();
        let figures = [
            detector.statistic(before, now).value(),
            detector.effect(before, now).value(),
            detector.threshold(before, now, 1e-4),
            detector.error_bound(before, now),
        ];
        assert!(figures.iter().flatten().all(|figure| figure.is_finite()), "{name}: {figures:?}");
        let p = detector.p_value(before, now);
        assert!(p.is_none_or(|p| (0.0..=1.0).contains(&p)), "{name}: {p:?}");
        let itself = detector.statistic(before, before).value();
        assert!(itself.is_none_or(|distance| distance.abs() < 1e-12), "{name}: {itself:?} from itself");
        let p = detector.p_value(before, before);
        assert!(p.is_none_or(|p| p > 0.05), "{name}: p {p:?} against itself");
    }
}

proptest! {
    #[test]
    fn same_rows_in_any_batches_and_any_merge_order_give_the_same_bytes(
        batches in vec(vec(value(), 0..700), 1..6), seed in any::<u64>()
    ) {
        let whole = numeric(&batches.concat()).to_bytes();
        let mut stream = numeric(&[]);
        for batch in &batches {
            stream.update_values(batch.iter().copied());
        }
        prop_assert_eq!(&stream.to_bytes(), &whole);
        let mut parts: Vec<NumericProfile> = batches.iter().map(|batch| numeric(batch)).collect();
        let mut choice = seed;
        while parts.len() > 1 {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let part = parts.swap_remove((choice >> 33) as usize % parts.len());
            let into = (choice >> 40) as usize % parts.len();
            parts[into].merge(&part);
        }
        prop_assert_eq!(parts[0].to_bytes(), whole.clone());
        prop_assert_eq!(NumericProfile::from_bytes(&whole).unwrap().to_bytes(), whole);
    }

    #[test]
    fn categories_merge_to_the_same_bytes(left in vec(0..2_000_u16, 0..1_500), right in vec(0..2_000_u16, 0..1_500)) {
        let whole = categorical(&[left.clone(), right.clone()].concat());
        let (mut forwards, mut backwards) = (categorical(&left), categorical(&right));
        forwards.merge(&categorical(&right));
        backwards.merge(&categorical(&left));
        prop_assert_eq!(forwards.to_bytes(), whole.to_bytes());
        prop_assert_eq!(backwards.to_bytes(), whole.to_bytes());
    }

    #[test]
    fn i5_removing_undoes_adding(
        rows in vec((any::<f64>(), any::<Option<bool>>(), any::<bool>(), any::<i64>()), 0..60), extra in (0.0..1.0_f64)
    ) {
        let mut profile = PerformanceProfile::new();
        profile.add(extra, None, true, 7);
        let before = profile.to_bytes();
        for (score, class, label, delay) in &rows {
            profile.add(*score, *class, *label, *delay);
        }
        for (score, class, label, delay) in rows.iter().rev() {
            profile.remove(*score, *class, *label, *delay);
        }
        prop_assert_eq!(profile.to_bytes(), before);
    }

    #[test]
    fn d3_no_numbers_make_a_nan(before in vec(value(), 0..60), now in vec(value(), 0..60)) {
        let column = |values: &[f64]| ColumnProfile::Numeric(numeric(values));
        check_detectors(&column(&before), &column(&now));
    }

    #[test]
    fn d3_no_categories_make_a_nan(before in vec(0..40_u16, 0..80), now in vec(0..60_u16, 0..80)) {
        let column = |names: &[u16]| ColumnProfile::Categorical(categorical(names));
        check_detectors(&column(&before), &column(&now));
    }

    #[test]
    fn d3_forged_bytes_are_an_error_or_a_profile(mut bytes in vec(any::<u8>(), 0..120), kind in 0..3_usize) {
        let header = [[b'N', 1], [b'C', 1], [b'P', 1]][kind];
        bytes.splice(0..0, header);
        if let Ok(column) = ColumnProfile::from_any_bytes(&bytes) {
            prop_assert_eq!(column.to_own_bytes(), bytes.clone());
            check_detectors(&column, &column);
        }
        if let Ok(profile) = PerformanceProfile::from_bytes(&bytes) {
            prop_assert!(profile.log_loss().value().is_none_or(f64::is_finite));
        }
    }
}

#[test]
fn d3_constants_are_told_apart() {
    let constant = |value: f64, rows: usize| ColumnProfile::Numeric(numeric(&vec![value; rows]));
    for (before, now) in [(3.0, 4.0), (3.0, -1e300), (1e308, -1e308)] {
        let (before, now) = (constant(before, 200), constant(now, 200));
        check_detectors(&before, &now);
        let ks = builtin_detectors().into_iter().find(|detector| detector.name() == "ks").unwrap();
        assert!(ks.p_value(&before, &now).unwrap() < 1e-20);
    }
    // Smaller, larger, by as much or as little as doubles allow: the bins of `js` tell them apart.
    for (before, now) in
        [(1.797e308, -1.797e308), (5e-324, 0.0), (0.0, 5e-324), (3.0, 2.0), (-2.0, -3.0), (1e-300, -1.0)]
    {
        let columns = [(constant(before, 200), constant(now, 200), true)];
        check_detectors(&columns[0].0, &columns[0].1);
        let comparison = &compare(&columns, REPORT_LEVEL)[0];
        let js = comparison.detectors.iter().find(|result| result.detector == "js").unwrap();
        assert!(comparison.drifted && js.statistic == Some(1.0), "{before} to {now}: {comparison:?}");
    }
    check_detectors(&constant(3.0, 100), &constant(3.0, 50));
}
