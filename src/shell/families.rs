//! Reading families from the log.

use notify_store::{PAGE_FRAMES_MAX, ReadError, Reader};

use crate::domain::event::{DeliveryKey, Event, IdSeed, PlannedLink};
use crate::domain::family::{FAMILY_EVENTS_MAX, Family, notice_of};
use crate::domain::notice::Notice;

/// What a delivery is composed from: its notice, the seed of its ids, and the links of its plan.
#[derive(Debug, Clone)]
pub struct Origin {
    pub notice: Notice,
    pub seed: IdSeed,
    pub links: Vec<PlannedLink>,
}

/// Why a family cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum FamilyError {
    #[error("there is no notice at position {0}; it may have been compacted")]
    Missing(u64),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
}

/// Reads what a delivery is composed from.
pub fn origin(
    reader: &Reader<Event>,
    key: DeliveryKey,
    notice: u64,
) -> Result<Origin, FamilyError> {
    let founding = reader.get(notice)?.ok_or(FamilyError::Missing(notice))?;
    let Event::Accepted(accepted) = &founding.payload else {
        return Err(FamilyError::Missing(notice));
    };
    let (seed, links) = if key.position == notice {
        (accepted.seed, accepted.plan.links.clone())
    } else {
        match reader.get(key.position)?.map(|planning| planning.payload) {
            Some(Event::Resent { seed, plan, .. }) => (seed, plan.links),
            Some(_) | None => return Err(FamilyError::Missing(key.position)),
        }
    };
    let notice = notice_of(
        notice,
        founding.recorded_at,
        &founding.correlation,
        accepted,
    );
    Ok(Origin {
        notice,
        seed,
        links,
    })
}

/// Reads and folds a family.
pub fn read(reader: &Reader<Event>, notice: u64) -> Result<Family, FamilyError> {
    let founding = reader.get(notice)?.ok_or(FamilyError::Missing(notice))?;
    let Event::Accepted(accepted) = &founding.payload else {
        return Err(FamilyError::Missing(notice));
    };
    let mut family = Family::begin(notice, founding.recorded_at, founding.correlation, accepted);
    let mut after = notice;
    let mut count = 0;
    loop {
        let page = reader.stream(notice, after, PAGE_FRAMES_MAX)?;
        let Some(last) = page.last() else { break };
        after = last.position;
        count += page.len();
        for recorded in page {
            family.fold(recorded.position, recorded.recorded_at, recorded.payload);
        }
        if count >= FAMILY_EVENTS_MAX {
            family.cut_off = true;
            break;
        }
    }
    Ok(family)
}
