//! What people do in Slack with the buttons of a message and with the form that one of them opens.
//!
//! Must not: do any of it. What is read here was signed by Slack or came over a connection to it, but
//! its texts are somebody's.
//! Source: <https://docs.slack.dev/reference/interaction-payloads>.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::id::IncidentId;
use crate::notify::render::{self, ACKNOWLEDGE, RUN, SILENCE};

/// The longest reason, in characters.
const LONGEST_REASON: usize = 300;
/// The longest name of somebody.
const LONGEST_NAME: usize = 80;

/// The form's name, and its parts'.
const FORM: &str = "tripline_silence";
const LASTS: &str = "lasts";
/// The block that the reason is written in, for a complaint about it.
pub const REASON: &str = "reason";

/// The times that may be chosen: minutes, and how they are called.
const CHOICES: [(u64, &str); 6] = [
    (30, "30 minutes"),
    (60, "1 hour"),
    (240, "4 hours"),
    (720, "12 hours"),
    (1440, "1 day"),
    (10080, "7 days"),
];
/// Which of them is chosen before anybody chooses.
const PROPOSED: usize = 1;

/// Somebody in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clicker {
    /// What they are called, in one line.
    pub name: String,
    /// Their id.
    pub user: String,
    /// The id of the channel they clicked in, where that is known.
    pub channel: Option<String>,
}

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To take care of an incident.
    Acknowledge(IncidentId),
    /// To have its check run at once.
    Run(IncidentId),
    /// To be asked how long nobody is to be told, and why.
    AskSilence {
        /// Of what.
        incident: IncidentId,
        /// Lets a form be opened, for three seconds.
        trigger: String,
    },
    /// That nobody be told.
    Silence {
        /// Of what.
        incident: IncidentId,
        /// For how long.
        lasts: Duration,
        /// Why; may be empty.
        reason: String,
    },
}

/// Something that somebody did in Slack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Who.
    pub by: Clicker,
    /// What they want.
    pub wish: Wish,
}

/// What was done is not one of the things that can be done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no click on a message of ours")]
pub struct Foreign;

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    channel: Option<Place>,
    trigger_id: Option<String>,
    #[serde(default)]
    actions: Vec<Action>,
    view: Option<View>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct View {
    callback_id: Option<String>,
    private_metadata: Option<String>,
    #[serde(default)]
    state: Value,
}

impl Click {
    /// Reads a payload; `None` where it asks for nothing, such as a click on a link.
    ///
    /// # Errors
    ///
    /// [`Foreign`] where it is not what our messages lead to.
    pub fn read(payload: &Value) -> Result<Option<Self>, Foreign> {
        let payload = Payload::deserialize(payload).map_err(|_| Foreign)?;
        let wish = match payload.kind.as_str() {
            "block_actions" => wished(&payload)?,
            "view_submission" => Some(submitted(payload.view.as_ref().ok_or(Foreign)?)?),
            "view_closed" => None,
            _ => return Err(Foreign),
        };
        let User { id, username, name } = payload.user;
        let called = username.or(name).map(|name| render::cut(&render::line(&name), LONGEST_NAME));
        let name = called.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
        let by = Clicker { name, user: id, channel: payload.channel.map(|it| it.id) };
        Ok(wish.map(|wish| Self { by, wish }))
    }
}

fn wished(payload: &Payload) -> Result<Option<Wish>, Foreign> {
    let action = payload.actions.first().ok_or(Foreign)?;
    let incident = || number(action.value.as_deref());
    Ok(Some(match action.action_id.as_str() {
        ACKNOWLEDGE => Wish::Acknowledge(incident()?),
        RUN => Wish::Run(incident()?),
        SILENCE => {
            let trigger = payload.trigger_id.clone().ok_or(Foreign)?;
            Wish::AskSilence { incident: incident()?, trigger }
        }
        _ => return Ok(None),
    }))
}

fn submitted(view: &View) -> Result<Wish, Foreign> {
    if view.callback_id.as_deref() != Some(FORM) {
        return Err(Foreign);
    }
    // The metadata is ours, but the form may be older than this program.
    let incident = number(view.private_metadata.as_deref())?;
    let values = &view.state["values"];
    let minutes = values[LASTS][LASTS]["selected_option"]["value"].as_str();
    let minutes: u64 = minutes.and_then(|it| it.parse().ok()).ok_or(Foreign)?;
    if !CHOICES.iter().any(|(choice, _)| *choice == minutes) {
        return Err(Foreign);
    }
    let reason = values[REASON][REASON]["value"].as_str().unwrap_or_default();
    let reason = render::cut(&render::line(reason), LONGEST_REASON);
    Ok(Wish::Silence { incident, lasts: Duration::from_mins(minutes), reason })
}

