//! When a planned delivery may go: at once, without sound, later, or not at all.
//!
//! Stages stand in a fixed order ([`Stage`]): settling, grouping, digest, quiet hours, storm. The first that
//! has something to say holds the delivery; when that hold is over, the stages after it are asked.
//! What pierces is asked nothing.
//!
//! **Invariant:** the answer depends on the configuration, the notice and the moment alone.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::hold::{Hold, Stage, of_receiver};
use super::notice::Severity;
use super::policy::{DigestSpec, SETTLE_DEFAULT, Span, WallClock};
use super::reason::What;
use super::recur::{Recurrence, next_after};
use super::spec::{LinkSpec, ProviderSpec, Rate, ReceiverSpec, TrackerSpec};
use super::state::{State, word_hash};
use super::windows::{CompiledWindows, WindowMode, WindowSpec, active};
use crate::config::quantity;
use crate::projections::configuration::{Configuration, Target};
use crate::projections::outbox::Delivery;
use crate::projections::storms::Storms;
use crate::providers;

/// Notice kinds that are about the moment at which they were made: held, they would be untrue.
const WALL_CLOCK_KINDS: [&str; 4] = ["scheduled_message", "summary", "memory", "assets_picked"];

/// A link on its way to one receiver, with everything that may say when.
#[derive(Clone, Copy)]
pub struct Route<'a> {
    pub configuration: &'a Configuration,
    pub provider: Option<&'a ProviderSpec>,
    /// 0 and `None` for a one-off message.
    pub tracker_id: u32,
    pub tracker: Option<&'a TrackerSpec>,
    pub link: &'a LinkSpec,
    pub target: &'a Target,
    pub receiver_id: u32,
    pub receiver: Option<&'a ReceiverSpec>,
}

/// What is known of a notice, also when only its row is left.
#[derive(Clone, Copy)]
pub struct About {
    pub kind_hash: u64,
    /// 0 without one.
    pub collection_hash: u64,
    pub items: bool,
    /// Whether notices of its collection that would be told together with it are settling.
    pub joins: bool,
    pub wall_clock: bool,
    /// The slot of its group; 0 for none.
    pub group: u64,
    /// When that group was last told, microseconds since 1970.
    pub told_at: Option<i64>,
}

pub fn is_wall_clock(kind: &str) -> bool {
    WALL_CLOCK_KINDS.contains(&kind)
}

/// What a stage, or none, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Now { silent: bool, detail: String },
    Hold { hold: Hold, detail: String },
    Drop { why: What, detail: String },
}

/// Names the link, by which deliveries and slots know it: a tracker may reach a target over several.
pub fn via(tracker: u32, target: u32, link_name: &str) -> u64 {
    let ids = u64::from(tracker) << 32 | u64::from(target);
    xxh3_64_with_seed(link_name.as_bytes(), ids)
}

/// Names the opening or closing of a subject over one link to one receiver; 0 for what does neither.
pub fn thread_key(via: u64, receiver: u32, subject: u64) -> u64 {
    of_receiver(mixed(&[THREAD, via, subject]), receiver).max(1)
}

const THREAD: u64 = u64::MAX;

/// Whether a link goes to a target, by itself or through a broadcast.
pub fn leads_to(configuration: &Configuration, link: &LinkSpec, target: &str) -> bool {
    link.target == target
        || configuration.target(&link.target).is_some_and(|broadcast| {
            let spec = &broadcast.entity.spec;
            spec.targets.iter().any(|child| child == target)
                && !spec.off.iter().any(|child| child == target)
        })
}

fn mixed(words: &[u64]) -> u64 {
    let mut bytes = [0u8; 64];
    for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    // 0 is "no slot".
    xxh3_64(&bytes).max(1)
}

/// The link of a message that no tracker sent.
static OWN_LINK: LazyLock<LinkSpec> = LazyLock::new(|| LinkSpec::to(String::new()));

