//! The reference of the configuration is right, and mistakes are shown as they should be.

use std::fs;
use std::path::Path;

use tripline::cli::diagnostics::{self, Style};
use tripline::cli::init;
use tripline::cli::validate::{self, Form, Verdict};
use tripline::config::{
    Description, Diagnostic, Environment, Files, MissingSecrets, Project, Script, settings,
};

use crate::support::tripline::Project as Scripts;

/// Reads the project in `folder` as if each script had no options.
fn project(folder: &Path, environment: &Environment) -> Result<Project, Vec<Diagnostic>> {
    let files = Files::load(folder);
    let reading = settings::read(&files, environment);
    let script = |entry: tripline::config::Entry<'_>| Script {
        entry: entry.path.to_owned(),
        description: Ok(Description {
            options: None,
            has_default_function: true,
            mentions: Vec::new(),
        }),
    };
    let scripts: Vec<Script> = files.entries().map(script).collect();
    Project::assemble(files, reading, &scripts)
}

fn with_settings(text: &str, environment: &Environment) -> Result<Project, Vec<Diagnostic>> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("tripline.toml"), text).expect("written");
    project(folder.path(), environment)
}

const REFERENCE: &str = include_str!("../../docs/configuration.md");

const ALERTING: &str = include_str!("../../docs/operators/alerting.md");

const CHANNELS: &str = include_str!("../../docs/operators/channels.md");

#[test]
fn every_example_of_the_reference_is_valid() {
    let environment =
        Environment { missing_secrets: MissingSecrets::Warn, ..Environment::default() };
    let examples = |page: &'static str| {
        let blocks = page.split("```toml\n").skip(1);
        blocks.map(|block| block.split("```").next().unwrap_or_default()).collect::<Vec<&str>>()
    };
    assert!(examples(ALERTING).len() >= 3, "the examples were not found");
    let examples = [examples(REFERENCE), examples(ALERTING), examples(CHANNELS)].concat();
    assert!(examples.len() >= 10, "the examples were not found");
    for example in examples {
        match with_settings(example, &environment) {
            Ok(project) => {
                let unexpected: Vec<&Diagnostic> = project
                    .warnings
                    .iter()
                    .filter(|it| !it.message.contains("environment variable"))
                    .filter(|it| !it.message.contains("no secret can be read"))
                    // An example of one section does not say where people reach Tripline.
                    .filter(|it| !it.message.starts_with("links in messages"))
                    // Nor has it the checks of a group.
                    .filter(|it| !it.message.starts_with("no check has the labels of the group"))
                    .collect();
                assert!(unexpected.is_empty(), "{unexpected:?}");
            }
            Err(diagnostics) => {
                panic!("{example}\n{}", diagnostics::to_text(&diagnostics, Style::Plain))
            }
        }
    }
}

#[test]
fn the_policy_in_the_reference_is_the_built_in_one() {
    let (people, policy) = REFERENCE
        .split_once("When no policy is written this one applies")
        .and_then(|(_, rest)| rest.split_once("```toml\n"))
        .and_then(|(_, rest)| rest.split("```").next()?.split_once("[[policy]]"))
        .expect("the policy is in the reference");
    let environment = Environment::default();
    let built_in = with_settings(people, &environment).expect("a project").settings;
    let written = with_settings(&format!("{people}[[policy]]{policy}"), &environment);
    assert_eq!(written.expect("a project").settings.policies, built_in.policies);
}

#[test]
fn a_new_project_is_valid() {
    let folder = tempfile::tempdir().expect("a folder");
    init::lay(folder.path()).expect("laid");
    let project = project(folder.path(), &Environment::default());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let verdict = validate::report(&project, Form::Text(Style::Plain), &mut out, &mut err);
    assert_eq!(verdict.expect("written"), Verdict::Good);
    assert_eq!(String::from_utf8_lossy(&out), "The project is valid: 1 check.\n");
    let err = String::from_utf8_lossy(&err);
    assert!(
        err.contains("slack is not sent, only printed by `tripline up`: there is no `[slack]`")
    );
    assert!(err.ends_with("\n1 warning\n"), "{err}");

    // What is commented out is valid too, once its secrets are there.
    let text = fs::read_to_string(folder.path().join("tripline.toml")).expect("read");
    let is_code = |line: &&str| !line.ends_with('.') && !line.contains("says what is wrong");
    let code = |line: &str| {
        let code = line.strip_prefix("# ").unwrap_or_default();
        let is_prose = !code.starts_with('[') && !code.contains(" = ");
        if is_prose { String::new() } else { code.to_owned() + "\n" }
    };
    let uncommented: String = text.lines().filter(is_code).map(code).collect();
    assert!(uncommented.contains("[[check]]"), "{uncommented}");
    let environment =
        Environment { missing_secrets: MissingSecrets::Warn, ..Environment::default() };
    let project = with_settings(&uncommented, &environment);
    assert_eq!(project.expect("a project").checks.len(), 1);
}

