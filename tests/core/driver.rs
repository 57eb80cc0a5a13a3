//! A state with its log, driven by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use notify_bridge::domain::command::{
    Accept, Attempted, Claim, Command, Composed, Configure, Context, Named, Put, Refusal, Report,
    Saying, Told,
};
use notify_bridge::domain::decide::{Decided, decide};
use notify_bridge::domain::event::{Answer, DeliveryKey, Event, RequestKeys};
use notify_bridge::domain::notice::{Collection, NoticeDraft, Severity, Subject};
use notify_bridge::domain::spec::{EntityKind, EntitySpec};
use notify_bridge::domain::state::{At, Rows, State};
use notify_bridge::projections::outbox::pace::Limits;
use notify_bridge::projections::outbox::{Asked, Due, Status};
use notify_bridge::targets::{Part, Scope, Verdict};
use notify_bridge::wire;
use notify_store::Payload;

/// See the module.
#[derive(Default)]
pub struct Core {
    pub state: State,
    pub log: Vec<(At, Event)>,
    /// Positions of the first event of each command.
    pub firsts: BTreeSet<u64>,
    pub now: i64,
}

impl Core {
    pub fn new() -> Self {
        let mut core = Core {
            now: 1_790_000_000_000_000,
            ..Core::default()
        };
        core.run(Command::Found {
            epoch: 7,
            salt: [3; 32],
            program: "test".into(),
        })
        .unwrap();
        core
    }

    pub fn run(&mut self, command: Command) -> Result<Told, Refusal> {
        let context = Context {
            now: self.now,
            first_position: self.state.position + 1,
        };
        let Decided { events, told } = decide(&self.state, command, &context)?;
        let mut rows = Rows::new();
        if !events.is_empty() {
            self.firsts.insert(context.first_position);
        }
        for event in events {
            let at = At {
                position: self.state.position + 1,
                recorded_at: self.now,
            };
            self.state.evolve(at, &event, &mut rows);
            self.log.push((at, event));
        }
        Ok(told)
    }

    pub fn configure(&mut self, specs: Vec<EntitySpec>) -> Result<Told, Refusal> {
        let puts = specs
            .into_iter()
            .map(|spec| Put {
                secrets: match &spec {
                    EntitySpec::Target(target) if target.bot.is_some() => BTreeMap::new(),
                    EntitySpec::Target(_) => BTreeMap::from([("token".to_owned(), [1; 16])]),
                    EntitySpec::Bot(_) => BTreeMap::from([("token".to_owned(), [2; 16])]),
                    EntitySpec::Provider(_) | EntitySpec::Tracker(_) | EntitySpec::Template(_) => {
                        BTreeMap::new()
                    }
                },
                spec,
                cleared: BTreeSet::new(),
                managed_by: None,
            })
            .collect();
        self.run(Command::Configure(Box::new(Configure {
            by: "test".into(),
            puts,
            ..Configure::default()
        })))
    }

    pub fn remove(&mut self, removes: &[(EntityKind, &str)]) -> Result<Told, Refusal> {
        let removes = removes
            .iter()
            .map(|(kind, name)| (*kind, (*name).to_owned()))
            .collect();
        self.run(Command::Configure(Box::new(Configure {
            by: "test".into(),
            removes,
            ..Configure::default()
        })))
    }

    pub fn provider(&self, name: &str) -> u32 {
        self.state
            .configuration
            .provider(name)
            .map_or(0, |provider| provider.id)
    }

    pub fn due(&self) -> Vec<DeliveryKey> {
        self.due_with_depth(64).ready
    }

    pub fn due_with_depth(&self, depth: u16) -> Due {
        self.due_from(0, depth)
    }

    pub fn due_from(&self, first_lane: u32, depth: u16) -> Due {
        let targets = &self.state.configuration.targets;
        let asked = Asked {
            depth: |_: u32, _: u32| depth,
            pace: |target: u32, receiver: u32| {
                targets
                    .get(&target)
                    .map(|target| Limits::of(&self.state.configuration, target, receiver))
                    .unwrap_or_default()
            },
            taken: |_: &DeliveryKey| false,
        };
        self.state.outbox.due(self.now, 1_000, first_lane, &asked)
    }

    pub fn claim(&mut self, key: DeliveryKey) -> Result<Told, Refusal> {
        let Some(delivery) = self.state.outbox.deliveries.get(&key) else {
            return Err(Refusal::NotClaimable("gone"));
        };
        let claim = Claim {
            delivery: key,
            revision: delivery.revision,
            config_revision: self.state.configuration.revision,
            composed: Some(Composed {
                parts: parts(2),
                hash: 9,
                faults: Vec::new(),
                telling: None,
            }),
            about: self.named(key),
        };
        self.run(Command::Claim(Box::new(claim)))
    }

