//! From a configuration's YAML to [`Configuration`], with every error at once (promise E1).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Configuration, Kafka, Secret, Start, channels, secret};
use crate::diagnostic::Diagnostic;
use crate::keys::configuration::{CONFIGURATION, KAFKA};
use crate::lower::{FileKind, detect, folder, topic};
use crate::yaml::{Errors, Fields, Node, read, read_text};

/// Contracts of one service.
pub const MAX_CONTRACTS: usize = 1_000;

const MAX_CHECKPOINT_EVERY: Duration = Duration::from_hours(1);
const MAX_IDLE: Duration = Duration::from_hours(720);

/// Settings of librdkafka that Bellwether depends on, and what to use instead.
const OWN_PROPERTIES: &[(&str, &str)] = &[
    ("bootstrap.servers", "use `kafka.brokers`"),
    ("metadata.broker.list", "use `kafka.brokers`"),
    ("group.id", "use `kafka.group`"),
    ("auto.offset.reset", "use `kafka.start`"),
    ("enable.auto.commit", "leave it out; offsets are committed after checkpoints"),
    ("enable.auto.offset.store", "leave it out; offsets are committed after checkpoints"),
    ("partition.assignment.strategy", "leave it out; the label partitions follow those of the predictions"),
];

/// Reads a configuration file, and the files and environment variables that hold its secrets. Errors never show what
/// may be a secret.
pub fn read_configuration(path: &Path) -> Result<Configuration, Vec<Diagnostic>> {
    let text = read_text(path).map_err(|diagnostic| vec![diagnostic])?;
    configuration_from_text(&text, path)
}

/// Reads a configuration's text; relative paths start at the folder of `path`.
pub fn configuration_from_text(text: &str, path: &Path) -> Result<Configuration, Vec<Diagnostic>> {
    let folder = folder(path);
    let result = read(text, path, |root, errors| configuration(root, &folder, errors));
    result.map_err(|diagnostics| {
        diagnostics.into_iter().map(|diagnostic| secret::masked(diagnostic, text, &secret::PRIVATE)).collect()
    })
}

fn configuration(root: &Node, folder: &Path, errors: &mut Errors) -> Option<Configuration> {
    let mut fields = Fields::of(root, &CONFIGURATION, errors)?;
    let listen = match fields.optional("listen", errors) {
        Some(node) => listen(node, errors),
        None => Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
    };
    let mut path = |key: &'static str, default: &str| match fields.optional(key, errors) {
        Some(node) => node.text(key, errors).map(|text| folder.join(text)),
        None => Some(folder.join(default)),
    };
    let database = path("database", "bellwether.db");
    let state = path("state", "bellwether-state");
    let registry = path("registry", "bellwether-registry");
    let kafka = fields.required("kafka", errors).and_then(|node| kafka(node, folder, errors));
    let mut span = |key: &'static str, default, longest| match fields.optional(key, errors) {
        Some(node) => node.duration_within(key, longest, errors),
        None => Some(Duration::from_secs(default)),
    };
    let checkpoint_every = span("checkpoint_every", 5, MAX_CHECKPOINT_EVERY);
    let idle = span("idle", 60, MAX_IDLE);
    let contracts = fields.required("contracts", errors).and_then(|node| contracts(node, folder, errors));
    let channels_node = fields.optional("channels", errors);
    let channels = match channels_node {
        Some(node) => channels::channels(node, folder, errors),
        None => Some(Vec::new()),
    };
    let routes = match fields.optional("routes", errors) {
        Some(node) => channels::routes(node, channels_node, errors),
        None => Some(Vec::new()),
    };
    fields.finish(errors);
    Some(Configuration {
        listen: listen?,
        database: database?,
        state: state?,
        registry: registry?,
        kafka: kafka?,
        checkpoint_every: checkpoint_every?,
        idle: idle?,
        contracts: contracts?,
        channels: channels?,
        routes: routes?,
    })
}

fn listen(node: &Node, errors: &mut Errors) -> Option<SocketAddr> {
    let text = node.text("listen", errors)?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    // Names would have to be resolved, and a name can be several addresses.
    let hint = match text.strip_prefix("localhost:") {
        Some(port) => format!("write `127.0.0.1:{port}`"),
        None => "write an IP address and a port, such as `127.0.0.1:9464` or `[::1]:9464`".to_owned(),
    };
    errors.add_with_hint(
        node.position,
        format!("`listen` must be an address with a port, not {}", node.describe()),
        hint,
    );
    None
}

