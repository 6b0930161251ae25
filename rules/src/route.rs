//! Who is told of an alert.

use contract::configuration::Route;

use crate::rule::AlertSeverity;

/// The channels that are told, each once, in the order of the routes. Every route that matches tells its channels; without
/// any route, all channels are told of everything.
pub fn route(
    routes: &[Route],
    channels: &[String],
    severity: AlertSeverity,
    model: &str,
    owner: Option<&str>,
) -> Vec<String> {
    if routes.is_empty() {
        return channels.to_vec();
    }
    let mut told: Vec<String> = Vec::new();
    for channel in routes.iter().filter(|route| matches(route, severity, model, owner)).flat_map(|r| &r.channels) {
        if !told.contains(channel) {
            told.push(channel.clone());
        }
    }
    told
}

/// An empty list of a route accepts everything. A model without an owner is in no route that asks for one.
fn matches(route: &Route, severity: AlertSeverity, model: &str, owner: Option<&str>) -> bool {
    let accepts = |list: &[String], value: Option<&str>| {
        list.is_empty() || value.is_some_and(|value| list.iter().any(|accepted| accepted == value))
    };
    accepts(&route.severities, Some(severity.name()))
        && accepts(&route.models, Some(model))
        && accepts(&route.owners, owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn r2_every_matching_route_tells_its_channels_once() {
        let pages = Route { severities: list(&["page"]), channels: list(&["pager", "mail"]), ..Route::default() };
        let risk = Route { owners: list(&["risk"]), channels: list(&["mail", "risk-mail"]), ..Route::default() };
        let routes = [pages, risk];
        let told = |severity, owner| route(&routes, &list(&["pager", "mail", "risk-mail"]), severity, "fraud", owner);
        assert_eq!(told(AlertSeverity::Page, Some("risk")), ["pager", "mail", "risk-mail"]);
        assert_eq!(told(AlertSeverity::Page, None), ["pager", "mail"]);
        assert_eq!(told(AlertSeverity::Ticket, Some("risk")), ["mail", "risk-mail"]);
        assert_eq!(told(AlertSeverity::Ticket, None), [""; 0]);
    }

    #[test]
    fn without_routes_all_channels_are_told() {
        assert_eq!(route(&[], &list(&["a", "b"]), AlertSeverity::Info, "m", None), ["a", "b"]);
    }
}