    /// The notices that a delivery tells, by what a person may mute.
    fn named(&self, key: DeliveryKey) -> Vec<Named> {
        let delivery = &self.state.outbox.deliveries[&key];
        let positions: Vec<u64> = match delivery.gathered.as_deref() {
            Some(gathered) => gathered.members().iter().map(|it| it.notice).collect(),
            None => vec![delivery.notice],
        };
        let found = positions.into_iter().filter_map(|notice| {
            let (_, event) = self.log.get(usize::try_from(notice).ok()? - 1)?;
            let Event::Accepted(accepted) = event else {
                return None;
            };
            Some(Named {
                notice,
                provider: accepted.provider,
                about: accepted.notice.clone(),
            })
        });
        found.collect()
    }

    pub fn report(&mut self, key: DeliveryKey, result: Attempted) -> Result<Told, Refusal> {
        self.report_saying(key, result, Saying::default())
    }

    pub fn report_saying(
        &mut self,
        key: DeliveryKey,
        result: Attempted,
        saying: Saying,
    ) -> Result<Told, Refusal> {
        let (attempt, part) = self
            .state
            .outbox
            .deliveries
            .get(&key)
            .map_or((0, 0), |delivery| (delivery.attempts, delivery.part));
        let answer = Answer {
            http_status: Some(200),
            text: "ok".into(),
            duration_ms: 3,
        };
        self.run(Command::Report(Box::new(Report {
            delivery: key,
            attempt,
            part,
            parts: 2,
            result,
            answer,
            saying,
        })))
    }

    /// Sends everything that is due, until nothing is.
    pub fn send_all(&mut self) {
        loop {
            let due = self.due();
            let position = self.state.position;
            for key in due {
                // A claim may find that quiet hours have begun.
                if matches!(self.claim(key), Ok(Told::Claimed { .. })) {
                    self.report(
                        key,
                        Attempted::Judged(Verdict::Sent {
                            ids: vec!["1".into()],
                            pause: None,
                        }),
                    )
                    .unwrap();
                }
            }
            // What is due may be refused for as long as nothing else happens.
            if self.state.position == position {
                return;
            }
        }
    }

    /// Folds the log again from its bytes, optionally from a snapshot taken at an event.
    pub fn folded(&self, snapshot_at: Option<usize>) -> State {
        if snapshot_at.is_none() {
            super::replayed::decided_again(self);
        }
        self.refolded(snapshot_at)
    }

    /// As [`Core::folded`], without deciding everything again.
    pub fn refolded(&self, snapshot_at: Option<usize>) -> State {
        let mut state = State::default();
        let mut rows = Rows::new();
        for (index, (at, event)) in self.log.iter().enumerate() {
            let mut bytes = Vec::new();
            event.encode(&mut bytes);
            assert!(bytes.len() <= wire::weight(event), "{event:?}");
            let decoded =
                Event::decode(event.kind(), event.revision(), &bytes).expect("an event reads back");
            assert_eq!(&decoded, event);
            let outline = wire::decode_for_state(event.kind(), event.revision(), &bytes)
                .expect("an event reads back for the state");
            state.evolve(*at, &outline, &mut rows);
            if snapshot_at == Some(index) {
                state = wire::decode_state(&wire::encode_state(&state).unwrap()).unwrap();
            }
        }
        state
    }

    /// What must hold after every command.
    pub fn check(&self) {
        let outbox = &self.state.outbox;
        let mut sending: BTreeMap<u32, u16> = BTreeMap::new();
        for (key, delivery) in &outbox.deliveries {
            assert!(
                self.state.outbox.notices.contains_key(&key.position),
                "an open delivery has its notice"
            );
            if delivery.status == Status::Sending {
                *sending.entry(delivery.target).or_default() += 1;
            }
            assert_eq!(
                outbox.parked.contains(key),
                delivery.status.needs_a_person()
            );
        }
        assert_eq!(outbox.sending, sending);
        let mut held = BTreeSet::new();
        for (key, delivery) in &outbox.deliveries {
            assert_eq!(
                delivery.hold.is_some(),
                delivery.status == Status::Held,
                "a held delivery says until when"
            );
            held.extend(delivery.hold.as_deref().map(|hold| (hold.until, *key)));
        }
        assert_eq!(outbox.held, held);
        for key in outbox.slots.values().chain(outbox.threads.values()) {
            assert_eq!(outbox.deliveries[key].status, Status::Held);
        }
        let waiting = outbox
            .deliveries
            .values()
            .filter(|delivery| delivery.status.waits())
            .count();
        assert_eq!(
            outbox
                .lanes
                .values()
                .map(|lane| lane.waiting())
                .sum::<usize>(),
            waiting
        );
        for (position, notice) in &outbox.notices {
            let open = outbox
                .deliveries
                .keys()
                .filter(|key| key.position == *position)
                .count();
            assert_eq!(usize::from(notice.open), open);
            assert!(open > 0, "a settled notice has left");
        }
    }
}

