//! The cookies of one run (RFC 6265), shared by everything that the run requests.
//!
//! Storage, matching and expiry are the `cookie_store` crate's. Added here: no cookie for a public
//! suffix such as `co.uk` (Mozilla's list, compiled in), and the name prefixes of RFC 6265bis.

use std::sync::{Mutex, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use url::Url;

/// More cookies than this are not kept.
const MOST_COOKIES: usize = 1_000;

/// The cookies of one run.
#[derive(Debug, Default)]
pub(super) struct Jar(Mutex<CookieStore>);

impl Jar {
    /// The `cookie` header for a request, if there is one.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cookies: Vec<(&str, &str, usize)> = store
            .matches(url)
            .into_iter()
            .map(|cookie| (cookie.name(), cookie.value(), cookie.path.len()))
            .collect();
        // Longer paths first (RFC 6265, section 5.4).
        cookies.sort_by_key(|(_, _, path)| std::cmp::Reverse(*path));
        let pairs: Vec<String> =
            cookies.into_iter().map(|(name, value, _)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Keeps what an answer from `url` sets, as far as it may.
    pub(super) fn keep<'h>(&self, set_cookie: impl Iterator<Item = &'h str>, url: &Url) {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for header in set_cookie {
            let Ok(cookie) = RawCookie::parse(header) else { continue };
            let room = store.iter_any().take(MOST_COOKIES).count() < MOST_COOKIES;
            if room && let Some(cookie) = admitted(cookie, url) {
                // A cookie for another domain is refused, which is no error of ours.
                let _ = store.insert_raw(&cookie, url);
            }
        }
    }
}

/// The cookie as it may be kept; `None` when it may not.
fn admitted<'c>(mut cookie: RawCookie<'c>, url: &Url) -> Option<RawCookie<'c>> {
    let is_secure = cookie.secure().unwrap_or(false) && url.scheme() == "https";
    let name = cookie.name().to_ascii_lowercase();
    if name.starts_with("__secure-") && !is_secure {
        return None;
    }
    if name.starts_with("__host-")
        && !(is_secure && cookie.domain().is_none() && cookie.path() == Some("/"))
    {
        return None;
    }
    if let Some(domain) = cookie.domain() {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        if psl::suffix_str(&domain) == Some(domain.as_str()) {
            if url.host_str() != Some(domain.as_str()) {
                return None;
            }
            cookie.unset_domain();
        }
    }
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set: &[(&str, &str)], to: &str) -> Option<String> {
        let jar = Jar::default();
        for (from, cookie) in set {
            jar.keep(std::iter::once(*cookie), &Url::parse(from).expect("a URL"));
        }
        jar.header(&Url::parse(to).expect("a URL"))
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let login = "https://app.shop.example/login/x";
        let both = [(login, "a=1; Path=/"), (login, "b=2; Path=/login")];
        assert_eq!(sent(&both, "https://app.shop.example/login").as_deref(), Some("b=2; a=1"));
        assert_eq!(sent(&both, "https://app.shop.example/").as_deref(), Some("a=1"));
        assert_eq!(sent(&both, "https://shop.example/"), None);
        let wide = [(login, "a=1; Path=/; Domain=shop.example")];
        assert_eq!(sent(&wide, "https://other.shop.example/").as_deref(), Some("a=1"));
        let secure = [(login, "a=1; Path=/; Secure")];
        assert_eq!(sent(&secure, "http://app.shop.example/"), None);
        let gone = [(login, "a=1; Path=/"), (login, "a=; Path=/; Max-Age=0")];
        assert_eq!(sent(&gone, "https://app.shop.example/"), None);
        assert_eq!(
            sent(&[("http://127.0.0.1:1/", "a=1")], "http://127.0.0.1:2/").as_deref(),
            Some("a=1")
        );
    }

    #[test]
    fn cookies_that_no_browser_would_keep_are_refused() {
        let from = "https://app.shop.co.uk/";
        for cookie in [
            "a=1; Domain=co.uk",
            "a=1; Domain=other.co.uk",
            "__Secure-a=1",
            "__Host-a=1; Secure",
            "__Host-a=1; Secure; Path=/; Domain=app.shop.co.uk",
        ] {
            assert_eq!(sent(&[(from, cookie)], from), None, "{cookie}");
        }
        let good = [(from, "__Host-a=1; Secure; Path=/")];
        assert_eq!(sent(&good, from).as_deref(), Some("__Host-a=1"));
        assert_eq!(sent(&[("http://app.shop.co.uk/", "__Secure-a=1; Secure")], from), None);
    }
}