/// The link of a tracker that is known by this name, as it is configured now. Several of a tracker may
/// lead to one target under one name, by themselves and through a broadcast: `nth` is which of those that
/// are switched on, in the order of the configuration.
pub fn link_to(
    configuration: &Configuration,
    tracker: u32,
    target: u32,
    named: u64,
    nth: u16,
) -> Option<&LinkSpec> {
    let spec = &configuration.trackers.get(&tracker)?.entity.spec;
    let name = &configuration.targets.get(&target)?.entity.spec.name;
    let is_one = |link: &&LinkSpec| {
        via(tracker, target, link.name.as_deref().unwrap_or("")) == named
            && leads_to(configuration, link, name)
    };
    let on: Vec<&LinkSpec> = spec
        .links
        .iter()
        .filter(is_one)
        .filter(|link| link.enabled)
        .collect();
    let nth = usize::from(nth).min(on.len().saturating_sub(1));
    on.get(nth)
        .copied()
        .or_else(|| spec.links.iter().find(is_one))
}

impl<'a> Route<'a> {
    /// The way of a delivery over what is configured now; `None` when its target, receiver or link is
    /// not any more.
    pub fn of(state: &'a State, delivery: &Delivery) -> Option<Route<'a>> {
        let place = (delivery.target, delivery.receiver);
        let over = (delivery.tracker, delivery.via, delivery.nth);
        Route::over(&state.configuration, over, place)
    }

    /// The way over a link to a receiver of a target, as it is configured now.
    pub fn over(
        configuration: &'a Configuration,
        (tracker_id, named, nth): (u32, u64, u16),
        (target_id, receiver_id): (u32, u32),
    ) -> Option<Route<'a>> {
        let target = configuration.targets.get(&target_id)?;
        let index = target
            .receivers
            .iter()
            .position(|receiver| *receiver == receiver_id)?;
        let tracker = configuration
            .trackers
            .get(&tracker_id)
            .map(|tracker| &tracker.entity.spec);
        let link = match tracker {
            None if tracker_id == 0 => &*OWN_LINK,
            None => return None,
            Some(_) => link_to(configuration, tracker_id, target_id, named, nth)?,
        };
        let provider = tracker.and_then(|tracker| configuration.provider(&tracker.provider));
        Some(Route {
            configuration,
            provider: provider.map(|provider| &provider.spec),
            tracker_id,
            tracker,
            link,
            target,
            receiver_id,
            receiver: target.entity.spec.receivers.get(index),
        })
    }

    /// Whether its digest has no time of its own.
    pub fn digest_waits_to_be_full(&self) -> bool {
        self.digest()
            .is_some_and(|digest| digest.every.is_none() && digest.at.is_empty())
    }

    pub fn via(&self) -> u64 {
        via(
            self.tracker_id,
            self.target.entity.id,
            self.link.name.as_deref().unwrap_or(""),
        )
    }

    /// Whether this severity passes everything that would hold it.
    pub fn pierces(&self, severity: Severity) -> bool {
        self.link.pierce.is_reached_by(severity)
    }

    /// Whether anything here can hold a delivery. Most links have nothing, and are asked no further.
    pub fn can_hold(&self) -> bool {
        self.windows().is_some()
            || self.digest().is_some()
            || self.storm().is_some()
            || self.tracker.is_some_and(|tracker| {
                tracker.group.is_some()
                    || match tracker.settle {
                        Some(span) => span.seconds() > 0,
                        None => !self.settling_kinds().is_empty(),
                    }
            })
    }

