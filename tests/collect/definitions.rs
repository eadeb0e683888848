//! Definitions from the configuration into the store.

use daymark::collect::{Cancellation, CollectError, apply, collect_day};
use serde_json::json;

use crate::{
    on,
    world::{World, definition, definitions, january, message},
};

on! { [sqlite, postgres]
    a_dry_run_shows_the_change_and_makes_none,
    a_record_names_the_version_that_made_it,
    a_metric_that_is_no_longer_wanted_keeps_its_records,
    a_wrong_definition_is_refused,
}

async fn a_dry_run_shows_the_change_and_makes_none(world: World) {
    let (store, clock) = (world.context.store.as_ref(), world.clock.as_ref());
    let mut wanted = definitions(world.time_format());
    wanted[0].unit = "posts".to_owned();
    let shown = apply(store, clock, &wanted, true).await.unwrap();
    assert_eq!((shown.changes.len(), shown.unchanged), (1, 3));
    assert_eq!(shown.changes[0].fields[0].field, "unit");
    assert_eq!(apply(store, clock, &wanted, false).await.unwrap(), shown);
    let again = apply(store, clock, &wanted, false).await.unwrap();
    assert_eq!((again.changes.len(), again.unchanged), (0, 4));
}

async fn a_record_names_the_version_that_made_it(world: World) {
    let collect = async |day| {
        collect_day(&world.context, Some(january(day)), &[], &Cancellation::never()).await.unwrap()
    };
    collect(8).await;
    let mut wanted = definitions(world.time_format());
    wanted[1].sources.get_mut("posts").unwrap().time_zone = "Europe/Berlin".to_owned();
    world.apply(&wanted).await;
    collect(9).await;
    let versions: Vec<_> = world
        .records()
        .await
        .into_iter()
        .filter(|record| record.key.category == "posts_created")
        .map(|record| (record.metric_date, record.definition_version))
        .collect();
    assert_eq!(versions, [(january(8), 1), (january(9), 2)]);
}

async fn a_metric_that_is_no_longer_wanted_keeps_its_records(world: World) {
    let collect = async |day| {
        collect_day(&world.context, Some(january(day)), &[], &Cancellation::never()).await.unwrap()
    };
    collect(8).await;
    world.apply(&definitions(world.time_format())[1..]).await;
    assert_eq!(collect(9).await.recorded.len(), 3);
    assert_eq!(world.values("posts_total").await, [(january(8), "36".to_owned())]);
    world.apply(&definitions(world.time_format())).await;
    assert_eq!(collect(9).await.recorded.len(), 1);
}

async fn a_wrong_definition_is_refused(world: World) {
    let (store, clock) = (world.context.store.as_ref(), world.clock.as_ref());
    let mut twice = definitions(world.time_format());
    twice.push(twice[0].clone());
    let refused = apply(store, clock, &twice, false).await.unwrap_err();
    assert!(matches!(refused, CollectError::DuplicateDefinition(name) if name == "posts_total"));
    let window = json!({"measure": "distinct_actors", "rows": [{"source": "posts"}], "window_days": 0});
    let wrong = definition(world.time_format(), "nobody", window);
    assert_eq!(
        message(apply(store, clock, &[wrong], false).await.unwrap_err()),
        "metric `nobody`: `window_days` must be from 1 to 366, not 0"
    );
    assert_eq!(store.definitions().await.unwrap().len(), 4);
}
