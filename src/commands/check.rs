//! `bellwether check`: every error of every file at once.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use contract::diagnostic::render;
use contract::lower::{FileKind, detect};
use contract::{Contract, Diagnostic, printable};

use crate::exit::{FOUND, Failure, Outcome, print};

/// Files looked at in one call; a folder with more is likely a mistake.
const MAX_FILES: usize = 10_000;
/// How files of ours are told.
const WHAT: &str = "a contract has `model:`, a configuration `contracts:`, a rule file `groups:`; a dashboard is a .json file with `panels`";

pub fn execute(paths: &[PathBuf]) -> Outcome {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files).map_err(Failure::input)?;
    }
    let mut diagnostics = Vec::new();
    let mut notes = BTreeSet::new();
    let mut checked = 0;
    for file in &files {
        let bytes =
            std::fs::read(file).with_context(|| format!("reading {}", file.display())).map_err(Failure::input)?;
        // Bytes that are no text are an error of that file: whoever reads it says where.
        let text = String::from_utf8_lossy(&bytes);
        match detect(file, &text) {
            Some(kind) => {
                diagnostics.extend(check(kind, file, &text, &mut notes));
                checked += 1;
            }
            // A folder may hold other YAML and JSON; a file that was named must be ours.
            None if paths.contains(file) => diagnostics.push(unknown(file)),
            None => {}
        }
    }
    for note in notes {
        print(&format!("note: {}\n", printable(&note)))?;
    }
    match (diagnostics.is_empty(), checked) {
        (true, 0) => return Err(Failure::input(anyhow::anyhow!("there is nothing to check: {WHAT}"))),
        (true, 1) => print("1 file is good\n")?,
        (true, _) => print(&format!("{checked} files are good\n"))?,
        (false, _) => return tell(diagnostics),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints each error once: a file may be named, and be found through another one.
fn tell(diagnostics: Vec<Diagnostic>) -> Outcome {
    let mut seen = BTreeSet::new();
    let mut told = Vec::new();
    for diagnostic in diagnostics {
        let file = diagnostic.file.canonicalize().unwrap_or_else(|_| diagnostic.file.clone());
        if seen.insert((file, diagnostic.line, diagnostic.column, diagnostic.message.clone())) {
            told.push(diagnostic);
        }
    }
    let is_colored = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stdout());
    print(&render(&told, is_colored))?;
    Ok(ExitCode::from(FOUND))
}

/// The errors of a file; what is worth telling besides goes into `notes`.
fn check(kind: FileKind, file: &Path, text: &str, notes: &mut BTreeSet<String>) -> Vec<Diagnostic> {
    match kind {
        FileKind::Contract => match super::setup::contract(file) {
            Ok(contract) => {
                notes.extend(missing_things(&contract));
                Vec::new()
            }
            Err(diagnostics) => diagnostics,
        },
        FileKind::Configuration => match contract::configuration::read_configuration(file) {
            Ok(configuration) => match super::setup::contracts(&configuration) {
                Ok(contracts) => {
                    notes.extend(contracts.iter().flat_map(missing_things));
                    Vec::new()
                }
                Err(diagnostics) => diagnostics,
            },
            Err(diagnostics) => diagnostics,
        },
        FileKind::Rules => rules::read_rules(file, None).err().unwrap_or_default(),
        FileKind::Dashboard => dashboard_api::dashboards::check(text, file),
    }
}

/// Baseline files are data, and may be made after the contract, and so may a trainer: that one is missing is told, and is no
/// error yet.
fn missing_things(contract: &Contract) -> Vec<String> {
    let files = contract.baseline_files().into_iter().filter(|file| !file.exists());
    let note = |file: PathBuf| {
        let (file, model) = (file.display(), &contract.model);
        format!("{file}, a baseline of {model}, does not exist yet; `run` and `replay` will need it")
    };
    files.map(note).chain(missing_trainer(contract)).collect()
}

/// The trainer as a retraining looks for it: a path is relative to the contract; a bare name is looked for beside this program,
/// then in PATH.
fn missing_trainer(contract: &Contract) -> Option<String> {
    let program = contract.retrain.as_ref()?.executor.as_ref()?.command.first()?;
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join(program)).filter(|path| path.is_file());
    let place = if program.contains('/') {
        Some(contract.resolve(Path::new(program)).components().collect())
    } else {
        beside()
    };
    let what = match place {
        Some(path) if is_executable(&path) => return None,
        Some(path) if path.exists() => format!("{} can't be executed", path.display()),
        Some(path) => format!("{} does not exist yet", path.display()),
        None if in_path(program) => return None,
        None => format!("`{program}` is neither beside this program nor in PATH"),
    };
    Some(format!("the trainer of {}: {what}; a retraining will need it", contract.model))
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn unknown(file: &Path) -> Diagnostic {
    let message = "this is no contract, configuration, rule file or dashboard";
    Diagnostic::new(file, 1, 1, message).with_hint(WHAT)
}

/// YAML and JSON files below a folder, in order; a file itself whatever its name.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    anyhow::ensure!(files.len() < MAX_FILES, "more than {MAX_FILES} files; name a smaller folder");
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("reading folder {}", path.display()))?;
        let mut entries: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
        entries.sort();
        for entry in entries {
            let is_ours = entry.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            if entry.is_dir() || is_ours {
                collect(&entry, files)?;
            }
        }
    } else {
        anyhow::ensure!(path.exists(), "{}: no such file or folder", path.display());
        files.push(path.to_owned());
    }
    Ok(())
}
