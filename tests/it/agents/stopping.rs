//! An agent that is told to end does so in time, whatever hangs.

use std::time::Duration;

use rustix::process::Signal;

use super::world::{PATIENCE, World};
use crate::support::process::{descendants, runs};
use crate::support::site::Site;
use crate::support::wait::until_true;

/// What is promised.
const WITHIN: Duration = Duration::from_secs(10);
/// For how long a busy machine may let a process wait that is about to end.
const NOISE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_script_and_hub_hang_ends_in_time_and_reports_later() {
    let site = Site::start().await;
    let world = World::new("");
    let script = format!(
        "import {{ sleep }} from \"tripline\";\n\
         export const options = {{ every: \"45s\", timeout: \"45s\", regions: [\"eu\"] }};\n\
         export default async function () {{ await fetch(\"{}/slow\"); await sleep(44000); }}\n",
        site.url()
    );
    world.script("slow.js", &script);
    let hub = world.hub().await;
    let token = world.create_token("eu").await;
    let mut agent = world.agent("one", &token);
    until_true("the script runs", PATIENCE, async || !site.visits().is_empty()).await;
    agent.says("it is known", |it| it["hub_reachable"] == true).await;

    hub.signal(Signal::STOP);
    let children = descendants(agent.process.id());
    let ended = agent.process.stop(WITHIN + NOISE).await;
    assert!(ended.success(), "{ended}\n{}", agent.log());
    assert!(!children.is_empty() && !children.into_iter().any(runs), "its scripts end with it");

    hub.signal(Signal::CONT);
    let mut agent = world.agent_in("one", "agent-one", &agent.token_file.clone());
    until_true("what became of the run is told", PATIENCE, async || {
        world.runs("slow").await.iter().any(|run| {
            let failure = run.failure.as_ref();
            run.outcome == "unknown" && failure.is_some_and(|it| it["kind"] == "interrupted")
        })
    })
    .await;
    agent.stop().await;
}
