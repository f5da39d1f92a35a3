//! Who comes in by which way, at the real binary: every way in that there is, by everybody who may try.

use reqwest::{Method, StatusCode, header};
use tripline::domain::user::Right;
use tripline::http::access::{Need, Way};
use tripline::link::token::Token;

use crate::support::http::client;
use crate::support::tripline::{Daemon, Project};

const PASSWORD: &str = "correct horse battery";

/// Somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Shows nothing.
    Nobody,
    /// Shows a token that nobody has.
    WrongToken,
    /// Shows the token of an agent.
    Agent,
    /// Shows a session that was ended by signing out.
    Ended,
    /// Signed in as a viewer.
    Viewer,
    /// A program that is a viewer.
    ViewingProgram,
    /// Signed in as an operator.
    Operator,
    /// A program that is an operator.
    ActingProgram,
}

impl Who {
    const ALL: [Self; 8] = [
        Self::Nobody,
        Self::WrongToken,
        Self::Agent,
        Self::Ended,
        Self::Viewer,
        Self::ViewingProgram,
        Self::Operator,
        Self::ActingProgram,
    ];

    /// What must come of it where something is needed.
    fn fate(self, need: Need) -> Fate {
        match (need, self) {
            // Of the link, an agent comes in; so much is said by the tests of the link.
            (Need::Own, Self::Agent) => Fate::Either,
            (Need::Own, _) => Fate::OwnProofMissing,
            (Need::Right(_), Self::Nobody | Self::WrongToken | Self::Agent | Self::Ended) => {
                Fate::Unknown
            }
            (Need::Right(right), Self::Viewer | Self::ViewingProgram) if right != Right::See => {
                Fate::NotAllowed
            }
            (Need::Public | Need::Right(_), _) => Fate::In,
        }
    }
}

/// What comes of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The route answers, whatever it says of what was asked.
    In,
    /// Nobody knows who asks.
    Unknown,
    /// It is known who asks, and that is not enough.
    NotAllowed,
    /// The route asks for a proof of its own.
    OwnProofMissing,
    /// Any of these.
    Either,
}

impl Fate {
    fn is_of(self, status: StatusCode) -> bool {
        match self {
            Self::In => !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
            Self::Unknown => status == StatusCode::UNAUTHORIZED,
            Self::NotAllowed => status == StatusCode::FORBIDDEN,
            // Slack and Twilio are not set up here.
            Self::OwnProofMissing => {
                matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND)
            }
            Self::Either => true,
        }
    }
}

/// Hashes the password by the command.
async fn hash(project: &Project) -> String {
    let (code, out, said) = project.run_fed(&["user", "hash"], &format!("{PASSWORD}\n")).await;
    assert_eq!(code, Some(0), "{said}");
    out.trim().to_owned()
}

