//! Requests that are just within and just beyond each rule.

use crate::{raw::RawClient, site::Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_named_with_a_suggestion() {
    let site = Site::sqlite().await;
    for (query, parameter, says) in [
        ("from=2025-1-5", "from", "YYYY-MM-DD"),
        ("from=2025-02-30", "from", "01 to 28"),
        ("from=2025-01-05T00:00:00Z", "from", "YYYY-MM-DD"),
        ("from=%202025-01-05", "from", "YYYY-MM-DD"),
        ("from=2025-01-10&to=2025-01-05", "from", "after"),
        ("from=2023-01-01&to=2025-01-05", "interval", "365"),
        ("category=post_total", "category", "`posts_total`"),
        ("type=cuont", "type", "`count`"),
        ("interval=wek", "interval", "`week`"),
        ("category=", "category", "empty"),
        ("type=,", "type", "empty"),
        ("category=,posts_total", "category", "empty"),
        ("interval=month,", "interval", "empty"),
        ("category=posts", "category", "did you mean `posts_created` or `posts_total`?"),
        ("type=percent", "type", "did you mean `percentage`?"),
        ("week_start=sun", "week_start", "did you mean `sunday`?"),
        ("interval=%20", "interval", "empty"),
        ("week_start=", "week_start", "empty"),
        ("week_start=mnday", "week_start", "`monday`"),
        ("limit=0", "limit", "from 1 to 200"),
        ("limit=201", "limit", "from 1 to 200"),
        ("limit=-1", "limit", "from 1 to 200"),
        ("cursor=nonsense", "cursor", "cursor"),
        ("metadata=yes", "metadata", "`true` or `false`"),
        ("form=2025-01-01", "form", "`from`"),
        ("from=2025-01-01&from=2025-01-02", "from", "twice"),
    ] {
        let reply = site.get(&format!("/api/v1/metrics?{query}")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-parameter"), "{query}");
        let error = &reply.json()["errors"][0];
        assert_eq!(error["parameter"], parameter, "{query}: {error}");
        assert!(error["detail"].as_str().unwrap().contains(says), "{query}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_parameter_is_named_at_once() {
    let site = Site::sqlite().await;
    let reply = site.get("/api/v1/metrics?from=x&to=y&category=nothing&interval=z").await;
    assert_eq!(reply.json()["errors"].as_array().unwrap().len(), 4, "{}", reply.text());
}

/// A short request with very many mistakes does not make the server send megabytes.
#[tokio::test(flavor = "multi_thread")]
async fn at_most_20_errors_are_named_and_the_others_counted() {
    let site = Site::sqlite().await;
    let names = |name: fn(usize) -> String| (0..500).map(name).collect::<Vec<_>>();
    for (query, left_out) in [
        (
            format!("category={}", names(|number| format!("no{number}")).join(",")),
            "480 more errors are not listed",
        ),
        (names(|number| format!("no{number}=1")).join("&"), "480 more errors are not listed"),
    ] {
        let reply = site.get(&format!("/api/v1/metrics?{query}")).await;
        let errors = reply.json()["errors"].as_array().unwrap().clone();
        assert_eq!((reply.status, errors.len()), (400, 21), "{}", reply.text());
        assert_eq!(errors[20]["detail"], left_out);
    }
    let repeated = site.get(&format!("/api/v1/metrics?category={}", ["no"; 500].join(","))).await;
    assert_eq!(repeated.json()["errors"].as_array().unwrap().len(), 1, "{}", repeated.text());
    let body: serde_json::Map<_, _> =
        names(|number| format!("no{number}")).into_iter().map(|name| (name, 1.into())).collect();
    let reply = site.put("/api/v1/definitions/wrong", &body.into()).await;
    assert_eq!(
        (reply.status, reply.json()["errors"].as_array().unwrap().len()),
        (422, 21),
        "{}",
        reply.text()
    );
}

/// RFC 9112, 3.2 demands this, because a proxy in front may have read the other one of two hosts.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_must_name_exactly_one_host() {
    let site = Site::sqlite().await;
    for (version, hosts, status) in [
        ("1.1", "", "400 Bad Request"),
        ("1.1", "host: a\r\nhost: b\r\n", "400 Bad Request"),
        ("1.0", "host: a\r\nhost: b\r\n", "400 Bad Request"),
        ("1.1", "host: a\r\n", "200 OK"),
        ("1.0", "", "200 OK"),
    ] {
        let mut client = RawClient::connect(site.address).await;
        let key = &site.reader;
        let head = format!(
            "GET /api/v1/definitions HTTP/{version}\r\n{hosts}apikey: {key}\r\nconnection: close\r\n\r\n"
        );
        client.send(head).await;
        let answer = client.rest().await;
        assert_eq!(answer.lines().next(), Some(&*format!("HTTP/{version} {status}")), "{version} {hosts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_body_is_described_in_one_sentence() {
    let site = Site::sqlite().await;
    for (body, says) in [
        ("{\"dat\":1}", "there is no member `dat`: did you mean `date`?"),
        ("{\"date\":1}", "`date` must be a string"),
        ("{\"date\":\"2025-01-01\",\"date\":\"2025-01-02\"}", "`date` is given twice"),
        ("{\"metrics\":[1]}", "`metrics` must be an array of strings"),
        ("{\"metrics\":null}", "`metrics` must be an array of strings"),
        ("[]", "invalid type: sequence, expected an object"),
        ("[\"2025-01-01\"]", "invalid type: sequence, expected an object"),
        ("null", "invalid type: null, expected an object"),
        ("{", "EOF while parsing an object"),
    ] {
        let bearer = format!("Bearer {}", site.admin);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let reply = site.send("POST", "/api/v1/collections", &headers, Some(body.to_owned())).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-body"), "{body}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with(says), "{body}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_refused() {
    let site = Site::sqlite().await;
    for path in ["latest", "activity", "export"] {
        let reply = site.get(&format!("/api/v1/{path}?category=&type=")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-parameter"), "{path}");
        let errors = reply.json()["errors"].clone();
        assert_eq!((&errors[0]["parameter"], &errors[1]["parameter"]), (&"category".into(), &"type".into()));
    }
    for path in ["/api/v1/collections", "/api/v1/backfills"] {
        let reply = site.post(path, &serde_json::json!({"metrics": []})).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-body"), "{path}");
        assert!(reply.text().contains("`metrics` is empty; leave it out"), "{}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_member_of_a_body_is_named_at_once() {
    let site = Site::sqlite().await;
    let body = serde_json::json!({"form": "2025-01-01", "to": "x", "metrics": [], "zz": 1});
    let reply = site.post("/api/v1/backfills", &body).await;
    assert_eq!((reply.status, reply.problem().as_str()), (400, "invalid-body"), "{}", reply.text());
    let errors = reply.json()["errors"].as_array().unwrap().clone();
    let said: Vec<_> = errors.iter().map(|error| (&error["parameter"], &error["detail"])).collect();
    for ((parameter, detail), (expected, says)) in said.iter().zip([
        ("to", "YYYY-MM-DD"),
        ("metrics", "is empty"),
        ("form", "did you mean `from`?"),
        ("zz", "possible here: `from`, `to`, `metrics`"),
    ]) {
        assert_eq!(*parameter, expected, "{}", reply.text());
        assert!(detail.as_str().unwrap().contains(says), "{detail}");
    }
    assert_eq!(said.len(), 4, "{}", reply.text());
}

/// This holds with a `content-length` of 0 and with a chunked body.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_means_an_empty_object() {
    let site = Site::sqlite().await;
    for (length, body) in [("content-length: 0", ""), ("transfer-encoding: chunked", "0\r\n\r\n")] {
        let mut client = RawClient::connect(site.address).await;
        let key = &site.admin;
        let head =
            format!("POST /api/v1/collections HTTP/1.1\r\nhost: a\r\napikey: {key}\r\nconnection: close\r\n");
        client.send(format!("{head}content-type: application/json\r\n{length}\r\n\r\n{body}")).await;
        let answer = client.rest().await;
        assert_eq!(answer.lines().next(), Some("HTTP/1.1 202 Accepted"), "{length}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_by_day_has_365_points_at_most() {
    let site = Site::sqlite().await;
    let status = async |query: &str| site.get(&format!("/api/v1/metrics?{query}")).await.status;
    assert_eq!(status("from=2024-01-12&to=2025-01-10").await, 200);
    assert_eq!(status("from=2024-01-11&to=2025-01-10").await, 400);
    assert_eq!(status("from=2020-01-01&to=2025-01-10&interval=month").await, 200);
    let refused = site.get("/api/v1/metrics?from=2010-01-01&to=2025-01-10").await;
    assert!(refused.text().contains("the interval month"), "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_and_methods_are_answered_with_problems() {
    let site = Site::sqlite().await;
    let bearer = format!("Bearer {}", site.admin);
    let authorization = ("authorization", bearer.as_str());
    let long = "x".repeat(9000);
    for (method, path, headers, body, status, problem) in [
        ("GET", "/nothing", vec![], None, 404, "not-found"),
        ("GET", "/docs/nonsense", vec![], None, 404, "not-found"),
        ("GET", "/livez/nonsense", vec![], None, 404, "not-found"),
        ("POST", "/docs/", vec![], None, 405, "method-not-allowed"),
        ("PUT", "/openapi.json", vec![], None, 405, "method-not-allowed"),
        ("POST", "/livez", vec![], None, 405, "method-not-allowed"),
        ("GET", "/api/v1/runs/00000000-0000-0000-0000-000000000000", vec![], None, 404, "not-found"),
        ("GET", "/api/v1/runs/nonsense", vec![], None, 404, "not-found"),
        ("GET", "/api/v1/jobs/nonsense", vec![], None, 404, "not-found"),
        ("DELETE", "/api/v1/metrics", vec![], None, 405, "method-not-allowed"),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "text/plain")],
            Some("{}".to_owned()),
            415,
            "unsupported-media-type",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json"), ("content-encoding", "gzip")],
            Some("{}".to_owned()),
            415,
            "unsupported-media-type",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json"), ("content-encoding", "identity")],
            Some("{".to_owned()),
            400,
            "invalid-body",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json")],
            Some("{".to_owned()),
            400,
            "invalid-body",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json")],
            Some("{\"dat\":1}".to_owned()),
            400,
            "invalid-body",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json")],
            Some("{\"date\":\"20250101\"}".to_owned()),
            400,
            "invalid-body",
        ),
        (
            "POST",
            "/api/v1/collections",
            vec![("content-type", "application/json")],
            Some(format!("\"{}\"", "x".repeat(70_000))),
            413,
            "body-too-large",
        ),
        ("GET", &format!("/api/v1/metrics?category={long}"), vec![], None, 414, "uri-too-long"),
        (
            "GET",
            "/api/v1/metrics",
            (0..9).map(|_| ("x-much", &long[..4000])).collect(),
            None,
            431,
            "headers-too-large",
        ),
    ] {
        let headers = [&[authorization][..], &headers[..]].concat();
        let reply = site.send(method, path, &headers, body).await;
        assert_eq!(
            (reply.status, reply.problem().as_str()),
            (status, problem),
            "{method} {}",
            &path[..path.len().min(60)]
        );
        assert_eq!(reply.header("x-request-id").len(), 32);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_repeats_the_request_id() {
    let site = Site::sqlite().await;
    for (path, status) in [
        ("/", 200),
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/openapi.json", 200),
        ("/docs", 303),
        ("/docs/", 200),
    ] {
        let reply = site.send("GET", path, &[("x-request-id", "of-the-proxy")], None).await;
        assert_eq!((reply.status, reply.header("x-request-id")), (status, "of-the-proxy"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_page_loads_from_this_server_only() {
    let site = Site::sqlite().await;
    let settings = site.send("GET", "/docs/swagger-initializer.js", &[], None).await.text();
    assert!(settings.contains("\"url\": \"/openapi.json\""), "{settings}");
    // By default the page would show, on hosts other than localhost, the badge of an external validator, and send it the URL
    // of the document.
    assert!(settings.contains("\"validatorUrl\": \"none\""), "{settings}");
    for file in ["", "index.html", "swagger-ui-bundle.js"] {
        let reply = site.send("GET", &format!("/docs/{file}"), &[], None).await;
        let policy = reply.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_cannot_be_decoded_is_a_problem() {
    let site = Site::sqlite().await;
    for (path, status) in [
        ("/api/v1/jobs/%FF", 404),
        ("/api/v1/runs/%FF", 404),
        ("/api/v1/definitions/%FF", 400),
        ("/docs/%FF", 404),
        ("/%FF", 404),
    ] {
        let reply = site.get_as_admin(path).await;
        assert_eq!((reply.status, reply.problem().is_empty()), (status, false), "{path}");
    }
    for path in ["/rest/v1/%FF", "/rest/v1/rpc/%FF"] {
        let reply = site.get_as_admin(path).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (404, "PGRST125".into()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_links_to_the_documentation_and_the_document() {
    let site = Site::sqlite().await;
    let page = site.send("GET", "/", &[("accept", "text/html,*/*")], None).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let text = page.text();
    let links: Vec<_> = text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.contains(&"/docs/"), "{links:?}");
    for link in links {
        assert_eq!(site.send("GET", link, &[], None).await.status, 200, "{link}");
    }
    let json = site.send("GET", "/", &[("accept", "application/json")], None).await.json();
    assert_eq!((&json["openapi"], &json["name"]), (&"/openapi.json".into(), &"daymark".into()));
}
