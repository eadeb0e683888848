//! The cookie that holds a browser's session, and which requests may use it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::access::SESSION_LIFETIME;

/// The cookie's name where the page came over HTTPS. Browsers take a cookie with this prefix only over HTTPS and without a
/// domain, so that no other host of the same domain can set it.
const HOST_NAME: &str = "__Host-daymark_session";
/// The name over plain HTTP, where browsers refuse the prefix.
const PLAIN_NAME: &str = "daymark_session";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The session of a request that has no other credentials. A cookie whose name has the prefix takes precedence over one without it.
pub fn session_of(headers: &HeaderMap) -> Option<&str> {
    let named = |name: &str| {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    };
    named(HOST_NAME).or_else(|| named(PLAIN_NAME))
}

/// The header that makes a browser keep a session. Scripts cannot read it, other sites do not make the browser send it, and where
/// the page came over HTTPS, it is sent over HTTPS only.
pub fn keep(session: &str, request: &HeaderMap) -> Option<HeaderValue> {
    cookie(session, SESSION_LIFETIME.as_secs(), request)
}

/// The header that makes a browser forget its session.
pub fn forget(request: &HeaderMap) -> Option<HeaderValue> {
    cookie("", 0, request)
}

fn cookie(value: &str, max_age: i64, request: &HeaderMap) -> Option<HeaderValue> {
    let is_https = text(request, header::ORIGIN).is_some_and(|origin| origin.starts_with("https://"));
    let (name, secure) = if is_https { (HOST_NAME, "; Secure") } else { (PLAIN_NAME, "") };
    let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).ok()
}

/// Whether a request with a session may be answered: one that changes something must come from a page of this server. Browsers
/// say so in headers that pages cannot write.
pub fn may_use_session(method: &Method, headers: &HeaderMap) -> bool {
    method.is_safe() || is_same_origin(headers)
}

/// Whether a browser says that a page of this server made the request.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    match (text(headers, FETCH_SITE), text(headers, header::ORIGIN), text(headers, header::HOST)) {
        (Some(site), _, _) => site == "same-origin",
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host))
        }
        (None, _, _) => false,
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    // A header that is not text is treated as one that refuses.
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = given
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        assert_eq!(session_of(&headers(&[("cookie", "a=1; daymark_session=xyz; b=2")])), Some("xyz"));
        let both = headers(&[("cookie", "daymark_session=tossed"), ("cookie", "__Host-daymark_session=xyz")]);
        assert_eq!(session_of(&both), Some("xyz"));
        for other in ["", "daymark_session", "my_daymark_session=xyz", "a=daymark_session=xyz"] {
            assert_eq!(session_of(&headers(&[("cookie", other)])), None, "{other}");
        }
    }

    #[test]
    fn only_pages_of_this_server_change_something_with_a_session() {
        let host = ("host", "metrics.example.com");
        for allowed in [("sec-fetch-site", "same-origin"), ("origin", "https://metrics.example.com")] {
            assert!(is_same_origin(&headers(&[host, allowed])), "{allowed:?}");
        }
        for refused in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "https://metrics.example.com.evil.example"),
            ("origin", "null"),
            ("referer", "https://metrics.example.com/"),
        ] {
            assert!(!may_use_session(&Method::POST, &headers(&[host, refused])), "{refused:?}");
            assert!(may_use_session(&Method::GET, &headers(&[host, refused])), "{refused:?}");
        }
        let forged = [host, ("sec-fetch-site", "cross-site"), ("origin", "https://metrics.example.com")];
        assert!(!is_same_origin(&headers(&forged)));
    }

    #[test]
    fn a_page_over_https_gets_a_cookie_for_https_only() {
        let kept =
            |origin| keep("xyz", &headers(&[("origin", origin)])).unwrap().to_str().unwrap().to_owned();
        let plain = kept("http://127.0.0.1:8640");
        assert_eq!(plain, "daymark_session=xyz; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict");
        assert_eq!(kept("https://metrics.example.com"), format!("__Host-{plain}; Secure"));
    }
}
