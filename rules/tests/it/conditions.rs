//! What makes a condition hold.

use contract::{Fault, Finding, Severity, Subject};
use rules::observe::{Truth, observe};
use rules::{Evaluation, Stage, condition};

use crate::scene::{day, finding, log_loss, unit_change};

fn truth(text: &str, evaluation: &Evaluation<'_>) -> Truth {
    observe(&condition::parse(text).unwrap(), evaluation, "").truth
}

#[test]
fn severities_are_at_least() {
    let findings = [finding(Subject::Feature, "temp", "js", Severity::Warning)];
    let evaluation = day(1, Stage::Closed, &findings);
    assert_eq!(truth("drift(any) >= warning", &evaluation), Truth::Holds);
    assert_eq!(truth("drift(any) >= critical", &evaluation), Truth::Fails);
    assert_eq!(truth("drift(temp) > info", &evaluation), Truth::Holds);
    assert_eq!(truth("drift(score)", &evaluation), Truth::Unknown, "the model has no score");
    assert_eq!(truth("quality(any)", &evaluation), Truth::Unknown);
}

#[test]
fn numbers_are_compared_with_the_figure_even_while_the_judge_learns() {
    let learning = Finding { limit: None, reason: Some("learning".to_owned()), ..log_loss(0.7, Severity::None) };
    let findings = [learning];
    let evaluation = day(1, Stage::Matured, &findings);
    assert_eq!(truth("performance(log_loss) > 0.6", &evaluation), Truth::Holds);
    assert_eq!(truth("performance(log_loss) > 0.7", &evaluation), Truth::Fails);
    assert_eq!(truth("performance(log_loss) >= 0.7", &evaluation), Truth::Holds);
    assert_eq!(truth("performance(roc_auc) < 0.6", &evaluation), Truth::Unknown);
    assert_eq!(truth("performance(log_loss) >= warning", &evaluation), Truth::Unknown);
    let undefined = [Finding { statistic: None, ..log_loss(0.7, Severity::None) }];
    assert_eq!(truth("performance(log_loss) > 0.1", &day(1, Stage::Matured, &undefined)), Truth::Unknown);
}

#[test]
fn coverage_and_rows_are_figures_of_the_window() {
    let evaluation = Evaluation { coverage: Some(0.4), rows: 99, ..day(1, Stage::Matured, &[]) };
    assert_eq!(truth("coverage < 0.5", &evaluation), Truth::Holds);
    assert_eq!(truth("coverage < 0.4", &evaluation), Truth::Fails);
    assert_eq!(truth("volume(rows) < 100", &evaluation), Truth::Holds);
    assert_eq!(truth("coverage < 0.5 and volume(rows) >= 100", &evaluation), Truth::Fails);
    let unlabelled = Evaluation { coverage: None, ..evaluation };
    assert_eq!(truth("coverage < 0.5", &unlabelled), Truth::Unknown);
    assert_eq!(truth("coverage < 0.5 and volume(rows) >= 100", &unlabelled), Truth::Fails);
    assert_eq!(truth("coverage < 0.5 or volume(rows) < 100", &unlabelled), Truth::Holds);
    assert_eq!(truth("coverage < 0.5 and volume(rows) < 100", &unlabelled), Truth::Unknown);
}

#[test]
fn a_fault_is_there_or_was_looked_for_in_vain_or_was_not_looked_for() {
    let judged = finding(Subject::Feature, "temp", "location", Severity::None);
    let findings = [judged.clone(), unit_change("temp")];
    assert_eq!(truth("fault(any)", &day(1, Stage::Closed, &findings)), Truth::Holds);
    assert_eq!(truth("fault(unit_change)", &day(1, Stage::Closed, &findings)), Truth::Holds);
    assert_eq!(truth("fault(missing_column)", &day(1, Stage::Closed, &findings)), Truth::Fails);
    let learning = [Finding { limit: None, ..judged }];
    assert_eq!(truth("fault(any)", &day(1, Stage::Closed, &learning)), Truth::Unknown);
}

#[test]
fn the_verdict_comes_before_what_it_explains_and_columns_are_told_once() {
    let explained = Finding {
        fault: Some(Fault::UnitChange),
        explanation: "temp moved.".to_owned(),
        ..finding(Subject::Feature, "temp", "location", Severity::Critical)
    };
    let findings = [explained, unit_change("temp"), unit_change("dewp")];
    let evaluation = day(1, Stage::Closed, &findings);
    let observation = observe(&condition::parse("fault").unwrap(), &evaluation, "");
    let order: Vec<_> = observation.findings.iter().map(|f| (f.feature.as_str(), f.detector.as_str())).collect();
    assert_eq!(order, [("dewp", "unit_change"), ("temp", "unit_change"), ("temp", "location")]);
}

#[test]
fn d2_faults_that_nothing_finds_yet_are_errors() {
    for fault in condition::vocabulary::LATER_FAULTS {
        let errors = condition::parse(&format!("fault({fault})")).unwrap_err();
        assert_eq!(errors[0].offset, 6);
        assert_eq!(errors[0].message, format!("the fault `{fault}` is not supported yet: nothing looks for it"));
        let hint = errors[0].hint.as_deref();
        assert_eq!(hint, Some("there are: unit_change, constant_column, type_change, missing_column"));
    }
}
