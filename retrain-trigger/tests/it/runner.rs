//! Trainers, any program: never two, and whatever is killed, the retraining goes on (promise T1).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::WallTime;
use contract::model::{DataFormat, Privacy};
use retrain_trigger::effects::Effects;
use retrain_trigger::execute::{Teller, abandon};
use retrain_trigger::retraining::{Retraining, State};
use retrain_trigger::runner;
use retrain_trigger::world::{Run, Trouble, World};
use serde_json::Value;
use tokio::process::Command;

use crate::scene::{MODEL, Scene, retraining};

/// What the scene's `bellwether run-training FOLDER` executes: this test alone, in a process of its own.
#[tokio::test]
#[ignore = "the process of a runner, not a test"]
async fn process() {
    let Ok(folder) = std::env::var("RUN_TRAINING") else { return };
    runner::run(Path::new(&folder)).await.unwrap();
}

/// Begins every script: `$output`, and a line in `starts` for each start.
const PREAMBLE: &str = r#"
[ "$1 $2 $4" = "run --spec --output" ] || exit 64
spec=$3; output=$5
echo $$ >> "$output/../starts"
done_well() { printf 'event_id,score\n' > "$output/held_out_scores.csv"; exit 0; }
"#;

struct Training {
    scene: Scene,
    effects: Effects,
    retraining: Retraining,
}

impl Training {
    /// Pinned data, and a trainer.
    async fn of(script: &str) -> Self {
        Self::within(script, Duration::from_mins(1)).await
    }

    async fn within(script: &str, timeout: Duration) -> Self {
        let mut scene = Scene::new().await;
        scene.contract.retrain.as_mut().unwrap().executor.as_mut().unwrap().timeout = timeout;
        scene.days(12, 12).await;
        std::fs::write(scene.folder.path().join("train.sh"), format!("{PREAMBLE}{script}")).unwrap();
        let effects = scene.effects();
        effects.pin(&retraining("r1")).await.unwrap();
        Self { effects, retraining: retraining("r1"), scene }
    }

    async fn start(&mut self, attempt: u32) {
        self.retraining.attempts = attempt;
        self.effects.train(&self.retraining, attempt).await.unwrap();
    }

    async fn run(&self) -> Run {
        self.effects.run(&self.retraining).await.unwrap()
    }