const MISTAKES: &str = r##"[hub]
listen = "localhost:7676"
url = "tripline.example.com"

[stroe]
url = "sqlite:tripline.db"

[store]
url = "postgres://ana:hunter2@db/tripline"
retention = "30"

[slack]
bot_token = "xoxb-hunter2"

[twilio]
account_sid = { env = "TWILIO_ACCOUNT_SIDD" }
auth_token = { file = "secrets/none" }

[people.ana]
phone = "030 123456"

[teams]
devops = ["anna"]
night = []

[[policy]]
name = "a"
quorum = "most"
[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = ["slack:#p2", "sms:devop"]
[[policy.tier]]
when = { failures_in_a_row = 2 }
notify = ["#p1"]

[[check]]
name = "Home page"
url = "https://example.com/"
evry = "30s"
timeout = 20
regions = ["eu-west-1"]

[[check]]
name = "Home page"
url = "https://example.com/${secret.KEY}"
cron = "*/5 25 * * *"
timezone = "Europe/Berln"
policy = "b"
expect = { status = "2xxx", body = { matches = "(" } }

[[check]]
name = "Slow"
url = "https://example.com/"
every = "10s"
timeout = "20s"
"##;

#[test]
fn all_mistakes_are_shown_at_once() {
    let variables = [("TWILIO_ACCOUNT_SID".to_owned(), "AC1".to_owned())];
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("tripline.toml"), MISTAKES).expect("written");
    let result = project(folder.path(), &Environment::new(variables));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let verdict = validate::report(&result, Form::Text(Style::Plain), &mut out, &mut err);
    assert_eq!(verdict.expect("written"), Verdict::Bad);
    assert!(out.is_empty());
    let text = String::from_utf8(err).expect("text");
    assert!(!text.contains("hunter2"));
    let text = text.replace(&folder.path().display().to_string(), "/project");
    insta::assert_snapshot!(text);

    let (mut out, mut err) = (Vec::new(), Vec::new());
    let verdict = validate::report(&result, Form::Json, &mut out, &mut err);
    assert_eq!(verdict.expect("written"), Verdict::Bad);
    let json: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(json["valid"], false);
    assert_eq!(json["diagnostics"].as_array().map(Vec::len), result.err().map(|it| it.len()));
}

/// Options that are put together from elsewhere: what has no place of its own in the file is shown at
/// the nearest place around it.
#[tokio::test]
async fn mistakes_in_options_that_are_put_together_have_a_place() {
    const RUN: &str = "export default async function () {}\n";
    let lib = "export const common = { labels: { \"a b\": \"x\" } };\n\
               export const make = (options) => ({ ...options, policy: \"none\" });\n";
    let spread = "import { common } from \"./lib/common.js\";\nconst every = \"5 minutes\";\n\
                  export const options = { ...common, every, evry: \"5m\", regions: [\"mars\"] };\n";
    let made = "import { make } from \"./lib/common.js\";\nconst name = \"x\";\n\
                export const options = make({ name });\n";
    let passed_on = "export { common as options } from \"./lib/common.js\";\n";
    let read = "export const options = { get every() { return \"1m\"; } };\n";
    let project = Scripts::new();
    fs::create_dir(project.path().join("checks/lib")).expect("made");
    let project = project
        .script("lib/common.js", lib)
        .script("a-spread.js", &format!("{spread}{RUN}"))
        .script("b-made.js", &format!("{made}{RUN}"))
        .script("c-passed-on.js", &format!("{passed_on}{RUN}"))
        .script("d-read.js", &format!("{read}{RUN}"))
        .script(
            "e-both.js",
            &format!("export const options = {{ url: \"https://x.org\" }};\n{RUN}"),
        )
        .script("f-neither.js", "export const options = { name: \"x\" };\n");
    let (code, said) = project.validate().await;
    assert_eq!(code, Some(3), "{said:#}");
    let told: Vec<String> = said["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| {
            let text = |key: &str| it[key].as_str().unwrap_or_default();
            let file = text("file").trim_start_matches("checks/");
            format!("{file}:{}:{} {}", it["line"], it["column"], text("message"))
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

proptest::proptest! {
    /// Whatever the file holds, its mistakes can be drawn, and no control character gets through.
    #[test]
    fn whatever_a_file_holds_can_be_drawn(
        text in "(\\PC|[\\x00-\\x1f\\x7f-\\x9f]){0,80}",
        start in 0..100usize,
        length in 0..40usize,
        other in 0..100usize,
    ) {
        use tripline::config::diagnostic::Document;
        let document = Document::new("tripline.toml", text.as_str());
        let mut diagnostic = Diagnostic::error(&document, start..start + length, text.as_str());
        diagnostic.relate(other..other + length, text.as_str()).advise(text.as_str());
        for style in [Style::Plain, Style::Ascii] {
            let drawn = diagnostics::to_text(std::slice::from_ref(&diagnostic), style);
            let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
            proptest::prop_assert!(drawn.chars().all(is_harmless), "{:?}", drawn);
        }
    }
}
