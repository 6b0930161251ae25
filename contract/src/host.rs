//! Which names lead to this machine itself.

use std::net::IpAddr;

/// Whether a host (without a port; IPv6 with or without brackets) is this machine's own by its very name: `localhost`, or a loopback
/// address. Services that answer everybody on loopback answer to no other name: a page of another site can make that site's name
/// lead here ("DNS rebinding").
pub fn is_this_machine(host: &str) -> bool {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_only_loopback_names_are_this_machines_own() {
        assert!(["localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"].into_iter().all(is_this_machine));
        let others =
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::1", "0.0.0.0"];
        assert!(!others.into_iter().any(is_this_machine));
    }
}
