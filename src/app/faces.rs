//! All that the daemon answers over HTTP: the JSON API, and the link to the agents of other regions.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::daemon::StartError;
use super::listening::Measured;
use super::membership;
use super::pictures;
use super::proving::Proving;
use super::rules::InForce;
use super::vitals;
use super::works::Works;
use crate::clock::{Clock, Pulse};
use crate::config::settings::{self, Hub, Retention, User};
use crate::engine::acts::Acts;
use crate::engine::answers::Answers;
use crate::engine::clicks::Clicks;
use crate::engine::errands::Errands;
use crate::http::access::{self, Access, Unasked};
use crate::http::agents::{self, Link};
use crate::http::{self, Api, CheckSnapshot, Hosts, Intake, Loops, Tls};
use crate::link::publication::Publication;
use crate::store::accounts::Accounts;
use crate::store::agents::Agents;
use crate::store::looking::Looking;
use crate::store::rules::Rules as Records;
use crate::store::sessions::Sessions;
use crate::store::{Ledger, Store};

/// What the faces need.
pub(super) struct Parts {
    /// What is remembered.
    pub(super) store: Arc<dyn Ledger>,
    /// What others measured.
    pub(super) measured: Measured,
    /// The rules in force.
    pub(super) rules: InForce,
    /// How the hub is set up, who may come in, and where it really listens.
    pub(super) hub: (Hub, Vec<User>, SocketAddr),
    /// Tells the time.
    pub(super) clock: Arc<dyn Clock>,
    /// Which checks there are.
    pub(super) checks: CheckSnapshot,
    /// Whether the scheduler keeps up.
    pub(super) pulse: Arc<Pulse>,
    /// Whether the hub's own loops keep up.
    pub(super) loops: Loops,
    /// How long runs are kept.
    pub(super) retention: Retention,
    /// What people ask to be run at once.
    pub(super) errands: Arc<Errands>,
    /// Who takes what people do.
    pub(super) acts: Arc<Acts>,
    /// Who understands clicks.
    pub(super) clicks: Arc<Clicks>,
    /// Who takes what people answer.
    pub(super) answers: Arc<Answers>,
    /// Who proves paths, and whether everything works.
    pub(super) proving: Proving,
    /// What the agents are to run.
    pub(super) publication: watch::Receiver<Arc<Publication>>,
}

/// Where the faces listen.
pub(super) struct Listeners {
    /// For everybody who may reach it.
    pub(super) all: TcpListener,
    /// For agents of other regions, and nobody else.
    pub(super) agents: Option<TcpListener>,
    /// What they prove themselves with.
    pub(super) tls: Option<Arc<Tls>>,
}

/// Answers from now on, until the works end. Who may come in can be changed meanwhile.
pub(super) fn start(works: &Works, parts: Parts, listeners: Listeners) -> Arc<Access> {
    let Parts {
        store,
        measured,
        rules,
        hub: (hub, users, address),
        clock,
        checks,
        pulse,
        loops,
        retention,
        errands,
        acts,
        clicks,
        answers,
        proving,
        publication,
    } = parts;
    let Measured { metrics, queries, received } = measured;
    let access = access((&hub, address), users, (&store, &clock));
    let version = env!("CARGO_PKG_VERSION");
    let link = Link::new(agents::Parts {
        agents: Arc::clone(&store) as Arc<dyn Agents>,
        accounts: Arc::clone(&store) as Arc<dyn Accounts>,
        inlet: works.inlet(),
        retention,
        errands: Arc::clone(&errands),
        publication: publication.clone(),
        clock: Arc::clone(&clock),
        version,
        loops: loops.clone(),
        closing: works.halt(),
    });
    let api = Api {
        store: Arc::clone(&store) as Arc<dyn Store>,
        looking: Arc::clone(&store) as Arc<dyn Looking>,
        accounts: Arc::clone(&store) as Arc<dyn Accounts>,
        agents: Arc::clone(&store) as Arc<dyn Agents>,
        queries,
        rules: http::Rules { in_force: rules, records: Arc::clone(&store) as Arc<dyn Records> },
        metrics,
        clock: Arc::clone(&clock),
        checks,
        version,
        pulse,
        loops,
        intake: Intake { received, ..works.intake() },
        hosts: Hosts::new(address, url::Url::parse(&hub.url).ok().as_ref()),
        acts,
        errands,
        access: Arc::clone(&access),
        stamps: Arc::clone(&works.stamps),
        refused: Arc::default(),
        live: Arc::default(),
        drills: proving.drills,
        heartbeat: proving.heart.record(),
        publication,
    };
    let (heart, around) = (proving.heart, (Arc::clone(&store), Arc::clone(&api.clock)));
    let asked = api.clone();
    works.spawn(|halt| heart.run(around, asked, halt));
    keep_up(works, &store, (&api, address));
    let outside = http::slack::router(clicks).merge(http::twilio::router(answers));
    let all = http::router(api).merge(agents::router(link.clone())).merge(outside);
    listen(works, listeners, (all, agents::router_alone(link)));
    access
}

