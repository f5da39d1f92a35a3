//! Rules: breaches that last, end, or cannot be seen any more.

use serde_json::json;

use super::scenario::{Down, Scenario, Silent, Up, login};
use super::told::{any_sms, between, m, slack, sms};

/// The rule is breached while most of the last three runs failed; the check itself tells nobody.
const RULE: &str = "
[rules]
every = \"1m\"

[coverage]
below = 0

[[policy]]
name = \"quiet\"

[[policy.tier]]
when = { failures_in_a_row = 50 }
notify = [\"slack:#pay\"]

[[rule]]
name = \"logins fail\"
expr = 'avg_over_time(tripline_check_up{check=\"login\"}[3m]) < 0.5'
for = \"2m\"
missing_after = \"5m\"
";

const TOLD: &str = "notify = [\"slack:#p1\", \"sms:ana\"]\n";

/// Two tiers: the second calls bo when nobody takes care of it for ten minutes.
const PAGED: &str = "policy = \"page\"

[[policy]]
name = \"page\"

[[policy.tier]]
when = { failures_in_a_row = 1 }
notify = [\"slack:#p1\"]

[[policy.tier]]
when = { unacknowledged_for = \"10m\" }
notify = [\"sms:bo\"]
";

/// `login` and a rule about its runs, which pass up to the fifth minute.
fn rule(told: &str) -> Scenario {
    login().toml(&format!("{RULE}{told}")).edit_before(|project| {
        project.check("login").more = "policy = \"quiet\"\n".into();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_told_when_it_has_lasted_and_when_it_is_over() {
    rule(TOLD)
        .on_postgres_too()
        .at(m(6))
        .target("login", Down)
        // Below from the eighth minute on.
        .want_all(between(m(10), m(11)), &["#p1", "ana"], "breached: ")
        .at(m(13))
        .target("login", Up)
        .want_all(between(m(15), m(16)), &["#p1", "ana"], "recovered: ")
        .want_incidents(&["rule:logins fail over"])
        .until(m(18))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_that_does_not_last_tells_nobody() {
    rule(TOLD)
        .at(m(6))
        .target("login", Down)
        .at(m(8))
        .target("login", Up)
        .want_incidents(&[])
        .until(m(14))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_data_is_told_of_as_what_it_is_and_seen_again() {
    rule(TOLD)
        .at(m(6))
        .target("login", Silent)
        .want_all(between(m(13), m(15)), &["#p1", "ana"], "blind: ")
        .at(m(18))
        .target("login", Up)
        .want_all(between(m(19), m(20)), &["#p1", "ana"], "seen again: ")
        .want_incidents(&["unseen:logins fail over"])
        .until(m(21))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_that_goes_out_of_sight_is_not_over() {
    rule(TOLD)
        .at(m(6))
        .target("login", Down)
        .want_all(between(m(10), m(11)), &["#p1", "ana"], "breached: ")
        .at(m(12))
        .target("login", Silent)
        .want_all(between(m(19), m(21)), &["#p1", "ana"], "blind: ")
        .want_none(between(m(0), m(24)), slack("#p1").saying("recovered"))
        .want_incidents(&["rule:logins fail open", "unseen:logins fail open"])
        .until(m(24))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_that_nobody_takes_care_of_reaches_the_next_tier() {
    rule(PAGED)
        .at(m(6))
        .target("login", Down)
        .want(between(m(10), m(11)), slack("#p1").saying("breached"))
        .want(between(m(20), m(21)), sms("bo").saying("10m without an acknowledgement"))
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_breach_wakes_nobody() {
    rule(PAGED)
        .at(m(6))
        .target("login", Down)
        .want(between(m(10), m(11)), slack("#p1").saying("breached"))
        .at(m(12))
        .acknowledge(1)
        .want(between(m(12), m(12)), slack("#p1").saying("acknowledged by eva"))
        .want_none(between(m(0), m(25)), any_sms())
        .until(m(23))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_in_a_silence_is_told_at_its_end() {
    rule(TOLD)
        .at(m(1))
        .silence(json!({"rules": ["logins fail"], "for": "12m"}))
        .at(m(6))
        .target("login", Down)
        .want_all(between(m(13), m(14)), &["#p1", "ana"], "still fails after: silenced by eva")
        .want_incidents(&["rule:logins fail open"])
        .until(m(16))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_a_breach_has_not_lasted_long_enough_keeps_its_beginning() {
    rule(TOLD)
        .at(m(6))
        .target("login", Down)
        .at(m(8) + m(1) / 2)
        .kill()
        .want_all(between(m(10), m(11)), &["#p1", "ana"], "breached: ")
        .until(m(12))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_taken_out_while_breached_is_no_longer_watched() {
    rule(TOLD)
        .at(m(6))
        .target("login", Down)
        .want_all(between(m(10), m(11)), &["#p1", "ana"], "breached: ")
        .at(m(12) + m(1) / 2)
        .edit(|project| {
            project.replace("name = \"logins fail\"", "name = \"another\"");
            project.replace("< 0.5", "< -1");
        })
        .want_all(between(m(12), m(14)), &["#p1", "ana"], "no longer watched: ")
        .want_incidents(&["rule:logins fail over"])
        .until(m(15))
        .await;
}
