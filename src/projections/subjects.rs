//! What is open: subjects that a notice opened and none has closed.
//!
//! The notice that closes a subject is told like the one that opened it, and while one is open
//! others can be silent. A subject leaves when it closes, with its provider, or when newer ones of the same
//! provider need its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::event::Plan;
use crate::domain::notice::{NoticeDraft, Severity, Transition};
use crate::domain::state::word_hash;

/// Open subjects remembered per provider; beyond that the one that opened first is forgotten.
pub const SUBJECTS_PER_PROVIDER_MAX: usize = 4_096;

/// Trackers remembered of one subject for which it is not as bad as it says.
pub const JUDGED_MAX: usize = 16;

/// A subject that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Position of the notice that opened it.
    pub notice: u64,
    /// Hash of that notice's kind.
    pub kind_hash: u64,
    /// The worst it has been.
    pub severity: Severity,
    /// The same for trackers that see it otherwise: at most [`JUDGED_MAX`], the others as it says itself.
    judged: Vec<(u32, Severity)>,
    /// Microseconds since 1970.
    pub since: i64,
    /// Whether a person has said that they know.
    pub acknowledged: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct OfProvider {
    /// By hash of the subject.
    open: BTreeMap<u64, Open>,
    /// Subjects by the position that opened them.
    order: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subjects {
    providers: BTreeMap<u32, OfProvider>,
}

impl Open {
    /// The worst it has been for a tracker.
    pub fn severity_for(&self, tracker: u32) -> Severity {
        let judged = self.judged.iter().find(|(known, _)| *known == tracker);
        judged.map_or(self.severity, |(_, severity)| *severity)
    }
}

impl Subjects {
    /// Takes a notice about a subject. One without a subject says nothing here.
    pub fn note(
        &mut self,
        (provider, subject): (u32, u64),
        notice: u64,
        kind_hash: u64,
        severity: Severity,
        transition: Transition,
        at: i64,
    ) {
        match transition {
            Transition::None => {}
            Transition::Updates => {
                let known = self.providers.get_mut(&provider);
                if let Some(open) = known.and_then(|known| known.open.get_mut(&subject)) {
                    open.severity = worse(open.severity, severity);
                }
            }
            Transition::Opens => {
                let known = self.providers.entry(provider).or_default();
                if let Some(open) = known.open.get_mut(&subject) {
                    open.severity = worse(open.severity, severity);
                    return;
                }
                if known.open.len() >= SUBJECTS_PER_PROVIDER_MAX
                    && let Some((_, oldest)) = known.order.pop_first()
                {
                    known.open.remove(&oldest);
                }
                let open = Open {
                    notice,
                    kind_hash,
                    severity,
                    judged: Vec::new(),
                    since: at,
                    acknowledged: false,
                };
                known.open.insert(subject, open);
                known.order.insert(notice, subject);
            }
            Transition::Closes => {
                let Some(known) = self.providers.get_mut(&provider) else {
                    return;
                };
                if let Some(open) = known.open.remove(&subject) {
                    known.order.remove(&open.notice);
                }
                if known.open.is_empty() {
                    self.providers.remove(&provider);
                }
            }
        }
    }

    /// Those of one provider, for looking at what a request with several notices leads to.
    pub fn of_provider(&self, provider: u32) -> Subjects {
        let known = self.providers.get(&provider);
        Subjects {
            providers: known
                .map(|known| (provider, known.clone()))
                .into_iter()
                .collect(),
        }
    }

    /// Takes an accepted notice, routed as it is in the plan.
    pub fn take(
        &mut self,
        (provider, subject): (u32, u64),
        position: u64,
        notice: &NoticeDraft,
        plan: &Plan,
        at: i64,
    ) {
        let kind_hash = word_hash(&notice.kind);
        let (severity, transition) = (notice.severity, notice.transition);
        let about = (provider, subject);
        self.note(about, position, kind_hash, severity, transition, at);
        let links = plan.links.iter();
        self.judged(
            about,
            links.filter_map(|link| Some((link.tracker, link.severity?))),
        );
    }

    /// All of them, by provider and hash of the subject.
    pub fn iter(&self) -> impl Iterator<Item = ((u32, u64), &Open)> {
        self.providers.iter().flat_map(|(provider, known)| {
            let open = known.open.iter();
            open.map(|(subject, open)| ((*provider, *subject), open))
        })
    }

    /// Trackers see a notice about a subject otherwise than it says itself.
    pub fn judged(
        &mut self,
        (provider, subject): (u32, u64),
        judged: impl Iterator<Item = (u32, Severity)>,
    ) {
        let known = self.providers.get_mut(&provider);
        let Some(open) = known.and_then(|known| known.open.get_mut(&subject)) else {
            return;
        };
        for (tracker, severity) in judged {
            let known = open.judged.iter().position(|(known, _)| *known == tracker);
            match known {
                Some(index) => {
                    let known = &mut open.judged[index].1;
                    *known = worse(*known, severity);
                }
                None if open.judged.len() < JUDGED_MAX => open.judged.push((tracker, severity)),
                None => {}
            }
        }
    }

    pub fn get(&self, provider: u32, subject: u64) -> Option<&Open> {
        self.providers.get(&provider)?.open.get(&subject)
    }

    /// Since when something has been open that a notice of this kind opened.
    pub fn since_of_kind(&self, provider: u32, kind_hash: u64) -> Option<i64> {
        let known = self.providers.get(&provider)?;
        let mut open = known
            .order
            .values()
            .filter_map(|subject| known.open.get(subject));
        open.find(|open| open.kind_hash == kind_hash)
            .map(|open| open.since)
    }

    pub fn acknowledge(&mut self, provider: u32, subject: u64) {
        let known = self.providers.get_mut(&provider);
        if let Some(open) = known.and_then(|known| known.open.get_mut(&subject)) {
            open.acknowledged = true;
        }
    }

    /// A subject is not any more.
    pub fn forget(&mut self, provider: u32, subject: u64) {
        let about = (provider, subject);
        self.note(about, 0, 0, Severity::Info, Transition::Closes, 0);
    }

    /// Forgets subjects whose opening is forgotten, given provider, kind and position; says which.
    pub fn forget_families(&mut self, is_forgotten: impl Fn(u32, u64, u64) -> bool) -> Vec<u64> {
        let mut forgotten = Vec::new();
        self.providers.retain(|provider, known| {
            known.open.retain(|subject, open| {
                let goes = is_forgotten(*provider, open.kind_hash, open.notice);
                if goes {
                    known.order.remove(&open.notice);
                    forgotten.push(*subject);
                }
                !goes
            });
            !known.open.is_empty()
        });
        forgotten
    }

    pub fn forget_provider(&mut self, provider: u32) {
        self.providers.remove(&provider);
    }
}

fn worse(one: Severity, other: Severity) -> Severity {
    if other.rank() > one.rank() {
        other
    } else {
        one
    }
}
