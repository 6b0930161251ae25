//! One who decides on commands by their model and retraining, and remembers what was asked.

use std::sync::Mutex;

use async_trait::async_trait;
use retrain_trigger::Error;
use retrain_trigger::commands::{Accepted, Asked, CommandError, Commands, Refusal};

use crate::filled::MODEL;

/// The reason that makes it say that the command can never be.
pub const NEVER: &str = "never";

/// The reason that makes it break off.
pub const BROKEN: &str = "broken";

#[derive(Default)]
pub struct Decider {
    pub asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl Commands for Decider {
    async fn submit(&self, asked: Asked) -> Result<Accepted, CommandError> {
        self.asked.lock().unwrap().push(asked.clone());
        if asked.model != MODEL {
            return Err(Refusal::Unknown(format!("there is no model `{}`", asked.model)).into());
        }
        if asked.reason == NEVER {
            return Err(Refusal::Wrong("the contract has no `retrain` section".to_owned()).into());
        }
        if asked.reason == BROKEN {
            return Err(Error::Client("a secret of the machine's".to_owned()).into());
        }
        if let Some(id) = asked.retraining.as_ref().filter(|id| id.contains("promoted")) {
            return Err(Refusal::NotNow(format!("retraining {id} is promoted: there is nothing to cancel")).into());
        }
        let words = format!("{} is accepted", asked.command.name());
        Ok(Accepted { retraining: asked.retraining, state: "requested".to_owned(), words })
    }
}
