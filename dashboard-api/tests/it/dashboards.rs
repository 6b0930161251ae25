//! The shipped Grafana dashboard asks only for what is exported (promise E1 for those who watch with Grafana).

use std::path::{Path, PathBuf};

use contract::metrics;
use dashboard_api::dashboards::check;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana")
}

fn shipped() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(folder().join("dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let dashboards: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!dashboards.is_empty());
    dashboards
}

#[test]
fn e1_shipped_dashboards_are_good() {
    for (path, text) in shipped() {
        assert_eq!(check(&text, &path), [], "{}", path.display());
    }
}

#[test]
fn e1_a_broken_copy_is_found_wherever_it_is_broken() {
    for (path, text) in shipped() {
        // Each exported name that the dashboard uses, misspelt.
        for metric in metrics::ALL.iter().filter(|metric| text.contains(metric.name)) {
            let wrong = format!("{}x", metric.name.trim_end_matches("_total"));
            let errors = check(&text.replace(metric.name, &wrong), &path);
            assert!(!errors.is_empty(), "{wrong}");
            assert!(errors.iter().all(|error| error.message.contains(&wrong)), "{errors:?}");
        }
        let errors = check(&text.replace("model=~", "modell=~"), &path);
        assert!(!errors.is_empty());
        for error in errors {
            assert!(error.message.ends_with("has no label `modell`"), "{error:?}");
            assert_eq!(error.hint.as_deref(), Some("did you mean `model`?"));
            let place: String = error.source_line.chars().skip(error.column - 1).take(6).collect();
            assert_eq!(place, "modell", "the column is that of the word");
        }
        assert!(!check(&text.replace("\"${datasource}\"", "\"P1809F7CD0C75ACF3\""), &path).is_empty());
    }
}

#[test]
fn e4_the_dashboard_shows_the_models_and_bellwether_itself() {
    let all: String = shipped().into_iter().map(|(_, text)| text).collect();
    for metric in [
        metrics::MODEL_PERFORMANCE,
        metrics::LABEL_COVERAGE,
        metrics::FINDING_SEVERITY,
        metrics::WINDOW_ROWS,
        metrics::ALERTS,
        metrics::RETRAININGS,
        metrics::NOTIFICATIONS,
        metrics::OUTBOX_OLDEST,
        metrics::INGEST_LAG,
        metrics::INGEST_WATERMARK,
        metrics::CHECKPOINT,
        metrics::DEAD_LETTERS,
        metrics::PREDICTION_LATENCY,
        metrics::SERIES_LEFT_OUT,
    ] {
        assert!(all.contains(metric.name), "{}", metric.name);
    }
}

#[test]
fn provisioning_names_the_folder_and_the_data_source_that_there_are() {
    let read = |path: &str| std::fs::read_to_string(folder().join("provisioning").join(path)).unwrap();
    let dashboards = read("dashboards/bellwether.yaml");
    assert!(dashboards.contains("path: /etc/grafana/bellwether") && dashboards.contains("type: file"), "{dashboards}");
    assert!(read("datasources/prometheus.yaml").contains("type: prometheus"));
    assert!(std::fs::read_to_string(folder().join("README.md")).unwrap().contains(":/etc/grafana/bellwether:ro"));
}
