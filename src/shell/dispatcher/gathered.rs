//! What a delivery tells that gathered several notices while it was held.
//!
//! **Invariant:** however much was gathered, one notice is read at a time, and no more is kept than the
//! message shows.

use std::collections::{BTreeMap, BTreeSet};

use notify_store::{ReadError, Reader};

use super::still::Still;
use crate::domain::deferral::via;
use crate::domain::event::{Event, PlannedLink};
use crate::domain::family::notice_of;
use crate::domain::hold::Telling;
use crate::domain::notice::{ITEMS_MAX, Item, Items, Notice, Severity};
use crate::domain::policy::DIGEST_NOTICES_DEFAULT;
use crate::projections::outbox::{Delivery, Gathered};
use crate::templates::Digest;

/// What a message is about.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notice: Notice,
    pub(super) digest: Option<Digest>,
    /// Whether what it opened is open yet, though it was held for a night.
    pub(super) still: bool,
    /// What is written down of it.
    pub(super) telling: Option<Telling>,
}

/// Reads what a delivery tells. `own` is the notice it was planned for; `most` is how many notices a
/// digest lists.
pub(super) fn told(
    reader: &Reader<Event>,
    delivery: &Delivery,
    own: &Notice,
    most: Option<u16>,
    still: &Still,
) -> Result<Told, ReadError> {
    // `own` is as its link sees it already.
    let Some(gathered) = delivery.gathered.as_deref() else {
        return Ok(alone(own, None, still));
    };
    let most = usize::from(most.unwrap_or(DIGEST_NOTICES_DEFAULT));
    let mut found = Found::of(gathered, most);
    for position in gathered.positions() {
        if !found.goes_on() {
            break;
        }
        if position == own.position {
            found.take(own.clone());
        } else if let Some(recorded) = reader.get(position)?
            && let Event::Accepted(accepted) = &recorded.payload
        {
            let (at, correlation) = (recorded.recorded_at, &recorded.correlation);
            let mut notice = notice_of(position, at, correlation, accepted);
            if let Some(severity) = severity(&accepted.plan.links, delivery) {
                notice.draft.severity = severity;
            }
            found.take(notice);
        }
    }
    let members = gathered.members().iter().map(|member| member.notice);
    let mut telling = Telling {
        notices: members.collect(),
        listed: 0,
        count: gathered.count(),
        items: gathered.is_about_items().then(|| gathered.counts()),
    };
    let several = gathered.count() > 1;
    Ok(match found.notices.last() {
        None => alone(own, None, still),
        Some(last) if !several => {
            telling.listed = 1;
            let told = (telling.notices != [own.position]).then_some(telling);
            alone(last, told, still)
        }
        Some(_) if found.is_one_place() => {
            telling.listed = u16::try_from(telling.notices.len()).unwrap_or(u16::MAX);
            Told {
                notice: found.merged(own),
                digest: None,
                still: false,
                telling: Some(telling),
            }
        }
        Some(_) => {
            telling.listed = u16::try_from(found.notices.len()).unwrap_or(u16::MAX);
            let open = found.notices.iter().filter(|notice| still.is_open(notice));
            let open: BTreeSet<u64> = open.map(|notice| notice.position).collect();
            let digest = Digest::of(found.notices, gathered.count()).still(open);
            Told {
                notice: digest.as_notice(own),
                digest: Some(digest),
                still: false,
                telling: Some(telling),
            }
        }
    })
}

/// How bad a notice is that another delivery was planned for: over the same link, else to the same
/// target.
fn severity(links: &[PlannedLink], delivery: &Delivery) -> Option<Severity> {
    let over =
        |link: &&PlannedLink| via(link.tracker, link.target, &link.link_name) == delivery.via;
    let to = |link: &&PlannedLink| link.target == delivery.target;
    let found = links.iter().find(over).or_else(|| links.iter().find(to));
    found?.severity
}

