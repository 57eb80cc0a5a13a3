//! What someone chose among the deliveries that one page lists in groups.

use std::collections::BTreeSet;

use notify_store::Reader;

use super::{COPIED_ROWS_MAX, Look, ViewError, delivery_key};
use crate::domain::event::{DeliveryKey, Event};
use crate::projections::outbox::Delivery;

/// An open delivery and the revision it was seen at.
pub type Seen = (DeliveryKey, u32);

/// What was chosen, as it is now.
#[derive(Debug, Default)]
pub struct Choice {
    /// At most as many as were asked for, in the order of the page.
    pub seen: Vec<Seen>,
    /// How many there are in all.
    pub total: u64,
    /// Notices that all of them tell.
    pub notices: u64,
    /// Of those chosen by their id, the ones that are not listed there any more.
    pub gone: u64,
}

impl Choice {
    /// Everything in some groups, and some deliveries by id. `walk` visits all that the page lists,
    /// each with the key of its group; `fits` says whether one is still among them.
    pub(super) fn read<L: Look>(
        reader: &Reader<Event>,
        look: &L,
        (groups, ids): (&[String], &[String]),
        most: usize,
        fits: impl Fn(&Delivery) -> bool,
        walk: impl FnOnce(&L, &mut dyn FnMut(&str, DeliveryKey, &Delivery)),
    ) -> Result<Choice, ViewError> {
        let mut single: BTreeSet<DeliveryKey> = BTreeSet::new();
        let mut choice = Choice::default();
        for id in ids {
            match delivery_key(reader, id) {
                Ok((key, _)) => {
                    single.insert(key);
                }
                Err(ViewError::NotFound { .. } | ViewError::Compacted { .. }) => choice.gone += 1,
                Err(error @ (ViewError::Invalid { .. } | ViewError::Read(_))) => return Err(error),
            }
        }
        if groups.is_empty() {
            let keys: Vec<DeliveryKey> = single.iter().rev().copied().collect();
            for keys in keys.chunks(COPIED_ROWS_MAX) {
                look.look(|state| {
                    for key in keys {
                        let open = state.outbox.deliveries.get(key);
                        match open.filter(|open| fits(open)) {
                            Some(open) => choice.take(*key, open, most),
                            None => choice.gone += 1,
                        }
                    }
                });
            }
            return Ok(choice);
        }
        walk(look, &mut |group, key, open| {
            if single.remove(&key) || groups.iter().any(|chosen| chosen == group) {
                choice.take(key, open, most);
            }
        });
        choice.gone += single.len() as u64;
        Ok(choice)
    }

    fn take(&mut self, key: DeliveryKey, open: &Delivery, most: usize) {
        self.total += 1;
        self.notices += notices_of(open);
        if self.seen.len() < most {
            self.seen.push((key, open.revision));
        }
    }
}

/// How many notices a delivery tells.
pub(super) fn notices_of(open: &Delivery) -> u64 {
    let gathered = open.gathered.as_deref();
    gathered.map_or(1, |gathered| gathered.count())
}
