//! `bellwether report` on files that the project has never seen; the figures themselves are tested in `report/tests/it`.

use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::program::bellwether;
use crate::stream::{CONTRACT, Numbers};

/// `rows` of a shop's table around a mean amount.
fn table(folder: &Path, name: &str, rows: usize, mean: f64) {
    let mut numbers = Numbers::seeded(rows as u64 + mean as u64);
    let mut text = "amount,visits,country,returning\n".to_owned();
    for _ in 0..rows {
        let amount = mean + 10.0 * (numbers.uniform() + numbers.uniform());
        let country = ["DE", "FR", "IT"][numbers.below(3) as usize];
        let _ = writeln!(text, "{amount},{},{country},{}", numbers.below(9), numbers.below(2) == 0);
    }
    std::fs::write(folder.join(name), text).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    table(folder.path(), "january.csv", 3000, 50.0);
    table(folder.path(), "february.csv", 2000, 50.0);
    table(folder.path(), "march.csv", 2000, 60.0);
    folder
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let answer = bellwether(folder, &[&["report"], arguments, &["--format", "json"]].concat()).exits(0);
    assert_eq!(answer.stdout.lines().count(), 1, "one object");
    serde_json::from_str(&answer.stdout).unwrap()
}

#[test]
fn drift_at_or_above_the_limit_exits_with_1() {
    let folder = folder();
    let codes = |current: &str, limit: &str| {
        bellwether(folder.path(), &["report", "january.csv", current, "--fail-on", limit]).code
    };
    assert_eq!(codes("february.csv", "warning"), 0);
    assert_eq!(codes("march.csv", "warning"), 1);
    assert_eq!(codes("march.csv", "critical"), 1, "two standard deviations");
    let answer = bellwether(folder.path(), &["report", "january.csv", "march.csv"]).exits(0);
    assert!(answer.stdout.contains("1 column drifted:"), "{}", answer.stdout);
}

#[test]
fn the_report_goes_to_a_file_when_asked() {
    let folder = folder();
    let arguments = ["january.csv", "march.csv", "--format", "json", "--output", "report.json"];
    let answer = bellwether(folder.path(), &[&["report"], &arguments[..]].concat()).exits(0);
    assert_eq!(answer.stdout, "");
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["drifted_columns"], serde_json::json!(["amount"]));
    let arguments = ["report", "january.csv", "march.csv", "--output", "no/such/folder/report.txt"];
    let answer = bellwether(folder.path(), &arguments).exits(3);
    assert!(answer.stderr.contains("no/such/folder/report.txt"), "{}", answer.stderr);
}

#[test]
fn a_contract_names_the_columns() {
    let folder = folder();
    let contract =
        CONTRACT.replace("  returning: { type: boolean }\n", "").replace("amount: {", "amount: { judge: false,");
    std::fs::write(folder.path().join("shop.yaml"), contract).unwrap();
    let report = json(folder.path(), &["january.csv", "march.csv", "--contract", "shop.yaml"]);
    let names: Vec<&str> =
        report["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["amount", "visits", "country"]);
    assert_eq!(report["drifted_columns"], serde_json::json!([]), "amount isn't judged");
    std::fs::write(folder.path().join("shop.yaml"), CONTRACT.replace("schema:", "shema:")).unwrap();
    let answer = bellwether(folder.path(), &["report", "january.csv", "march.csv", "--contract", "shop.yaml"]).exits(2);
    assert!(answer.stderr.contains("shop.yaml:11:1"), "{}", answer.stderr);
}

#[test]
fn files_that_cannot_be_read_exit_with_2_and_their_name() {
    let folder = folder();
    std::fs::write(folder.path().join("broken.parquet"), "no Parquet").unwrap();
    std::fs::write(folder.path().join("empty.csv"), "").unwrap();
    std::fs::write(folder.path().join("ragged.csv"), "a,b\n1,2\n1,2,3\n").unwrap();
    std::fs::write(folder.path().join("other.csv"), "x,y\n1,2\n").unwrap();
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    for name in ["absent.csv", "broken.parquet", "empty.csv", "ragged.csv", "other.csv", "nothing"] {
        let answer = bellwether(folder.path(), &["report", "january.csv", name]).exits(2);
        assert!(answer.stderr.contains(name), "{name}: {}", answer.stderr);
        assert_eq!(answer.stdout, "", "{name}");
        assert_eq!(answer.stderr.lines().count(), 1, "{name}: one line: {}", answer.stderr);
    }
}

/// 0, 1 and 10 rows, a constant, nothing but nulls, infinities, unicode, 300 columns: both formats, no NaN.
#[test]
fn d3_odd_files_give_a_report() {
    let wide = |rows: usize| {
        let mut numbers = Numbers::seeded(rows as u64);
        let names: Vec<String> = (0..300).map(|column| format!("column_{column}")).collect();
        let line =
            |numbers: &mut Numbers| (0..300).map(|_| numbers.uniform().to_string()).collect::<Vec<_>>().join(",");
        std::iter::once(names.join(",")).chain((0..rows).map(|_| line(&mut numbers))).collect::<Vec<_>>().join("\n")
    };
    let lines = |header: &str, line: &str, rows: usize| format!("{header}\n{}", format!("{line}\n").repeat(rows));
    let cases = [
        ("no row", lines("amount,country", "", 0)),
        ("one row", lines("amount,country", "1.5,DE", 1)),
        ("ten rows", lines("amount,country", "1.5,DE", 10)),
        ("constant", lines("amount,country", "1.5,DE", 2000)),
        ("nulls", lines("amount,country", ",", 2000)),
        ("infinities", lines("amount,country", "inf,DE\n-inf,FR\n1.0,IT", 700)),
        ("unicode", lines("Größe,都市", "2.5,東京 🦀", 900)),
        ("300 columns", wide(200)),
    ];
    let folder = folder();
    for (name, text) in &cases {
        std::fs::write(folder.path().join("odd.csv"), text).unwrap();
        let report = json(folder.path(), &["odd.csv", "odd.csv"]);
        assert_eq!(report["drifted_columns"], serde_json::json!([]), "{name} against itself");
        let answer = bellwether(folder.path(), &["report", "odd.csv", "odd.csv", "--fail-on", "warning"]).exits(0);
        for output in [report.to_string(), answer.stdout] {
            assert!(!output.contains("NaN") && !output.contains("inf,"), "{name}: {output}");
        }
    }
}
