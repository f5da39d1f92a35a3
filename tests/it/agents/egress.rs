//! Where checks may connect to, as the command line of an agent says.

use super::check;
use super::world::{PATIENCE, REGION, Ran, World};
use crate::support::site::Site;
use crate::support::wait::until_true;

#[tokio::test(flavor = "multi_thread")]
async fn networks_and_ports_are_open_and_closed_as_an_agent_is_told() {
    let site = Site::start().await;
    let world = World::new(&check("shop", &site));
    let _hub = world.hub().await;
    let token = world.create_token(REGION).await;
    let port = site.url().rsplit(':').next().expect("a port").to_owned();
    let closed: [(&str, &[&str], &str); 3] = [
        ("closed", &["--refuse-network", "127.0.0.0/8"], "closed by the agent's configuration"),
        ("private", &["--private-addresses", "refuse"], "it is a loopback address"),
        ("ports", &["--port", "443", "--port", "80"], "not among the ports"),
    ];
    for (name, words, why) in closed {
        let mut agent = world.agent_told(name, &token, words);
        let said = |run: &Ran| run.failure.as_ref().is_some_and(|it| it.to_string().contains(why));
        until_true(&format!("a run says why it is {name}"), PATIENCE, async || {
            world.runs("shop").await.iter().any(said)
        })
        .await;
        agent.stop().await;
    }
    assert_eq!(site.visits(), [] as [&str; 0], "nothing was dialled that is closed");
    let words = ["--private-addresses", "refuse", "--allow-network", "127.0.0.1", "--port", &port];
    let mut agent = world.agent_told("open", &token, &words);
    until_true("a run passes", PATIENCE, async || {
        world.runs("shop").await.iter().any(|run| run.outcome == "passed")
    })
    .await;
    agent.stop().await;
}
