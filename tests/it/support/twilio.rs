//! A fake of Twilio's Programmable Messaging API.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use ring::hmac;
use serde_json::json;

use super::provider::{Answer, Parts, Provider, Reply, Speak};

/// The account that the fake knows.
pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000000";
/// Its token.
pub(crate) const TOKEN: &str = "fake-auth-token";

/// An SMS as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sms {
    /// The number that it goes to.
    pub(crate) to: String,
    /// The number or messaging service that it comes from.
    pub(crate) from: String,
    /// What it says.
    pub(crate) body: String,
}

/// Twilio, on loopback.
pub(crate) type FakeTwilio = Provider<Twilio>;

/// What Twilio understands, and what it remembers.
#[derive(Default)]
pub(crate) struct Twilio {
    taken: Mutex<Vec<Taken>>,
    /// How messages fare, by the number that they go to; they are delivered where nothing is said.
    fates: Mutex<BTreeMap<String, (&'static str, Option<u32>)>>,
}

/// A message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    /// Its name.
    pub(crate) sid: String,
    /// The number that it goes to.
    pub(crate) to: String,
    /// Where Twilio is to tell how it fares.
    pub(crate) callback: Option<String>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signs a request to `url` with these fields as Twilio does.
pub(crate) fn signature(token: &str, url: &str, fields: &[(&str, &str)]) -> String {
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    let pairs: String = fields.iter().flat_map(|(name, value)| [*name, *value]).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    BASE64.encode(hmac::sign(&key, format!("{url}{pairs}").as_bytes()).as_ref())
}

impl FakeTwilio {
    /// Starts with the account [`ACCOUNT`] and its [`TOKEN`].
    pub(crate) async fn twilio() -> Self {
        Self::start(Twilio::default()).await
    }

    /// Lets messages to a number fare so, when it is asked about them.
    pub(crate) fn let_fare(&self, to: &str, status: &'static str, code: Option<u32>) {
        locked(&self.speak().fates).insert(to.to_owned(), (status, code));
    }

    /// The messages to a number that were taken.
    pub(crate) fn taken(&self, to: &str) -> Vec<Taken> {
        locked(&self.speak().taken).iter().filter(|it| it.to == to).cloned().collect()
    }

    /// The texts that were taken for the number `to`, in the order of arrival.
    pub(crate) fn texts(&self, to: &str) -> Vec<String> {
        self.accepted().into_iter().filter(|sms| sms.to == to).map(|sms| sms.body).collect()
    }
}

impl Speak for Twilio {
    type Message = Sms;

    fn read(&self, request: &Parts) -> Result<Sms, Reply> {
        let refused = |status, code| self.refuse(request, Answer::Coded(status, code));
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        let credentials = BASE64.encode(format!("{ACCOUNT}:{TOKEN}").as_bytes());
        if request.header("authorization") != format!("Basic {credentials}") {
            return Err(refused(401, 20003));
        }
        if request.method != "POST" || request.path != path {
            return Err(refused(404, 20404));
        }
        if request.header("content-type") != "application/x-www-form-urlencoded" {
            return Err(refused(400, 21604));
        }
        let field = |name: &str| {
            let mut fields = url::form_urlencoded::parse(&request.body);
            fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let to = field("To").ok_or_else(|| refused(400, 21604))?;
        let sender = field("From").or_else(|| field("MessagingServiceSid"));
        let from = sender.ok_or_else(|| refused(400, 21603))?;
        let body = field("Body").filter(|body| !body.is_empty());
        let body = body.ok_or_else(|| refused(400, 21602))?;
        if !to.starts_with('+') || !to[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refused(400, 21211));
        }
        if body.chars().count() > 1600 {
            return Err(refused(400, 21617));
        }
        Ok(Sms { to, from, body })
    }

    fn aside(&self, request: &Parts) -> Option<Reply> {
        let prefix = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/");
        let sid = request.path.strip_prefix(&prefix)?.strip_suffix(".json")?;
        if request.method != "GET" {
            return None;
        }
        let taken = locked(&self.taken);
        let Some(Taken { to, .. }) = taken.iter().find(|it| it.sid == sid) else {
            return Some(self.refuse(request, Answer::Coded(404, 20404)));
        };
        let (status, code) = locked(&self.fates).get(to).copied().unwrap_or(("delivered", None));
        let kept = json!({"sid": sid, "status": status, "error_code": code, "to": to});
        Some(Reply::json(200, &kept))
    }

    fn accept(&self, request: &Parts, message: &Sms, number: usize) -> Reply {
        let sid = format!("SM{number:032x}");
        let callback = url::form_urlencoded::parse(&request.body)
            .find(|(key, _)| key == "StatusCallback")
            .map(|(_, url)| url.into_owned());
        locked(&self.taken).push(Taken { sid: sid.clone(), to: message.to.clone(), callback });
        let created = json!({
            "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": message.body,
            "date_created": "Sat, 21 Nov 2026 02:10:05 +0000", "date_sent": null,
            "direction": "outbound-api", "error_code": null, "error_message": null,
            "from": message.from, "num_media": "0", "num_segments": "1", "price": null,
            "sid": sid, "status": "queued", "to": message.to,
            "uri": format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json"),
        });
        Reply::json(201, &created)
    }

    fn refuse(&self, request: &Parts, answer: Answer) -> Reply {
        let (status, code) = match answer {
            Answer::Limited(after) => {
                let reply = self.refuse(request, Answer::Coded(429, 20429));
                return reply.with("retry-after", &after);
            }
            Answer::Coded(status, code) => (status, code),
            Answer::Status(status) | Answer::Named(status, _) => {
                return Reply::text(status, "<h1>upstream</h1>");
            }
            _ => return Reply::text(500, "not a refusal"),
        };
        let to = url::form_urlencoded::parse(&request.body).find(|(key, _)| key == "To");
        let to = to.map(|(_, value)| value.into_owned()).unwrap_or_default();
        let message = match code {
            20003 => "Authenticate".to_owned(),
            20429 => "Too many requests".to_owned(),
            21211 => format!("The 'To' number {to} is not a valid phone number."),
            21602 => "Message body is required.".to_owned(),
            21604 => "A 'To' phone number is required.".to_owned(),
            21610 => "Attempt to send to unsubscribed recipient".to_owned(),
            _ => "The request was refused.".to_owned(),
        };
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        Reply::json(
            status,
            &json!({"code": code, "message": message, "more_info": more, "status": status}),
        )
    }
}
