//! E1: no text makes a panic, and every error lies within its file.

use contract::Diagnostic;
use contract::configuration::configuration_from_text;
use contract::diagnostic::render;
use contract::lower::{contract_from_text, detect};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

use crate::{file, text};

fn check(text: &str) {
    let path = file("generated.yaml");
    detect(&path, text);
    for errors in [contract_from_text(text, &path).err(), configuration_from_text(text, &path).err()] {
        let errors = errors.unwrap_or_default();
        for error in &errors {
            lies_within(error, text);
        }
        render(&errors, true);
    }
}

fn lies_within(error: &Diagnostic, text: &str) {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let line = text.split('\n').nth(error.line.wrapping_sub(1)).unwrap_or_else(|| panic!("no line for {error:?}"));
    assert!((1..=line.chars().count() + 1).contains(&error.column), "{error:?} in {line:?}");
}

/// What mutations put in: bits of YAML, and of what the keys take.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "",
        ":",
        " ",
        "\n",
        "\r\n",
        "\t",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "~",
        "null",
        "true",
        "0",
        "-1",
        "1e999",
        ".nan",
        ".inf",
        "99999999999999999999d",
        "5m",
        "/a~",
        "\\",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "é",
        "長",
        "🦀",
        "\0",
        "version: 1\n",
        "model",
        "training",
        "<<: *a",
    ];
    prop_oneof![(0..known.len()).prop_map(move |index| known[index].to_owned()), any::<char>().prop_map(String::from),]
}

/// A good file with pieces put in, and what followed them taken out: (place and length in thousandths, piece).
fn mutate(text: &str, mutations: &[(usize, usize, String)]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, length, piece) in mutations {
        let start = place * characters.len() / 1000;
        let end = (start + length).min(characters.len());
        characters.splice(start..end, piece.chars());
    }
    characters.into_iter().collect()
}

/// PROPTEST_CASES asks for more.
fn configuration() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases.max(1_000), failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn e1_arbitrary_text_never_panics(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn e1_arbitrary_pieces_of_yaml_never_panic(pieces in vec(piece(), 0..60)) {
        check(&pieces.concat());
    }

    #[test]
    fn e1_mutated_files_never_panic(mutations in vec((0_usize..1000, 0_usize..20, piece()), 1..8), is_contract in any::<bool>()) {
        check(&mutate(&text(if is_contract { "fraud.yaml" } else { "bellwether.yaml" }), &mutations));
    }
}
