//! What a delivery tells that gathered several notices while it was held.

use std::collections::HashSet;

use notify_store::{ReadError, Reader};

use crate::domain::event::Event;
use crate::domain::family::notice_of;
use crate::domain::notice::{ITEMS_MAX, Item, Items, Notice};
use crate::domain::policy::DIGEST_NOTICES_DEFAULT;
use crate::projections::outbox::{Delivery, Gathered};
use crate::templates::Digest;

/// What a message is about.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) notice: Notice,
    pub(super) digest: Option<Digest>,
}

/// Reads what a delivery tells. `own` is the notice it was planned for; `most` is how many notices a
/// digest lists.
pub(super) fn told(
    reader: &Reader<Event>,
    delivery: &Delivery,
    own: &Notice,
    most: Option<u16>,
) -> Result<Told, ReadError> {
    let one = |notice: &Notice| Told {
        notice: notice.clone(),
        digest: None,
    };
    let Some(gathered) = delivery.gathered.as_deref() else {
        return Ok(one(own));
    };
    let most = usize::from(most.unwrap_or(DIGEST_NOTICES_DEFAULT));
    let about_items = gathered.is_about_items();
    // The items of all of them are looked through; of a digest, as many as it lists.
    let read = if about_items { usize::MAX } else { most };
    let mut notices = Vec::new();
    for member in gathered.members().iter().take(read) {
        if member.notice == own.position {
            notices.push(own.clone());
        } else if let Some(recorded) = reader.get(member.notice)?
            && let Event::Accepted(accepted) = &recorded.payload
        {
            notices.push(notice_of(
                member.notice,
                recorded.recorded_at,
                &recorded.correlation,
                accepted,
            ));
        }
    }
    let (same, several) = (
        notices
            .windows(2)
            .all(|pair| same_place(&pair[0], &pair[1])),
        gathered.count() > 1,
    );
    Ok(match notices.last() {
        None => one(own),
        Some(last) if !several => one(last),
        Some(last) if about_items && same => Told {
            notice: merged(last, &notices, gathered),
            digest: None,
        },
        Some(_) => {
            let digest = Digest::of(notices, gathered.count());
            Told {
                notice: digest.as_notice(own),
                digest: Some(digest),
            }
        }
    })
}

fn same_place(one: &Notice, other: &Notice) -> bool {
    one.provider == other.provider && one.draft.collection == other.draft.collection
}

/// Several notices about items of one collection as one: what is left of them once adding and
/// removing have cancelled out.
fn merged(last: &Notice, notices: &[Notice], gathered: &Gathered) -> Notice {
    let (added_total, removed_total) = gathered.counts();
    let named = |wanted: bool| -> Vec<Item> {
        let items = notices.iter().flat_map(|notice| {
            let items = &notice.draft.items;
            if wanted { &items.added } else { &items.removed }
        });
        // In the order in which they were told, each once.
        let mut seen = HashSet::new();
        items
            .filter(|item| gathered.direction(&item.key) == Some(wanted))
            .filter(|item| seen.insert(item.key.as_str()))
            .take(ITEMS_MAX)
            .cloned()
            .collect()
    };
    let items = Items {
        added: named(true),
        removed: named(false),
        added_total,
        removed_total,
    };
    // The kind of the newest one that says what is left.
    let says = |notice: &&Notice| {
        let own = &notice.draft.items;
        (added_total > 0 && own.added_total > 0) || (added_total == 0 && own.removed_total > 0)
    };
    let mut notice = notices.iter().rev().find(says).unwrap_or(last).clone();
    // Its title and text counted its own items.
    notice.draft.title.clear();
    notice.draft.text.clear();
    notice.draft.items = items;
    notice
}