fn alone(notice: &Notice, telling: Option<Telling>, still: &Still) -> Told {
    Told {
        notice: notice.clone(),
        digest: None,
        still: still.is_open(notice),
        telling,
    }
}

/// What has been read of the notices so far.
struct Found<'g> {
    gathered: &'g Gathered,
    most: usize,
    /// As many as a digest lists.
    notices: Vec<Notice>,
    /// Whether all of them are about items of one collection.
    one_place: bool,
    /// The newest that says what is left, without its items.
    says: Option<Notice>,
    added: Smallest,
    removed: Smallest,
}

impl<'g> Found<'g> {
    fn of(gathered: &'g Gathered, most: usize) -> Self {
        Found {
            gathered,
            most: most.max(1),
            notices: Vec::new(),
            one_place: gathered.is_about_items(),
            says: None,
            added: Smallest::default(),
            removed: Smallest::default(),
        }
    }

    /// Whether another notice changes anything: the items of all of them are looked through; of a
    /// digest, as many as it lists.
    fn goes_on(&self) -> bool {
        self.one_place || self.notices.len() < self.most
    }

    fn is_one_place(&self) -> bool {
        self.one_place
    }

    fn take(&mut self, mut notice: Notice) {
        let first = self.notices.first();
        self.one_place &= first.is_none_or(|first| same_place(first, &notice));
        if self.one_place {
            let items = std::mem::take(&mut notice.draft.items);
            let (added, _) = self.gathered.counts();
            let says = match added {
                0 => items.removed_total > 0,
                _some => items.added_total > 0,
            };
            for (items, wanted, left) in [
                (&items.added, true, &mut self.added),
                (&items.removed, false, &mut self.removed),
            ] {
                let items = items.iter();
                let of_it = |item: &&Item| self.gathered.direction(&item.key) == Some(wanted);
                items.filter(of_it).for_each(|item| left.take(item));
            }
            if says || self.says.is_none() {
                self.says = Some(notice.clone());
            }
            notice.draft.items = items;
        }
        if self.notices.len() < self.most {
            self.notices.push(notice);
        }
    }

    /// Several notices about items of one collection as one: what is left of them once adding and
    /// removing have cancelled out.
    fn merged(self, own: &Notice) -> Notice {
        let (added_total, removed_total) = self.gathered.counts();
        let mut notice = self.says.unwrap_or_else(|| own.clone());
        // Its title and text counted its own items.
        notice.draft.title.clear();
        notice.draft.text.clear();
        notice.draft.items = Items {
            added: self.added.items(),
            removed: self.removed.items(),
            added_total,
            removed_total,
        };
        notice
    }
}

fn same_place(one: &Notice, other: &Notice) -> bool {
    one.provider == other.provider && one.draft.collection == other.draft.collection
}

/// By what items of one direction are put in order: when they were taken, those of which that is not
/// known last; then their keys.
type Rank = (bool, i64, String);

fn rank(item: &Item) -> Rank {
    let at = item.taken_at;
    (at.is_none(), at.unwrap_or_default(), item.key.clone())
}

/// The first items by their order, each once.
#[derive(Default)]
struct Smallest {
    items: BTreeMap<Rank, Item>,
    /// The moments of those, by key: one that two notices date otherwise is one.
    known: BTreeMap<String, Rank>,
}

impl Smallest {
    fn take(&mut self, item: &Item) {
        let rank = rank(item);
        let last = self.items.last_key_value().map(|(last, _)| last);
        if self.items.len() >= ITEMS_MAX && last.is_some_and(|last| rank >= *last) {
            return;
        }
        if let Some(known) = self.known.get(&item.key) {
            if *known <= rank {
                return;
            }
            self.items.remove(known);
        }
        self.known.insert(item.key.clone(), rank.clone());
        self.items.insert(rank, item.clone());
        if self.items.len() > ITEMS_MAX
            && let Some((_, gone)) = self.items.pop_last()
        {
            self.known.remove(&gone.key);
        }
    }

    fn items(self) -> Vec<Item> {
        self.items.into_values().collect()
    }
}
