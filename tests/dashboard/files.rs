//! The files of the dashboard over HTTP: their types, how they are cached and compressed, and the policy of the page.

use crate::{built::build, site::Site};

/// The addresses that the page loads.
fn loaded(page: &str) -> Vec<String> {
    let attributes = page.split(['<', ' ']).filter_map(|part| {
        part.strip_prefix("src=\"").or_else(|| part.strip_prefix("href=\""))?.split('"').next()
    });
    attributes.filter(|address| *address != "/").map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_the_same_file_with_a_strict_policy() {
    build();
    let site = Site::sqlite().await;
    for path in [
        "/",
        "/explore?metrics=a",
        "/definitions",
        "/definitions/a",
        "/define",
        "/operations",
        "/operations/alerts",
        "/operations/corrections",
        "/operations/drift",
        "/operations/keys",
    ] {
        let page = site.send("GET", path, &[("accept", "text/html")], None).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{path}");
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = page.text();
        assert!(!text.contains("<style") && !text.contains("<script>"), "{path} has inline code: {text}");
        assert!(text.contains("src=\"/_app/immutable/"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_page_are_small_and_on_this_server() {
    build();
    let site = Site::sqlite().await;
    let page = site.send("GET", "/", &[("accept", "text/html")], None).await;
    let mut bytes = page.body.len();
    let loaded = loaded(&page.text());
    assert!(loaded.len() >= 4, "{loaded:?}");
    for address in &loaded {
        assert!(address.starts_with('/') && !address.starts_with("//"), "{address} is on another server");
        let file = site.send("GET", address, &[("accept-encoding", "br, gzip")], None).await;
        assert_eq!(file.status, 200, "{address}");
        bytes += file.body.len();
    }
    assert!(bytes <= 90_000, "the first page loads {bytes} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_the_encoding_that_is_asked_for() {
    build();
    let site = Site::sqlite().await;
    let page = site.send("GET", "/", &[("accept", "text/html")], None).await.text();
    let script =
        loaded(&page).into_iter().find(|address| address.contains("bundle") && address.ends_with(".js"));
    let script = script.unwrap();
    let get = async |encoding| site.send("GET", &script, &[("accept-encoding", encoding)], None).await;
    let (brotli, gzip, plain) = (get("gzip, br").await, get("gzip").await, get("identity").await);
    assert_eq!((brotli.header("content-encoding"), gzip.header("content-encoding")), ("br", "gzip"));
    assert_eq!(plain.header("content-encoding"), "");
    assert!(brotli.body.len() < gzip.body.len() && gzip.body.len() * 2 < plain.body.len());
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut &brotli.body[..], &mut unpacked).unwrap();
    assert!(unpacked == plain.body, "the variants differ");
    for reply in [&brotli, &plain] {
        assert_eq!(reply.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(reply.header("vary"), "accept-encoding");
    }
    assert_ne!(brotli.header("etag"), plain.header("etag"), "a cache must not mix the variants");
    let known = [("accept-encoding", "br"), ("if-none-match", brotli.header("etag"))];
    let again = site.send("GET", &script, &known, None).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_files_are_not_found() {
    build();
    let site = Site::sqlite().await;
    let page = site.send("GET", "/", &[("accept", "text/html")], None).await.text();
    let script = loaded(&page).into_iter().find(|address| address.contains("bundle")).unwrap();
    for path in [
        format!("{script}.br"),
        "/_app/../Cargo.toml".to_owned(),
        "/_app/%2e%2e/%2e%2e/Cargo.toml".to_owned(),
        "/_app/immutable/none.js".to_owned(),
        "/.gitignore".to_owned(),
        "/index.html".to_owned(),
        "/nothing".to_owned(),
    ] {
        assert_eq!(site.send("GET", &path, &[], None).await.problem(), "not-found", "{path}");
    }
    // A browser gets a page that says so.
    let headers = [("accept", "text/html"), ("apikey", &*site.reader)];
    let page = site.send("GET", "/nothing", &headers, None).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert_eq!(site.send("POST", "/nothing", &headers, None).await.problem(), "not-found");
}
