//! `tripline token`: makes, lists and revokes the tokens of agents.

use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use super::args::{Global, Token as Wanted, TokenCommand};
use super::exit::Exit;
use super::run::{self, Stop};
use super::terminal::Terminal;
use super::up::with_causes;
use crate::app::project::Reading;
use crate::app::tokens::Desk;
use crate::clock;
use crate::config::MissingSecrets;
use crate::config::settings::Hub;
use crate::domain::Timestamp;
use crate::link::token::Token;
use crate::store::agents::TokenRecord;

/// Runs the command.
pub(super) async fn run(
    wanted: &Wanted,
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, Stop> {
    let mut environment = run::environment(global, terminal)?;
    // Only where the store is matters here.
    environment.missing_secrets = MissingSecrets::Warn;
    let reading = Reading::begin(&run::root(global, terminal)?, &environment);
    let settings = reading.settings().map_err(Stop::Invalid)?;
    let failed = |error: crate::app::tokens::Error| Stop::Broken(with_causes(&error));
    let desk = Desk::open(&settings, Arc::new(clock::System)).await.map_err(failed)?;
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    match &wanted.command {
        TokenCommand::Create { region, name } => {
            if let Some(doubt) = settings.doubt_of_region(region) {
                writeln!(err, "Warning: {doubt}")?;
            }
            let name = name.as_deref().unwrap_or(region.as_str());
            let (id, token) = desk.create(region, name).await.map_err(failed)?;
            show(&token, &mut out)?;
            writeln!(
                err,
                "That was token {id}, for agents of {region}. It is not shown again. Put it into a \
                 file on the agent's machine, and start\n  tripline agent --hub {} --region \
                 {region} --token-file FILE",
                hub_for_agents(&settings.hub)
            )?;
        }
        TokenCommand::List { json } => {
            let tokens = desk.list().await.map_err(failed)?;
            let now = desk.now();
            let listed: Vec<_> = tokens.iter().map(|it| Listed::new(it, now)).collect();
            if *json {
                let text = serde_json::to_string_pretty(&List { tokens: listed });
                writeln!(out, "{}", text.expect("tokens have text keys"))?;
            } else {
                table(&listed, &mut out)?;
            }
        }
        TokenCommand::Revoke { id } => {
            desk.revoke(*id).await.map_err(failed)?;
            writeln!(err, "Token {id} is revoked.")?;
        }
        TokenCommand::Rotate { id } => {
            let (token, until) = desk.rotate(*id).await.map_err(failed)?;
            show(&token, &mut out)?;
            writeln!(
                err,
                "That is the new token {id}. It is not shown again. Put it into the token files of \
                 all agents that have the old one; they notice. The old one is good until {}; \
                 `tripline token revoke` ends both at once.",
                shown(until)
            )?;
        }
    }
    Ok(Exit::Good)
}

/// The address by which agents reach the hub, as far as it is known.
fn hub_for_agents(hub: &Hub) -> String {
    match hub.agents_listen {
        Some(address) => format!("https://HUB:{}", address.port()),
        None => hub.url.clone(),
    }
}

fn shown(at: Timestamp) -> impl std::fmt::Display {
    at.format("%Y-%m-%d %H:%M UTC")
}

fn show(token: &Token, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "{}", token.expose())
}

#[derive(Serialize)]
struct List<'t> {
    tokens: Vec<Listed<'t>>,
}

/// A token as it is listed.
#[derive(Serialize)]
struct Listed<'t> {
    id: i64,
    region: &'t str,
    name: &'t str,
    state: &'static str,
    created_at: Timestamp,
    rotated_at: Option<Timestamp>,
    former_good_until: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
}

impl<'t> Listed<'t> {
    fn new(token: &'t TokenRecord, now: Timestamp) -> Self {
        let former_good_until = token.former_until(now);
        let state = match (token.revoked_at, former_good_until) {
            (Some(_), _) => "revoked",
            (None, Some(_)) => "rotating",
            (None, None) => "good",
        };
        Self {
            id: token.id.0,
            region: token.region.as_str(),
            name: &token.name,
            state,
            created_at: token.created_at,
            rotated_at: token.rotated_at,
            former_good_until,
            revoked_at: token.revoked_at,
        }
    }
}

fn table(tokens: &[Listed<'_>], out: &mut impl Write) -> std::io::Result<()> {
    let wide = |text: fn(&Listed<'_>) -> usize, title: &str| {
        tokens.iter().map(text).chain([title.len()]).max().unwrap_or_default()
    };
    let region = wide(|token| token.region.len(), "REGION");
    let name = wide(|token| token.name.len(), "NAME");
    writeln!(out, "{:>4}  {:region$}  {:name$}  {:8}  CREATED", "ID", "REGION", "NAME", "STATE")?;
    for token in tokens {
        let created = shown(token.created_at);
        let former = token
            .former_good_until
            .map(|until| format!("  (the token before it is good until {})", shown(until)));
        let former = former.unwrap_or_default();
        writeln!(
            out,
            "{:>4}  {:region$}  {:name$}  {:8}  {created}{former}",
            token.id, token.region, token.name, token.state
        )?;
    }
    Ok(())
}
