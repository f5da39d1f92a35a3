//! Runs leave points of metrics in the store, by the real binary.

use std::time::Duration;

use tripline::query::{Selection, Series};
use tripline::store::metrics::{Bounds, Found, Metrics as _};
use tripline::store::sqlite::SqliteStore;

use crate::support::tripline::Project;
use crate::support::wait::until_true;

const PATIENCE: Duration = Duration::from_mins(1);

const CART: &str = r#"import { metric, step } from "tripline";
export const options = { every: "1s", labels: { team: "shop" } };
export default async function () {
  await step("count", () => metric("cart.items", 3, { plan: "free" }));
}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_measured_is_found_after_a_stop() {
    let project = Project::new().script("cart.js", CART);
    let daemon = project.up().await;
    let mut runs = Vec::new();
    until_true("two runs passed", PATIENCE, async || {
        runs = daemon.runs("cart").await;
        runs.len() > 1
    })
    .await;
    assert!(daemon.stop().await.success());
    let path = project.path().join("tripline.db");
    let store = SqliteStore::open_read_only(&path).await.expect("opened");
    let (matchers, bounds) = ([].into(), Bounds { series: 100, points: 10_000 });
    let all = Selection { matchers, after: 0, until: i64::MAX };
    let Found::Series(found) = store.select(&[all], bounds).await.expect("read") else {
        panic!("too much")
    };
    let named = |name: &str| -> &Series {
        let of_name = |it: &&std::sync::Arc<Series>| it.labels().metric_name() == name;
        found[0].iter().find(of_name).unwrap_or_else(|| panic!("no {name} in {found:#?}"))
    };
    let (items, step) = (named("cart_items"), named("tripline_check_step_duration_seconds"));
    assert!(items.values().iter().all(|value| (value - 3.0).abs() < f64::EPSILON));
    assert_eq!(step.labels().value("step"), "count");
    let up = named("tripline_check_up");
    assert!(up.times().len() >= runs.len(), "each run, the last ones before the stop, too: {up:?}");
    for (series, label, value) in [
        (items, "plan", "free"),
        (items, "team", "shop"),
        (up, "check", "cart"),
        (up, "team", "shop"),
    ] {
        assert_eq!(series.labels().value(label), value, "{series:?}");
    }
    let (code, told, words) = project.run(&["store", "check"]).await;
    assert_eq!(code, Some(0), "{words}");
    assert!(told.contains("All of them can be read."), "{told}");
}
