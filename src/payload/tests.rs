//! Events in their own form, and in that of a template.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn failing() -> Payload {
    Payload::samples().into_iter().next().expect("there are samples")
}

fn filled(template: &str, payload: &Payload) -> Value {
    let template = Template::parse(template).expect("a good template");
    let text = template.fill(payload).expect("it can be filled");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn our_own_form_is_a_promise() {
    insta::assert_json_snapshot!(failing());
}

#[test]
fn a_template_gives_an_event_its_form() {
    let template = r#"{
        "text": "{{ title }} ({{ region }})",
        "state": "{% if open %}firing{% else %}resolved{% endif %}",
        "number": "{{ incident }}",
        "where": ["{{ down }}", "{{ regions[0].outcome if regions else none }}"],
        "runbook": "{{ runbook }}",
        "fixed": [1, true, null]
    }"#;
    let expected = json!({
        "text": "Failing: Sign \"in\" (eu)",
        "state": "firing",
        "number": 42,
        "where": [["eu"], "failed"],
        "runbook": "https://wiki.example.com/login",
        "fixed": [1, true, null],
    });
    assert_eq!(filled(template, &failing()), expected);
    let close = r#"{"a/b": "{{ incident }}", "a": {"b": "{{ name }}"}}"#;
    let expected = json!({ "a/b": 42, "a": { "b": "Sign \"in\"" } });
    assert_eq!(filled(close, &failing()), expected);
    let ended = Payload::samples().pop().expect("there are samples");
    assert_eq!(filled(template, &ended)["number"], Value::Null);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let message = |text: &str| Template::parse(text).expect_err("a mistake").to_string();
    let broken = message("{\n  \"a\": }");
    assert!(broken.contains("not valid JSON") && broken.contains("line 2"), "{broken}");
    let unknown = message(r#"{"a": {"b": ["x", "{{ eror }}"]}}"#);
    assert!(unknown.starts_with("at `/a/b/1`: undefined value"), "{unknown}");
    assert!(unknown.ends_with("for an event `incident.opened`"), "{unknown}");
    let syntax = message(r#"{"a": "{% if open %}"}"#);
    assert!(syntax.starts_with("at `/a`: syntax error"), "{syntax}");
    let endless = message(
        r#"{"a": "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}"}"#,
    );
    assert!(endless.starts_with("at `/a`:"), "{endless}");
    // What is there for some events alone is told before one of the others comes.
    let sometimes = message(r#"{"a": "{{ regions[0].outcome }}"}"#);
    assert!(sometimes.starts_with("at `/a`: undefined value"), "{sometimes}");
}

proptest! {
    #[test]
    fn whatever_is_said_the_shape_stays(said in "\\PC{0,40}|[\"{}%\\\\ ]{0,20}") {
        let template = r#"{"a": "x {{ error }}", "b": "{{ error }}", "c": ["{{ name }}"]}"#;
        let template = Template::parse(template).expect("a good template");
        let mut payload = failing();
        (payload.data.error, payload.data.name) = (Some(said.clone()), said.clone());
        let text = template.fill(&payload).expect("it can be filled");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(value, json!({ "a": format!("x {said}"), "b": said, "c": [said] }));
    }

    #[test]
    fn no_template_panics(text in "\\PC{0,60}", inner in "[a-z{}%\"\\[\\]|(). ]{0,30}") {
        let _ = Template::parse(&text);
        let _ = Template::parse(&json!({ "a": inner }).to_string());
    }
}