    /// Notice kinds that settle where the tracker says nothing of it.
    fn settling_kinds(&self) -> &'static [&'static str] {
        self.provider
            .and_then(|provider| providers::kind(&provider.kind))
            .map_or(&[], |kind| kind.settles())
    }

    /// The slot in which a notice would settle, where its kind does so by itself or in company.
    pub fn settling_slot(&self, about: &About) -> Option<u64> {
        let by_itself = self.tracker?.settle.is_none() && !self.settling_kinds().is_empty();
        by_itself.then(|| self.slot(Stage::Settling, about.collection_hash, about.what()))
    }

    /// How long a notice waits for its collection to be quiet.
    fn settles_for(&self, about: &About) -> Option<Span> {
        if let Some(span) = self.tracker?.settle {
            return (span.seconds() > 0).then_some(span);
        }
        // What is removed while what was added settles is told with it, and not before it.
        let settles = about.joins
            || self
                .settling_kinds()
                .iter()
                .any(|kind| word_hash(kind) == about.kind_hash);
        settles.then_some(SETTLE_DEFAULT)
    }

    /// The first stage from `from` on that has something to say at `now`.
    pub fn next(&self, from: Stage, about: &About, now: i64) -> Next {
        let mut silent = (false, String::new());
        if from <= Stage::Settling
            && let Some(next) = self.settling(about, now)
        {
            return next;
        }
        if from <= Stage::Grouping
            && let Some(next) = self.grouping(about, now)
        {
            return next;
        }
        if from <= Stage::Digest
            && let Some(next) = self.digesting(now)
        {
            return self.unless_dropped(next, now);
        }
        if from <= Stage::QuietHours {
            match self.quiet(about, now) {
                Next::Now {
                    silent: quiet,
                    detail,
                } => silent = (quiet, detail),
                next => return next,
            }
        }
        Next::Now {
            silent: silent.0,
            detail: silent.1,
        }
    }

    fn settling(&self, about: &About, now: i64) -> Option<Next> {
        let span = self.settles_for(about)?;
        Some(Next::Hold {
            hold: Hold {
                until: now.saturating_add(span.micros()),
                why: What::HeldSettling,
                slot: self.slot(Stage::Settling, about.collection_hash, about.what()),
            },
            detail: format!("until it has been quiet for {span}"),
        })
    }

    fn grouping(&self, about: &About, now: i64) -> Option<Next> {
        let group = self.tracker?.group.as_ref()?;
        let wait = now.saturating_add(group.wait.micros());
        let quiet_until = about
            .told_at
            .map(|told_at| told_at.saturating_add(group.interval.micros()))
            .filter(|until| *until > wait);
        let detail = match quiet_until {
            Some(_) => format!("its group was told within the last {}", group.interval),
            None => format!("others of its group have {} to join", group.wait),
        };
        Some(Next::Hold {
            hold: Hold {
                until: quiet_until.unwrap_or(wait),
                why: What::HeldGrouping,
                slot: about.group,
            },
            detail,
        })
    }

    /// Whether its tracker groups.
    pub fn groups(&self) -> bool {
        self.tracker.is_some_and(|tracker| tracker.group.is_some())
    }

    /// The slot of the group that a notice of this value belongs to; 0 where nothing is grouped.
    pub fn group_slot(&self, value: u64) -> u64 {
        match self.groups() {
            true => self.slot(Stage::Grouping, value, 0),
            false => 0,
        }
    }

    /// How many messages are too many for the receiver.
    pub fn storm(&self) -> Option<Rate> {
        self.receiver.and_then(|receiver| receiver.storm)
    }

    /// What a storm says about a message that would be due now, besides `more` that are as well.
    pub fn storming(&self, storms: &Storms, more: usize, now: i64) -> Option<Next> {
        let rate = self.storm()?;
        let until = storms.until(self.receiver_id, rate, more, now)?;
        Some(Next::Hold {
            hold: Hold {
                until,
                why: What::StormSummarised,
                // For the receiver, whichever link it comes over.
                slot: of_receiver(mixed(&[Stage::Storm as u64]), self.receiver_id).max(1),
            },
            detail: format!("more than {}", quantity::rate_text(Some(rate))),
        })
    }

    fn digesting(&self, now: i64) -> Option<Next> {
        let digest = self.digest()?;
        Some(Next::Hold {
            hold: Hold {
                until: self.digest_at(digest, now),
                why: What::HeldDigest,
                slot: self.slot(Stage::Digest, 0, 0),
            },
            detail: match (&digest.every, digest.at.is_empty(), digest.after) {
                (Some(every), ..) => format!("a digest every {every}"),
                (None, false, _) => "a digest at times of day".into(),
                (None, true, Some(after)) => format!("a digest of {after} notices"),
                (None, true, None) => "a digest".into(),
            },
        })
    }

    /// A digest does not keep what a window says is not to be sent.
    fn unless_dropped(&self, next: Next, now: i64) -> Next {
        match self.window_at(now) {
            Some((WindowMode::Drop, _, detail)) => Next::Drop {
                why: What::DroppedQuietHours,
                detail,
            },
            Some((WindowMode::Hold | WindowMode::Silent, ..)) | None => next,
        }
    }

    fn quiet(&self, about: &About, now: i64) -> Next {
        let loud = |detail| Next::Now {
            silent: false,
            detail,
        };
        let Some((mode, until, detail)) = self.window_at(now) else {
            return loud(String::new());
        };
        match mode {
            WindowMode::Drop => Next::Drop {
                why: What::DroppedQuietHours,
                detail,
            },
            WindowMode::Silent => Next::Now {
                silent: true,
                detail,
            },
            WindowMode::Hold if about.wall_clock && self.link.wall_clock == WallClock::Drop => {
                Next::Drop {
                    why: What::DroppedQuietHours,
                    detail: format!("{detail}; it is about its own moment"),
                }
            }
            WindowMode::Hold => Next::Hold {
                hold: Hold {
                    until,
                    why: What::HeldQuietHours,
                    slot: self.slot(Stage::QuietHours, about.collection_hash, about.what()),
                },
                detail,
            },
        }
    }

    /// What the nearest windows say at a moment, until when, and in words.
    fn window_at(&self, now: i64) -> Option<(WindowMode, i64, String)> {
        let (windows, whose) = self.windows()?;
        let compiled = CompiledWindows::new(windows, self.zone());
        let found = active(&compiled, now)?;
        let window = &windows[found.index];
        let detail = format!(
            "{}–{} of {whose} ({})",
            window.from,
            window.to,
            found.mode.as_str()
        );
        Some((found.mode, found.until, detail))
    }

    /// The windows nearest to the one who reads. An empty list there says: none.
    fn windows(&self) -> Option<(&[WindowSpec], &'static str)> {
        let nearest = [
            (
                self.receiver.and_then(|spec| spec.quiet.as_deref()),
                "the receiver",
            ),
            (self.target.entity.spec.quiet.as_deref(), "the target"),
            (self.link.quiet.as_deref(), "the link"),
            (
                self.tracker.and_then(|spec| spec.quiet.as_deref()),
                "the tracker",
            ),
            (
                self.provider.and_then(|spec| spec.quiet.as_deref()),
                "the provider",
            ),
            (self.configuration.settings.quiet.as_deref(), "the settings"),
        ];
        let (windows, whose) = nearest
            .into_iter()
            .find_map(|(windows, whose)| Some((windows?, whose)))?;
        (!windows.is_empty()).then_some((windows, whose))
    }

    fn zone(&self) -> &TimeZone {
        self.configuration.zone()
    }

    /// The digest of the link, else of the receiver.
    pub fn digest(&self) -> Option<&DigestSpec> {
        match &self.link.digest {
            Some(digest) => digest.as_ref(),
            None => self.receiver.and_then(|spec| spec.digest.as_ref()),
        }
    }

    /// When a digest that begins now is sent.
    fn digest_at(&self, digest: &DigestSpec, now: i64) -> i64 {
        let recurrence = match (&digest.every, digest.at.is_empty()) {
            (Some(every), _) => Recurrence::Every {
                micros: u64::try_from(every.micros()).unwrap_or(1),
            },
            (None, false) => Recurrence::At {
                times: digest.at.clone(),
            },
            (None, true) => {
                return now.saturating_add(DIGEST_WAIT_MAX_MICROS);
            }
        };
        next_after(&recurrence, self.zone(), now)
    }

    /// Names what is gathered together: over this link, or for this receiver where the digest is its.
    fn slot(&self, stage: Stage, first: u64, second: u64) -> u64 {
        let over = if stage == Stage::Digest && self.link.digest.is_none() {
            0
        } else {
            self.via()
        };
        let slot = mixed(&[stage as u64, over, first, second]);
        of_receiver(slot, self.receiver_id).max(1)
    }
}

/// Longest that a digest waits to be full when it has no time of its own: a week, in microseconds.
pub const DIGEST_WAIT_MAX_MICROS: i64 = 7 * 86_400 * 1_000_000;

impl About {
    /// What has to be alike to become one message: items gather whatever is done with them.
    fn what(&self) -> u64 {
        if self.items { ITEMS } else { self.kind_hash }
    }
}

const ITEMS: u64 = 1;
