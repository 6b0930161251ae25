//! A trainer in memory: it starts once at a time, makes progress with every look, and ends as chance has it.

use rand::Rng;
use rand::rngs::StdRng;
use retrain_trigger::retraining::Progress;
use retrain_trigger::world::Run;

#[derive(Clone, Debug, Default)]
pub struct Trainer {
    /// Looks until it ends, and how.
    going: Option<(u32, Run)>,
    ended: Option<Run>,
    pub starts: u32,
    /// Starts that nobody knows of: the answer was lost.
    pub unconfirmed: u32,
    /// Someone has tried to stop it since it started.
    pub was_told: bool,
}

impl Trainer {
    pub fn is_going(&self) -> bool {
        self.going.is_some()
    }

    pub fn is_done(&self) -> bool {
        self.ended == Some(Run::Done)
    }

    /// Nothing if it runs: there is never a second one. `mishap`: how likely it ends badly.
    pub fn start(&mut self, rng: &mut StdRng, mishap: f64) {
        if self.going.is_some() {
            return;
        }
        let broken = |is_final| Run::Broken { why: "the trainer ended with code 1".to_owned(), is_final };
        let endings = [broken(true), broken(false), broken(false), Run::Absent];
        let is_mishap = rng.random_bool(mishap);
        let ending = if is_mishap { endings[rng.random_range(0..endings.len())].clone() } else { Run::Done };
        self.starts += 1;
        self.was_told = false;
        self.ended = None;
        self.going = Some((rng.random_range(0..4), ending));
    }

    pub fn look(&mut self) -> Run {
        match &mut self.going {
            Some((left, _)) if *left > 0 => {
                *left -= 1;
                return Run::Going(Progress { phase: "fit".to_owned(), ..Progress::default() });
            }
            Some((_, ending)) => self.ended = Some(ending.clone()),
            None => {}
        }
        self.going = None;
        self.ended.clone().unwrap_or(Run::Absent)
    }

    /// Killed, or lost with its machine.
    pub fn stop(&mut self) {
        self.going = None;
        self.ended.get_or_insert(Run::Absent);
    }
}
