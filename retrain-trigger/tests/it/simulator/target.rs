//! A serving target in memory, by the rules of the serving-target interface: versions, their digests, traffic by generation.

use std::collections::BTreeMap;

use retrain_trigger::world::{Outcome, Registered, TargetState, Traffic, Trouble};

use super::Defect;

#[derive(Debug, Default)]
pub struct Target {
    state: TargetState,
    calls: u32,
    defect: Option<Defect>,
}

/// What a call asks of the target; calls may come late, and twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    Load(Registered),
    Unload(String),
    SetTraffic(Traffic),
}

impl Call {
    /// As the executor writes it down.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Load(_) => "load",
            Self::Unload(_) => "unload",
            Self::SetTraffic(_) => "set_traffic",
        }
    }
}

impl Target {
    pub fn new(defect: Option<Defect>) -> Self {
        Self { state: TargetState::default(), calls: 0, defect }
    }

    pub fn state(&self) -> &TargetState {
        &self.state
    }

    /// That it has taken, or not.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    pub fn take(&mut self, call: &Call) -> Outcome<()> {
        self.calls += 1;
        match call {
            Call::Load(version) => self.load(version),
            Call::Unload(version) => self.unload(version),
            Call::SetTraffic(traffic) => self.set_traffic(traffic),
        }
    }

    /// A restart that finds nothing of what was before.
    pub fn forget(&mut self) {
        self.state = TargetState::default();
    }

    fn load(&mut self, version: &Registered) -> Outcome<()> {
        match self.state.loaded.get(&version.version) {
            Some(sha256) if *sha256 == version.sha256 => return Ok(()),
            Some(_) if self.is_needed(&version.version) => {
                return Err(Trouble::Lasting(format!("409: another {} serves", version.version)));
            }
            _ => {}
        }
        self.state.loaded.insert(version.version.clone(), version.sha256.clone());
        Ok(())
    }

    fn unload(&mut self, version: &str) -> Outcome<()> {
        if self.is_needed(version) {
            return Err(Trouble::Passing(format!("409: {version} serves")));
        }
        self.state.loaded.remove(version);
        Ok(())
    }

    fn is_needed(&self, version: &str) -> bool {
        let traffic = &self.state.traffic;
        traffic.weights.get(version).is_some_and(|weight| *weight > 0) || traffic.shadow.as_deref() == Some(version)
    }

    fn set_traffic(&mut self, traffic: &Traffic) -> Outcome<()> {
        if traffic.weights.values().sum::<u32>() != 100 {
            return Err(Trouble::Lasting("422: weights must sum to 100".to_owned()));
        }
        let is_loaded = |version: &String| self.state.loaded.contains_key(version);
        let are_loaded = traffic.weights.keys().chain(&traffic.shadow).all(is_loaded);
        if !are_loaded && self.defect != Some(Defect::ServesWhatIsNotLoaded) {
            return Err(Trouble::Lasting("422: a version isn't loaded".to_owned()));
        }
        let now = &self.state.traffic;
        let is_older = traffic.generation < now.generation || (traffic.generation == now.generation && traffic != now);
        if is_older && self.defect != Some(Defect::IgnoresGenerations) {
            return Err(Trouble::Passing(format!("409: generation {} stands", now.generation)));
        }
        if self.defect != Some(Defect::OnlySaysYes) || traffic.weights.len() < 2 {
            self.state.traffic = traffic.clone();
        }
        Ok(())
    }
}

/// Weights above zero, and the shadow.
pub fn in_service(traffic: &Traffic) -> impl Iterator<Item = &String> {
    let weighty = traffic.weights.iter().filter(|(_, weight)| **weight > 0).map(|(version, _)| version);
    weighty.chain(&traffic.shadow)
}

/// All of the traffic, and no shadow.
pub fn only(version: &str, generation: u64) -> Traffic {
    Traffic { weights: BTreeMap::from([(version.to_owned(), 100)]), generation, shadow: None }
}

#[test]
fn the_fake_target_keeps_the_rules_of_a_real_one() {
    let version =
        |name: &str| Registered { version: name.to_owned(), sha256: format!("sha-{name}"), uri: String::new() };
    let mut target = Target::new(None);
    assert!(matches!(target.take(&Call::SetTraffic(only("1", 1))), Err(Trouble::Lasting(_))), "it isn't loaded");
    for name in ["1", "2"] {
        target.take(&Call::Load(version(name))).unwrap();
        target.take(&Call::Load(version(name))).unwrap();
    }
    target.take(&Call::SetTraffic(only("1", 2))).unwrap();
    target.take(&Call::SetTraffic(only("1", 2))).unwrap();
    assert!(target.take(&Call::SetTraffic(only("2", 2))).is_err(), "the same generation, another split");
    assert!(target.take(&Call::SetTraffic(only("2", 1))).is_err(), "an older generation");
    let other = Registered { sha256: "other".to_owned(), ..version("1") };
    assert!(target.take(&Call::Load(other.clone())).is_err(), "version 1 serves");
    assert!(target.take(&Call::Unload("1".to_owned())).is_err(), "version 1 serves");
    target.take(&Call::Unload("2".to_owned())).unwrap();
    target.take(&Call::Unload("2".to_owned())).unwrap();
    assert_eq!(target.state().loaded.len(), 1);
    assert_eq!(target.state().traffic, only("1", 2));
}
