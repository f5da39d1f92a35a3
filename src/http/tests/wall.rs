//! The pages about regions, deliveries, rules and on-call.

use super::overview::{browse, page};
use super::*;
use crate::domain::id::PersonId;
use crate::domain::policy::Recipient;
use crate::domain::rota::{Layer, Rota, Turn};
use crate::domain::zone::Zone;

/// What no text may become.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

#[tokio::test]
async fn a_region_says_who_runs_its_checks_and_when_nobody_did() {
    let face = Face::new();
    let calm = page(&face, "/regions").await;
    assert!(calm.contains("aria-current=\"page\">Regions"), "{calm}");
    assert!(calm.contains(">eu-west-1</a></h2>") && calm.contains(">us-east-1</a></h2>"), "{calm}");
    assert!(calm.contains("1 agent at work"), "{calm}");
    assert!(calm.contains("<span class=\"mark up\">live</span>"), "{calm}");
    assert!(calm.contains("<span class=\"mark down\">lost</span>"), "{calm}");
    assert!(calm.contains("<span class=\"mark never\">stopped</span>"), "{calm}");
    assert!(calm.contains("Nobody runs checks here now."), "of us-east-1: {calm}");
    assert!(calm.contains("2 reports, 1.2 KiB"), "{calm}");
    assert!(calm.contains("<strong>no hub was running</strong>"), "{calm}");
    assert!(calm.contains("covered in 24 hours"), "{calm}");
    face.store.upset_agents();
    let upset = page(&face, "/regions").await;
    assert!(upset.contains("behind its schedule") && upset.contains("7.50 s ahead"), "{upset}");
    assert!(upset.contains("0 agents at work"), "{upset}");
}

#[tokio::test]
async fn deliveries_say_what_is_owed_and_what_came_of_each_attempt() {
    let face = Face::new();
    let shown = page(&face, "/deliveries").await;
    assert!(shown.contains("<th scope=\"row\">slack</th>"), "{shown}");
    assert!(shown.contains("<th scope=\"row\">slack:#p2</th>"), "{shown}");
    assert!(shown.contains("<span class=\"mark held\">tried, owed</span>"), "{shown}");
    assert!(shown.contains("429; again in 1.0 s") && shown.contains("1 attempt"), "{shown}");
    assert!(shown.contains("[heartbeat]") && shown.contains("[slack]"), "what to do next: {shown}");
    let none = page(&face, "/deliveries?state=given_up").await;
    assert!(none.contains("No message is like this."), "{none}");
    let (answer, text) = browse(&face, "/deliveries?state=lost").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(text.contains("a state is one of owed, sent"), "{text}");
}

#[tokio::test]
async fn paths_and_the_heartbeat_say_how_they_stand() {
    let face = Face::new();
    let recipient = Recipient::Slack(HOSTILE.into());
    let printed = [(Recipient::Slack("#p1".into()), "there is no `[twilio]`".to_owned())].into();
    let terms = Terms { paths: [recipient].into(), printed, ..Terms::default() };
    let region = Region::new("eu").expect("a good name");
    face.in_force.store(Arc::new(InForce { terms, region }));
    let withheld = vec![format!("the store fails {HOSTILE}")];
    face.heartbeat.store(Arc::new(Some(Record { withheld, ..Record::default() })));
    let shown = page(&face, "/deliveries").await;
    assert!(shown.contains("slack:&lt;img"), "{shown}");
    assert!(shown.contains("<span class=\"mark never\">untried</span>"), "{shown}");
    assert!(shown.contains("<span class=\"mark unknown\">printed</span>"), "{shown}");
    assert!(shown.contains("only printed where the hub runs: there is no `[twilio]`"), "{shown}");
    assert!(shown.contains("withheld") && shown.contains("the store fails"), "{shown}");
    assert!(!shown.contains("<img"), "{shown}");
    let last = Some(now() - TimeDelta::seconds(20));
    face.heartbeat.store(Arc::new(Some(Record { last, ..Record::default() })));
    assert!(page(&face, "/deliveries").await.contains("20 s ago"));
}

