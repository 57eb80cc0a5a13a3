//! Sends what is planned, without a network: claimed, and reported as sent.

use notify_bridge::domain::command::{Attempted, Claim, Command, Composed, Report, Saying};
use notify_bridge::domain::decide::parts_hash;
use notify_bridge::domain::event::{Answer, DeliveryKey, Event};
use notify_bridge::targets::{Part, Verdict};
use notify_store::Recorded;

use super::world::World;

/// What is said of every push, about as long as the built-in words.
const WORDS: &str = "mira pushed 2 commits to build-0000000000000000 of atlas/engine\n\n5b1d7c0e Keep the last frame when a segment is cut short (Mira)\nc07e55a1 Say which gauge is stale instead of all of them (Jonas)\n\nhttps://github.com/atlas/engine/compare/1f0e9d8c7b6a...c07e55a1b2d9";

/// Claims every open delivery with equal words and reports it sent.
pub fn everything(world: &mut World) -> Vec<Recorded<Event>> {
    let open: Vec<DeliveryKey> = world.state.outbox.deliveries.keys().copied().collect();
    let mut events = Vec::new();
    for delivery in open {
        events.extend(world.run(claim(delivery, world.state.configuration.revision)));
        events.extend(world.run(sent(delivery)));
    }
    events
}

pub fn claim(delivery: DeliveryKey, config_revision: u64) -> Command {
    let parts = vec![Part {
        kind: "body".into(),
        text: WORDS.into(),
        payload: r#"{"content_type":"text/plain; charset=utf-8","hops":0}"#.into(),
    }];
    Command::Claim(Box::new(Claim {
        delivery,
        revision: 0,
        config_revision,
        composed: Some(Composed {
            hash: parts_hash(&parts),
            parts,
            faults: Vec::new(),
            telling: None,
        }),
        about: Vec::new(),
    }))
}

pub fn sent(delivery: DeliveryKey) -> Command {
    Command::Report(Box::new(Report {
        delivery,
        attempt: 1,
        part: 0,
        parts: 1,
        result: Attempted::Judged(Verdict::Sent {
            ids: Vec::new(),
            pause: None,
        }),
        answer: Answer {
            http_status: Some(200),
            text: r#"{"ok":true}"#.into(),
            duration_ms: 3,
        },
        saying: Saying::default(),
    }))
}
