//! `tripline test --junit`: XML that another program than ours can read.

use roxmltree::{Document, Node};

use crate::support::site::Site;
use crate::support::tripline::Project;

fn number(node: Node<'_, '_>, name: &str) -> u32 {
    let text = node.attribute(name).unwrap_or_else(|| panic!("no {name}: {node:?}"));
    text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}"))
}

/// How many tests, failures and errors a node says it has.
fn said(node: Node<'_, '_>) -> (u32, u32, u32) {
    (number(node, "tests"), number(node, "failures"), number(node, "errors"))
}

/// How many it has.
fn counted(node: Node<'_, '_>) -> (u32, u32, u32) {
    let count = |name: &str| {
        let found = node.descendants().filter(|it| it.has_tag_name(name)).count();
        u32::try_from(found).expect("a few")
    };
    (count("testcase"), count("failure"), count("error"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_xml_with_the_right_counts() {
    let site = Site::start().await;
    let checks = format!(
        "[[check]]\nname = \"well\"\nurl = \"{url}/\"\n\
         [[check]]\nname = \"missing\"\nurl = \"{url}/\"\nexpect = {{ status = 404 }}\n",
        url = site.url()
    );
    // What XML does not allow: a control character, half of a pair, and the end of a section.
    let hostile = "export default function () {\n\
          console.log(\"]]> <b> & \\u0000 \\ud800\");\n\
          throw new Error(\"]]> </testcase> & \\u0001 \\\"quoted\\\"\");\n\
        }\n";
    let project = Project::new().toml(&checks).script("hostile.js", hostile);
    let tested = project.test(&["--junit", "report.xml"]).await;
    assert_eq!(tested.code, Some(4), "{}", tested.stderr);

    let text = std::fs::read_to_string(project.path().join("report.xml")).expect("it was written");
    let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let root = document.root_element();
    assert_eq!(root.tag_name().name(), "testsuites");
    assert_eq!(said(root), (3, 2, 0), "{text}");
    assert_eq!(counted(root), said(root), "{text}");
    let suites: Vec<_> = root.children().filter(|it| it.has_tag_name("testsuite")).collect();
    for suite in &suites {
        assert_eq!(counted(*suite), said(*suite), "{text}");
    }
    let names: Vec<_> = suites.iter().filter_map(|suite| suite.attribute("name")).collect();
    assert_eq!(names, ["checks/hostile.js", "tripline.toml"]);
    let failure = suites[0].descendants().find(|it| it.has_tag_name("failure")).expect("it failed");
    let message = failure.attribute("message").expect("it has a message");
    assert!(message.contains("]]> </testcase> &") && message.contains("\"quoted\""), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cannot_be_written_is_told() {
    let script = "export default function () {}\n";
    let project = Project::new().script("well.js", script);
    let tested = project.test(&["--junit", "missing/report.xml"]).await;
    assert_eq!(tested.code, Some(1), "a report that cannot be written: {}", tested.stderr);
    assert!(tested.stderr.contains("missing/report.xml"), "{}", tested.stderr);
}