fn number(text: Option<&str>) -> Result<IncidentId, Foreign> {
    text.and_then(|it| it.parse().ok()).map(IncidentId).ok_or(Foreign)
}

/// The form that asks how long nobody is to be told of an incident, and why.
/// Source: <https://docs.slack.dev/reference/views/modal-views>.
pub fn silence_form(incident: IncidentId) -> Value {
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let option =
        |(minutes, name): &(u64, &str)| json!({"text": plain(name), "value": minutes.to_string()});
    let options: Vec<Value> = CHOICES.iter().map(option).collect();
    let explained = "Checks go on, and incidents open and end. Nobody is told of what this one is \
         about until the time is over; if it still fails then, everybody is told.";
    json!({
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": incident.to_string(),
        "title": plain("Silence"),
        "submit": plain("Silence"),
        "close": plain("Cancel"),
        "blocks": [
            {"type": "section", "text": plain(explained)},
            {
                "type": "input",
                "block_id": LASTS,
                "label": plain("For how long"),
                "element": {
                    "type": "static_select",
                    "action_id": LASTS,
                    "options": options,
                    "initial_option": options[PROPOSED],
                },
            },
            {
                "type": "input",
                "block_id": REASON,
                "label": plain("Why"),
                "element": {
                    "type": "plain_text_input",
                    "action_id": REASON,
                    "min_length": 1,
                    "max_length": LONGEST_REASON,
                },
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clicked(action: &Value) -> Value {
        json!({
            "type": "block_actions",
            "user": {"id": "U1", "username": "ana\u{202e}", "team_id": "T1"},
            "channel": {"id": "C1", "name": "p1"},
            "trigger_id": "13345224609.738474920.8088930838d88f008e0",
            "actions": [action],
        })
    }

    fn wish(payload: &Value) -> Option<Wish> {
        Click::read(payload).expect("ours").map(|click| click.wish)
    }

    #[test]
    fn a_click_says_who_and_what() {
        let payload = clicked(&json!({"action_id": "acknowledge", "value": "42"}));
        let click = Click::read(&payload).expect("ours").expect("a wish");
        let by = Clicker { name: "ana".into(), user: "U1".into(), channel: Some("C1".into()) };
        assert_eq!(click, Click { by, wish: Wish::Acknowledge(IncidentId(42)) });
        let run = wish(&clicked(&json!({"action_id": "run", "value": "42"})));
        assert_eq!(run, Some(Wish::Run(IncidentId(42))));
        let asked = wish(&clicked(&json!({"action_id": "silence", "value": "42"})));
        assert!(matches!(asked, Some(Wish::AskSilence { incident: IncidentId(42), .. })));
        assert_eq!(wish(&clicked(&json!({"action_id": "runbook", "value": "42"}))), None);
    }

    #[test]
    fn the_form_comes_back_with_what_was_chosen() {
        let form = silence_form(IncidentId(42));
        let submitted = |minutes: &str, metadata: &Value| {
            json!({
                "type": "view_submission",
                "user": {"id": "U1"},
                "view": {
                    "callback_id": form["callback_id"],
                    "private_metadata": metadata,
                    "state": {"values": {
                        "lasts": {"lasts": {"selected_option": {"value": minutes}}},
                        "reason": {"reason": {"type": "plain_text_input", "value": " a\nb "}},
                    }},
                },
            })
        };
        let given = wish(&submitted("240", &form["private_metadata"]));
        let lasts = Duration::from_hours(4);
        let expected = Wish::Silence { incident: IncidentId(42), lasts, reason: "a b".into() };
        assert_eq!(given, Some(expected));
        for (minutes, metadata) in [("241", json!("42")), ("", json!("42")), ("60", json!("x"))] {
            assert_eq!(Click::read(&submitted(minutes, &metadata)), Err(Foreign));
        }
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        for payload in [
            json!({}),
            json!([1]),
            json!({"type": "block_actions", "user": {"id": "U1"}}),
            json!({"type": "message_action", "user": {"id": "U1"}}),
            json!({"type": "view_submission", "user": {"id": "U1"}, "view": {"callback_id": "x"}}),
            clicked(&json!({"action_id": "acknowledge", "value": "42; drop"})),
            clicked(&json!({"action_id": "acknowledge"})),
        ] {
            assert_eq!(Click::read(&payload), Err(Foreign), "{payload}");
        }
    }
}
