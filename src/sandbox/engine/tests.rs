//! The engine as a script sees it, over a port that answers by a table.

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
        let line = |event| match event {
            &Event::Log { ref text, .. } => Some(text.as_str()),
            _ => None,
        };
        self.events().filter_map(line).collect()
    }

    pub(crate) fn requests(&self) -> Vec<&FetchRequest> {
        let request = |message| match message {
            &FromChild::Ask(_, Question::Fetch(ref request)) => Some(request),
            _ => None,
        };
        self.messages.iter().filter_map(request).collect()
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
