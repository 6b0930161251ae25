//! `channels` and `routes`: who is told, and of what.

use std::path::Path;

use super::{ChannelConfiguration, ChannelKind, Email, Route, Webhook, secret};
use crate::keys::configuration::{CHANNEL, EMAIL, ROUTE, RULE_SEVERITIES, WEBHOOK};
use crate::yaml::{Entry, Errors, Fields, Node, Value, nearest};

/// Channels of one service.
pub const MAX_CHANNELS: usize = 100;

/// Routes of one service.
pub const MAX_ROUTES: usize = 1_000;

/// Schemes of mail servers; the rest is `host` or `host:port`.
const MAIL_SCHEMES: [&str; 3] = ["smtp://", "smtp+starttls://", "smtps://"];

pub fn channels(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Vec<ChannelConfiguration>> {
    let entries = Fields::open(node, "`channels`", errors)?.rest();
    if entries.len() > MAX_CHANNELS {
        errors.add(node.position, format!("more than {MAX_CHANNELS} channels"));
        return None;
    }
    let channels: Vec<_> = entries.into_iter().map(|entry| channel(entry, folder, errors)).collect();
    channels.into_iter().collect()
}

fn channel(entry: &Entry, folder: &Path, errors: &mut Errors) -> Option<ChannelConfiguration> {
    let name = entry.name().to_owned();
    // Names become labels of metrics and parts of what people type.
    if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
        errors.add(entry.key.position, "the name of a channel has 1 to 100 bytes, on one line");
    }
    let mut fields = Fields::of(&entry.value, &CHANNEL, errors)?;
    let email_node = fields.optional("email", errors);
    let webhook_node = fields.optional("webhook", errors);
    fields.finish(errors);
    let kind = match (email_node, webhook_node) {
        (Some(node), None) => ChannelKind::Email(email(node, folder, errors)?),
        (None, Some(node)) => ChannelKind::Webhook(webhook(node, folder, errors)?),
        _ => {
            let hint = "one channel is one way: `email: { … }` or `webhook: { … }`";
            errors.add_with_hint(
                entry.key.position,
                format!("channel `{name}` needs either `email` or `webhook`"),
                hint,
            );
            return None;
        }
    };
    Some(ChannelConfiguration { name, kind })
}

fn email(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Email> {
    let mut fields = Fields::of(node, &EMAIL, errors)?;
    let server = fields.required("server", errors).and_then(|node| mail_server(node, errors));
    let username_node = fields.optional("username", errors);
    let username = username_node.and_then(|node| node.text("username", errors));
    let password_node = fields.optional("password", errors);
    let password = password_node.and_then(|node| secret::secret(node, "password", folder, errors));
    if let (Some(alone), None) | (None, Some(alone)) = (username_node, password_node) {
        errors.add_with_hint(
            alone.position,
            "`username` and `password` belong together",
            "add the other, or leave both out",
        );
    }
    let from = fields.required("from", errors).and_then(|node| address(node, "from", errors));
    let to = fields.required("to", errors).and_then(|node| receivers(node, errors));
    fields.finish(errors);
    Some(Email { server: server?, username, password, from: from?, to: to? })
}

fn mail_server(node: &Node, errors: &mut Errors) -> Option<String> {
    let text = node.text("server", errors)?;
    let rest = MAIL_SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    let is_good = rest.is_some_and(|rest| {
        let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        !host.is_empty() && is_port && !rest.contains(['/', '?', '#', '@', ' '])
    });
    if is_good {
        return Some(text);
    }
    // The text isn't shown: people put passwords into such addresses.
    let hint = "write `smtps://host:465`, `smtp+starttls://host:587` or, without encryption, `smtp://host:25`";
    errors.add_with_hint(node.position, "`server` is no address of a mail server", hint);
    None
}

fn receivers(node: &Node, errors: &mut Errors) -> Option<Vec<String>> {
    if !node.is_sequence() {
        return address(node, "to", errors).map(|address| vec![address]);
    }
    let items = node.list("to", errors)?;
    if items.is_empty() {
        errors.add(node.position, "`to` names nobody");
    }
    let addresses: Vec<_> = items.iter().map(|item| address(item, "to", errors)).collect();
    addresses.into_iter().collect()
}

/// A first look; the mail library has the last word.
fn address(node: &Node, what: &str, errors: &mut Errors) -> Option<String> {
    let text = node.text(what, errors)?;
    let is_good = text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if !is_good || text.chars().any(char::is_control) {
        let hint = "write `name@example.org` or `Name <name@example.org>`";
        errors.add_with_hint(
            node.position,
            format!("`{what}` must be an e-mail address, not {}", node.describe()),
            hint,
        );
        return None;
    }
    Some(text)
}

fn webhook(node: &Node, folder: &Path, errors: &mut Errors) -> Option<Webhook> {
    let mut fields = Fields::of(node, &WEBHOOK, errors)?;
    let url = fields.required("url", errors).and_then(|node| {
        let url = node.text("url", errors)?;
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            errors.add_with_hint(node.position, "`url` is no web address", "write `https://host/path`");
            return None;
        }
        Some(url)
    });
    let secret_node = fields.required("secret", errors);
    let secret = secret_node.and_then(|node| secret::secret(node, "secret", folder, errors));
    if let (Some(node), Some(secret)) = (secret_node, &secret)
        && !is_webhook_secret(secret.reveal())
    {
        let hint = "make one: `echo whsec_$(openssl rand -base64 32)`";
        errors.add_with_hint(node.position, "`secret` must be `whsec_` and the base64 of 24 to 64 bytes", hint);
    }
    let allow_private_addresses = fields.optional("allow_private_addresses", errors);
    let allow_private_addresses =
        allow_private_addresses.and_then(|node| node.boolean("allow_private_addresses", errors)).unwrap_or(false);
    fields.finish(errors);
    Some(Webhook { url: url?, secret: secret?, allow_private_addresses })
}

