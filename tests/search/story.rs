//! A log that is told step by step, without deciding anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use notify_bridge::domain::event::{
    Accepted, Action, Answer, DeliveryKey, Event, IdSeed, Outcome, Plan, Planned, PlannedLink,
    Remember, RequestKeys,
};
use notify_bridge::domain::hold::{Planning, Way};
use notify_bridge::domain::notice::{Collection, NoticeDraft, Severity};
use notify_bridge::domain::reason::What;
use notify_bridge::domain::spec::UnknownPolicy;
use notify_bridge::search::document::Document;
use notify_bridge::shell::search::{Answer as Found, Asked, Cursor, Identity, Search, Sorted};
use notify_bridge::shell::search::{Facets, SearchError, SearchThread};
use notify_bridge::targets::Part;
use notify_store::{Batch, Log, Options, Reader, Recorded};

/// 2026-11-24T12:00:00Z.
pub const NOON: i64 = 1_795_521_600_000_000;
pub const STORE: Identity = Identity(7);

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Step {
    Notice {
        title: String,
        text: String,
        /// Index of its provider, its kind and its severity.
        sort: u8,
        /// Targets it goes to; the first is told at once.
        targets: u8,
        /// Whether what goes to the second is dropped at once.
        is_dropped: bool,
    },
    /// One of the open deliveries is sent, parked or dropped, with what was said and answered.
    Settle {
        which: usize,
        how: u8,
        words: String,
        answer: String,
    },
    /// One of the parked deliveries is tried again, dropped or confirmed.
    Operate {
        which: usize,
        how: u8,
    },
    Unreadable {
        why: String,
    },
    Paused {
        by: String,
    },
}

pub struct Story {
    pub folder: PathBuf,
    log: Log<Event>,
    at: i64,
    open: Vec<(DeliveryKey, u64)>,
    parked: Vec<(DeliveryKey, u64)>,
}

pub const PROVIDERS: [&str; 3] = ["forge", "house", "ups"];
pub const KINDS: [&str; 3] = ["push", "issue_opened", "on_battery"];
pub const TARGETS: [&str; 3] = ["desk", "ops", "night"];

fn seed() -> IdSeed {
    IdSeed {
        millis: 1_795_521_600_000,
        epoch: 3,
    }
}

impl Story {
    pub fn begin(folder: &Path) -> Story {
        let log = Log::open(folder, &Options::default(), &|_| {}).expect("a store");
        Story {
            folder: folder.to_owned(),
            log,
            at: NOON,
            open: Vec::new(),
            parked: Vec::new(),
        }
    }

    pub fn reader(&self) -> Reader<Event> {
        self.log.reader()
    }

    pub fn remove(&mut self, frames: Vec<u64>) {
        let removal = notify_store::Removal {
            frames,
            ..notify_store::Removal::default()
        };
        self.log.remove(&removal).expect("it is removed");
    }

    pub fn search(&self) -> (Arc<Search>, SearchThread) {
        Search::start(&self.folder, self.reader(), STORE).expect("a thread")
    }

    /// One push about some words, to nobody.
    pub fn notice(&mut self, title: &str) {
        self.tell(&[Step::Notice {
            title: title.to_owned(),
            text: String::new(),
            sort: 0,
            targets: 0,
            is_dropped: false,
        }]);
    }

    /// Writes what happens, in one commit.
    pub fn tell(&mut self, steps: &[Step]) {
        let mut next = self.log.next_position();
        let mut events = Vec::new();
        for step in steps {
            for event in self.events(step, next) {
                self.at += 1_000_000;
                events.push(Recorded {
                    position: next,
                    recorded_at: self.at,
                    space: 1,
                    causation: 0,
                    correlation: [0; 16],
                    payload: event,
                });
                next += 1;
            }
        }
        self.log.append(&Batch::of(events)).expect("it is written");
    }

