//! What people were told, and what they were to be told.

use std::fmt;
use std::time::Duration;

/// A message that a provider took.
#[derive(Clone)]
pub(super) struct Told {
    /// When, after the start.
    pub(super) at: Duration,
    /// A channel of Slack or a person.
    pub(super) to: String,
    /// What a telephone shows.
    pub(super) text: String,
    /// All that it says.
    pub(super) body: String,
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {}: {}", clock(self.at), self.to, self.text)
    }
}

/// A time after the start as `1:02:30`.
pub(super) fn clock(at: Duration) -> String {
    let seconds = at.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// When a message is wanted: from, and until, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window(Duration, Duration);

/// At this moment.
pub(super) fn at(moment: Duration) -> Window {
    Window(moment, moment)
}

/// From one moment to another.
pub(super) fn between(from: Duration, until: Duration) -> Window {
    Window(from, until)
}

/// So many minutes.
pub(super) const fn m(minutes: u64) -> Duration {
    Duration::from_mins(minutes)
}

/// So many hours.
pub(super) const fn h(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// A message that somebody is to get.
#[derive(Debug, Clone)]
pub(super) struct Message {
    to: Vec<String>,
    says: Vec<String>,
    says_not: Vec<String>,
}

impl Message {
    /// It says this, in large letters or small ones.
    pub(super) fn saying(mut self, text: &str) -> Self {
        self.says.push(text.into());
        self
    }

    /// It does not say this.
    pub(super) fn not_saying(mut self, text: &str) -> Self {
        self.says_not.push(text.into());
        self
    }

    fn is(&self, told: &Told) -> bool {
        let body = told.body.to_lowercase();
        self.is_to(told)
            && self.says.iter().all(|it| body.contains(&it.to_lowercase()))
            && !self.says_not.iter().any(|it| body.contains(&it.to_lowercase()))
    }

    fn is_to(&self, told: &Told) -> bool {
        self.to.is_empty() && !told.to.starts_with('#') || self.to.contains(&told.to)
    }
}

/// A message in a channel of Slack.
pub(super) fn slack(channel: &str) -> Message {
    Message { to: vec![channel.into()], says: Vec::new(), says_not: Vec::new() }
}

/// An SMS to a person.
pub(super) fn sms(person: &str) -> Message {
    slack(person)
}

/// An SMS to anybody.
pub(super) fn any_sms() -> Message {
    Message { to: Vec::new(), says: Vec::new(), says_not: Vec::new() }
}

/// A message that is wanted in a window.
#[derive(Debug, Clone)]
pub(super) struct Want {
    pub(super) window: Window,
    pub(super) message: Message,
    /// Whether it may be missing.
    pub(super) optional: bool,
}

impl Want {
    fn is(&self, told: &Told) -> bool {
        let Window(from, until) = self.window;
        (from..=until).contains(&told.at) && self.message.is(told)
    }
}

/// Holds that each message was wanted, and each wanted one came, one for one.
pub(super) fn compare(wants: &[Want], told: &[Told]) -> Result<(), String> {
    // The message that each want has.
    let mut taken: Vec<Option<usize>> = vec![None; wants.len()];
    for message in 0..told.len() {
        place(message, wants, told, &mut taken, &mut vec![false; wants.len()]);
    }
    let missing = wants.iter().zip(&taken);
    let missing = missing.filter(|(want, taken)| taken.is_none() && !want.optional);
    let missing: Vec<String> = missing.map(|(want, _)| format!("missing: {want:?}")).collect();
    let is_left = |index: &usize| !taken.contains(&Some(*index));
    let left = (0..told.len()).filter(is_left).map(|index| format!("unwanted: {:?}", told[index]));
    let wrong: Vec<String> = missing.into_iter().chain(left).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Finds a want for a message, and if need be others for those that have one (Kuhn's algorithm).
fn place(
    message: usize,
    wants: &[Want],
    told: &[Told],
    taken: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for index in 0..wants.len() {
        if seen[index] || !wants[index].is(&told[message]) {
            continue;
        }
        seen[index] = true;
        let is_free = match taken[index] {
            None => true,
            Some(other) => place(other, wants, told, taken, seen),
        };
        if is_free {
            taken[index] = Some(message);
            return true;
        }
    }
    false
}
