//! One event of each kind, with something in every field.

use notify_bridge::domain::event::{
    Accepted, Action, Answer, BotIdentity, ChatFacts, ChatKind, DeliveryKey, Event, IdSeed,
    Outcome, Plan, Planned, PlannedLink, Remember, RequestKeys, Role, RowFacts, Session, Token,
    TokenScope, User,
};
use notify_bridge::domain::hold::{Hold, Planning, Telling, Thread, Way};
use notify_bridge::domain::notice::{
    Collection, Degrees, Item, ItemKind, Items, NoticeDraft, Severity, Subject, Transition,
};
use notify_bridge::domain::reason::{Routed, What};
use notify_bridge::domain::retention::Rule;
use notify_bridge::domain::spec::{EntityKind, SecretMark, Settings, UnknownPolicy};
use notify_bridge::projections::retention::Tally;
use notify_bridge::projections::snoozes::{self, Snooze};
use notify_bridge::targets::media::{Form, ItemOutcome, ItemTold};
use notify_bridge::targets::{Part, Scope};

pub fn key() -> DeliveryKey {
    DeliveryKey {
        position: 70_000,
        ordinal: 3,
    }
}

pub fn answer() -> Answer {
    Answer {
        http_status: Some(429),
        text: "slow down, żółw".into(),
        duration_ms: 812,
    }
}

pub fn seed() -> IdSeed {
    IdSeed {
        millis: 1_795_521_600_123,
        epoch: 0xBEEF,
    }
}

pub fn plan() -> Plan {
    Plan {
        routed: vec![Routed {
            what: What::FilterSaidNo,
            tracker: 4,
            tracker_name: "releases".into(),
            target_name: "".into(),
            until: Some(1_795_521_650_000_000),
            detail: "notice.labels.branch = 'dev'".into(),
        }],
        links: vec![PlannedLink {
            tracker: 5,
            tracker_name: "pushes".into(),
            target: 2,
            target_name: "ops".into(),
            link_name: "night".into(),
            unknown: UnknownPolicy::Park,
            severity: Some(Severity::Critical),
            local: false,
        }],
        planned: vec![
            Planned {
                receiver: 9,
                link: 0,
            },
            Planned {
                receiver: 300,
                link: 0,
            },
            Planned {
                receiver: 301,
                link: 0,
            },
            Planned {
                receiver: 302,
                link: 0,
            },
            Planned {
                receiver: 303,
                link: 0,
            },
        ],
        ways: ways(),
    }
}

/// Every way a planned delivery may go.
pub fn ways() -> Vec<Planning> {
    let host = DeliveryKey {
        position: 60_000,
        ordinal: 2,
    };
    let thread = Thread {
        key: 77,
        closes: true,
    };
    let hold = Hold {
        until: 1_795_521_700_000_000,
        why: What::HeldQuietHours,
        slot: 78,
    };
    let until = 1_795_521_800_000_000;
    let all = [
        Way::Now {
            silent: true,
            pierced: false,
        },
        Way::Held { hold, thread },
        Way::Merged {
            host,
            until,
            thread,
        },
        Way::Cancelled { host, thread },
        Way::Dropped {
            why: What::DroppedQuietHours,
        },
    ];
    all.into_iter()
        .zip(0u16..)
        .map(|(way, index)| Planning {
            index,
            way,
            group: 79,
            detail: "22:00–07:00".into(),
        })
        .collect()
}

pub fn item() -> Item {
    let text = |text: &str| Some(text.to_owned());
    Item {
        key: "a".into(),
        kind: ItemKind::Photo,
        label: "dune".into(),
        taken_at: Some(1_795_521_598_000_000),
        size: Some(2_000_001),
        playback_size: Some(1_000_002),
        favourite: Some(true),
        rating: Some(-1),
        lat: Some(Degrees(38_700_003)),
        lon: Some(Degrees(-9_100_004)),
        owner: text("Inês"),
        owner_id: text("u5"),
        description: text("sand"),
        city: text("Comporta"),
        state: text("Setúbal"),
        country: text("Portugal"),
        url: text("https://photos.example/a"),
        public_url: text("https://photos.example/s/a"),
        download_url: text("https://photos.example/d/a"),
        playback_url: text("https://photos.example/p/a"),
        photo_url: text("https://photos.example/v/a"),
        thumbhash: text("3OcRJYB4d3h/iIeHeEh3eIhw+j2w"),
        people: vec!["Rui".into(), "Marta".into()],
        tags: vec!["sea".into()],
        fetch: text("asset-a"),
    }
}

