//! The read side over HTTP: metrics, health, a JSON interface and one web page.
//!
//! Nothing is computed here that the monitor didn't store: the routes read [`store::Store`] and arrange what they find.
//! [`routes`] has one file a resource; errors become HTTP in [`problem`] and nowhere else. The page's files stand in
//! `page/` and need no build step.
//!
//! There is no authentication yet, so the service listens on the loopback interface unless its owner says otherwise.
//!
//! [`dashboards`] is a pure function beside all this: it checks Grafana dashboards against the exported metrics.

mod answer;
pub mod dashboards;
mod error;
mod health;
mod parameters;
mod problem;
mod protection;
mod routes;
mod server;
mod state;

pub use error::{Class, Error};
pub use protection::CONCURRENT_REQUESTS;
pub use server::{router, serve};
pub use state::{ApiState, ModelInfo, Readiness};
