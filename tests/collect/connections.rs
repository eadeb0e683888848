//! Addresses of a server other than an IPv4 address: a platform is read and a store is written over each.

use std::{fs::Permissions, os::unix::fs::PermissionsExt, time::Duration};

use daymark::{
    collect::{CancellationToken, collect_day},
    database::RetryPolicy,
    store::{StoreOptions, open},
};

use crate::{
    server::PrivateServer,
    world::{World, january},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address_and_a_socket_are_connected_to() {
    let sockets = tempfile::tempdir().unwrap();
    // The server may run as another user.
    std::fs::set_permissions(sockets.path(), Permissions::from_mode(0o777)).unwrap();
    let directory = sockets.path().display().to_string();
    let settings = format!("-c listen_addresses=127.0.0.1,::1 -c unix_socket_directories={directory}");
    let arguments = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"];
    let server = PrivateServer::made_by("initdb", &arguments, &settings);
    World::on_server(server.url()).await;
    let port = url::Url::parse(&server.url()).unwrap().port().unwrap();
    let encoded = directory.replace('/', "%2F");
    let urls = [
        format!("postgres://postgres@[::1]:{port}/postgres"),
        format!("postgres:///postgres?host={directory}&port={port}&user=postgres"),
        format!("postgres://postgres@{encoded}:{port}/postgres"),
    ];
    for (number, url) in urls.iter().enumerate() {
        let world = World::on_existing_server(url.clone()).await;
        let report =
            collect_day(&world.context, Some(january(10)), &[], &CancellationToken::new()).await.unwrap();
        assert!(!report.recorded.is_empty() && report.failed.is_empty(), "{url}: {:?}", report.failed);
        let options = StoreOptions {
            tenant: "default".to_owned(),
            schema: format!("store_{number}"),
            retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
            statement_timeout: None,
        };
        let store = open(&url.parse().unwrap(), options);
        assert!(!store.migrate().await.unwrap().is_empty(), "{url}");
        store.now().await.unwrap();
    }
}
