//! The cookies of one run, as a browser keeps them (RFC 6265bis).
//!
//! Domains, paths, expiry and `Secure` are the work of `cookie_store`; added here are the public
//! suffix list, the name prefixes and the limits. Loopback counts as secure, as in browsers.

use cookie_store::{CookieDomain, CookieStore, RawCookie};
use url::{Host, Url};

/// The longest name and value together, in bytes (RFC 6265bis, section 5.6).
const LONGEST: usize = 4096;

/// How many cookies a run keeps; more than browsers keep for a site.
const MOST: usize = 300;

/// The cookies of one run.
#[derive(Debug, Default)]
pub(super) struct Jar(CookieStore);

impl Jar {
    /// Keeps the cookie of a `set-cookie` header that came from `url`, unless a browser would not.
    pub(super) fn keep(&mut self, header: &str, url: &Url) {
        let Ok(cookie) = cookie_store::Cookie::parse(header.to_owned(), url) else { return };
        let secure_origin = is_secure(url);
        if cookie.name().len() + cookie.value().len() > LONGEST
            || (cookie.secure() == Some(true) && !secure_origin)
            || !prefix_is_honoured(&cookie, secure_origin)
        {
            return;
        }
        let cookie = match within_one_site(cookie, url) {
            Some(cookie) => cookie.into_owned(),
            None => return,
        };
        let is_new = !self.0.contains_any(
            &String::from(&cookie.domain),
            &String::from(&cookie.path),
            cookie.name(),
        );
        if is_new && self.0.iter_any().count() >= MOST {
            return;
        }
        // What the store refuses, such as a cookie that is expired already, is not kept.
        let _ = self.0.insert(cookie, url);
    }

    /// The value of the `cookie` header for a request to `url`, if there is anything to send.
    /// Longer paths come first.
    pub(super) fn header_for(&self, url: &Url) -> Option<String> {
        let mut cookies = self.0.matches(url);
        // The store is a map without order: names make the header the same each time.
        cookies.sort_by(|a, b| {
            let (path_a, path_b) = (String::from(&a.path), String::from(&b.path));
            path_b.len().cmp(&path_a.len()).then_with(|| a.name().cmp(b.name()))
        });
        let pairs: Vec<String> =
            cookies.iter().map(|cookie| format!("{}={}", cookie.name(), cookie.value())).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// The cookie as it may be kept: one whose domain is a public suffix, such as `co.uk`, is for its
/// own host alone when that is the suffix itself, and for nobody otherwise.
fn within_one_site<'c>(
    mut cookie: cookie_store::Cookie<'c>,
    url: &Url,
) -> Option<cookie_store::Cookie<'c>> {
    let CookieDomain::Suffix(domain) = &cookie.domain else { return Some(cookie) };
    let Some(Host::Domain(host)) = url.host() else { return Some(cookie) };
    if psl::suffix_str(domain).is_none_or(|suffix| suffix != domain) {
        return Some(cookie);
    }
    if domain != host {
        return None;
    }
    cookie.domain = CookieDomain::host_only(url).ok()?;
    Some(cookie)
}

/// Whether the cookie is what its name promises (RFC 6265bis, section 4.1.3). The prefixes are
/// compared without regard to case (section 5.6).
fn prefix_is_honoured(cookie: &RawCookie<'_>, secure_origin: bool) -> bool {
    let starts_with = |prefix: &str| {
        let start = cookie.name().as_bytes().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let is_secure = secure_origin && cookie.secure() == Some(true);
    if starts_with("__Host-") {
        return is_secure && cookie.domain().is_none() && cookie.path() == Some("/");
    }
    !starts_with("__Secure-") || is_secure
}

fn is_secure(url: &Url) -> bool {
    url.scheme() == "https"
        || match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to `to` after `from` has set `cookies`.
    fn sent(from: &str, cookies: &[&str], to: &str) -> String {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let mut jar = Jar::default();
        for cookie in cookies {
            jar.keep(cookie, &url(from));
        }
        jar.header_for(&url(to)).unwrap_or_default()
    }

    #[test]
    fn cookies_go_where_they_belong() {
        let shop = "https://www.shop.example/a/b";
        let sent_back = |cookie: &str, to: &str| !sent(shop, &[cookie], to).is_empty();
        assert!(sent_back("a=1", "https://www.shop.example/a/c"));
        assert!(!sent_back("a=1", "https://www.shop.example/c"), "the default path");
        assert!(sent_back("a=1; Path=/", "https://www.shop.example/c"));
        assert!(!sent_back("a=1; Path=/", "https://shop.example/"), "host only");
        assert!(sent_back("a=1; Path=/; Domain=shop.example", "https://api.shop.example/"));
        assert!(!sent_back("a=1; Path=/; Domain=other.example", "https://other.example/"));
        assert!(!sent_back("a=1; Path=/; Secure", "http://www.shop.example/"));
        assert!(!sent_back("a=1; Path=/; Max-Age=0", shop));
        assert!(!sent_back("a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT", shop));
    }

    #[test]
    fn no_cookie_is_for_a_whole_suffix() {
        let cases = [
            ("https://shop.co.uk/", "co.uk", "https://other.co.uk/", ""),
            ("https://shop.com/", "com", "https://other.com/", ""),
            ("https://a.github.io/", "github.io", "https://b.github.io/", ""),
            ("https://a.localnet/", "localnet", "https://b.localnet/", ""),
            ("https://github.io/", "github.io", "https://github.io/", "a=1"),
            ("https://github.io/", "github.io", "https://b.github.io/", ""),
            ("https://www.shop.co.uk/", "shop.co.uk", "https://api.shop.co.uk/", "a=1"),
            ("http://127.0.0.1:8080/", "127.0.0.1", "http://127.0.0.1:9090/", "a=1"),
        ];
        for (from, domain, to, expected) in cases {
            let cookie = format!("a=1; Domain={domain}");
            assert_eq!(sent(from, &[&cookie], to), expected, "{domain} from {from}");
        }
    }

    #[test]
    fn prefixes_are_promises() {
        let kept = |from: &str, cookie: &str| !sent(from, &[cookie], from).is_empty();
        assert!(kept("https://shop.example/", "__Host-a=1; Secure; Path=/"));
        assert!(!kept("https://shop.example/", "__Host-a=1; Path=/"));
        assert!(!kept("https://shop.example/", "__Host-a=1; Secure"));
        assert!(!kept("https://shop.example/", "__host-a=1; Secure; Path=/; Domain=shop.example"));
        assert!(!kept("http://shop.example/", "__Secure-a=1; Secure"));
        assert!(kept("https://shop.example/", "__Secure-a=1; Secure"));
        assert!(kept("http://127.0.0.1:8080/", "a=1; Secure"), "loopback is secure");
        assert!(!kept("http://shop.example/", "a=1; Secure"), "an insecure origin cannot set it");
    }

    #[test]
    fn order_and_number_are_bounded() {
        let url = "https://shop.example/deep/page";
        let cookies = ["b=1; Path=/", "a=1; Path=/", "z=1; Path=/deep", "b=2; Path=/"];
        assert_eq!(sent(url, &cookies, url), "z=1; a=1; b=2");
        let many: Vec<String> = (0..1000).map(|n| format!("c{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(sent(url, &many, url).split("; ").count(), MOST);
        assert_eq!(sent(url, &[&format!("a={}", "x".repeat(5000))], url), "");
    }
}