/// Keeps open pages, pictures beside messages and the hub's own metrics up to date.
fn keep_up(works: &Works, store: &Arc<dyn Ledger>, (api, address): (&Api, SocketAddr)) {
    pictures::begin(works, store, api);
    let (watched, measured) = (api.clone(), api.clone());
    works.spawn(|halt| async move {
        watched.live.run(&*watched.looking, &*watched.clock, halt).await;
    });
    works.spawn(|halt| vitals::keep(measured, membership::hub_name(address), halt));
}

/// Answers by these, to all and to agents alone.
fn listen(works: &Works, listeners: Listeners, (all, alone): (Router, Router)) {
    let Listeners { all: listener, agents: for_agents, tls } = listeners;
    works.spawn(|halt| http::serve(listener, tls.clone(), all, halt));
    if let Some(listener) = for_agents {
        works.spawn(|halt| http::serve(listener, tls, alone, halt));
    }
}

/// Who may come in to a hub that listens at `address`.
fn access(
    (hub, address): (&Hub, SocketAddr),
    users: Vec<User>,
    (store, clock): (&Arc<dyn Ledger>, &Arc<dyn Clock>),
) -> Arc<Access> {
    Arc::new(Access::new(access::Parts {
        users,
        unasked: Unasked::new(address, hub),
        sessions: Arc::clone(store) as Arc<dyn Sessions>,
        clock: Arc::clone(clock),
        url: url::Url::parse(&hub.url_at(address)).ok(),
    }))
}

/// Where the API listens: as told on the command line, or else as written.
pub(super) fn place_to_listen(
    told: Option<SocketAddr>,
    (hub, users): (&Hub, &[User]),
) -> Result<SocketAddr, StartError> {
    let place = told.unwrap_or(hub.listen);
    if settings::is_open(place) && !users.is_empty() {
        if !hub.url_at(place).starts_with("https://") {
            tracing::warn!(
                address = %place,
                "PEOPLE SIGN IN WITHOUT TLS: whoever listens on the way reads passwords and tokens; \
                 give the hub a certificate with `tls` in [hub], or let a proxy that has one stand \
                 before it and write its address as `url`"
            );
        }
    } else if settings::is_open(place) {
        if !hub.open_to_network {
            return Err(StartError::Open(place));
        }
        tracing::warn!(
            address = %place,
            acts = hub.open_to_acts,
            "THE API IS OPEN TO THE NETWORK: whoever reaches it reads all runs, incidents and \
             metrics, and writes metrics, without signing in; acknowledging and silencing, too, where \
             `acts` is true"
        );
    }
    Ok(place)
}

/// Where all that is answered listens; the address of the API, and its certificate if it has one.
pub(super) async fn bind(
    listen: SocketAddr,
    hub: &Hub,
) -> Result<(Listeners, SocketAddr, Option<Arc<Tls>>), StartError> {
    let tls = tls_of(hub)?;
    let (all, address) = listen_on(listen).await?;
    let agents = listen_for_agents(hub).await?;
    Ok((Listeners { all, agents, tls: tls.clone() }, address, tls))
}

/// Agents are asked for their tokens, so this listener may be open to other machines.
async fn listen_for_agents(hub: &Hub) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = hub.agents_listen else { return Ok(None) };
    let (listener, address) = listen_on(address).await?;
    tracing::info!(%address, "agents of other regions can dial in");
    if hub.tls.is_none() && settings::is_open(address) {
        tracing::warn!(
            %address,
            "AGENTS DIAL IN WITHOUT TLS: whoever listens on the way reads tokens and secrets; give \
             the hub a certificate with `tls` in [hub], or let a proxy that has one stand before it"
        );
    }
    Ok(Some(listener))
}

async fn listen_on(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

fn tls_of(hub: &Hub) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(tls) = &hub.tls else { return Ok(None) };
    Ok(Some(Arc::new(Tls::load(tls.certificate.clone(), tls.key.clone())?)))
}