/// The form that Standard Webhooks asks for.
fn is_webhook_secret(text: &str) -> bool {
    let Some(encoded) = text.strip_prefix("whsec_") else { return false };
    let letters = encoded.trim_end_matches('=');
    let padding = encoded.len() - letters.len();
    let is_base64 = letters.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
    is_base64 && padding <= 2 && encoded.len() % 4 == 0 && (24..=64).contains(&(letters.len() * 3 / 4))
}

/// `channels`: the node that names them, so that a channel with an error of its own is still known.
pub fn routes(node: &Node, channels: Option<&Node>, errors: &mut Errors) -> Option<Vec<Route>> {
    let known: Vec<&str> = match channels.map(|node| &node.value) {
        Some(Value::Mapping(entries)) => entries.iter().map(Entry::name).collect(),
        _ => Vec::new(),
    };
    let items = node.list("routes", errors)?;
    if items.len() > MAX_ROUTES {
        errors.add(node.position, format!("more than {MAX_ROUTES} routes"));
        return None;
    }
    let routes: Vec<_> = items.iter().map(|item| route(item, &known, errors)).collect();
    routes.into_iter().collect()
}

fn route(node: &Node, known: &[&str], errors: &mut Errors) -> Option<Route> {
    let mut fields = Fields::of(node, &ROUTE, errors)?;
    let severities = fields.optional("severities", errors).and_then(|node| node.list("severities", errors));
    let choices: Vec<_> = RULE_SEVERITIES.iter().map(|name| (*name, (*name).to_owned())).collect();
    let severities: Vec<_> =
        severities.unwrap_or_default().iter().map(|node| node.choice("severities", &choices, errors)).collect();
    let mut names =
        |key: &'static str| fields.optional(key, errors).map_or(Some(Vec::new()), |node| node.texts(key, errors));
    let (models, owners) = (names("models"), names("owners"));
    let channels = fields.required("channels", errors).and_then(|node| told(node, known, errors));
    fields.finish(errors);
    Some(Route {
        severities: severities.into_iter().collect::<Option<_>>()?,
        models: models?,
        owners: owners?,
        channels: channels?,
    })
}

fn told(node: &Node, known: &[&str], errors: &mut Errors) -> Option<Vec<String>> {
    let items = node.list("channels", errors)?;
    if items.is_empty() {
        errors.add(node.position, "this route tells nobody");
    }
    let mut channels = Vec::new();
    for item in items {
        let Some(name) = item.text("channels", errors) else { continue };
        if !known.contains(&name.as_str()) {
            let hint = match nearest(&name, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => "add `channels:` with one of that name".to_owned(),
                None => format!("channels: {}", known.join(", ")),
            };
            errors.add_with_hint(item.position, format!("there is no channel `{name}`"), hint);
        }
        channels.push(name);
    }
    Some(channels)
}
