//! Agents that reach their hub by a proxy, and not past it.

use serde_json::Value;

use super::world::{HUB, PATIENCE, REGION, World};
use super::{check, is_at_work};
use crate::support::forward::ForwardProxy;
use crate::support::site::Site;
use crate::support::wait::until_true;

const CREDENTIALS: &str = "ana:s3cret";

/// A proxy's address with what it wants to hear.
fn with_login(proxy: &ForwardProxy, credentials: &str) -> String {
    proxy.url().replace("http://", &format!("http://{credentials}@"))
}

fn is_cut_off(status: &Value) -> bool {
    status["hub_reachable"] == false && status["hub_trouble"].is_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reaches_its_hub_through_a_proxy_that_wants_a_password() {
    let (site, proxy) = (Site::start().await, ForwardProxy::start(CREDENTIALS).await);
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let login = with_login(&proxy, CREDENTIALS);
    let tunnel = format!("CONNECT {HUB}:{} HTTP/1.1", world.link_port());
    for name in ["by-word", "by-environment"] {
        let before = proxy.asked().len();
        let mut agent = match name {
            "by-word" => world.agent_through(name, &token, &["--proxy", &login], &[]),
            _ => world.agent_through(name, &token, &[], &[("HTTPS_PROXY", &login)]),
        };
        agent.says("it works", |it| is_at_work(it, 1)).await;
        let known = world.runs("shop").await.len();
        until_true("its reports arrive", PATIENCE, async || world.runs("shop").await.len() > known)
            .await;
        let asked = proxy.asked().split_off(before);
        assert!(!asked.is_empty() && asked.iter().all(|line| *line == tunnel), "{asked:?}");
        // The password is the proxy's to know.
        assert!(!agent.log().contains("s3cret"), "{}", agent.log());
        agent.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_proxy_refuses_it_says_so_and_one_that_is_to_pass_it_by_does() {
    let (site, proxy) = (Site::start().await, ForwardProxy::start(CREDENTIALS).await);
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let wrong = with_login(&proxy, "ana:hunter2");
    let mut refused = world.agent_through("refused", &token, &["--proxy", &wrong], &[]);
    let status = refused.says("the proxy refuses it", is_cut_off).await;
    let trouble = status["hub_trouble"].as_str().expect("a text").to_lowercase();
    assert!(trouble.contains("proxy"), "who refuses is named: {trouble}");
    assert!(!trouble.contains("hunter2") && !refused.log().contains("hunter2"), "{trouble}");
    refused.stop().await;

    // The name is known to the proxy alone, so whoever goes past it finds nothing.
    let login = with_login(&proxy, CREDENTIALS);
    for past in [HUB, ".example", "*"] {
        let environment = [("HTTPS_PROXY", login.as_str()), ("NO_PROXY", past)];
        let name = format!("past-{}", past.trim_matches(['.', '*']));
        let mut agent = world.agent_through(name.trim_matches('-'), &token, &[], &environment);
        agent.says("the hub is not found", is_cut_off).await;
        agent.kill();
    }
    assert_eq!(proxy.asked(), [] as [&str; 0]);
}
