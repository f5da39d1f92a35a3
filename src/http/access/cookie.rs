//! What a browser shows of its session: a cookie, and in forms a word that follows from it.
//!
//! The cookie holds a token of 256 random bits that no script reads. Over TLS its name begins with `__Host-`, by
//! which browsers promise that no other host and no other path has set it.
//! Source: <https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html>.

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::TimeDelta;
use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use subtle::ConstantTimeEq as _;

use crate::link::token::Token;

/// After so long without a request, a session is over.
pub(super) const IDLE: TimeDelta = TimeDelta::days(3);
/// After so long, a session is over however much it is used.
pub(super) const LONGEST: TimeDelta = TimeDelta::days(14);

/// How the cookie is called and set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    is_https: bool,
}

impl Cookies {
    /// Those of a hub that people reach over TLS, or not.
    pub(super) fn new(is_https: bool) -> Self {
        Self { is_https }
    }

    fn name(self) -> &'static str {
        if self.is_https { "__Host-tripline" } else { "tripline" }
    }

    /// What is shown, if it is a token at all.
    pub(super) fn shown(self, headers: &HeaderMap) -> Option<Token> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
        let mut pairs = all.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.name())?;
        Token::parse(value).ok()
    }

    /// Has the browser show `token` from now on.
    pub(super) fn set(self, token: &Token) -> HeaderValue {
        self.line(&token.expose(), LONGEST.num_seconds())
    }

    /// Has the browser forget it.
    pub(super) fn unset(self) -> HeaderValue {
        self.line("", 0)
    }

    fn line(self, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.is_https { "; Secure" } else { "" };
        let name = self.name();
        let line =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(line).expect("a token is made of letters, digits, `-` and `_`")
    }
}

/// The word that the forms of a session carry. It follows from the token, so it needs no place in the store, and
/// tells nothing of it.
pub(in crate::http) fn form_word(token: &Token) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes());
    BASE64URL_NOPAD.encode(hmac::sign(&key, b"tripline form").as_ref())
}

/// Whether `sent` is the word of the forms of a session.
pub(super) fn is_form_word(word: &str, sent: &str) -> bool {
    word.as_bytes().ct_eq(sent.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let token = Token::generate().expect("random numbers");
        let text = token.expose();
        let plain = Cookies::new(false).set(&token);
        let wanted = format!("tripline={text}; Path=/; Max-Age=1209600; HttpOnly; SameSite=Lax");
        assert_eq!(plain.to_str().ok(), Some(wanted.as_str()));
        let secure = Cookies::new(true).set(&token);
        assert_eq!(secure.to_str().ok(), Some(format!("__Host-{wanted}; Secure").as_str()));
        let gone = Cookies::new(true).unset();
        assert!(
            gone.to_str().is_ok_and(|it| it.starts_with("__Host-tripline=; Path=/; Max-Age=0;"))
        );
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let token = Token::generate().expect("random numbers");
        let text = token.expose();
        let shown = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, line.parse().expect("a header"));
            Cookies::new(false).shown(&headers)
        };
        assert_eq!(shown(&format!("a=b; tripline={text};c=d")), Some(token));
        for line in ["", "tripline", "tripline=", "tripline=x", &format!("__Host-tripline={text}")]
        {
            assert_eq!(shown(line), None, "{line}");
        }
    }

    #[test]
    fn the_word_of_forms_is_the_sessions_own() {
        let (one, other) = (Token::generate().expect("random"), Token::generate().expect("random"));
        assert!(is_form_word(&form_word(&one), &form_word(&one)));
        assert!(!is_form_word(&form_word(&one), &form_word(&other)));
        assert!(!is_form_word(&form_word(&one), ""));
    }
}
