//! The marked tree, and its limits.

use std::fmt::Write;
use std::path::Path;

use contract::yaml::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Position, Value, parse};

fn read(text: &str) -> Node {
    parse(text, Path::new("a.yaml")).unwrap()
}

fn errors(text: &str) -> Vec<(usize, usize, String)> {
    let found = parse(text, Path::new("a.yaml")).unwrap_err();
    found.into_iter().map(|error| (error.line, error.column, error.message)).collect()
}

#[test]
fn positions_are_those_of_the_first_character() {
    let root = read("a:\n  - größe: 'x'\n    b: |\n      two\n      lines\n");
    let item = match &root.get("a").unwrap().value {
        Value::Sequence(items) => &items[0],
        other => panic!("{other:?}"),
    };
    assert_eq!(item.position, Position { line: 2, column: 5 });
    assert_eq!(item.get("größe").unwrap().position, Position { line: 2, column: 12 });
    assert_eq!(item.get("b").unwrap().as_text(), Some("two\nlines\n"));
}

#[test]
fn only_what_is_unquoted_is_a_number() {
    let root = read("a: 5\nb: '5'\nc: |\n  5\nd: ~\ne:\nf: ''\n");
    let is_plain = |key: &str| matches!(root.get(key).unwrap().value, Value::Scalar { is_plain: true, .. });
    assert_eq!([is_plain("a"), is_plain("b"), is_plain("c"), is_plain("f")], [true, false, false, false]);
    assert_eq!(root.get("d").unwrap().value, Value::Null);
    assert_eq!(root.get("e").unwrap().value, Value::Null);
    assert_eq!(read("").value, Value::Null);
    assert_eq!(read("# nothing\n").value, Value::Null);
}

#[test]
fn e1_every_repeated_key_is_an_error() {
    let found = errors("a: 1\nb: { c: 1, c: 2 }\na: 3\n");
    assert_eq!(found, [(2, 12, "`c` is given twice".to_owned()), (3, 1, "`a` is given twice".to_owned())]);
}

#[test]
fn e1_what_would_be_ignored_in_silence_is_an_error() {
    assert_eq!(errors("a: 1\n---\nb: 2\n")[0].2, "a second document; one file is one document");
    assert_eq!(errors("a: !secret x\n")[0], (1, 4, "the tag `!secret` means nothing here".to_owned()));
    assert_eq!(errors("a: 1\nmodel: !!str fraud\n")[0], (2, 8, "the tag `!!str` means nothing here".to_owned()));
    for tagged in
        ["a: !!str fraud\n", "a: !!int 5\n", "a: !!map { b: 1 }\n", "a: !!seq [ 1 ]\n", "!!str a: 5\n", "a: ! b\n"]
    {
        assert!(errors(tagged)[0].2.ends_with("` means nothing here"), "{tagged}: {:?}", errors(tagged));
    }
    assert_eq!(errors("a: 1\nb: \0\nc: 2\n")[0], (2, 4, "the character U+0000 is not allowed".to_owned()));
    assert_eq!(errors("? [a]\n: 1\n")[0].2, "a key must be text, not a list");
}

#[test]
fn no_file_exhausts_memory_or_the_stack() {
    let mut laughs = "k0: &a0 [x]\n".to_owned();
    for i in 1..40 {
        let before = i - 1;
        writeln!(laughs, "k{i}: &a{i} [*a{before}, *a{before}]").unwrap();
    }
    assert!(errors(&laughs)[0].2.starts_with("more than"), "{:?}", errors(&laughs));
    assert_eq!(errors("a: &a [*a]\n")[0].2, "this alias lies within what it stands for");
    assert!(
        errors(&"[".repeat(100_000))[0].2.contains("within each other")
            || errors(&"[".repeat(100_000))[0].2.contains("recursion")
    );
    assert!(errors(&"- ".repeat(100_000))[0].2.contains("within each other"));
    assert!(errors(&"? ".repeat(100_000))[0].2.contains("within each other"));
    assert!(read(&format!("{}x", "- ".repeat(MAX_DEPTH))).is_sequence());
    assert!(errors(&format!("{}x", "- ".repeat(MAX_DEPTH + 1)))[0].2.contains("within each other"));
    assert!(errors(&format!("[{}]", "x,".repeat(MAX_NODES)))[0].2.contains("values"));
    assert!(errors(&" ".repeat(MAX_BYTES + 1))[0].2.contains("bytes"));
}
