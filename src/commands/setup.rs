//! From files to what the service runs on: contracts, rules, monitors.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::configuration::Configuration;
use contract::diagnostic::render;
use contract::lower::{self, read_contract};
use contract::model::RuleFile;
use contract::yaml::read_text;
use contract::{Contract, Diagnostic, printable};
use monitor::{ModelMonitor, ModelSetup};
use rules::RuleSet;
use store::Store;

use crate::exit::Failure;

/// Shipped rule packs are named like this in contracts.
const PACKS: &str = "packs/";

/// Every contract that a configuration names; errors of all of them.
pub fn contracts(configuration: &Configuration) -> Result<Vec<Contract>, Vec<Diagnostic>> {
    let mut contracts: BTreeMap<String, (PathBuf, Contract)> = BTreeMap::new();
    let mut diagnostics = Vec::new();
    for path in &configuration.contracts {
        match contract(path) {
            Ok(contract) => {
                if let Some((other, _)) = contracts.get(&contract.model) {
                    let message = format!("model `{}` has a contract already: {}", contract.model, other.display());
                    diagnostics.push(Diagnostic::new(path, 1, 1, &message).with_hint("one contract a model"));
                } else {
                    contracts.insert(contract.model.clone(), (path.clone(), contract));
                }
            }
            Err(errors) => diagnostics.extend(errors),
        }
    }
    if diagnostics.is_empty() {
        Ok(contracts.into_values().map(|(_, contract)| contract).collect())
    } else {
        Err(diagnostics)
    }
}

/// A contract whose rules are good too; the errors of both.
pub fn contract(path: &Path) -> Result<Contract, Vec<Diagnostic>> {
    match read_contract(path) {
        Ok(contract) => rule_set(&contract).map(|_| contract),
        Err(mut diagnostics) => {
            // Whatever is wrong with it, the rule files that it names can be read.
            let text = read_text(path).unwrap_or_default();
            let folder = path.parent().unwrap_or(Path::new(""));
            diagnostics.extend(rule_files(&lower::rule_files(&text, path), folder).1);
            Err(diagnostics)
        }
    }
}

/// The rules of a contract: shipped packs by name, other files relative to the contract.
pub fn rule_set(contract: &Contract) -> Result<RuleSet, Vec<Diagnostic>> {
    let (sets, mut diagnostics) = rule_files(&contract.rules, &contract.folder);
    let rules = RuleSet::merge(sets).unwrap_or_else(|errors| {
        diagnostics.extend(errors);
        RuleSet::default()
    });
    diagnostics.extend(rules.check(contract));
    if diagnostics.is_empty() { Ok(rules) } else { Err(diagnostics) }
}

/// Rule files as a contract in `folder` names them: those that are good, and the errors of the others.
pub fn rule_files(files: &[RuleFile], folder: &Path) -> (Vec<RuleSet>, Vec<Diagnostic>) {
    let mut sets = Vec::new();
    let mut diagnostics = Vec::new();
    for RuleFile { name, place } in files {
        // Joining an absolute path gives that path.
        let own = folder.join(name);
        let is_shipped = name.starts_with(PACKS) && !own.exists();
        let place = place.as_ref();
        let read = if is_shipped { rules::shipped(name, place) } else { rules::read_rules(&own, place) };
        match read {
            Ok(set) => sets.push(set),
            Err(errors) => diagnostics.extend(errors),
        }
    }
    (sets, diagnostics)
}

/// The monitors of contracts, each where the store says it was. `carries_out`: retrainings are carried out by this process.
pub async fn monitors(
    contracts: &[Arc<Contract>],
    store: &Store,
    delivery: &Arc<monitor::DeliveryPlan>,
    carries_out: bool,
) -> Result<Vec<ModelMonitor>, Failure> {
    let mut monitors = Vec::new();
    for contract in contracts {
        let rules = rule_set(contract).map_err(|errors| bad(&errors))?;
        let has_executor = contract.retrain.as_ref().is_some_and(|retrain| retrain.executor.is_some());
        let setup = ModelSetup {
            contract: Arc::clone(contract),
            rules: Arc::new(rules),
            delivery: Arc::clone(delivery),
            carries_out: carries_out && has_executor,
        };
        let monitor = ModelMonitor::open(setup, store.clone()).await.map_err(Failure::input)?;
        monitors.push(monitor);
    }
    Ok(monitors)
}

/// Diagnostics as the reason why a command can't work.
pub fn bad(diagnostics: &[Diagnostic]) -> Failure {
    let is_colored = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    let files: BTreeSet<&Path> = diagnostics.iter().map(|diagnostic| diagnostic.file.as_path()).collect();
    let what = match files.first() {
        Some(file) if files.len() == 1 => format!("{} has errors", printable(&file.display().to_string())),
        _ => format!("{} files have errors", files.len()),
    };
    Failure::input(anyhow::anyhow!("{what}\n{}", render(diagnostics, is_colored).trim_end()))
}
