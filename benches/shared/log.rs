//! A log with a history in it, as a bridge that sends what it accepts leaves it.

use std::collections::BTreeMap;

use notify_bridge::domain::event::Event;
use notify_store::{Batch, Log, Recorded};
use serde_json::json;

use super::send;
use super::world::{self, World};

/// Notices written in one transaction while filling.
const NOTICES_PER_BATCH: u64 = 1_000;
/// `forge-0` has two trackers, each with a target of its own; `forge-1` has one.
pub fn world() -> (World, Vec<Recorded<Event>>) {
    let target = |name: &str| json!({"entity": "target", "name": name, "kind": "webhook"});
    let tracker = |name: &str, provider: &str, target: &str| {
        let links = json!([{"target": target}]);
        json!({"entity": "tracker", "name": name, "provider": provider, "links": links})
    };
    World::of(vec![
        world::provider("forge-0"),
        world::provider("forge-1"),
        target("first"),
        target("second"),
        tracker("everything", "forge-0", "first"),
        tracker("again", "forge-0", "second"),
        tracker("alone", "forge-1", "first"),
    ])
}

/// Writes whole notices of a provider, sent to its targets, until the log has at least so many events.
pub fn fill(
    log: &mut Log<Event>,
    world: &mut World,
    configured: Vec<Recorded<Event>>,
    provider: &str,
    least: u64,
) {
    log.append(&batch(world, configured))
        .expect("it is written");
    let provider = world.provider(provider);
    let mut number = 0;
    while world.state.position < least {
        let mut events = Vec::new();
        for _ in 0..NOTICES_PER_BATCH {
            if world.state.position >= least {
                break;
            }
            number += 1;
            events.extend(world.run(world::accept(provider, number, world::notice(number))));
            events.extend(send::everything(world));
        }
        log.append(&batch(world, events)).expect("it is written");
    }
    log.settle().expect("it settles");
}

/// What was run, as the ledger writes it.
pub fn batch(world: &mut World, events: Vec<Recorded<Event>>) -> Batch<Event> {
    // Of several rows of one notice the last one stands.
    let rows: BTreeMap<u64, Vec<u8>> = world
        .rows
        .drain(..)
        .map(|(position, row)| (position, row.encode()))
        .collect();
    Batch {
        rows: rows.into_iter().collect(),
        ..Batch::of(events)
    }
}
