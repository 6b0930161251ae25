//! One file a resource, as in `src/routes`.

mod alerts;
mod audit;
mod commands;
mod dead_letters;
mod findings;
mod health;
mod metrics;
mod models;
mod notifications;
mod page;
mod retrainings;
mod status;
mod timeline;
mod tokens;
mod versions;
