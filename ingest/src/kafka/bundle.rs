//! Contracts that share topics, directly or through others, are read together: each partition once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::Contract;

use crate::record::Kind;

/// Contracts with topics in common.
#[derive(Clone, Debug)]
pub struct Bundle {
    pub contracts: Vec<Arc<Contract>>,
}

/// A contract's topics by kind.
pub fn topics(contract: &Contract) -> BTreeMap<Kind, String> {
    let mut topics = BTreeMap::from([(Kind::Prediction, contract.sources.predictions.topic.clone())]);
    if let Some(labels) = &contract.sources.labels {
        topics.insert(Kind::Label, labels.topic.clone());
    }
    topics
}

/// The same contracts make the same bundles, whatever else there is.
pub fn bundles(contracts: &[Arc<Contract>]) -> Vec<Bundle> {
    let mut bundles: Vec<(BTreeSet<String>, Bundle)> = Vec::new();
    for contract in contracts {
        let mut topics: BTreeSet<String> = topics(contract).into_values().collect();
        let mut joined = vec![Arc::clone(contract)];
        // A contract may join bundles that had nothing in common so far.
        let (sharing, apart): (Vec<_>, Vec<_>) =
            bundles.into_iter().partition(|(known, _)| !known.is_disjoint(&topics));
        for (known, bundle) in sharing.into_iter().rev() {
            topics.extend(known);
            joined.splice(0..0, bundle.contracts);
        }
        bundles = apart;
        bundles.push((topics, Bundle { contracts: joined }));
    }
    bundles.into_iter().map(|(_, bundle)| bundle).collect()
}

/// Why a contract can't be read yet; None: it can. `partitions` has the topics that exist.
pub fn obstacle(contract: &Contract, partitions: &BTreeMap<String, i32>) -> Option<String> {
    let topics = topics(contract);
    if let Some(missing) = topics.values().find(|topic| !partitions.contains_key(*topic)) {
        return Some(format!("topic {missing} of model {} does not exist", contract.model));
    }
    let counts: BTreeSet<&i32> = topics.values().filter_map(|topic| partitions.get(topic)).collect();
    (counts.len() > 1).then(|| {
        let each = topics.values().filter_map(|topic| Some(format!("{topic} has {}", partitions.get(topic)?)));
        let each: Vec<String> = each.collect();
        format!(
            "the topics of model {} need the same number of partitions, keyed by event id alike: {}",
            contract.model,
            each.join(", ")
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A contract with these topics.
    pub fn contract(model: &str, predictions: &str, labels: Option<&str>) -> Arc<Contract> {
        let labels_source = labels
            .map_or(String::new(), |topic| format!("  labels: {{ topic: {topic}, format: json, horizon: 1d }}\n"));
        let labels_fields = labels.map_or("", |_| "  labels: { event_id: /id, time: /time, label: /label }\n");
        let text = format!(
            "version: 1\nmodel: {model}\ntask: binary_classification\nsources:\n  predictions: {{ topic: {predictions}, format: json }}\n\
             {labels_source}fields:\n  predictions: {{ event_id: /id, time: /time, features: \"\", score: /score }}\n{labels_fields}\
             schema: {{ x: {{ type: float64 }} }}\nwindows: {{ size: 1h, lateness: 1m }}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contract.yaml");
        std::fs::write(&path, text).unwrap();
        match contract::lower::read_contract(&path) {
            Ok(contract) => Arc::new(contract),
            Err(errors) => panic!("{errors:?}"),
        }
    }

    #[test]
    fn contracts_with_common_topics_are_read_together() {
        let contracts = [
            contract("a", "p1", Some("l1")),
            contract("b", "p2", None),
            contract("c", "p3", Some("l3")),
            contract("d", "p1", Some("l3")),
        ];
        let names: Vec<Vec<String>> = bundles(&contracts)
            .iter()
            .map(|bundle| bundle.contracts.iter().map(|contract| contract.model.clone()).collect())
            .collect();
        assert_eq!(names, [vec!["b"], vec!["a", "c", "d"]]);
    }

    #[test]
    fn topics_that_differ_in_partitions_are_an_obstacle() {
        let contract = contract("a", "p", Some("l"));
        let partitions = |p: i32, l: i32| BTreeMap::from([("p".to_owned(), p), ("l".to_owned(), l)]);
        assert_eq!(obstacle(&contract, &partitions(3, 3)), None);
        let reason = obstacle(&contract, &partitions(3, 4)).unwrap();
        assert!(reason.contains("p has 3, l has 4") || reason.contains("l has 4"), "{reason}");
        let reason = obstacle(&contract, &BTreeMap::new()).unwrap();
        assert!(reason.contains("topic p"), "{reason}");
    }
}