/// A token and its hash by the command.
async fn token(project: &Project) -> (String, String) {
    let (code, out, said) = project.run(&["user", "token", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let both: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let text = |key: &str| both[key].as_str().expect("a text").to_owned();
    (text("token"), text("token_hash"))
}

/// A project with people and programs of both roles; and the tokens of the programs.
async fn project() -> (Project, [String; 2]) {
    let project = Project::new();
    let hash = hash(&project).await;
    let ((seeing, seeing_hash), (acting, acting_hash)) =
        (token(&project).await, token(&project).await);
    let person = |name: &str, role: &str| {
        format!(
            "[[user]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_hash = {{ env = \"HASH\" }}\n"
        )
    };
    let program = |name: &str, role: &str, hash: &str| {
        format!("[[user]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_hash = \"{hash}\"\n")
    };
    let project = project
        .toml(&person("vic", "viewer"))
        .toml(&person("ana", "operator"))
        .toml(&program("grafana", "viewer", &seeing_hash))
        .toml(&program("deploy", "operator", &acting_hash))
        .env("HASH", &hash);
    (project, [seeing, acting])
}

fn place(daemon: &Daemon, path: &str) -> String {
    format!("{}{path}", daemon.url())
}

/// The cookie of somebody who signs in.
async fn signed_in(daemon: &Daemon, name: &str) -> String {
    let browser = reqwest::Client::builder().no_proxy();
    let browser = browser.redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let form = [("name", name), ("password", PASSWORD)];
    let answer =
        browser.post(place(daemon, "/sign-in")).form(&form).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{answer:?}");
    let cookie = answer.headers()[header::SET_COOKIE].to_str().expect("text");
    cookie.split(';').next().expect("a pair").to_owned()
}

/// What each of them shows.
async fn proofs(
    daemon: &Daemon,
    project: &Project,
    [seeing, acting]: &[String; 2],
) -> Vec<(Who, Option<(&'static str, String)>)> {
    let ended = signed_in(daemon, "ana").await;
    let out = client().post(place(daemon, "/sign-out")).header("cookie", &ended).send();
    assert!(out.await.expect("an answer").status().is_success(), "it ends on the page to sign in");
    let (code, agents, said) = project.run(&["token", "create", "--region", "eu"]).await;
    assert_eq!(code, Some(0), "{said}");
    let bearer = |token: &str| Some(("authorization", format!("Bearer {}", token.trim())));
    let mut proofs = Vec::new();
    for who in Who::ALL {
        let proof = match who {
            Who::Nobody => None,
            Who::WrongToken => bearer(&Token::generate().expect("random").expose()),
            Who::Agent => bearer(&agents),
            Who::Ended => Some(("cookie", ended.clone())),
            Who::Viewer => Some(("cookie", signed_in(daemon, "vic").await)),
            Who::ViewingProgram => bearer(seeing),
            Who::Operator => Some(("cookie", signed_in(daemon, "ana").await)),
            Who::ActingProgram => bearer(acting),
        };
        proofs.push((who, proof));
    }
    proofs
}

/// With what somebody is answered who comes this way.
async fn status(daemon: &Daemon, way: &Way, proof: Option<&(&'static str, String)>) -> StatusCode {
    let parts = way.path.split('/').map(|part| if part.starts_with('{') { "7" } else { part });
    let path = parts.collect::<Vec<_>>().join("/");
    let mut request = client().request(way.method.clone(), place(daemon, &path));
    if way.method == Method::POST {
        request = request.header("content-type", "application/json").body("{}");
    }
    if let Some((name, value)) = proof {
        request = request.header(*name, value);
    }
    request.send().await.expect("an answer").status()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_in_is_open_to_those_who_have_what_it_needs() {
    let (project, tokens) = project().await;
    let daemon = project.up().await;
    let mut ways = tripline::http::ways();
    assert!(ways.len() > 40, "the ways in were not found");
    // Whoever signs out cannot come in any more.
    ways.sort_by_key(|way| way.path == "/sign-out");
    let mut wrong = Vec::new();
    for (who, proof) in proofs(&daemon, &project, &tokens).await {
        for way in &ways {
            let (status, fate) = (status(&daemon, way, proof.as_ref()).await, who.fate(way.need));
            if !fate.is_of(status) {
                let (method, path) = (&way.method, way.path);
                wrong.push(format!("{method} {path} by {who:?}: {status}, not {fate:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_a_token_and_act_under_its_name() {
    let (mut project, [seeing, acting]) = project().await;
    let daemon = project.up().await;
    let ask = ["silence", "--everything", "--for", "1h", "--reason", "deploy", "--by", "eva"];
    let hub = daemon.url().to_owned();
    let words = |words: &[&'static str]| {
        let mut all: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        all.extend(["--hub".to_owned(), hub.clone()]);
        all
    };
    let run = async |project: &Project, said: Vec<String>| {
        project.run(&said.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let (code, _, said) = run(&project, words(&ask)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("set `TRIPLINE_TOKEN` to the token of a user"), "{said}");
    project.set_env("TRIPLINE_TOKEN", &seeing);
    let (code, _, said) = run(&project, words(&ask)).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("grafana is a viewer, who sees and does not act"), "{said}");
    project.set_env("TRIPLINE_TOKEN", &acting);
    let (code, _, said) = run(&project, words(&ask)).await;
    assert_eq!(code, Some(0), "{said}");
    let (_, listed, said) = run(&project, words(&["silences"])).await;
    assert!(listed.contains("deploy: deploy"), "by the user, whatever is said: {listed}{said}");
    daemon.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_taken_out_of_the_project_is_out() {
    let (project, _) = project().await;
    let daemon = project.up().await;
    let cookie = signed_in(&daemon, "ana").await;
    let sees = async || {
        let asked = client().get(place(&daemon, "/api/v1/checks")).header("cookie", &cookie);
        asked.send().await.expect("an answer").status()
    };
    assert_eq!(sees().await, StatusCode::OK);
    project.edit("name = \"ana\"", "name = \"bea\"");
    daemon.signal(rustix::process::Signal::HUP);
    crate::support::wait::until_true(
        "ana is out",
        std::time::Duration::from_secs(40),
        async || sees().await == StatusCode::UNAUTHORIZED,
    )
    .await;
    daemon.kill().await;
}
