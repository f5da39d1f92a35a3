//! Who is told that nobody knows how a check is doing, by the real binary.

use std::time::Duration;

use crate::support::port;
use crate::support::providers::Providers;
use crate::support::site::Site;
use crate::support::tripline::{Project, REGION};
use crate::support::wait::until_true;

/// How long something may take that takes half a minute on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// Takes the only place for scripts, most of the time.
const HOG: &str = "import { sleep } from 'tripline';\n\
    export const options = { every: '20s', timeout: '19s' };\n\
    export default async function () { await sleep(16_000); }\n";

/// Passes whenever it is let.
const STARVED: &str = "export const options = { every: '1s', timeout: '1s' };\n\
    export default async function () {}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_finds_no_room_is_told_of_and_is_seen_again() {
    let providers = Providers::start().await;
    let project = providers
        .told_by(Project::new().toml("max_runs = 1"))
        .script("hog.js", HOG)
        .script("starved.js", STARVED);
    let daemon = project.up().await;
    let heard = |word: &str| {
        let arrived = providers.arrived("#p2");
        arrived.iter().filter(|it| it.text.contains(word) && it.text.contains("starved")).count()
    };
    until_true("somebody is told", PATIENCE, async || heard("Blind") == 1).await;
    let incidents = daemon.incidents().await;
    let blind = incidents.iter().find(|it| it.subject == "coverage:starved").expect("it is open");
    assert_eq!(blind.check.as_deref(), Some("starved"));
    until_true("it is seen again", PATIENCE, async || heard("Seen again") >= 1).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_cut_off_tells_of_its_region_and_of_none_of_its_checks() {
    let (providers, site) = (Providers::start().await, Site::start().await);
    let nowhere = format!("http://127.0.0.1:{}/", port::free());
    let check =
        |id: &str| format!("[[check]]\nid = \"{id}\"\nurl = \"{nowhere}\"\nevery = \"1s\"\n");
    // A neighbour that is reached all the time does not keep the region from being told of.
    let near = format!("[[check]]\nid = \"near\"\nurl = \"{}\"\nevery = \"1s\"\n", site.url());
    let control = format!("[regions.{REGION}]\ncontrol = [\"{nowhere}\"]\n");
    let project = Project::new().toml(&control).toml(&check("a")).toml(&check("b")).toml(&near);
    let daemon = providers.told_by(project).up().await;
    let told = || providers.arrived("#p2").into_iter().map(|it| it.text).collect::<Vec<_>>();
    until_true("somebody is told", PATIENCE, async || !told().is_empty()).await;
    assert!(told()[0].contains("the region is cut off: no control target answers"), "{:?}", told());
    let run = daemon.run("a", "ended", |_| true).await;
    assert_eq!((run.outcome.as_str(), run.failure().kind.as_str()), ("unknown", "cut_off"));
    let subjects: Vec<String> = daemon.incidents().await.into_iter().map(|it| it.subject).collect();
    assert_eq!(subjects, [format!("region:{REGION}")]);
    assert_eq!(told().len(), 1, "{:?}", told());
    daemon.stop().await;
}
