//! Promise E1: every error of a rule file at once, each with its place and a hint.

use std::path::Path;

use contract::diagnostic::render;
use rules::{RuleSet, read_rules, rules_from_text, shipped};

use crate::scene::rules;

fn errors(text: &str) -> String {
    render(&rules_from_text(text, Path::new("rules.yaml")).unwrap_err(), false)
}

#[test]
fn e1_every_error_of_a_rule_is_told_at_once() {
    insta::assert_snapshot!(errors(
        r#"groups:
  - name: performance
    rules:
      - alert: Decay
        when: performance(log_los) >= warning
        for: 3
        keep_firing_for: soon
        severity: pager
        annotations:
          summary: "{{modle}}: {{value}} since {{sinse}}"
        actions: [ retrian ]
        lables: { team: risk }
      - when: drift(any
      - alert: Sql
        when: { sql: "SELECT 1" }
      - alert: Prometheus
        expr: up == 0
    interval: 1m
"#
    ));
}

#[test]
fn e1_every_kind_of_wrong_condition_has_a_hint() {
    let conditions = [
        "drfit(any)",
        "drift",
        "drift(any) >= 0.5",
        "drift(any) <= warning",
        "drift(any) == warning",
        "drift(any) > critical",
        "drift(any) >= none",
        "drift(any) >= waning",
        "drift(a, b)",
        "drift(my column)",
        "fault(unit_chang)",
        "fault(any) >= warning",
        "quality(mising_rate)",
        "performance",
        "performance(accuracy) >= warning",
        "performance(log_loss) >= 0.5 and fault(any)",
        "coverage",
        "coverage < half",
        "coverage < 50%",
        "volume(row) < 3",
        "volume < 3",
        "volume(rows)",
        "not fault(any)",
        "fault(any) drift(any)",
        "fault(any) && drift(any)",
        "(fault(any)",
        "drift(\"a)",
        "drift(any) >= 1.2.3",
        "sql: SELECT 1",
        ">= warning",
    ];
    let rules = conditions.iter().enumerate();
    let rules = rules.map(|(index, condition)| format!("      - alert: A{index}\n        when: '{condition}'\n"));
    let rules = rules.collect::<Vec<_>>().concat();
    insta::assert_snapshot!(errors(&format!("groups:\n  - name: all\n    rules:\n{rules}")));
}

#[test]
fn e1_places_inside_quoted_and_folded_scalars_are_right_or_the_beginning() {
    let text = "groups:\n  - name: g\n    rules:\n      - alert: A\n        when: \"drift(any) or é(x)\"\n      - alert: B\n        when: >\n          drift(any)\n          or banana\n";
    let found = rules_from_text(text, Path::new("rules.yaml")).unwrap_err();
    let places: Vec<_> = found.iter().map(|error| (error.line, error.column)).collect();
    assert_eq!(places[0], (5, 30));
    assert_eq!(places[1].0, 8, "where the folded text begins");
}

#[test]
fn e1_files_that_are_no_rule_files() {
    insta::assert_snapshot!(
        [errors(""), errors("groups: 3"), errors("groups: []\nrules: []"), errors("groups:\n  - a")].join("\n")
    );
    let missing = read_rules(Path::new("nowhere/rules.yaml"), None).unwrap_err();
    assert_eq!(missing[0].message, "there is no rule file `nowhere/rules.yaml`");
    let unknown = shipped("packs/defualt.yaml", None).unwrap_err();
    assert_eq!(unknown[0].hint.as_deref(), Some("did you mean `packs/default.yaml`?"));
}

#[test]
fn e1_a_rule_file_that_is_missing_is_told_where_the_contract_names_it() {
    let text = contract_text("rules: [ packs/defualt.yaml, absent.yaml ]\n");
    let files = contract::lower::rule_files(&text, Path::new("flights.yaml"));
    let mut told = shipped(&files[0].name, files[0].place.as_ref()).unwrap_err();
    told.extend(read_rules(Path::new(&files[1].name), files[1].place.as_ref()).unwrap_err());
    insta::assert_snapshot!(render(&told, false), @r"
    error: there is no shipped rule file `packs/defualt.yaml`, nor one beside the contract
     --> flights.yaml:8:10
      |
    8 | rules: [ packs/defualt.yaml, absent.yaml ]
      |          ^^^^^^^^^^^^^^^^^^
      = help: did you mean `packs/default.yaml`?

    error: there is no rule file `absent.yaml`
     --> flights.yaml:8:30
      |
    8 | rules: [ packs/defualt.yaml, absent.yaml ]
      |                              ^^^^^^^^^^^
      = help: paths are relative to the contract; `packs/default.yaml` is shipped

    2 errors
    ");
}

#[test]
fn e1_two_alerts_of_one_name_are_an_error_within_a_file_and_between_files() {
    let one = rules("- alert: A\n  when: fault\n");
    let two = rules("- alert: B\n  when: fault\n- alert: A\n  when: drift(any)\n");
    insta::assert_snapshot!(render(&RuleSet::merge(vec![one.clone(), two.clone()]).unwrap_err(), false));
    assert_eq!(RuleSet::merge(vec![two]).unwrap().rules().len(), 2);
    let twice =
        "groups:\n  - name: g\n    rules:\n      - { alert: A, when: fault }\n      - { alert: A, when: volume }\n";
    assert_eq!(rules_from_text(twice, Path::new("rules.yaml")).unwrap_err()[0].line, 5);
}

#[test]
fn e3_a_model_has_a_bounded_number_of_rules() {
    let many = |count: usize| {
        let rules = (0..count).map(|index| format!("      - {{ alert: A{index}, when: fault }}\n"));
        let rules = rules.collect::<Vec<_>>().concat();
        rules_from_text(&format!("groups:\n  - name: g\n    rules:\n{rules}"), Path::new("rules.yaml"))
    };
    assert_eq!(many(rules::rule::RULES_LIMIT).unwrap().rules().len(), rules::rule::RULES_LIMIT);
    let error = many(rules::rule::RULES_LIMIT + 1).unwrap_err();
    assert!(error[0].message.contains("a model may have 1000 rules"), "{error:?}");
}

/// A contract of flights with one column that is judged and one that isn't.
fn contract_text(more: &str) -> String {
    format!(
        "version: 1\nmodel: flights\ntask: none\nsources: {{ predictions: {{ topic: p }} }}\n\
         fields: {{ predictions: {{ event_id: /id, time: /time }} }}\n\
         schema: {{ temp: {{ type: float64 }}, hour: {{ type: int64, judge: false }} }}\nwindows: {{ size: 1d }}\n{more}"
    )
}

fn contract(more: &str) -> contract::Contract {
    contract::lower::contract_from_text(&contract_text(more), Path::new("flights.yaml")).unwrap()
}

#[test]
fn e1_a_rule_about_a_column_that_the_contract_does_not_judge_is_an_error_at_that_column() {
    let set = rules(
        "- alert: A\n  when: drift(temp) and drift(tmep)\n\
         - alert: B\n  when: \"fault(any) or quality(range, hour)\"\n\
         - alert: C\n  when: drift(temp)\n",
    );
    insta::assert_snapshot!(render(&set.check(&contract("")), false), @r#"
    error: rule A: model flights has no column `tmep`
     --> rules.yaml:5:37
      |
    5 |         when: drift(temp) and drift(tmep)
      |                                     ^^^^
      = help: did you mean `temp`?

    error: rule B: column `hour` has `judge: false`, so this can't fire
     --> rules.yaml:7:45
      |
    7 |         when: "fault(any) or quality(range, hour)"
      |                                             ^^^^
      = help: name a judged column of the contract's `schema`

    2 errors
    "#);
}

#[test]
fn e1_retraining_that_the_contract_does_not_allow_is_an_error_but_for_shipped_rules() {
    let set = rules("- alert: A\n  when: performance(log_loss)\n  actions: [ retrain ]\n");
    insta::assert_snapshot!(render(&set.check(&contract("")), false), @r"
    error: rule A: the contract of flights has no `retrain`
     --> rules.yaml:6:20
      |
    6 |         actions: [ retrain ]
      |                    ^^^^^^^
      = help: add `retrain: { policy: { cool_down: 14d } }` to the contract, or take this action out

    1 error
    ");
    assert_eq!(set.check(&contract("retrain: { policy: { cool_down: 14d } }\n")), []);
    let shipped = shipped("packs/default.yaml", None).unwrap();
    assert!(shipped.rules().iter().any(|rule| !rule.actions.is_empty()));
    assert_eq!(shipped.check(&contract("")), []);
}
