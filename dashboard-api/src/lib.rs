//! Everything over HTTP: metrics, health, a JSON interface with commands, and one web page.
//!
//! Nothing is computed here that the monitor didn't store: the routes read [`store::Store`] and arrange what they find.
//! Commands are handed to [`retrain_trigger::commands::Commands`], which decides. [`routes`] has one file a resource; errors
//! become HTTP in [`problem`] and nowhere else. The page's files stand in `page/` and need no build step.
//!
//! [`auth`] says who may do what: reading is open on the loopback interface alone, commands need a token everywhere.
//! [`connections`] and [`protection`] hold the limits on what callers may take up.
//!
//! [`dashboards`] is a pure function beside all this: it checks Grafana dashboards against the exported metrics.

mod answer;
mod auth;
mod body;
mod connections;
pub mod dashboards;
mod error;
mod health;
mod parameters;
mod problem;
mod protection;
mod routes;
mod server;
mod state;

pub use auth::{Role, first_token};
pub use error::{Class, Error};
pub use protection::{CONCURRENT_REQUESTS, HEADERS_BYTES, Limits};
pub use server::{router, serve};
pub use state::{ApiState, ModelInfo, Readiness};