pub fn parts(count: usize) -> Vec<Part> {
    (0..count)
        .map(|n| Part {
            kind: "text".into(),
            text: format!("words {n}"),
            payload: "{}".into(),
        })
        .collect()
}

pub fn entity(json: serde_json::Value) -> EntitySpec {
    serde_json::from_value(json).expect("a spec")
}

pub fn provider(name: &str) -> EntitySpec {
    entity(serde_json::json!({"entity": "provider", "name": name, "kind": "webhook"}))
}

pub fn target(name: &str, receivers: usize) -> EntitySpec {
    let receivers: Vec<_> = (0..receivers)
        .map(|n| serde_json::json!({"name": format!("r{n}"), "to": n.to_string(), "enabled": true}))
        .collect();
    entity(
        serde_json::json!({"entity": "target", "name": name, "kind": "telegram", "pace": "off", "receivers": receivers}),
    )
}

/// A target that keeps the pace of its kind, or that of a receiver's own.
pub fn paced(name: &str, to: &[&str], pace: &str, own: Option<&str>) -> EntitySpec {
    let receivers: Vec<_> = to
        .iter()
        .map(|to| {
            let mut receiver = serde_json::json!({"name": to, "to": to});
            if let Some(own) = own {
                receiver["pace"] = own.into();
            }
            receiver
        })
        .collect();
    let mut spec = serde_json::json!({
        "entity": "target", "name": name, "kind": "telegram", "receivers": receivers,
    });
    if !pace.is_empty() {
        spec["pace"] = pace.into();
    }
    entity(spec)
}

pub fn tracker(name: &str, provider: &str, target: &str) -> EntitySpec {
    entity(
        serde_json::json!({"entity": "tracker", "name": name, "provider": provider, "links": [{"target": target}]}),
    )
}

pub fn draft(subject: &str, severity: Severity) -> NoticeDraft {
    NoticeDraft {
        kind: "received".into(),
        collection: Some(Collection {
            id: "1".into(),
            name: "team/app".into(),
        }),
        subject: Subject {
            key: subject.into(),
            label: subject.into(),
        },
        title: "something happened".into(),
        severity,
        ..NoticeDraft::default()
    }
}

pub fn accept(provider: u32, subject: &str, key: Option<u128>) -> Command {
    Command::Accept(Box::new(Accept {
        provider,
        notices: vec![draft(subject, Severity::Info)],
        keys: RequestKeys {
            sender: key,
            body: None,
        },
        hops: 0,
    }))
}

pub fn ready(receivers: usize) -> Core {
    let mut core = Core::new();
    core.configure(vec![
        provider("p"),
        target("t", receivers),
        tracker("w", "p", "t"),
    ])
    .unwrap();
    core
}

pub fn attempted(what: u8) -> Attempted {
    let reason = "because".to_owned();
    match what {
        0 | 1 => Attempted::Judged(Verdict::Sent {
            ids: vec!["42".into()],
            pause: (what == 1).then_some(Duration::from_secs(3)),
        }),
        2 => Attempted::Judged(Verdict::Retry {
            after: None,
            scope: Scope::Message,
            reason,
        }),
        3 => Attempted::Judged(Verdict::Retry {
            after: Some(Duration::from_secs(30)),
            scope: Scope::Receiver,
            reason,
        }),
        4 => Attempted::Judged(Verdict::Retry {
            after: None,
            scope: Scope::Target,
            reason,
        }),
        5 => Attempted::Judged(Verdict::Rejected { reason }),
        6 => Attempted::Judged(Verdict::Gone { reason }),
        7 => Attempted::Judged(Verdict::Moved { to: "77".into() }),
        _ => Attempted::Judged(Verdict::Fallback {
            parts: parts(2),
            reason,
        }),
    }
}
