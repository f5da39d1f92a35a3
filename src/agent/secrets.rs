//! Secrets: their values by name, put into texts on the way out, masked in all that is reported.
//!
//! No value is ever shown by `Debug`, in an error or in a report.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::mask::Mask;

/// The secrets that checks may use.
#[derive(Default)]
pub struct Secrets {
    values: BTreeMap<String, String>,
    mask: Mask,
}

/// A secret that a check names is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no secret `{0}`")]
pub struct Missing(pub String);

impl Secrets {
    /// Takes secrets into keeping, as name and value.
    pub fn new(secrets: impl IntoIterator<Item = (String, String)>) -> Self {
        let values: BTreeMap<String, String> = secrets.into_iter().collect();
        let mask = Mask::new(values.values().map(String::as_str));
        Self { values, mask }
    }

    /// The value of a secret.
    ///
    /// # Errors
    ///
    /// [`Missing`] when there is none of that name.
    pub fn value(&self, name: &str) -> Result<&str, Missing> {
        self.values.get(name).map(String::as_str).ok_or_else(|| Missing(name.to_owned()))
    }

    /// `text` with each `${secret.NAME}` replaced by the value, as it is.
    ///
    /// # Errors
    ///
    /// [`Missing`] for the first name that is not there.
    pub fn substitute<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Missing> {
        const OPENING: &str = "${secret.";
        if !text.contains(OPENING) {
            return Ok(Cow::Borrowed(text));
        }
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(at) = rest.find(OPENING) {
            let (before, mention) = rest.split_at(at);
            out.push_str(before);
            let Some(end) = mention.find('}') else {
                return Err(Missing(mention[OPENING.len()..].to_owned()));
            };
            out.push_str(self.value(&mention[OPENING.len()..end])?);
            rest = &mention[end + 1..];
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// `text` with each secret in it, in any usual spelling, replaced by `***`.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.mask.apply(text)
    }

    /// Whether a secret stands in `text`, in any usual spelling.
    pub fn stand_in(&self, text: &str) -> bool {
        matches!(self.mask.apply(text), Cow::Owned(_))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let pairs = [("PASSWORD", "correct horse"), ("TOKEN", "t0k3n-value")];
        Secrets::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn secrets_are_put_in_where_they_are_named() {
        let text = "a ${secret.TOKEN} b ${secret.PASSWORD}${x}";
        let filled = secrets().substitute(text).map(Cow::into_owned);
        assert_eq!(filled.as_deref(), Ok("a t0k3n-value b correct horse${x}"));
        let missing = |text| secrets().substitute(text).map(Cow::into_owned).err();
        assert_eq!(missing("${secret.NONE}"), Some(Missing("NONE".to_owned())));
        assert_eq!(missing("${secret.TOKEN"), Some(Missing("TOKEN".to_owned())));
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", secrets()), r#"{"PASSWORD", "TOKEN"}"#);
    }
}
