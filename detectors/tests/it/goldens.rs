//! D1: each figure agrees with an independent implementation to the tolerance that docs/detectors.md states.

use detectors::judge::performance::metric;
use detectors::kernel::binned::{ZeroPolicy, js_distance, psi};
use detectors::kernel::contingency::{fisher_upper, likelihood_ratio, pearson};
use detectors::kernel::moments::{Moments, welch};
use detectors::kernel::{kolmogorov, samples};
use detectors::profile::{CategoricalProfile, ColumnProfile, NumericProfile, PerformanceProfile};
use detectors::univariate::{Detector, builtin_detectors};
use serde_json::Value;

/// Relative tolerance of figures: a few thousand units in the last place.
const TOLERANCE: f64 = 1e-11;
/// Relative tolerance of p-values.
const P_TOLERANCE: f64 = 1e-8;

fn cases(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn numeric_cases() -> Vec<Value> {
    cases(include_str!("../goldens/two_sample_numeric.json"))
}

/// Numbers of a JSON list; "NaN" and null are left out, infinities are not.
fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().filter_map(number).filter(|value| !value.is_nan()).collect()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// Relative, or absolute near zero, where subnormals have no digits.
fn check(id: &Value, what: &str, ours: Option<f64>, theirs: &Value, tolerance: f64) -> usize {
    let Some(theirs) = number(theirs).filter(|theirs| theirs.is_finite()) else {
        return 0;
    };
    let ours = ours.unwrap_or_else(|| panic!("{id} {what}: nothing where {theirs} is right"));
    let distance = (ours - theirs).abs();
    assert!(distance <= tolerance * theirs.abs().max(1e-290), "{id} {what}: {ours} where {theirs} is right");
    1
}

fn numeric_profile(values: &[f64]) -> ColumnProfile {
    let mut profile = NumericProfile::default();
    profile.update_values(values.iter().copied());
    ColumnProfile::Numeric(profile)
}

fn detector(name: &str) -> Box<dyn Detector> {
    builtin_detectors().into_iter().find(|detector| detector.name() == name).unwrap()
}

fn is_exact(column: &ColumnProfile) -> bool {
    column.as_numeric().unwrap().is_exact()
}

fn pairs(before: &Value, now: &Value) -> Vec<(u64, u64)> {
    let list =
        |value: &Value| value.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect::<Vec<_>>();
    list(before).into_iter().zip(list(now)).collect()
}

#[test]
fn d1_kernels_on_samples_agree_with_scipy() {
    let mut checked = 0;
    for case in numeric_cases() {
        let (id, expected) = (&case["id"], &case["expected"]);
        let (before, now) = (numbers(&case["ref"]), numbers(&case["cur"]));
        let (n, m) = (before.len(), now.len());
        let d = kolmogorov::statistic(&before, &now);
        checked += check(id, "ks", d, &expected["ks_asymp"]["stat"], TOLERANCE);
        if let Some(d) = d {
            let harmonic = (n as f64 * m as f64 / (n + m) as f64).round() as u64;
            let p = Some(kolmogorov::one_sample(harmonic, d));
            checked += check(id, "ks asymptotic p", p, &expected["ks_asymp"]["p"], P_TOLERANCE);
            checked +=
                check(id, "ks exact p", Some(kolmogorov::exact(d, n, m)), &expected["ks_exact"]["p"], P_TOLERANCE);
        }
        checked += check(id, "wasserstein", samples::wasserstein(&before, &now), &expected["wasserstein"], TOLERANCE);
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn d1_profiles_agree_with_scipy_while_they_are_exact() {
    let mut checked = 0;
    for case in numeric_cases() {
        let (id, expected) = (&case["id"], &case["expected"]);
        let (before, now) = (numeric_profile(&numbers(&case["ref"])), numeric_profile(&numbers(&case["cur"])));
        if !(is_exact(&before) && is_exact(&now)) {
            continue;
        }
        let statistic = |name: &str| detector(name).statistic(&before, &now).value();
        checked += check(id, "ks", statistic("ks"), &expected["ks_asymp"]["stat"], TOLERANCE);
        checked += check(id, "wasserstein", statistic("wasserstein"), &expected["wasserstein"], TOLERANCE);
        let bins = &expected["quantile10"];
        let ends = |column: &ColumnProfile| column.as_numeric().and_then(|numeric| numeric.min().zip(numeric.max()));
        if matches!((ends(&before), ends(&now)), (Some((low, high)), Some((now, _))) if low >= high && now < low) {
            // The usual bins can't tell a constant from what falls below it; ours can.
            assert!(statistic("js").unwrap() > number(&bins["js_distance_base2"]).unwrap() + 0.1);
        } else {
            checked += check(id, "psi", statistic("psi"), &bins["psi_replace_zero_1e-4"], TOLERANCE);
            checked += check(id, "js", statistic("js"), &bins["js_distance_base2"], 1e-9);
        }
        for (column, side) in [(&before, "ref"), (&now, "cur")] {
            let (profile, moments) = (column.as_numeric().unwrap(), &expected["moments"][side]);
            if profile.infinities() > 0 {
                continue;
            }
            checked += check(id, "mean", profile.mean(), &moments["mean"], 1e-9);
            checked += check(id, "deviation", profile.standard_deviation(), &moments["std_ddof1"], 1e-9);
            let shares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
            for (index, share) in shares.iter().enumerate() {
                let theirs = &moments["quantiles_type7"][index];
                checked += check(id, "quantile", profile.quantile(*share), theirs, TOLERANCE);
            }
        }
    }
    assert!(checked > 400, "{checked}");
}

#[test]
fn d1_profiles_on_a_coarse_grid_keep_their_error_bounds() {
    let mut coarse = 0;
    for case in numeric_cases() {
        let (id, expected) = (&case["id"], &case["expected"]);
        let (before, now) = (numeric_profile(&numbers(&case["ref"])), numeric_profile(&numbers(&case["cur"])));
        if is_exact(&before) && is_exact(&now) {
            continue;
        }
        for (name, theirs) in [("ks", &expected["ks_asymp"]["stat"]), ("wasserstein", &expected["wasserstein"])] {
            let detector = detector(name);
            let ours = detector.statistic(&before, &now).value().unwrap();
            let bound = detector.error_bound(&before, &now).unwrap();
            let theirs = number(theirs).unwrap();
            assert!((ours - theirs).abs() <= bound + 1e-12, "{id} {name}: {ours} ± {bound} where {theirs} is right");
            assert!(bound < 0.05 * theirs.max(0.5), "{id} {name}: a bound of {bound} says nothing");
            coarse += 1;
        }
    }
    assert!(coarse >= 4, "{coarse}");
}

#[test]
fn d1_welch_agrees_with_scipy() {
    let mut checked = 0;
    for case in numeric_cases() {
        let (id, expected) = (&case["id"], &case["expected"]["welch_t"]);
        if id == "huge_1e300" || id == "subnormal" {
            // scipy's variance over- and underflows there; ours is right, as for the same values in another unit.
            continue;
        }
        let moments = |values: &Value| {
            let values = numbers(values);
            let column = numeric_profile(&values);
            let profile = column.as_numeric()?;
            Some(Moments { rows: profile.finite(), mean: profile.mean()?, deviation: profile.standard_deviation()? })
        };
        let (Some(before), Some(now)) = (moments(&case["ref"]), moments(&case["cur"])) else { continue };
        let test = welch(&before, &now);
        checked += check(id, "t", test.map(|test| test.t), &expected["stat"], 1e-9);
        if expected["df"] != 1.0 {
            checked += check(id, "df", test.map(|test| test.degrees), &expected["df"], 1e-9);
        }
        if test.is_some() {
            checked += check(id, "p", test.map(|test| test.p_value), &expected["p"], 1e-7);
        }
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn d1_counts_agree_with_scipy() {
    let mut checked = 0;
    let binned = numeric_cases().into_iter().filter_map(|case| {
        let bins = case["expected"]["quantile10"].clone();
        bins["counts_cur"]
            .is_array()
            .then(|| (case["id"].clone(), pairs(&bins["counts_ref"], &bins["counts_cur"]), bins))
    });
    let categorical = cases(include_str!("../goldens/two_sample_categorical.json"))
        .into_iter()
        .map(|case| (case["id"].clone(), pairs(&case["ref_counts"], &case["cur_counts"]), case["expected"].clone()));
    for (id, counts, expected) in binned.chain(categorical) {
        let policies = [
            ("psi_replace_zero_1e-4", ZeroPolicy::Replace(1e-4)),
            ("psi_floor_1e-4", ZeroPolicy::Floor(1e-4)),
            ("psi_add_half_count", ZeroPolicy::AddHalfCount),
        ];
        for (name, policy) in policies {
            checked += check(&id, name, psi(&counts, policy), &expected[name], 1e-9);
        }
        checked += check(&id, "js", js_distance(&counts), &expected["js_distance_base2"], 1e-7);
        for (name, test) in [("chi2_contingency", pearson(&counts)), ("g_test", likelihood_ratio(&counts))] {
            if id == "huge_counts" && name == "g_test" {
                // scipy loses its digits to cancellation there; 60 decimals give 3.329 929 258 009.
                assert!((test.unwrap().statistic - 3.329_929_258_009).abs() < 1e-9);
                continue;
            }
            checked += check(&id, name, test.map(|test| test.statistic), &expected[name]["stat"], 1e-9);
            checked += check(&id, name, test.map(|test| test.p_value), &expected[name]["p"], 1e-7);
        }
        checked += check(&id, "fisher", fisher_two_sided(&counts), &expected["fisher_exact_p"], 1e-6);
    }
    assert!(checked > 200, "{checked}");
}

/// scipy's two-sided test from our one-sided one: the sum over all tables that are no more likely.
fn fisher_two_sided(counts: &[(u64, u64)]) -> Option<f64> {
    let [(a, b), (c, d)] = counts else { return None };
    let (before, now, hits) = (a + c, b + d, a + b);
    if before > 10_000 || now > 10_000 {
        return None;
    }
    let (least, most) = (hits.saturating_sub(before), hits.min(now));
    // Each probability as a difference of the nearer tail, so that it keeps its digits.
    let probability = |k: u64| {
        if k as f64 > hits as f64 * now as f64 / (before + now) as f64 {
            fisher_upper(hits - k, before, k, now)
                - if k < most { fisher_upper(hits - k - 1, before, k + 1, now) } else { 0.0 }
        } else {
            fisher_upper(k, now, hits - k, before)
                - if k > least { fisher_upper(k - 1, now, hits - k + 1, before) } else { 0.0 }
        }
    };
    let observed = probability(*b);
    Some((least..=most).map(probability).filter(|p| *p <= observed * (1.0 + 1e-7)).sum::<f64>().min(1.0))
}

#[test]
fn d1_categorical_profiles_agree_with_scipy() {
    let mut checked = 0;
    for case in cases(include_str!("../goldens/two_sample_categorical.json")) {
        let profile = |counts: &Value| {
            let mut profile = CategoricalProfile::new();
            for (name, count) in case["categories"].as_array().unwrap().iter().zip(counts.as_array().unwrap()) {
                profile.add(name.as_str().unwrap(), count.as_u64().unwrap());
            }
            ColumnProfile::Categorical(profile)
        };
        let (before, now) = (profile(&case["ref_counts"]), profile(&case["cur_counts"]));
        let statistic = |name: &str| detector(name).statistic(&before, &now).value();
        // Categories that neither side has are no bins of a profile; with this policy they add nothing anyway.
        checked += check(&case["id"], "psi", statistic("psi"), &case["expected"]["psi_replace_zero_1e-4"], 1e-9);
        checked += check(&case["id"], "js", statistic("js"), &case["expected"]["js_distance_base2"], 1e-7);
    }
    assert!(checked >= 24, "{checked}");
}

#[test]
fn d1_performance_agrees_with_scikit_learn() {
    let mut checked = 0;
    for case in cases(include_str!("../goldens/binary_metrics.json")) {
        let (id, expected) = (&case["id"], &case["expected"]);
        let threshold = number(&case["threshold"]).unwrap_or(0.5);
        let mut profile = PerformanceProfile::new();
        for (label, score) in case["y_true"].as_array().unwrap().iter().zip(numbers(&case["y_score"])) {
            profile.add(score, Some(score >= threshold), label.as_u64() == Some(1), 0);
        }
        // scikit-learn keeps scores 2^-52 away from 0 and 1, we 1e-15: only the case of impossible certainty shows it.
        let tolerance = if id == "prob_0_1" { 0.05 } else { 1e-12 };
        checked += check(id, "log_loss", metric(&profile, "log_loss").value(), &expected["log_loss"], tolerance);
        checked += check(id, "brier", metric(&profile, "brier_score").value(), &expected["brier"], 1e-12);
        checked += check(id, "accuracy", metric(&profile, "accuracy").value(), &expected["accuracy"], 1e-12);
        let area = metric(&profile, "roc_auc").value();
        match number(&expected["roc_auc"]) {
            None => assert_eq!(area, None, "{id}"),
            Some(theirs) => {
                let bound = profile.roc_auc_error_bound();
                assert!(bound <= 0.01, "{id}: a bound of {bound} says nothing");
                assert!((area.unwrap() - theirs).abs() <= bound + 1e-12, "{id}: {area:?} ± {bound}, {theirs} is right");
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn d3_where_others_fail_there_is_a_reason() {
    let mut checked = 0;
    for case in numeric_cases() {
        if !case["expected"]["wasserstein"].is_object() {
            continue;
        }
        let (before, now) = (numeric_profile(&numbers(&case["ref"])), numeric_profile(&numbers(&case["cur"])));
        for name in ["location", "log_variance", "wasserstein", "ks", "js", "psi"] {
            assert_eq!(detector(name).statistic(&before, &now).status(), "insufficient_data", "{} {name}", case["id"]);
            checked += 1;
        }
    }
    assert!(checked >= 18, "{checked}");
}
