//! The database is gone around midnight, the clock passes a change of daylight saving time while the service sleeps, and a week
//! without it.

use std::{sync::Arc, time::Duration};

use daymark::{
    database::RetryPolicy,
    metric::Provenance,
    store::{self, RunStatus, StoreOptions},
};

use crate::{
    on,
    server::PrivateServer,
    ticks::{Instance, recorded},
    world::{World, definitions},
};

on! { [sqlite, postgres]
    changes_of_daylight_saving_time_pass_while_the_service_sleeps,
}

/// One server has the platform and the store. It is stopped from two minutes before midnight until 25 minutes after.
#[tokio::test]
async fn a_database_that_is_gone_around_midnight_costs_no_day() {
    let server = PrivateServer::new();
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::at(directory, server.url(), server.url()).await;
    // A pool waits for a server that refuses connections; that of requests, for three seconds.
    let options = StoreOptions {
        tenant: "default".to_owned(),
        schema: store::DEFAULT_SCHEMA.to_owned(),
        retry: RetryPolicy { retries: 0, initial_delay: Duration::ZERO },
        statement_timeout: Some(Duration::from_secs(30)),
    };
    let url = world.store_url.parse().unwrap();
    Arc::make_mut(&mut world.context.tenant).store = store::open(&url, options);
    let mut instance = Instance::of(&world.context);
    world.set_clock("2025-01-11T23:50:00Z");
    instance.settle().await;
    assert_eq!(recorded(&world, "posts_total").await.len(), 1);
    server.stop();
    for at in ["2025-01-11T23:58:00Z", "2025-01-12T00:15:00Z", "2025-01-12T00:20:00Z"] {
        world.set_clock(at);
        instance.tick().await;
        assert!(!instance.leads(), "the lock is gone with the server");
    }
    server.start();
    world.set_clock("2025-01-12T00:25:00Z");
    instance.take_the_lead().await;
    instance.settle().await;
    let days = recorded(&world, "posts_total").await;
    assert_eq!(days.last(), Some(&("2025-01-11".to_owned(), Provenance::Observed)), "{days:?}");
    let runs = world.runs().await;
    assert_eq!(runs.len(), 2, "{runs:?}");
    assert!(runs.iter().all(|run| run.status == RunStatus::Completed), "{runs:?}");
}

/// 30 March 2025 has 23 hours in Berlin, and 26 October 25. Rows at the first and the last second of these days, and just outside of
/// them, say whether a day has its own bounds.
async fn changes_of_daylight_saving_time_pass_while_the_service_sleeps(mut world: World) {
    world.in_zone("Europe/Berlin");
    let definitions: Vec<_> = definitions(world.time_format())
        .into_iter()
        .map(|mut definition| {
            definition.time_zone = "Europe/Berlin".to_owned();
            definition
        })
        .collect();
    world.apply(&definitions).await;
    let rows = |times: [&str; 4]| {
        let values = times.map(|time| format!("(1, '{time}', 'jazz')")).join(", ");
        format!("INSERT INTO posts VALUES {values}")
    };
    let spring = ["2025-03-29 22:59:59", "2025-03-29 23:00:00", "2025-03-30 21:59:59", "2025-03-30 22:00:00"];
    let autumn = ["2025-10-25 21:59:59", "2025-10-25 22:00:00", "2025-10-26 22:59:59", "2025-10-26 23:00:00"];
    world.execute(&rows(spring)).await;
    world.execute(&rows(autumn)).await;
    let mut instance = Instance::of(&world.context);
    for (asleep, awake, day) in [
        ("2025-03-29T22:30:00Z", "2025-03-30T22:20:00Z", "2025-03-30"),
        ("2025-10-25T21:30:00Z", "2025-10-26T23:20:00Z", "2025-10-26"),
    ] {
        world.set_clock(asleep);
        instance.settle().await;
        world.set_clock(awake);
        instance.settle().await;
        let values = world.values("posts_created").await;
        let of_day: Vec<_> = values.iter().filter(|(date, _)| date.to_string() == day).collect();
        assert_eq!(of_day.len(), 1, "{day} is recorded once");
        assert_eq!(of_day[0].1, "2", "{day} has its own rows and no other's");
        let days = recorded(&world, "posts_created").await;
        let provenance = days.iter().find(|(date, _)| date == day).map(|(_, provenance)| *provenance);
        assert_eq!(provenance, Some(Provenance::Observed), "{day}");
    }
    let days: Vec<_> = recorded(&world, "posts_created").await.into_iter().map(|(day, _)| day).collect();
    assert_eq!(days.len(), 289, "every day from 11 January to 26 October is there: {days:?}");
    let next = world.context.due_times().next_due(world.context.now()).unwrap();
    assert_eq!(
        (next.0.to_string().as_str(), next.1.to_string().as_str()),
        ("2025-10-27", "2025-10-27T23:15:00Z")
    );
}