    fn events(&mut self, step: &Step, next: u64) -> Vec<Event> {
        match step {
            Step::Notice {
                title,
                text,
                sort,
                targets,
                is_dropped,
            } => {
                let accepted = accepted(title, text, *sort, *targets, *is_dropped);
                for ordinal in 2..=u16::from(*targets) {
                    if ordinal != 2 || !is_dropped {
                        let key = DeliveryKey {
                            position: next,
                            ordinal,
                        };
                        self.open.push((key, next));
                    }
                }
                vec![Event::Accepted(Box::new(accepted))]
            }
            Step::Settle {
                which,
                how,
                words,
                answer,
            } => {
                if self.open.is_empty() {
                    return Vec::new();
                }
                let (delivery, notice) = self.open.remove(which % self.open.len());
                let (outcome, why) = match how % 3 {
                    0 => (Outcome::Sent, What::Sent),
                    1 => (Outcome::Parked, What::Rejected),
                    _ => (Outcome::Dropped, What::TooOld),
                };
                if outcome == Outcome::Parked {
                    self.parked.push((delivery, notice));
                }
                vec![
                    Event::MessageComposed {
                        notice,
                        planning: delivery.position,
                        hash: 0,
                        parts: vec![Part {
                            kind: "text".into(),
                            text: words.clone(),
                            payload: String::new(),
                        }],
                        faults: Vec::new(),
                    },
                    Event::AttemptStarted {
                        delivery,
                        notice,
                        attempt: 1,
                        part: 0,
                        composed: next,
                    },
                    Event::DeliverySettled {
                        delivery,
                        notice,
                        part: 0,
                        outcome,
                        why,
                        detail: String::new(),
                        ids: Vec::new(),
                        answer: Answer {
                            text: answer.clone(),
                            ..Answer::default()
                        },
                        pause_until: None,
                        remember: Remember::No,
                    },
                ]
            }
            Step::Operate { which, how } => {
                if self.parked.is_empty() {
                    return Vec::new();
                }
                let (delivery, notice) = self.parked.remove(which % self.parked.len());
                let action = match how % 3 {
                    0 => Action::Retry,
                    1 => Action::Drop,
                    _ => Action::Confirm,
                };
                if action == Action::Retry {
                    self.open.push((delivery, notice));
                }
                vec![Event::DeliveryOperated {
                    delivery,
                    notice,
                    action,
                    by: "user wren".into(),
                }]
            }
            Step::Unreadable { why } => vec![Event::IntakeUnreadable {
                seed: seed(),
                day: 20_781,
                provider: 1,
                provider_name: PROVIDERS[1].into(),
                why: why.clone(),
                keys: RequestKeys::default(),
            }],
            Step::Paused { by } => vec![Event::SendingPaused { by: by.clone() }],
        }
    }
}

fn accepted(title: &str, text: &str, sort: u8, targets: u8, is_dropped: bool) -> Accepted {
    let sort = usize::from(sort);
    let links = (0..usize::from(targets)).map(|index| PlannedLink {
        tracker: 1,
        tracker_name: "everything".into(),
        target: index as u32 + 1,
        target_name: TARGETS[index % 3].into(),
        link_name: String::new(),
        unknown: UnknownPolicy::Retry,
        local: index == 0,
        severity: None,
    });
    let planned = (0..u16::from(targets)).map(|link| Planned { receiver: 1, link });
    let dropped = Planning {
        index: 1,
        way: Way::Dropped {
            why: What::DroppedQuietHours,
        },
        group: 0,
        detail: "quiet hours".into(),
    };
    Accepted {
        seed: seed(),
        day: 20_781,
        provider: sort as u32 % 3 + 1,
        provider_name: PROVIDERS[sort % 3].into(),
        provider_kind: "webhook".into(),
        notice: NoticeDraft {
            kind: KINDS[sort / 3 % 3].into(),
            title: title.to_owned(),
            text: text.to_owned(),
            severity: Severity::ALL[sort % 4],
            actor: (sort % 2 == 0).then(|| "wren".to_owned()),
            collection: Some(Collection {
                id: format!("{}", sort % 5),
                name: format!("kites/Tail {}", sort % 5),
            }),
            ..NoticeDraft::default()
        },
        nth: 0,
        of: 1,
        keys: RequestKeys::default(),
        plan: Plan {
            routed: Vec::new(),
            links: links.collect(),
            planned: planned.collect(),
            ways: if is_dropped && targets > 1 {
                vec![dropped]
            } else {
                Vec::new()
            },
        },
    }
}

pub fn asked(query: &str) -> Asked {
    Asked {
        query: query.to_owned(),
        sorted: Sorted::Newest,
        cursor: None,
        limit: 500,
        sees_changes: true,
    }
}

pub fn find(search: &Search, asked: &Asked) -> Result<Found, SearchError> {
    search.find(asked, NOON, &TimeZone::UTC, Duration::ZERO)
}

pub fn facets(search: &Search, query: &str) -> Facets {
    search
        .facets(&asked(query), NOON, &TimeZone::UTC)
        .expect("it is counted")
}

/// Titles of all that is found, page by page.
pub fn titles(search: &Search, query: &str) -> Vec<String> {
    let titles = |hits: Vec<Document>| hits.into_iter().map(|hit| hit.title);
    pages(search, asked(query), 50)
        .into_iter()
        .flat_map(titles)
        .collect()
}

/// All pages of an answer.
pub fn pages(search: &Search, asked: Asked, limit: usize) -> Vec<Vec<Document>> {
    let mut pages = Vec::new();
    let mut cursor: Option<Cursor> = None;
    loop {
        let page = Asked {
            limit,
            cursor,
            ..asked.clone()
        };
        let answer = find(search, &page).expect("an answer");
        pages.push(answer.hits);
        let Some(next) = answer.next else {
            return pages;
        };
        // As it goes through an address.
        cursor = Some(next.to_string().parse().expect("a cursor"));
    }
}
