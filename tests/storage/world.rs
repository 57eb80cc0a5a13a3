//! A store with something of everything in it, and all that can be compared of one.

use std::path::Path;
use std::sync::Arc;

use notify_bridge::config::Source as File;
use notify_bridge::domain::command::{Accept, Command};
use notify_bridge::domain::event::{Action, Event, RequestKeys};
use notify_bridge::domain::notice::NoticeDraft;
use notify_bridge::domain::spec::EntityKind;
use notify_bridge::domain::state::{At, Rows, State};
use notify_bridge::projections::outbox::Status;
use notify_bridge::shell::app::{self, found};
use notify_bridge::shell::clock::ManualClock;
use notify_bridge::shell::configure;
use notify_bridge::shell::ledger::{Beside, Ledger, LedgerThread, Priority};
use notify_bridge::shell::vault::Vault;
use notify_store::{Reader, body};

/// 2026-11-24T12:00:00Z.
pub const NOON: i64 = 1_795_521_600_000_000;
pub const CACHE_BYTES: usize = 4 * 1024 * 1024;

pub const FILE: &str = r#"
[[provider]]
name = "forge"
kind = "webhook"
secret = "the sender knows this as well"
verify = { hmac_sha256 = "X-Sign" }
[provider.map]
title = "body.title"

[[target]]
name = "hook"
kind = "webhook"
url = "https://hook.example/in"
secret = "signs what goes out"

[[target]]
name = "box"
kind = "inbox"

[[tracker]]
name = "at-once"
provider = "forge"
links = [ { target = "hook" }, { target = "box" } ]

[[tracker]]
name = "gathered"
provider = "forge"
links = [ { target = "hook", digest = { every = "1h" } } ]
"#;

/// A store that is open, without anybody who sends.
pub struct World {
    pub ledger: Ledger,
    pub vault: Vault,
    thread: LedgerThread,
}

impl World {
    pub async fn open(data: &Path) -> World {
        let opened = app::open(data, None, CACHE_BYTES, &|_, _, _| {}).expect("it opens");
        let unfounded = opened.state.founding.is_none();
        let keyring = Arc::new(opened.keyring);
        let clock = Arc::new(ManualClock::new(NOON));
        let (ledger, thread) =
            Ledger::start(opened.log, opened.state, Arc::clone(&keyring), clock).expect("a thread");
        if unfounded {
            let founded = ledger.command(Priority::People, found()).await;
            founded.expect("founded");
        }
        World {
            vault: Vault::new(ledger.clone(), keyring),
            ledger,
            thread,
        }
    }

    pub async fn apply(&self, text: &str) {
        let sources = [File {
            file: "test.toml",
            text,
        }];
        let (ledger, vault) = (&self.ledger, &self.vault);
        let applied = configure::apply(ledger, vault, &sources, None, false, false, "test").await;
        if let Err(error) = applied {
            panic!("{error:?}");
        }
    }

    pub async fn accept(&self, number: usize) {
        let provider = {
            let state = self.ledger.state();
            state.configuration.id(EntityKind::Provider, "forge")
        };
        let accept = Accept {
            provider: provider.expect("the provider"),
            notices: vec![NoticeDraft {
                kind: "received".into(),
                title: format!("number {number}"),
                text: format!("what was said {number} times. ").repeat(1 + number % 9),
                ..NoticeDraft::default()
            }],
            keys: RequestKeys {
                sender: Some(number as u128),
                body: None,
            },
            hops: 0,
        };
        let beside = Beside {
            body: Some(body::pack(
                format!("{{\"title\":\"number {number}\"}}").as_bytes(),
            )),
            ..Beside::default()
        };
        let command = Command::Accept(Box::new(accept));
        let taken = self
            .ledger
            .submit(Priority::Intake, command, beside, [7; 16])
            .await;
        taken.expect("it is taken");
    }

    pub fn close(self) {
        drop(self.vault);
        drop(self.ledger);
        self.thread.stop();
    }
}

/// A closed store with this many notices.
pub async fn filled(data: &Path, notices: usize) {
    let world = World::open(data).await;
    world.apply(FILE).await;
    for number in 0..notices {
        world.accept(number).await;
    }
    let due = {
        let state = world.ledger.state();
        let of = state.outbox.deliveries.iter();
        let due = of.filter(|(_, delivery)| delivery.status == Status::Due);
        due.map(|(key, _)| *key).take(2).collect::<Vec<_>>()
    };
    for delivery in due {
        let drop = Command::Operate {
            delivery,
            action: Action::Drop,
            by: "test".into(),
        };
        let dropped = world.ledger.command(Priority::People, drop).await;
        dropped.expect("dropped");
    }
    world.close();
}

/// All that a log leads to, up to a position.
#[derive(PartialEq)]
pub struct Everything {
    pub state: State,
    pub frames: Vec<(notify_store::Header, Vec<u8>)>,
    pub bodies: Vec<(u64, Vec<u8>)>,
    pub rows: Vec<(u64, Vec<u8>)>,
}

impl std::fmt::Debug for Everything {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Everything")
            .field("position", &self.state.position)
            .field("frames", &self.frames.len())
            .field("bodies", &self.bodies.len())
            .field("rows", &self.rows.len())
            .finish()
    }
}

pub fn everything(reader: &Reader<Event>, through: u64) -> Everything {
    let mut state = State::default();
    let mut rows = Rows::new();
    let mut frames = Vec::new();
    let mut from = 1;
    loop {
        let next = reader.for_each_frame(from, 1_000, |header, payload| {
            if header.position <= through {
                let event =
                    notify_bridge::wire::decode_for_state(header.kind, header.revision, payload);
                let at = At {
                    position: header.position,
                    recorded_at: header.recorded_at,
                };
                state.evolve(at, &event.expect("an event"), &mut rows);
                frames.push((*header, payload.to_vec()));
            }
        });
        match next.expect("frames") {
            Some(next) => from = next,
            None => break,
        }
    }
    let mut bodies = Vec::new();
    let mut from = 0;
    loop {
        let sizes = reader.body_sizes(from, 1_000).expect("bodies");
        let Some((last, _)) = sizes.last() else { break };
        from = last + 1;
        for (position, _) in sizes {
            bodies.push((
                position,
                reader.body(position).expect("read").expect("there"),
            ));
        }
    }
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let page = reader.rows(from, 1_000).expect("rows");
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        all.extend(page);
    }
    Everything {
        state,
        frames,
        bodies,
        rows: all,
    }
}
