//! Baselines that come with the registry: a version's training data, as soon as it is registered.

use std::path::Path;

use retrain_trigger::registry::{CHAMPION, Validation};

use crate::error::Result;
use crate::model::ModelMonitor;

/// Versions whose training data are held, besides those that have an alias: the newest that may be served.
const VERSIONS_HELD: usize = 32;

/// Which registered versions the baselines know of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Version and the file of its baseline.
    versions: Vec<(String, String)>,
    champion: Option<String>,
}

impl ModelMonitor {
    /// Takes in what the registry has gained since the last look. A file that can't be read is told of in the log, and its
    /// version's first windows are learnt instead.
    pub(crate) async fn look_into_registry(&mut self) -> Result<()> {
        let model = self.contract().model.clone();
        let mut rows = self.store.versions(&model).await?;
        let mut aliases = self.store.aliases(&model).await?;
        rows.retain(|row| !row.baseline.is_empty() && row.validation != Validation::Failed.name());
        let has_alias = |version: &String| aliases.values().any(|of| of == version);
        rows.sort_by_key(|row| (!has_alias(&row.version), std::cmp::Reverse(row.registered)));
        rows.truncate(VERSIONS_HELD + aliases.len());
        let known = Known {
            versions: rows.iter().map(|row| (row.version.clone(), row.baseline.clone())).collect(),
            champion: aliases.remove(CHAMPION),
        };
        if known == self.registered {
            return Ok(());
        }
        self.baselines.hold_registered(|version| known.versions.iter().any(|(of, _)| of == version));
        for (version, file) in &known.versions {
            let is_new = !self.registered.versions.iter().any(|(of, path)| of == version && path == file);
            let is_champion = known.champion.as_ref() == Some(version);
            let is_crowned = is_champion && self.registered.champion != known.champion;
            if !is_new && !is_crowned {
                continue;
            }
            match ingest::dataset::window_profiles(Path::new(file), &self.setup.contract).await {
                Ok(windows) => self.baselines.register(version, &windows, is_champion),
                Err(error) => {
                    tracing::error!(model, version, %error, "the version's baseline can't be read; it is learnt instead");
                }
            }
        }
        self.registered = known;
        Ok(())
    }
}
