//! What a run costs in CPU time: preparing an engine, and a script of a hundred lines with three
//! requests that are answered at once.
//!
//! `cargo run --release --example script_cost`

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tripline::sandbox::engine::{Engine, Port, Received};
use tripline::sandbox::protocol::{
    Answer, FetchResponse, FromChild, Job, Question, RunContext, Source, ToChild,
};

const RUNS: usize = 200;

/// A port that answers every request with the sign-in page.
struct Loop(VecDeque<ToChild>);

const PAGE: &str = "<!doctype html><title>Sign in</title><h1>Welcome</h1>\
    <form id=login method=post action=/session><input type=hidden name=csrf value=t>\
    <input name=email><input name=password type=password><button>Sign in</button></form>";

impl Port for Loop {
    fn send(&mut self, message: &FromChild) -> std::io::Result<()> {
        if let FromChild::Ask(number, question) = message {
            let answer = match question {
                Question::Fetch(request) => Answer::Fetched(Ok(FetchResponse {
                    url: request.url.clone(),
                    redirected: false,
                    status: 200,
                    status_text: String::new(),
                    headers: vec![("content-type".to_owned(), "text/html".to_owned())],
                    body: if request.url.contains("api") {
                        br#"{"items":[{"id":1,"name":"a"},{"id":2,"name":"b"}]}"#.to_vec()
                    } else {
                        PAGE.as_bytes().to_vec()
                    },
                })),
                Question::Secret(_) | Question::Totp(_) => Answer::Text(Ok("secret".to_owned())),
            };
            self.0.push_back(ToChild::Answer(*number, answer));
        }
        if let FromChild::Ended(ending) = message {
            assert_eq!(ending, &tripline::sandbox::protocol::Ending::Finished);
        }
        Ok(())
    }

    fn receive(&mut self, _: Option<Duration>) -> std::io::Result<Received> {
        Ok(self.0.pop_front().map_or(Received::TimedOut, Received::Message))
    }
}

/// A script of about a hundred lines, as people write them.
fn script() -> String {
    let mut text = String::from(
        "import { expect, secret, step, visit, metric } from \"tripline\";\n\
         export const options = {\n  name: \"Sign in\",\n  every: \"30s\",\n};\n",
    );
    for n in 0..8 {
        let _ = write!(
            text,
            "function total{n}(items, key) {{\n  let sum = 0;\n  for (const item of items) {{\n    \
             if (typeof item[key] !== \"number\") continue;\n    sum += item[key];\n  }}\n  \
             return {{ sum, count: items.length, mean: sum / items.length }};\n}}\n"
        );
    }
    text.push_str(
        "export default async function () {\n\
         const page = await step(\"open\", () => visit(\"https://app.example.com/login\"));\n\
         expect(page.status).toBe(200);\n\
         expect(page.title).toMatch(/sign in/i);\n\
         const home = await step(\"sign in\", async () => {\n\
           const form = page.form(\"#login\");\n\
           return form.submit({ email: \"a@example.com\", password: secret(\"P\") });\n\
         });\n\
         expect(home.text(\"h1\")).toContain(\"Welcome\");\n\
         const data = await step(\"api\", async () => {\n\
           const response = await fetch(\"https://app.example.com/api/items\", {\n\
             headers: { accept: \"application/json\" },\n\
           });\n\
           expect(response.ok).toBeTruthy();\n\
           return response.json();\n\
         });\n\
         expect(data.items).toHaveLength(2);\n\
         const totals = [total0, total1, total2].map((f) => f(data.items, \"id\"));\n\
         expect(totals[0]).toEqual({ sum: 3, count: 2, mean: 1.5 });\n\
         metric(\"items\", data.items.length);\n\
         console.log(\"totals\", totals);\n}\n",
    );
    text
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn main() {
    let worker = std::thread::Builder::new().stack_size(64 << 20).spawn(measure);
    worker.expect("a thread can be started").join().expect("the measurement ends");
}

#[expect(clippy::print_stdout, reason = "printing is what this example is for")]
fn measure() {
    let text = script();
    let (mut prepared, mut ran) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let source = Source {
            entry: "checks/a.js".to_owned(),
            modules: vec![("checks/a.js".to_owned(), text.clone())],
        };
        let context = RunContext {
            check: "c".to_owned(),
            region: "r".to_owned(),
            slot_millis: 0,
            run: "r".to_owned(),
        };
        let job = ToChild::Run(Job { source, context, timeout: Duration::from_secs(20) });
        let start = cpu();
        let engine = Engine::prepare();
        let middle = cpu();
        engine.serve(Box::new(Loop(VecDeque::from([job])))).expect("the port stays open");
        let end = cpu();
        prepared.push(middle.saturating_sub(start));
        ran.push(end.saturating_sub(middle));
    }
    for (name, mut times) in [("prepare", prepared), ("run", ran)] {
        let first = times[0];
        times.sort();
        println!(
            "{name}: first {first:?}, median {:?}, 99th percentile {:?}",
            times[RUNS / 2],
            times[RUNS * 99 / 100]
        );
    }
    println!("the script has {} lines", text.lines().count());
}