    /// Looks until something is so.
    async fn until(&self, is_so: impl Fn(&Run) -> bool) -> Run {
        for _ in 0..1_000 {
            let run = self.run().await;
            if is_so(&run) {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never came to this; it is {:?}", self.run().await);
    }

    async fn ended(&self) -> Run {
        self.until(|run| !matches!(run, Run::Going(_))).await
    }

    fn folder(&self) -> PathBuf {
        self.scene.retraining_folder("r1")
    }

    fn starts(&self) -> usize {
        std::fs::read_to_string(self.folder().join("starts")).unwrap_or_default().lines().count()
    }

    /// Processes of an attempt: (runner, trainer).
    async fn processes(&self, attempt: u32) -> (u64, u64) {
        let path = self.folder().join(format!("running-{attempt}.json"));
        for _ in 0..1_000 {
            if let Ok(text) = std::fs::read_to_string(&path) {
                let running: Value = serde_json::from_str(&text).unwrap();
                return (running["runner"].as_u64().unwrap(), running["trainer"].as_u64().unwrap());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} never came", path.display());
    }

    async fn wait_for(&self, name: &str) {
        for _ in 0..1_000 {
            if self.folder().join(name).exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{name} never came");
    }
}

async fn kill(process: u64) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status().await.unwrap();
    assert!(status.success());
}

fn broken(run: &Run) -> (&str, bool) {
    match run {
        Run::Broken { why, is_final } => (why, *is_final),
        other => panic!("it is {other:?}"),
    }
}

#[tokio::test]
async fn a_trainer_gets_the_specification_and_its_progress_is_seen() {
    let script = r#"
echo '{"type":"progress","phase":"fit","fold":0,"epoch":3,"of":8,"loss":0.51,"fraction":0.42}'
echo 'not JSON'
while [ ! -e "$output/../go" ]; do sleep 0.05; done
done_well
"#;
    let mut training = Training::of(script).await;
    assert_eq!(training.run().await, Run::Absent);
    training.retraining.parameters.insert("epochs".to_owned(), 2.into());
    training.start(1).await;
    let going = training.until(|run| matches!(run, Run::Going(progress) if progress.phase == "fit")).await;
    let Run::Going(progress) = going else { unreachable!() };
    assert_eq!(
        (progress.epoch, progress.of, progress.loss, progress.fraction),
        (Some(3), Some(8), Some(0.51), Some(0.42))
    );
    // Asking again starts nothing.
    training.start(1).await;
    std::fs::write(training.folder().join("go"), "").unwrap();
    assert_eq!(training.ended().await, Run::Done);
    training.start(1).await;
    assert_eq!((training.run().await, training.starts()), (Run::Done, 1));
    let spec: Value =
        serde_json::from_str(&std::fs::read_to_string(training.folder().join("spec.json")).unwrap()).unwrap();
    let folder = training.folder();
    assert_eq!(spec["data"]["train"]["path"], folder.join("train.parquet").to_str().unwrap());
    assert_eq!(spec["data"]["train"]["rows"], 72);
    assert_eq!(spec["data"].get("truth"), None, "the truth is none of its business");
    assert_eq!(spec["parameters"], serde_json::json!({"epochs": 2, "hidden": [32]}));
    assert_eq!(
        spec["columns"],
        serde_json::json!([
            {"name": "x", "type": "float64"}, {"name": "origin", "type": "string"}, {"name": "version", "type": "int64"}
        ])
    );
    assert_eq!((&spec["version"], &spec["parent_version"], &spec["seed"]), (&"2".into(), &"1".into(), &7.into()));
    assert_eq!((&spec["task"], &spec["device"]), (&"binary_classification".into(), &"auto".into()));
    assert_eq!(spec["limits"], serde_json::json!({"seconds": 60, "threads": 1}));
}

#[tokio::test]
async fn a_trainer_starts_in_the_contracts_folder_wherever_the_service_was_started() {
    let mut training = Training::of("pwd > \"$output/../where\"; done_well").await;
    let here = std::env::current_dir().unwrap();
    // As from `--config bellwether.yaml`.
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let folder = training.scene.folder.path().canonicalize().unwrap();
    training.scene.contract.folder = up.join(folder.strip_prefix("/").unwrap());
    training.effects = training.scene.effects();
    training.start(1).await;
    assert_eq!(training.ended().await, Run::Done);
    let said = std::fs::read_to_string(training.folder().join("where")).unwrap();
    assert_eq!(Path::new(said.trim()).canonicalize().unwrap(), folder);
}

#[tokio::test]
async fn e2_what_the_history_has_as_a_hash_is_no_feature() {
    let mut training = Training::of("done_well").await;
    training.scene.contract.schema.iter_mut().find(|column| column.name == "origin").unwrap().privacy = Privacy::Hash;
    training.effects = training.scene.effects();
    training.start(1).await;
    let spec = std::fs::read_to_string(training.folder().join("spec.json")).unwrap();
    let spec: Value = serde_json::from_str(&spec).unwrap();
    let names: Vec<&Value> = spec["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["x", "version"]);
    assert_eq!(training.ended().await, Run::Done);
}

#[tokio::test]
async fn t1_a_trainer_outlives_the_monitor_and_two_runners_start_one() {
    let mut training = Training::of("while [ ! -e \"$output/../go\" ]; do sleep 0.05; done; done_well").await;
    training.start(1).await;
    // A monitor that is new, and one more runner that someone starts.
    training.effects = training.scene.effects();
    assert!(matches!(training.run().await, Run::Going(_)));
    let mut runner = Command::new(training.scene.folder.path().join("bellwether"));
    let runner = runner.arg("run-training").arg(training.folder()).stdout(Stdio::null());
    assert!(runner.status().await.unwrap().success());
    std::fs::write(training.folder().join("go"), "").unwrap();
    assert_eq!(training.ended().await, Run::Done);
    assert_eq!(training.starts(), 1);
}

#[tokio::test]
async fn t1_a_trainer_that_is_killed_is_told_and_the_next_attempt_goes_on() {
    let script = r#"
[ -e "$output/checkpoint" ] && done_well
echo half > "$output/checkpoint"
exec sleep 60
"#;
    let mut training = Training::of(script).await;
    training.start(1).await;
    training.wait_for("output/checkpoint").await;
    kill(training.processes(1).await.1).await;
    let run = training.ended().await;
    let (why, is_final) = broken(&run);
    assert!(why.starts_with("the trainer was ended by signal 9") && !is_final, "{why}");
    training.start(2).await;
    assert_eq!(training.ended().await, Run::Done);
    assert_eq!(training.starts(), 2);
}

#[tokio::test]
async fn t1_a_trainer_whose_runner_is_killed_is_stopped_before_the_next_one_starts() {
    let script = r#"
[ -e "$output/checkpoint" ] && done_well
trap 'echo half > "$output/checkpoint"; exit 143' TERM
touch "$output/../ready"
while :; do sleep 0.05; done
"#;
    let mut training = Training::of(script).await;
    training.start(1).await;
    training.wait_for("ready").await;
    kill(training.processes(1).await.0).await;
    // Absent only when nothing holds the trainer's lock any more.
    assert_eq!(training.ended().await, Run::Absent);
    assert!(training.folder().join("output/checkpoint").exists(), "it had time for a checkpoint");
    training.start(2).await;
    assert_eq!(training.ended().await, Run::Done);
}

#[tokio::test]
async fn t1_what_is_under_way_ends_where_the_contract_asks_for_no_retraining_any_more() {
    let mut training = Training::of("touch \"$output/../ready\"; while :; do sleep 0.05; done").await;
    training.start(1).await;
    training.wait_for("ready").await;
    training.retraining.state = State::Training;
    let store = &training.scene.store;
    let mut transaction = store.begin().await.unwrap();
    transaction.insert_retraining(&training.retraining.to_row(WallTime::from_micros(0))).await.unwrap();
    transaction.commit().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let tell: Teller = Arc::new(move |retraining, _| {
        heard.lock().unwrap().push(retraining.outcome.clone().unwrap());
        Vec::new()
    });
    for _ in 0..2 {
        abandon(store, MODEL, &training.effects, &tell).await.unwrap();
    }
    let words = "the contract has no `retrain` section any more; it had no traffic";
    assert_eq!(*told.lock().unwrap(), [words]);
    let row = store.retraining("r1").await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.is_active, row.reason.as_str()), ("failed", false, words));
    assert_eq!(broken(&training.run().await), ("the trainer was stopped on request", false));
}

#[tokio::test]
async fn t1_a_trainer_is_stopped_on_request_and_in_time() {
    let script = r#"
trap 'echo half > "$output/checkpoint"; exit 143' TERM
touch "$output/../ready"
while :; do sleep 0.05; done
"#;
    let mut training = Training::of(script).await;
    training.effects.stop_training(&training.retraining).await.unwrap();
    training.start(1).await;
    training.wait_for("ready").await;
    training.effects.stop_training(&training.retraining).await.unwrap();
    assert_eq!(broken(&training.run().await), ("the trainer was stopped on request", false));
    assert!(training.folder().join("output/checkpoint").exists());
    training.effects.stop_training(&training.retraining).await.unwrap();

    let mut training = Training::within(script, Duration::from_secs(1)).await;
    training.start(1).await;
    let expected = "the trainer took longer than 1s (retrain.executor.timeout) and was stopped";
    assert_eq!(broken(&training.ended().await), (expected, false));
}

#[tokio::test]
async fn how_a_trainer_ended_is_said() {
    for (script, words, is_final) in [
        (r#"echo '{"type":"error","message":"no column x"}'; exit 2"#, "ended with code 2: no column x", true),
        (r#"echo '{"type":"error","message":"no memory"}'; exit 1"#, "ended with code 1: no memory", false),
        ("echo oh >&2; exit 3", "ended with code 3: oh; its log is /", false),
        ("exit 0", "left neither held_out_scores.parquet nor held_out_scores.csv", true),
    ] {
        let mut training = Training::of(script).await;
        training.start(1).await;
        let run = training.ended().await;
        let (why, found) = broken(&run);
        assert!(why.contains(words) && found == is_final, "{why}, {found}");
    }
    let mut training = Training::of("echo oh >&2; exit 3").await;
    training.start(1).await;
    training.ended().await;
    assert_eq!(std::fs::read_to_string(training.folder().join("trainer-1.log")).unwrap(), "oh\n");

    let mut training = Training::of("").await;
    training.scene.contract.retrain.as_mut().unwrap().executor.as_mut().unwrap().command =
        vec!["no-such-trainer".to_owned()];
    training.effects = training.scene.effects();
    training.start(1).await;
    let run = training.ended().await;
    let (why, is_final) = broken(&run);
    assert!(why.starts_with("the trainer could not be started: no-such-trainer: No such file") && !is_final, "{why}");
}

#[tokio::test]
async fn a_program_beside_bellwether_comes_before_the_path() {
    let mut training = Training::of("").await;
    let script = format!("#!/bin/sh\n{PREAMBLE}done_well\n");
    crate::scene::write_executable(&training.scene.folder.path().join("true"), &script);
    training.scene.contract.retrain.as_mut().unwrap().executor.as_mut().unwrap().command = vec!["true".to_owned()];
    training.effects = training.scene.effects();
    training.start(1).await;
    assert_eq!((training.ended().await, training.starts()), (Run::Done, 1));
}

#[tokio::test]
async fn e3_what_a_trainer_leaves_running_is_ended_and_what_it_writes_is_bounded() {
    let script = "sleep 60 &\nhead -c 20000000 /dev/zero\ndone_well\n";
    let mut training = Training::of(script).await;
    training.start(1).await;
    assert_eq!(training.ended().await, Run::Done);
    let written = std::fs::metadata(training.folder().join("progress-1.jsonl")).unwrap().len();
    assert_eq!(written, runner::STREAM_LIMIT);
    // The lock is free again: another attempt could start.
    training.retraining.attempts = 2;
    assert_eq!(training.until(|run| *run == Run::Absent).await, Run::Absent);
}

#[tokio::test]
async fn without_an_executor_or_pinned_data_nothing_starts() {
    let mut scene = Scene::new().await;
    let trouble = scene.effects().train(&retraining("r1"), 1).await.unwrap_err();
    assert!(matches!(&trouble, Trouble::Lasting(words) if words.contains("manifest.json is gone")), "{trouble}");
    scene.contract.retrain.as_mut().unwrap().executor = None;
    assert!(matches!(scene.effects().train(&retraining("r1"), 1).await, Err(Trouble::Lasting(_))));
}

#[tokio::test]
async fn t1_the_trainer_of_the_manual_trains_and_what_it_makes_can_be_judged() {
    let mut training = Training::of("exit 1").await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/trainer.py");
    let executor = training.scene.contract.retrain.as_mut().unwrap().executor.as_mut().unwrap();
    executor.command = vec!["python3".to_owned(), script.to_string_lossy().into_owned()];
    executor.format = DataFormat::Csv;
    executor.parameters = serde_json::Map::from_iter([("column".to_owned(), "origin".into())]);
    training.effects = training.scene.effects();
    training.start(1).await;
    assert_eq!(training.ended().await, Run::Done);
    let evaluation = training.effects.evaluate(&training.retraining, Some("1")).await.unwrap();
    assert!(evaluation.gate.rows > 0, "{}", evaluation.gate.reason);
    assert!(Path::new(&evaluation.baseline).is_file());

    let executor = training.scene.contract.retrain.as_mut().unwrap().executor.as_mut().unwrap();
    executor.parameters = serde_json::Map::from_iter([("column".to_owned(), "colour".into())]);
    training.effects = training.scene.effects();
    training.start(2).await;
    let why = "there is no column colour".to_owned();
    match training.ended().await {
        Run::Broken { why: said, is_final: true } => assert!(said.contains(&why), "{said}"),
        other => panic!("{other:?}"),
    }
}