fn kafka(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Kafka> {
    let mut fields = Fields::of(node, &KAFKA, errors)?;
    let brokers = fields.required("brokers", errors).and_then(|node| brokers(node, errors));
    let group = match fields.optional("group", errors) {
        Some(node) => node.text("kafka.group", errors),
        None => Some("bellwether".to_owned()),
    };
    let dead_letters = fields.optional("dead_letters", errors);
    let dead_letters = dead_letters.and_then(|node| topic(node, "kafka.dead_letters", errors));
    let start = match fields.optional("start", errors) {
        Some(node) => node.choice("kafka.start", &[("earliest", Start::Earliest), ("latest", Start::Latest)], errors),
        None => Some(Start::default()),
    };
    let properties = match fields.optional("properties", errors) {
        Some(node) => properties(node, folder, errors),
        None => Some(BTreeMap::new()),
    };
    fields.finish(errors);
    Some(Kafka { brokers: brokers?, group: group?, dead_letters, start: start?, properties: properties? })
}

fn brokers(node: &Node, errors: &mut Errors) -> Option<String> {
    let text = node.text("kafka.brokers", errors)?;
    let mut brokers = Vec::new();
    for broker in text.split(',').map(str::trim) {
        let port =
            broker.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            let message = format!("`kafka.brokers` must be `host:port`, not `{broker}`");
            errors.add_with_hint(node.position, message, "write `host:9092`, several with commas between");
            return None;
        }
        brokers.push(broker);
    }
    Some(brokers.join(","))
}

fn properties(node: &Node, folder: &Path, errors: &mut Errors) -> Option<BTreeMap<String, Secret>> {
    let mut properties = BTreeMap::new();
    for entry in Fields::open(node, "`kafka.properties`", errors)?.rest() {
        let name = entry.name();
        if let Some((_, instead)) = OWN_PROPERTIES.iter().find(|(own, _)| *own == name) {
            errors.add_with_hint(entry.key.position, format!("`{name}` can't be set here"), *instead);
        } else if let Some(secret) = secret::secret(&entry.value, name, folder, errors) {
            properties.insert(name.to_owned(), secret);
        }
    }
    Some(properties)
}

/// Files as they are named, and the contracts of folders in the order of their names; each once.
fn contracts(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for item in node.list("contracts", errors)? {
        let Some(text) = item.text("contracts", errors) else { continue };
        let path = folder.join(&text);
        let found = if path.is_dir() {
            contracts_of_folder(&path)
        } else if path.exists() {
            Ok(vec![path])
        } else {
            let hint = if text.contains('*') {
                "patterns are not supported; name the folder".to_owned()
            } else {
                "relative paths start at the folder of this file".to_owned()
            };
            errors.add_with_hint(item.position, format!("`{text}` does not exist"), hint);
            continue;
        };
        match found {
            Ok(found) if found.is_empty() => {
                let hint = "a contract is a .yaml or .yml file with `model:`";
                errors.add_with_hint(item.position, format!("the folder `{text}` holds no contract"), hint);
            }
            Ok(found) => found.into_iter().for_each(|file| {
                if !files.contains(&file) {
                    files.push(file);
                }
            }),
            Err(error) => errors.add(item.position, format!("the folder `{text}` can't be read: {error}")),
        }
    }
    if files.len() > MAX_CONTRACTS {
        errors.add(node.position, format!("{} contracts; {MAX_CONTRACTS} are allowed", files.len()));
        return None;
    }
    Some(files)
}

fn contracts_of_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        // A file that can't be read is kept: reading it as a contract says why.
        let is_contract = || read_text(&path).map_or(true, |text| detect(&path, &text) == Some(FileKind::Contract));
        if is_yaml && path.is_file() && is_contract() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::format_duration;

    #[test]
    fn defaults_are_those_of_the_table() {
        let folder = std::env::temp_dir();
        let path = folder.join("bellwether.yaml");
        let read = configuration_from_text("kafka: { brokers: 'a:1, b:2' }\ncontracts: []\n", &path).unwrap();
        let default = |name: &str| match CONFIGURATION.key(name).unwrap().need {
            crate::keys::Need::Default(text) => text.trim_matches('`'),
            need => panic!("{name}: {need:?}"),
        };
        assert_eq!(read.listen.to_string(), default("listen"));
        assert_eq!(read.database, folder.join(default("database")));
        assert_eq!(read.state, folder.join(default("state")));
        assert_eq!(read.registry, folder.join(default("registry")));
        assert_eq!(format_duration(read.checkpoint_every), default("checkpoint_every"));
        assert_eq!(read.idle, crate::time::parse_duration(default("idle")).unwrap());
        assert_eq!((read.kafka.brokers.as_str(), read.kafka.group.as_str()), ("a:1,b:2", "bellwether"));
        assert_eq!(read.kafka.start, Start::Earliest);
    }
}
