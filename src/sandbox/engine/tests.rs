//! The engine as a script sees it, over a port that answers by a table.

mod shipped;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::sandbox::protocol::{
    Answer, Ending, Event, FetchError, FetchRequest, FetchResponse, Job, Question, RunContext,
    ScriptError, ScriptErrorKind, Source,
};

/// What a test's world answers.
pub(crate) type World = fn(&Question) -> Option<Answer>;

/// A port that records, and answers by a [`World`]; `None` leaves a question unanswered.
struct Fake {
    inbox: VecDeque<ToChild>,
    world: World,
    sent: Arc<Mutex<Vec<FromChild>>>,
}

impl Port for Fake {
    fn send(&mut self, message: &FromChild) -> std::io::Result<()> {
        if let FromChild::Ask(number, question) = message
            && let Some(answer) = (self.world)(question)
        {
            self.inbox.push_back(ToChild::Answer(*number, answer));
        }
        self.sent.lock().expect("the test's own lock").push(message.clone());
        Ok(())
    }

    fn receive(&mut self, _: Option<Duration>) -> std::io::Result<Received> {
        Ok(self.inbox.pop_front().map_or(Received::TimedOut, Received::Message))
    }
}

/// What a run said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) messages: Vec<FromChild>,
}

impl Said {
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.messages.iter().filter_map(|message| match message {
            FromChild::Event { event, .. } => Some(event),
            _ => None,
        })
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.events()
            .filter_map(|event| match event {
                Event::Log { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn requests(&self) -> Vec<&FetchRequest> {
        self.messages
            .iter()
            .filter_map(|message| match message {
                FromChild::Ask(_, Question::Fetch(request)) => Some(request),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn ending(&self) -> &Ending {
        match self.messages.last() {
            Some(FromChild::Ended(ending)) => ending,
            other => panic!("the run did not end: {other:?}"),
        }
    }

    pub(crate) fn error(&self) -> &ScriptError {
        match self.ending() {
            Ending::Threw(error) => error,
            other => panic!("no error: {other:?}"),
        }
    }

    /// The lines of a run that must have passed.
    #[track_caller]
    pub(crate) fn passed(&self) -> Vec<&str> {
        assert_eq!(self.ending(), &Ending::Finished, "{:?}", self.lines());
        self.lines()
    }
}

pub(crate) fn served(message: ToChild, world: World) -> Said {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let recorded = sent.clone();
    // The engine's frames are larger in a debug build than a test thread's stack allows.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
        let fake = Fake { inbox: VecDeque::from([message]), world, sent };
        Engine::prepare().serve(Box::new(fake))
    });
    let served = thread.expect("a thread can be started").join();
    served.expect("the engine does not panic").expect("the fake parent stays");
    let messages = std::mem::take(&mut *recorded.lock().expect("the test's own lock"));
    Said { messages }
}

pub(crate) fn modules(files: &[(&str, &str)]) -> Source {
    let modules = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Source { entry: files[0].0.to_owned(), modules: modules.collect() }
}

pub(crate) fn job(files: &[(&str, &str)], timeout: Duration) -> ToChild {
    let context = RunContext {
        check: "login".to_owned(),
        region: "eu-west-1".to_owned(),
        slot_millis: 1_700_000_000_000,
        run: "r1".to_owned(),
    };
    ToChild::Run(Job { source: modules(files), context, timeout })
}

/// Runs modules, the first being the entry.
pub(crate) fn run_files(files: &[(&str, &str)], world: World) -> Said {
    served(job(files, Duration::from_secs(20)), world)
}

/// Runs the body of a default function, after some imports.
pub(crate) fn run(body: &str, world: World) -> Said {
    let script = format!(
        "import * as t from \"tripline\"; const {{ expect, step }} = t;\n\
                          export default async function () {{\n{body}\n}}"
    );
    run_files(&[("checks/a.js", &script)], world)
}

/// A world without a network.
pub(crate) fn nothing(question: &Question) -> Option<Answer> {
    let refused = "connection refused by 127.0.0.1:80".to_owned();
    Some(match question {
        Question::Fetch(_) => Answer::Fetched(Err(FetchError { message: refused })),
        Question::Secret(name) if name == "PASSWORD" => Answer::Text(Ok("hunter2".to_owned())),
        Question::Secret(name) => Answer::Text(Err(format!("no secret is called {name}"))),
        Question::Totp(_) => Answer::Text(Ok("123456".to_owned())),
    })
}

/// An answer with a body.
pub(crate) fn answer(status: u16, url: &str, kind: &str, body: &str) -> Answer {
    Answer::Fetched(Ok(FetchResponse {
        url: url.to_owned(),
        redirected: false,
        status,
        status_text: String::new(),
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
    }))
}

fn place(error: &ScriptError) -> String {
    let (file, line, column) = error.position.clone().unwrap_or_default();
    format!("{file}:{line}:{column}")
}

#[test]
fn a_script_runs_to_its_end() {
    let said = run("console.log('hi', [1, {a: 'b'}]); return 1;", nothing);
    assert_eq!(said.passed(), ["hi [ 1, { a: 'b' } ]"]);
}

#[test]
fn steps_nest_and_give_back_values() {
    let said = run(
        "const x = await step('outer', async () => {
            await null;
            return 1 + step('inner', () => 41);
        });
        console.log(x);",
        nothing,
    );
    assert_eq!(said.passed(), ["42"]);
    let events: Vec<String> = said.events().map(|event| format!("{event:?}")).collect();
    assert_eq!(
        events[..4],
        [
            "StepStarted { name: \"outer\", parent: None }",
            "StepStarted { name: \"inner\", parent: Some(0) }",
            "StepEnded { step: 1, error: None }",
            "StepEnded { step: 0, error: None }",
        ]
    );
}

#[test]
fn steps_side_by_side_keep_their_own_children() {
    let said = run(
        "await Promise.all(['a', 'b'].map((name) => step(name, async () => {
            await t.sleep(1);
            await step(name + name, async () => { await t.sleep(1); });
        })));",
        nothing,
    );
    said.passed();
    let mut started: Vec<String> = said
        .events()
        .filter_map(|event| match event {
            Event::StepStarted { name, parent } => Some(format!("{name} in {parent:?}")),
            _ => None,
        })
        .collect();
    started.sort();
    assert_eq!(started, ["a in None", "aa in Some(0)", "b in None", "bb in Some(1)"]);
}

