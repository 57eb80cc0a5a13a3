//! A state with a configuration in it, driven as the ledger drives it: decide, then evolve.

use notify_bridge::domain::command::{Accept, Command, Configure, Context, Put};
use notify_bridge::domain::decide::decide;
use notify_bridge::domain::event::{Event, RequestKeys};
use notify_bridge::domain::notice::NoticeDraft;
use notify_bridge::domain::spec::EntitySpec;
use notify_bridge::domain::state::{At, Rows, State};
use notify_bridge::providers::{self, Readable};
use notify_store::Recorded;
use serde_json::{Value, json};

use super::hook;

/// When the first event was recorded, in microseconds since 1970.
const START: i64 = 1_772_000_000_000_000;

#[derive(Clone)]
pub struct World {
    pub state: State,
    /// Rows that were written and not taken yet.
    pub rows: Rows,
}

impl World {
    /// Founded and configured with these entities, in their JSON form; and what that took.
    pub fn of(entities: Vec<Value>) -> (World, Vec<Recorded<Event>>) {
        let mut world = World {
            state: State::default(),
            rows: Rows::new(),
        };
        let mut events = world.run(Command::Found {
            epoch: 7,
            salt: [9; 32],
            program: "bench".into(),
        });
        let puts = entities.into_iter().map(|entity| Put {
            spec: serde_json::from_value::<EntitySpec>(entity).expect("a spec"),
            secrets: Default::default(),
            cleared: Default::default(),
            managed_by: None,
        });
        events.extend(world.run(Command::Configure(Box::new(Configure {
            by: "bench".into(),
            puts: puts.collect(),
            ..Configure::default()
        }))));
        (world, events)
    }

    /// Decides a command and folds what it decided, as the ledger does.
    pub fn run(&mut self, command: Command) -> Vec<Recorded<Event>> {
        let context = Context {
            now: self.now(),
            first_position: self.state.position + 1,
        };
        let decided = decide(&self.state, command, &context).expect("it is not refused");
        let mut recorded = Vec::with_capacity(decided.events.len());
        for (payload, position) in decided.events.into_iter().zip(context.first_position..) {
            let at = At {
                position,
                recorded_at: context.now,
            };
            self.state.evolve(at, &payload, &mut self.rows);
            recorded.push(Recorded {
                position,
                recorded_at: context.now,
                space: 0,
                causation: if position == context.first_position {
                    0
                } else {
                    context.first_position
                },
                correlation: [7; 16],
                payload,
            });
        }
        recorded
    }

    /// The id of a configured provider.
    pub fn provider(&self, name: &str) -> u32 {
        let provider = self.state.configuration.provider(name);
        provider.expect("it is configured").id
    }

    /// A millisecond for every event.
    pub fn now(&self) -> i64 {
        START + self.state.position as i64 * 1_000
    }
}

pub fn provider(name: &str) -> Value {
    json!({"entity": "provider", "name": name, "kind": "github"})
}

/// A notice as the github kind reads it from the body of request `number`.
pub fn notice(number: u64) -> NoticeDraft {
    let kind = providers::kind("github").expect("there is a github kind");
    let webhook = kind.webhook().expect("it is told by webhook");
    let spec = serde_json::from_value(provider("forge-0")).expect("a spec");
    let request = Readable {
        headers: vec![("x-github-event".into(), "push".into())],
        query: Vec::new(),
        body: serde_json::from_slice(&hook::body(number)).expect("the body is JSON"),
    };
    let mut notices = webhook.notices(&spec, &request).expect("it can be read");
    notices.pop().expect("it says something")
}

/// The command of one request with one notice.
pub fn accept(provider: u32, number: u64, notice: NoticeDraft) -> Command {
    let key = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_0C4A_1B0D_9E33);
    Command::Accept(Box::new(Accept {
        provider,
        notices: vec![notice],
        keys: RequestKeys {
            sender: Some(key),
            body: Some(!key),
        },
        hops: 0,
    }))
}
