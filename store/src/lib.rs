//! The store: the tables that Bellwether's parts share, in SQLite (PostgreSQL comes with several instances).
//!
//! Rows are plain structs; no business rule lives here. Three rules do:
//! - every write goes through a [`Transaction`], so a change of several tables is there whole or not at all;
//! - a result that is published again (after a crash, by a former owner of the shard) is applied only if it is newer
//!   than what stands, by (epoch, sequence) or by revision (promise I1);
//! - everything that can grow has a bound: [`MAX_ROWS`] an answer, [`DEAD_LETTERS_KEPT`] dead letters a model,
//!   [`MAX_PENDING_COMMANDS`] commands that wait. Retrainings, versions, deployments and the audit log stay, by design.
//!
//! Reads are methods of [`Store`] and of [`Transaction`] alike: inside a transaction they see its own writes.

mod accepted;
mod alerts;
mod audit;
mod column;
mod commands;
mod dead_letters;
mod deployments;
mod effects;
mod error;
mod figures;
mod findings;
mod history;
mod notifications;
mod parts;
mod progress;
mod retrainings;
mod shards;
mod store;
mod tokens;
mod versions;
mod windows;

pub use accepted::{AcceptedFilter, Choice, Compared, WindowKey};
pub use alerts::{AlertFilter, AlertRow};
pub use audit::AuditRow;
pub use commands::{CommandRow, MAX_PENDING_COMMANDS};
pub use dead_letters::{DEAD_LETTERS_KEPT, DeadLetterCount, DeadLetterRow, PAYLOAD_BYTES_KEPT};
pub use deployments::DeploymentRow;
pub use effects::{EffectRow, MAX_EFFECTS};
pub use error::{Class, Error, Result};
pub use figures::{Figure, Figures};
pub use findings::FindingFilter;
pub use history::{HistoryFileRow, HistoryReach};
pub use notifications::{NotificationCount, NotificationRow};
pub use parts::PartRow;
pub use retrainings::{Inserted, RetrainingRow};
pub use shards::ShardRow;
pub use store::{MAX_ROWS, Store, Transaction};
pub use tokens::TokenRow;
pub use versions::VersionRow;
pub use windows::{WindowCounts, WindowFilter, WindowRow, WindowSummary};