#[tokio::test]
async fn rules_say_how_they_stand_and_lead_to_their_charts() {
    let face = Face::new();
    let all = page(&face, "/rules").await;
    assert!(all.contains("href=\"/rules/few%20logins\""), "{all}");
    assert!(all.contains("<code>rate(logins_total[5m]) &lt; 1</code>"), "{all}");
    let one = page(&face, "/rules/few%20logins?window=6h").await;
    assert!(one.contains("<h1>few logins</h1>"), "{one}");
    assert!(one.contains("<svg") && one.contains("threshold 1"), "{one}");
    assert!(one.contains("region=us"), "the chart names its series: {one}");
    assert!(one.contains("beyond the threshold"), "{one}");
    assert!(one.contains("<option value=\"6h\" selected>"), "{one}");
    let (answer, text) = browse(&face, "/rules/nothing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(text.contains("There is no rule `nothing`."), "{text}");
    let (answer, _) = browse(&face, "/rules/few%20logins?window=2h").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let failing = "too many series";
    face.store.fail_rules(failing);
    assert!(page(&face, "/rules").await.contains(failing));
}

#[tokio::test]
async fn an_expression_is_tried_on_the_page() {
    let face = Face::new();
    let tried = |text: &str| {
        let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        format!("/rules?try={text}")
    };
    let good = page(&face, &tried("rate(logins_total[5m]) < 100")).await;
    assert!(good.contains("2 values now") && good.contains("<svg"), "{good}");
    assert!(good.contains("region=eu") && good.contains("threshold 100"), "{good}");
    let nothing = page(&face, &tried("logins_total > 1e9")).await;
    assert!(nothing.contains("It yields nothing now."), "{nothing}");
    for (text, words) in
        [("rate(", "class=\"wrong\""), (HOSTILE, "&lt;img"), ("1 +", "class=\"wrong\"")]
    {
        let bad = page(&face, &tried(text)).await;
        assert!(bad.contains(words) && !bad.contains("<img"), "{text}: {bad}");
    }
    face.store.fail();
    let (answer, _) = browse(&face, &tried("logins_total")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

/// Ana and Bo take turns for a week each, from the second on.
fn roster() -> Roster {
    let person = |name| PersonId::new(name).expect("a good name");
    let starts = "2026-11-22T09:00:00".parse().expect("a local time");
    let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
    let layer = Layer::new(vec![person("ana"), person("bo")], berlin, starts, Turn::Weeks(1));
    let (name, team) = ("primary".to_owned(), HOSTILE.to_owned());
    let rota = Rota { name: name.clone(), team, layers: vec![layer], overrides: Vec::new() };
    let people = [(person("ana"), Some("+4930123456".to_owned())), (person("bo"), None)];
    Roster { people: people.into(), rotas: [(name, rota)].into(), ..Roster::default() }
}

#[tokio::test]
async fn on_call_shows_who_is_on_duty_and_the_holes() {
    let face = Face::new();
    let empty = page(&face, "/on-call").await;
    assert!(empty.contains("There is no rota.") && empty.contains("[rota.NAME]"), "{empty}");
    let rulebook = Rulebook::new(Vec::<Arc<Check>>::new(), [Policy::built_in(None)], roster());
    face.judge.replace(rulebook.expect("no check names another"));
    let hole = page(&face, "/on-call").await;
    assert!(hole.contains("Nobody is on duty"), "{hole}");
    assert!(hole.contains("nobody is on duty, all of &lt;img"), "{hole}");
    assert!(hole.contains("bo: no telephone number, though in rota primary"), "{hole}");
    assert!(!hole.contains("<img"), "{hole}");
    assert!(hole.contains("<svg") && hole.contains("Europe/Berlin"), "{hole}");
    face.clock.set("2026-11-24T12:00:00Z".parse().expect("a time"));
    let duty = page(&face, "/on-call").await;
    assert!(duty.contains("<strong>ana</strong> is on duty"), "{duty}");
    assert!(duty.contains("Sun 29 Nov 09:00"), "by the clocks of the rota: {duty}");
}

#[tokio::test]
async fn what_goes_wrong_with_these_pages_is_a_page() {
    let face = Face::new();
    face.store.fail();
    for path in ["/regions", "/deliveries", "/rules"] {
        let (answer, text) = browse(&face, path).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(text.contains("the log of the daemon says why"), "{path}: {text}");
    }
    let (answer, text) = browse(&face, "/regions?region=eu").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(text.contains("There is no parameter `region`"), "{text}");
}