#[test]
fn an_error_has_a_place_and_a_step() {
    let said = run(
        "await step('one', () => 1);
        await step('two', async () => {
            await null;
            throw new TypeError('bad');
        });",
        nothing,
    );
    let error = said.error();
    assert_eq!(error.message, "TypeError: bad");
    assert_eq!(error.step, Some(1));
    assert_eq!(error.kind, ScriptErrorKind::Exception);
    assert_eq!(place(error), "checks/a.js:6:19");
}

/// Runs a body and tells the error as `kind message at place in step`.
fn failure_of(body: &str) -> String {
    let said = run(body, nothing);
    let error = said.error();
    let step = error.step.map_or_else(String::new, |step| format!(" in step {step}"));
    format!("{:?} {} at {}{step}", error.kind, error.message, place(error))
}

#[test]
fn errors_tell_their_place_as_well_as_it_is_known() {
    let cases = [
        ("null.x;", "TypeError: null is null or undefined, and has no x at checks/a.js:3:6"),
        ("\n  undefinedFn();", "ReferenceError: undefinedFn is not defined at checks/a.js:4:3"),
        ("const o = {};\no.f();", "TypeError: o.f is not a function at checks/a.js:4:4"),
        (
            "const o = {};\nconst x = o.a.b;",
            "TypeError: o.a is null or undefined, and has no b at checks/a.js:4:15",
        ),
        (
            "expect(1).toEquals(1);",
            "TypeError: toEquals is not a function; did you mean toEqual? at checks/a.js:3:19",
        ),
        ("expect(1).toBeEven();", "TypeError: toBeEven is not a function at checks/a.js:3:19"),
        ("await fetch();", "TypeError: a URL is needed, and got undefined at checks/a.js:3:12"),
        ("await null; throw 'text';", "threw 'text' at checks/a.js:3:13"),
        (
            "throw { a: 1, get b() { return 1; } };",
            "threw { a: 1, b: [Getter] } at checks/a.js:3:1",
        ),
        ("Promise.reject(7); await t.sleep(1);", "threw 7 at checks/a.js:3:15"),
        ("if (t.none) throw 1; throw 2;", "threw 2 at ::"),
        (
            "await step('s', () => { throw new Error('in'); });",
            "Error: in at checks/a.js:3:31 in step 0",
        ),
        (
            "class Bad extends Error { get message() { throw 1; } get name() { for (;;); } }
             throw new Bad();",
            "Error at checks/a.js:4:20",
        ),
        (
            "throw new Error('out', { cause: new TypeError('in') });",
            "Error: out (caused by TypeError: in) at checks/a.js:3:7",
        ),
        (
            "await Promise.any([Promise.reject(new Error('a')), Promise.reject(new TypeError('b'))]);",
            "AggregateError: no promise in Promise.any was fulfilled. [Error: a; TypeError: b] at \
             :0:0",
        ),
        ("await Promise.reject(new RangeError('r'));", "RangeError: r at checks/a.js:3:22"),
        (
            "eval('1');",
            "EvalError: code from strings is not allowed: no eval, no Function \
                        constructor at checks/a.js:3:5",
        ),
        (
            "new Function('return 1');",
            "EvalError: code from strings is not allowed: no eval, no \
                                       Function constructor at checks/a.js:3:1",
        ),
    ];
    let mut wrong = Vec::new();
    for (body, expected) in cases {
        let failure = failure_of(body);
        let expected = format!("Exception {}", expected.replace(" at ::", " at :0:0"));
        if failure != expected {
            wrong.push(format!("{body}\n  is       {failure}\n  and not  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn limits_of_the_engine_are_told() {
    let said = run("(function f() { f(); })();", nothing);
    assert_eq!(said.error().kind, ScriptErrorKind::Limit);
    assert_eq!(place(said.error()), "checks/a.js:3:18");
    let said = run("await null; (function f() { f(); })();", nothing);
    assert!(said.error().message.contains("never finished"), "{:?}", said.error());
    let said = run("new ArrayBuffer(8e9);", nothing);
    assert!(said.error().message.starts_with("RangeError"), "{:?}", said.error());
}

#[test]
fn what_never_finishes_fails() {
    assert!(failure_of("await new Promise(() => {});").contains("never finished"));
    let failure = failure_of("step('lost', () => t.sleep(5));");
    assert!(failure.contains("step \"lost\" was still open"), "{failure}");
    let failure = failure_of("expect(t.sleep(5)).resolves.toBe(1);");
    assert!(failure.contains("is an await missing?"), "{failure}");
}

#[test]
fn a_rejection_that_nobody_handles_fails_the_run() {
    let failure = failure_of(
        "const late = Promise.reject(new Error('lost'));
        await t.sleep(1);",
    );
    assert_eq!(failure, "Exception Error: lost at checks/a.js:3:29");
    run("const p = Promise.reject(1); p.catch(() => {}); await t.sleep(1);", nothing).passed();
}

#[test]
fn an_expectation_without_a_matcher_fails_the_run() {
    let said = |body: &str| failure_of(body);
    let message = "was called without a matcher and checks nothing; add one, such as .toBe(200)";
    let bare = said("expect(1).toBe(1); expect(1 === 2);");
    assert!(bare.contains(message) && bare.contains("at checks/a.js:3:"), "{bare}");
    assert!(said("expect(1).toBe;").contains(message));
    assert!(said("expect(1).not;").contains(message));
    assert!(said("for (let i = 0; i < 100; i++) expect(i);").contains(message));
    let judged = "const e = expect(1); e.toBe(1); e.not.toBe(2);
        await expect(Promise.resolve(1)).resolves.toBe(1);";
    run(judged, nothing).passed();
}

#[test]
fn sleep_takes_milliseconds_alone() {
    for given in ["'10s'", "", "NaN", "'10'"] {
        let failure = failure_of(&format!("await t.sleep({given});"));
        let expected = "sleep() needs milliseconds, as in sleep(500), and got";
        assert!(failure.contains(expected), "{failure}");
    }
    run("await t.sleep(0); await t.sleep(-5);", nothing).passed();
}

#[test]
fn what_nobody_awaits_can_still_fail() {
    let error = |body: &str| {
        let said = run(body, |question| match question {
            Question::Fetch(request) if request.url.ends_with("/500") => {
                Some(answer(500, "https://a.test/500", "text/html", "<p>sorry"))
            }
            other => nothing(other),
        });
        said.error().message.clone()
    };
    let missing = "\n(nothing awaited this; is an await missing?)";
    let refused = format!(
        "TypeError: no answer to GET https://a.test/: connection refused by 127.0.0.1:80{missing}"
    );
    assert_eq!(error("t.visit('https://a.test/');"), refused);
    assert_eq!(error("Promise.reject(new Error('lost'));"), format!("Error: lost{missing}"));
    let unmet = format!(
        "ExpectationError: expect(received).toBe(expected)\nexpected: 200\nreceived: 500{missing}"
    );
    let login = "const login = async () => {
        const page = await t.visit('https://a.test/500');
        await t.sleep(3_600_000);
        await new Promise((done) => setTimeout(done, 3_600_000));
        await new Promise((done) => setInterval(done, 3_600_000));
        expect(page.status).toBe(200);
    };";
    // What comes after the first wait is waited for in truth, so that nothing turns in circles.
    let short = login.replace("3_600_000", "1");
    assert_eq!(error(&format!("{short} login();")), unmet);
    let asleep = "const late = async () => { await t.sleep(3_600_000); expect(500).toBe(200); };";
    assert_eq!(error(&format!("{asleep} late();")), unmet);
}

#[test]
fn what_nobody_awaits_may_end_well() {
    let said = run(
        "const slow = new Promise((_, reject) => setTimeout(reject, 3_600_000, new Error('slow')));
        await Promise.race([t.sleep(1), slow]);
        const late = t.sleep(3_600_000).then(() => { throw new Error('late'); });
        await Promise.race([t.sleep(1), late]);
        AbortSignal.timeout(3_600_000).addEventListener('abort', () => console.log('abort'));
        setInterval(() => console.log('tick'), 3_600_000);
        fetch('https://a.test/').catch((error) => console.log(error.name));",
        nothing,
    );
    assert_eq!(said.passed(), ["TypeError", "tick"]);
}

#[test]
fn what_nobody_awaits_ends_at_the_deadline() {
    let script = "export default () => { fetch('https://a.test/slow'); };";
    let message = job(&[("a.js", script)], Duration::from_millis(20));
    let said = served(message, |_| None);
    let waiting_for = "GET https://a.test/slow, which the script did not await,".to_owned();
    assert_eq!(said.ending(), &Ending::TimedOut { waiting_for, step: None });
}

#[test]
fn the_deadline_says_what_was_awaited() {
    let script = "import { step } from 'tripline';
        export default () => step('wait', () => fetch('https://a.test/slow'));";
    let message = job(&[("a.js", script)], Duration::from_millis(20));
    let said = served(message, |_| None);
    let expected =
        Ending::TimedOut { waiting_for: "GET https://a.test/slow".to_owned(), step: Some(0) };
    assert_eq!(said.ending(), &expected);
    let script = "import { secret } from 'tripline'; export default () => { secret('S'); };";
    let message = job(&[("a.js", script)], Duration::from_millis(5));
    assert!(matches!(served(message, |_| None).ending(), Ending::TimedOut { .. }));
    let script = "export default async () => { for (;;) await null; };";
    let message = job(&[("a.js", script)], Duration::from_millis(5));
    assert!(matches!(served(message, |_| None).ending(), Ending::TimedOut { .. }));
}

#[test]
fn modules_of_the_project_can_be_imported() {
    let said = run_files(
        &[
            (
                "checks/a.js",
                "import { b } from './lib/b.js';
                import data from './data.json' with { type: 'json' };
                import.meta.url;
                export default async () => {
                    const { c } = await import('./lib/c.js');
                    const bare = await import('./lib/marked.json');
                    console.log(b, c, data.x, bare.default);
                };",
            ),
            ("checks/lib/b.js", "import { c } from './c.js'; export const b = c + 1;"),
            ("checks/lib/c.js", "export const c = 1;"),
            ("checks/lib/marked.json", "\u{feff}null"),
            ("checks/data.json", "{\"x\": [1e400, \"\\ud800\"]}"),
        ],
        nothing,
    );
    assert_eq!(said.passed(), ["2 1 [ Infinity, '\u{fffd}' ] null"]);
}

#[test]
fn a_declaration_that_the_engine_cannot_carry_out_is_refused() {
    let said = run("using open = null;", nothing);
    let error = said.error();
    assert_eq!(error.kind, ScriptErrorKind::Script);
    assert!(error.message.contains("`using` is not known here"), "{error:?}");
    assert_eq!(place(error), "checks/a.js:3:1");
}

#[test]
fn json_that_cannot_be_loaded_says_why_and_where() {
    let cases: &[(&str, &str)] = &[
        (
            "import bad from './lib/bad.json' with { type: 'json' };",
            "SyntaxError: checks/lib/bad.json is not valid JSON: unexpected ',' at line 2, column \
             9 at checks/lib/bad.json:2:9",
        ),
        (
            "\nimport './lib/good.js' with { type: 'json' };",
            "TypeError: cannot import \"./lib/good.js\" as JSON: its name ends otherwise \
             (imported by checks/a.js:2) at checks/a.js:2:8",
        ),
        (
            "import './lib/bad.json' with { type: 'css' };",
            "TypeError: cannot import \"./lib/bad.json\" with { type: \"css\" }: only { type: \
             \"json\" } is known (imported by checks/a.js:1) at checks/a.js:1:8",
        ),
    ];
    for (text, expected) in cases {
        let files = [
            ("checks/a.js", *text),
            ("checks/lib/good.js", ""),
            ("checks/lib/bad.json", "{\"a\": 1,\n \"b\": 2},"),
        ];
        let said = run_files(&files, nothing);
        let error = said.error();
        assert_eq!(error.kind, ScriptErrorKind::Script, "{text}: {error:?}");
        assert_eq!(format!("{} at {}", error.message, place(error)), *expected, "{text}");
    }
}

#[test]
fn what_cannot_be_loaded_says_why_and_where() {
    let cases: &[(&str, &str)] = &[
        (
            "import x from 'lodash';",
            "TypeError: cannot import \"lodash\": only \"tripline\" and files of the project \
             (\"./lib/session.js\") can be imported (imported by checks/a.js:1) at \
             checks/a.js:1:15",
        ),
        (
            "\nimport './gone';",
            "TypeError: cannot import \"./gone\": there is no file checks/gone (imported by \
             checks/a.js:2) at checks/a.js:2:8",
        ),
        (
            "import './lib/bad';",
            "TypeError: cannot import \"./lib/bad\": there is no file checks/lib/bad; did you \
             mean \"./lib/bad.js\"? (imported by checks/a.js:1) at checks/a.js:1:8",
        ),
        (
            "import '../../../etc/passwd';",
            "TypeError: cannot import \"../../../etc/passwd\": it lies outside the project \
             folder (imported by checks/a.js:1) at checks/a.js:1:8",
        ),
        (
            "import './lib/bad.js';",
            "SyntaxError: unexpected token ')', primary expression at checks/lib/bad.js:2:9",
        ),
        ("let a = 'x", "SyntaxError: unterminated string literal at checks/a.js:1:11"),
        (
            "import { none } from './lib/good.js';",
            "SyntaxError: \"./lib/good.js\" does not export \"none\"; it exports \
             nothing at checks/a.js:1:10",
        ),
        (
            "import { step,\n expct } from 'tripline';",
            "SyntaxError: \"tripline\" does not export \"expct\"; did you mean \"expect\"? at \
             checks/a.js:2:2",
        ),
        (
            "export const a = 1;",
            "Error: the module has no default export; a check is `export default async function \
             () { .. }` at :0:0",
        ),
        (
            "export default 1;",
            "Error: the default export is no function; a check is `export default async function \
             () { .. }` at :0:0",
        ),
    ];
    for (text, expected) in cases {
        let files = [
            ("checks/a.js", *text),
            ("checks/lib/bad.js", "\nlet x = );"),
            ("checks/lib/good.js", ""),
        ];
        let said = run_files(&files, nothing);
        let error = said.error();
        assert_eq!(error.kind, ScriptErrorKind::Script, "{text}: {error:?}");
        assert_eq!(format!("{} at {}", error.message, place(error)), *expected, "{text}");
    }
    let said = run_files(
        &[("a.js", "import './b.js'; export default () => {}"), ("b.js", "\n  throw Error('top')")],
        nothing,
    );
    assert_eq!(place(said.error()), "b.js:2:14");
    assert_eq!(said.error().kind, ScriptErrorKind::Exception);
}

#[test]
fn secrets_and_passwords_come_at_once() {
    let said = run(
        "console.log(t.secret('PASSWORD').length, t.totp('SEED'));
        const { verifier, challenge, method } = t.pkce();
        const bytes = new TextEncoder().encode(verifier);
        const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
        const base64 = btoa(String.fromCharCode(...hash));
        const url = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
        console.log(verifier.length, url === challenge, method);
        t.secret('OTHER');",
        nothing,
    );
    assert_eq!(said.lines(), ["7 123456", "43 true S256"]);
    assert_eq!(said.error().message, "Error: no secret is called OTHER");
    assert_eq!(place(said.error()), "checks/a.js:10:17");
}

#[test]
fn answers_that_come_while_a_secret_is_asked_for_are_kept() {
    let said = run(
        "const answer = fetch('https://a.test/');
        const secret = t.secret('PASSWORD');
        console.log((await answer).status, secret);",
        |question| match question {
            Question::Fetch(_) => Some(answer(200, "https://a.test/", "text/plain", "")),
            other => nothing(other),
        },
    );
    assert_eq!(said.passed(), ["200 hunter2"]);
}

#[test]
fn metrics_and_context_are_given() {
    let said = run(
        "t.metric('logins', 3.5, { plan: 'free', n: 1 });
        console.log(t.context, Object.isFrozen(t.context));
        t.metric('bad', NaN);",
        nothing,
    );
    let metric = said.events().find(|event| matches!(event, Event::Metric { .. }));
    let tags = vec![("plan".to_owned(), "free".to_owned()), ("n".to_owned(), "1".to_owned())];
    let expected = Event::Metric { name: "logins".to_owned(), value: 3.5, tags };
    assert_eq!(metric, Some(&expected));
    assert_eq!(
        said.lines(),
        ["{\n  check: 'login',\n  region: 'eu-west-1',\n  slot: '2023-11-14T22:13:20.000Z',\n  \
          run: 'r1'\n} true"]
    );
    let message = "TypeError: metric('bad', ..) needs a finite number, and got NaN";
    assert_eq!(said.error().message, message);
}

#[test]
fn floods_are_cut_and_counted() {
    let said = run(
        "for (let i = 0; i < 3000; i++) console.log('x'.repeat(100));
        console.log('y'.repeat(1e5));
        for (let i = 0; i < 1500; i++) t.metric('m', i);",
        nothing,
    );
    let bytes: usize = said.passed().iter().map(|line| line.len()).sum();
    assert!(bytes <= 64 << 10, "{bytes}");
    let dropped: Vec<&Event> =
        said.events().filter(|event| matches!(event, Event::Dropped { .. })).collect();
    assert_eq!(dropped.len(), 2, "{dropped:?}");
    let failure = failure_of("for (;;) step('s', () => {});");
    assert!(failure.contains("a run has at most 1000 steps"), "{failure}");
}

#[test]
fn timers_run_in_order() {
    let said = run(
        "const seen = [];
        setTimeout(() => seen.push('b'), 2);
        setTimeout((x) => seen.push(x), 1, 'a');
        const cleared = setTimeout(() => seen.push('no'), 1);
        clearTimeout(cleared);
        queueMicrotask(() => seen.push('micro'));
        let n = 0;
        await new Promise((done) => {
            const id = setInterval(() => { if (++n === 3) { clearInterval(id); done(); } }, 1);
        });
        console.log(seen, n, performance.now() > 2);",
        nothing,
    );
    assert_eq!(said.passed(), ["[ 'micro', 'a', 'b' ] 3 true"]);
    let failure =
        failure_of("setTimeout(() => { throw new Error('late'); }, 1); await t.sleep(9);");
    assert_eq!(failure, "Exception Error: late at checks/a.js:3:26");
}

#[test]
fn the_console_prints_values_as_node_does() {
    let said = run(
        "class Dog { constructor() { this.name = 'Rex'; this.self = this; } }
        console.log('%s is %d, %j%%', 'a', 42, { b: 1 }, 'rest');
        console.log({ a: [1, 'two', null, undefined, [[[[[[6]]]]]]], 'b-c': -0, d: 10n });
        console.log(new Dog(), Dog, () => 1, function named() {}, Symbol('s'));
        console.log(new Map([['k', { v: 1 }]]), new Set([1]), new Date(0), /x/gi, [1, , 3]);
        console.log(Object.create(null), { get a() { throw 1; } }, new Proxy({}, {}));
        console.log([new Error('oops')], new Uint8Array([1, 2]), Promise.resolve(4));
        console.log('it\\'s', [\"it's\", 'a\\nb'], new Array(200).fill(7).length);
        console.log(new URL('https://a.test/?q=1'), new Headers({ A: 'b' }));
        console.group('g'); console.warn('in\\nside'); console.groupEnd();
        console.assert(1 === 2, 'no'); console.count(); console.count();
        console.table([{ a: 1, b: 'x' }, { a: 2 }]);
        console.log(new Error('seen'));",
        nothing,
    );
    insta::assert_snapshot!(said.passed().join("\n"), @r#"
    a is 42, { b: 1 }% rest
    {
      a: [ 1, 'two', null, undefined, [ [ [ [ [Array] ] ] ] ] ],
      'b-c': -0,
      d: 10n
    }
    <ref *1> Dog { name: 'Rex', self: [Circular *1] } [class Dog] [Function (anonymous)] [Function: named] Symbol(s)
    Map(1) { 'k' => { v: 1 } } Set(1) { 1 } 1970-01-01T00:00:00.000Z /x/gi [ 1, <1 empty item>, 3 ]
    [Object: null prototype] {} { a: [Getter] } [Proxy]
    [ [Error: oops] ] Uint8Array(2) [ 1, 2 ] Promise { 4 }
    it's [ "it's", 'a\nb' ] 200
    URL { href: 'https://a.test/?q=1' } Headers { 'a': 'b' }
    g
      in
      side
    Assertion failed: no
    default: 1
    default: 2
    | (index) | a | b   |
    |---------|---|-----|
    | 0       | 1 | 'x' |
    | 1       | 2 |     |
    Error: seen
        at default (checks/a.js:15:21)
    "#);
}

#[test]
fn hostile_values_do_no_harm() {
    let said = run(
        "const trap = new Proxy(function () {}, { get() { throw 1; }, ownKeys() { throw 2; } });
        console.log(trap, { trap });
        let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep];
        console.log(deep);
        Array.prototype.map = Object.prototype.toString = Promise.prototype.then = () => { throw 3; };
        console.log([1, 2]);
        throw Object.defineProperty(new Error('e'), 'stack', { get() { throw 4; } });",
        nothing,
    );
    assert_eq!(
        said.lines(),
        ["[Proxy] { trap: [Proxy] }", "[ [ [ [ [ [ [Array] ] ] ] ] ] ]", "[ 1, 2 ]"]
    );
    assert_eq!(said.error().message, "Error: e");
}

#[test]
fn a_module_is_described() {
    let text = "import { secret } from 'tripline';
import { url } from './b.js';
export const options = {
  name: 'Sign in',
  every: `${30}s`,
  regions: ['eu', 'us'],
  url,
  hook() {},
};
export default async () => { secret('PASSWORD'); };";
    let source = modules(&[("a.js", text), ("b.js", "export const url = 'https://x.test/';")]);
    let said = served(ToChild::Describe(source), nothing);
    let Some(FromChild::Described(Ok(description))) = said.messages.last() else {
        panic!("{said:?}");
    };
    assert!(description.has_default_function);
    assert_eq!(description.secrets.len(), 1);
    let Some(options) = &description.options else { panic!("no options") };
    let at =
        |span: Option<(u32, u32)>| span.map_or("-", |(from, to)| &text[from as usize..to as usize]);
    let crate::sandbox::protocol::OptionKind::Table(entries) = &options.kind else {
        panic!("no table")
    };
    let told: Vec<String> = entries
        .iter()
        .map(|e| format!("{} {:?} {}", at(e.span), e.value.kind, at(e.value.span)))
        .collect();
    assert_eq!(
        told,
        [
            "name Text(\"Sign in\") 'Sign in'",
            "every Text(\"30s\") `${30}s`",
            "regions List([OptionValue { kind: Text(\"eu\"), span: Some((140, 144)) }, \
             OptionValue { kind: Text(\"us\"), span: Some((146, 150)) }]) ['eu', 'us']",
            "- Text(\"https://x.test/\") -",
            "- Other(\"[Function: hook]\") -",
        ]
    );
}

#[test]
fn describing_does_nothing_outside() {
    let describe = |text| served(ToChild::Describe(modules(&[("a.js", text)])), nothing);
    let said =
        describe("import { secret } from 'tripline'; export const options = { a: secret('X') }");
    let Some(FromChild::Described(Err(error))) = said.messages.last() else { panic!("{said:?}") };
    assert!(error.message.contains("secret() cannot be used while the module is loaded"));
    assert_eq!(place(error), "a.js:1:70");
    let said = describe("console.log('hello'); export const options = null;");
    assert_eq!(said.lines(), ["hello"]);
    let said = describe("export const options = { get a() { return 1; } };");
    assert!(matches!(said.messages.last(), Some(FromChild::Described(Err(_)))));
    let said = describe("await fetch('https://a.test/');");
    assert!(matches!(said.messages.last(), Some(FromChild::Described(Err(_)))));
}