pub fn notice() -> NoticeDraft {
    let map = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    NoticeDraft {
        kind: "push".into(),
        collection: Some(Collection {
            id: "42".into(),
            name: "team/app".into(),
        }),
        subject: Subject {
            key: "branch:main".into(),
            label: "main".into(),
        },
        transition: Transition::Updates,
        actor: Some("Ada".into()),
        title: "Ada pushed 1 commit to main in team/app".into(),
        text: "2222222 Teach the parrot".into(),
        url: Some("https://forge.example/team/app".into()),
        severity: Severity::Warning,
        labels: map("branch", "main"),
        before: map("state", "open"),
        after: map("state", "closed"),
        items: Items {
            added: vec![item()],
            removed: vec![],
            added_total: 12,
            removed_total: 0,
        },
        occurred_at: Some(1_795_521_599_000_000),
    }
}

/// One event of every kind, every field set to something a mix-up would show.
pub fn samples() -> Vec<Event> {
    let by = || "ada".to_owned();
    let spec = serde_json::json!({
        "entity": "target", "name": "ops", "kind": "telegram", "receivers": [{"name": "team", "to": "-100", "silent": true}],
    });
    let marks = [(
        "token".to_owned(),
        SecretMark {
            position: 12,
            slot: 1,
            fingerprint: [7; 16],
        },
    )]
    .into();
    vec![
        Event::Founded {
            epoch: 0xBEEF,
            salt: [5; 32],
            program: "notify-bridge 0.1.0".into(),
        },
        Event::SettingsChanged {
            settings: Settings {
                timezone: "Europe/Lisbon".into(),
                locale: "pt".into(),
                ..Settings::default()
            },
            by: by(),
        },
        Event::EntityPut {
            id: 8,
            spec: serde_json::from_value(spec).expect("a spec"),
            secrets: marks,
            receivers: vec![9],
            managed_by: Some("bridge.toml".into()),
            by: by(),
        },
        Event::EntityRemoved {
            kind: EntityKind::Tracker,
            id: 4,
            name: "old".into(),
            by: by(),
        },
        Event::FileApplied {
            file: "bridge.toml".into(),
            digest: [9; 32],
            by: by(),
        },
        Event::UserPut {
            user: User {
                id: 1,
                name: by(),
                role: Role::Owner,
                password_hash: "$argon2id$…".into(),
            },
            by: by(),
        },
        Event::UserRemoved { id: 2, by: by() },
        Event::TokenPut {
            token: Token {
                id: 3,
                name: "ci".into(),
                hash: [1; 32],
                scopes: vec![TokenScope::Read, TokenScope::Notify],
                role: Role::Editor,
                target: Some("ops".into()),
                expires_at: Some(1_800_000_000_000_000),
                created_at: 1_795_521_600_000_000,
            },
            by: by(),
        },
        Event::TokenRevoked { id: 3, by: by() },
        Event::SessionBegan {
            session: Session {
                id: 6,
                user: 1,
                hash: [2; 32],
                began_at: 1_795_521_600_000_000,
                seen_at: 1_795_521_700_000_000,
            },
        },
        Event::SessionSeen { id: 6 },
        Event::SessionEnded { id: 7 },
        Event::Accepted(Box::new(Accepted {
            seed: seed(),
            day: 20_781,
            provider: 1,
            provider_name: "forge".into(),
            provider_kind: "gitea".into(),
            notice: notice(),
            nth: 0,
            of: 2,
            keys: RequestKeys {
                sender: Some(u128::MAX - 5),
                body: Some(3),
            },
            plan: plan(),
        })),
        Event::IntakeUnreadable {
            seed: seed(),
            day: -3,
            provider: 1,
            provider_name: "forge".into(),
            why: "the body is not JSON".into(),
            keys: RequestKeys::default(),
        },
        Event::Resent {
            seed: seed(),
            notice: 69_000,
            day: 20_782,
            provider: 1,
            row: RowFacts {
                provider: 1,
                severity: 2,
                kind_hash: 11,
                collection_hash: 12,
            },
            subject: 13,
            plan: plan(),
            why: What::Repeated,
            by: by(),
        },
        Event::MessageComposed {
            notice: 69_000,
            planning: 70_000,
            hash: 14,
            parts: vec![Part {
                kind: "text".into(),
                text: "<b>hi</b>".into(),
                payload: "{\"a\":1}".into(),
            }],
            faults: vec!["template_failed".into()],
        },
        Event::AttemptStarted {
            delivery: key(),
            notice: 69_000,
            attempt: 2,
            part: 1,
            composed: 70_001,
        },
        Event::PartSent {
            delivery: key(),
            notice: 69_000,
            part: 1,
            ids: vec!["4711".into()],
            answer: answer(),
            pause_until: Some(1_795_521_602_000_000),
        },
        Event::AttemptFailed {
            delivery: key(),
            notice: 69_000,
            part: 1,
            scope: Scope::Receiver,
            retry_at: 1_795_521_630_000_000,
            reason: "asked to wait 30 s".into(),
            answer: answer(),
        },
        Event::FallbackUsed {
            delivery: key(),
            notice: 69_000,
            composed: 70_009,
            reason: "can't parse".into(),
            answer: answer(),
        },
        Event::ClaimReturned {
            delivery: key(),
            notice: 69_000,
        },
        Event::DeliverySettled {
            delivery: key(),
            notice: 69_000,
            part: 1,
            outcome: Outcome::Parked,
            why: What::TriesUsedUp,
            detail: "16 tries".into(),
            ids: vec![],
            answer: answer(),
            pause_until: Some(1_795_521_602_000_000),
            remember: Remember::Keep,
        },
        Event::OutcomeUnknown {
            delivery: key(),
            notice: 69_000,
            policy: UnknownPolicy::Park,
        },
        Event::DeliveryOperated {
            delivery: key(),
            notice: 69_000,
            action: Action::Confirm,
            by: by(),
        },
        Event::HoldChanged {
            delivery: key(),
            notice: 69_000,
            hold: Some(Hold {
                until: i64::MAX,
                why: What::HeldOperator,
                slot: 0,
            }),
            silent: true,
            pierced: false,
            why: What::HeldOperator,
            detail: "until somebody is back".into(),
            unwanted: vec![68_000, 68_001],
            by: by(),
        },
        Event::DeliveryMerged {
            delivery: key(),
            notice: 69_000,
            host: DeliveryKey {
                position: 60_000,
                ordinal: 2,
            },
            until: 1_795_521_800_000_000,
        },
        Event::ReceiverGone {
            target: 8,
            receiver: 9,
            reason: "blocked".into(),
        },
        Event::ReceiverMoved {
            target: 8,
            receiver: 9,
            to: "-100777".into(),
        },
        Event::ReceiverRestored {
            target: 8,
            receiver: 9,
            by: by(),
        },
        Event::SendingPaused { by: by() },
        Event::SendingResumed { by: by() },
        Event::ClockStepped {
            by_micros: -3_600_000_000,
        },
        Event::FallbackAwaited {
            notice: 69_000,
            planning: 69_001,
            waits: vec![(1, 600), (300, 0)],
        },
        Event::HandedOn {
            delivery: key(),
            notice: 69_000,
            planning: 70_001,
            detail: "to pager".into(),
        },
        Event::FellSilent {
            kind: EntityKind::Tracker,
            id: 5,
            since: 1_795_521_500_000_000,
        },
        Event::Acknowledged {
            notice: 41,
            provider: 3,
            subject: 0xFEED_BEEF,
            by: by(),
        },
        Event::Snoozed(Box::new(Snooze {
            id: 7,
            scope: snoozes::Scope::Collection,
            entity: 3,
            name: "wren/nest".into(),
            since: 1_795_521_600_000_000,
            until: 1_795_528_800_000_000,
            by: by(),
        })),
        Event::SnoozeEnded { id: 7, by: by() },
        Event::RepeatPutOff {
            slot: 79,
            notice: 41,
            again: true,
            why: What::Snoozed,
            detail: "tracker alerts is snoozed by user wren".into(),
        },
        Event::EditRefused {
            delivery: key(),
            notice: 69_000,
            part: 0,
            reason: "the message is not there any more".into(),
            answer: answer(),
        },
        Event::GatheredTold {
            delivery: key(),
            notice: 69_000,
            composed: 70_500,
            telling: Telling {
                notices: vec![69_000, 69_004, 69_311],
                listed: 2,
                count: 740,
                items: Some((1_300, 17)),
            },
        },
        Event::StateCarried {
            layout: 2,
            part: 1,
            parts: 3,
            bytes: vec![7, 0, 255],
        },
        Event::RetentionAdvanced {
            rules: vec![Rule {
                provider: 9,
                kind: "push".into(),
                before: 70_000,
            }],
            history_before: 300,
            mark: 70_001,
            carried_at: 80_000,
            seen_from: vec![(9, 60_000)],
            by: by(),
        },
        Event::Compacted {
            run: 4,
            removed: Tally {
                families: 1_000,
                frames: 3_500,
                bodies: 20,
                bytes: 1_234_567,
            },
        },
        Event::CursorMoved {
            provider: 3,
            key: "album/9f3c".into(),
            bytes: Some(vec![1, 0, 255, 128].into()),
        },
        Event::PartLeftOut {
            delivery: key(),
            notice: 69_000,
            part: 3,
            reason: "IMAGE_PROCESS_FAILED".into(),
            answer: answer(),
        },
        Event::MediaTold {
            delivery: key(),
            notice: 69_000,
            part: 2,
            target: 8,
            receiver: 9,
            provider: 1,
            items: vec![
                ItemTold {
                    key: "a".into(),
                    outcome: ItemOutcome::Delivered,
                    detail: String::new(),
                    file: Some((Form::Animation, "AgACAg".into())),
                },
                ItemTold {
                    key: "b".into(),
                    outcome: ItemOutcome::Skipped,
                    detail: "is no picture".into(),
                    file: None,
                },
                ItemTold {
                    key: "c".into(),
                    outcome: ItemOutcome::Failed,
                    detail: "refused".into(),
                    file: None,
                },
            ],
            rest_until: Some(1_795_521_603_000_000),
        },
        Event::Restored {
            epoch: 0xCAFE,
            through: 70_001,
            taken_at: 1_795_521_600_000_000,
            written_by: "notify-bridge 0.1.0".into(),
            by: by(),
        },
        Event::LossAccepted {
            stretches: vec![(12, 12), (4_096, 5_000)],
            others: 3,
            kept_as: "damaged-20261124T101500Z".into(),
            by: by(),
        },
        Event::ChatsSeen {
            bot: 5,
            chats: vec![
                ChatFacts {
                    to: "-1001987654321".into(),
                    kind: ChatKind::Supergroup,
                    title: "Neighbours’ watch".into(),
                    username: "neighbours_watch".into(),
                    language: String::new(),
                    is_left: false,
                },
                ChatFacts {
                    to: "4242".into(),
                    kind: ChatKind::Private,
                    title: "Inês".into(),
                    username: String::new(),
                    language: "pt".into(),
                    is_left: true,
                },
            ],
        },
        Event::ChatsNamed {
            bot: 5,
            chats: vec![ChatFacts {
                to: "-77".into(),
                kind: ChatKind::Channel,
                title: "Weather".into(),
                username: "weather".into(),
                language: String::new(),
                is_left: false,
            }],
        },
        Event::BotVerified {
            bot: 5,
            identity: BotIdentity {
                number: 110_201_543,
                username: "herald_bot".into(),
                name: "Herald".into(),
            },
        },
    ]
}
