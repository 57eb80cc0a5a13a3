//! What an attempt needs beside its claim: the configuration as it is now, and the words.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::gathered::Told;
use super::{Dispatch, update};
use crate::domain::command::Composed;
use crate::domain::decide::parts_hash;
use crate::domain::deferral::Route;
use crate::domain::event::DeliveryKey;
use crate::domain::routing::Shaper;
use crate::domain::spec::{EntityKind, ReceiverSpec, SecretMarks, TargetSpec};
use crate::projections::messages;
use crate::projections::outbox::Delivery;
use crate::shell::families::Origin;
use crate::targets::{self, Message};
use crate::templates::{Rendered, Scene, Words, render, render_body};

/// One delivery, ready to be put into words and sent.
pub(super) struct Prepared {
    pub(super) delivery: Delivery,
    pub(super) config_revision: u64,
    pub(super) target: TargetSpec,
    /// Whose secrets it is sent with.
    pub(super) holder: (EntityKind, u32),
    pub(super) holder_revision: u64,
    pub(super) marks: SecretMarks,
    pub(super) receiver: ReceiverSpec,
    pub(super) zone: TimeZone,
    pub(super) words: Option<Arc<Option<Words>>>,
    pub(super) locale: String,
    pub(super) tracker: Option<String>,
    /// How many notices a digest over this link lists.
    pub(super) listed_max: Option<u16>,
    /// Whether later notices of a subject edit its earlier message.
    pub(super) updates: bool,
    /// The provider of its notice; 0 for a one-off message.
    pub(super) provider: u32,
    /// What was told of the subject before.
    pub(super) earlier: Option<messages::Message>,
}

impl Dispatch {
    /// The notice with the severity that its tracker gives it.
    pub(super) fn as_its_link_sees_it(&self, key: DeliveryKey, mut origin: Origin) -> Origin {
        let state = self.ledger.state();
        let delivery = state.outbox.deliveries.get(&key);
        let link = delivery.and_then(|delivery| origin.links.get(usize::from(delivery.link)));
        if let Some(severity) = link.and_then(|link| link.severity) {
            origin.notice.draft.severity = severity;
        }
        origin
    }

    /// What is told, as the options of its tracker shape it. Several notices told as one are shaped as
    /// one, so that what is shown and counted is of all of them.
    pub(super) fn as_its_tracker_shapes_it(&self, prepared: &Prepared, mut told: Told) -> Told {
        let state = self.ledger.state();
        let shaper = Shaper::of(&state.configuration, prepared.delivery.tracker);
        if let Some(draft) = shaper.and_then(|shaper| shaper.told(&told.notice.draft)) {
            told.notice.draft = draft;
        }
        told
    }

    pub(super) fn prepare(&self, key: DeliveryKey, origin: &Origin) -> Option<Prepared> {
        let state = self.ledger.state();
        let configuration = &state.configuration;
        let delivery = state.outbox.deliveries.get(&key)?.clone();
        let target = configuration.targets.get(&delivery.target)?;
        let mut receiver = target.receiver(delivery.receiver)?;
        if let Some(moved) = state
            .health
            .receivers
            .get(&delivery.receiver)
            .and_then(|health| health.moved_to.clone())
        {
            receiver.to = moved;
        }
        // What a window made silent makes no sound; what pierces does, whatever is configured.
        receiver.silent = (receiver.silent || delivery.silent) && !delivery.pierced;
        let route = Route::of(&state, &delivery);
        let listed_max = route.and_then(|route| route.digest().map(|digest| digest.max));
        let calling = configuration.calling(target);
        let spec = calling.spec;
        let tracker = configuration.trackers.get(&delivery.tracker);
        let link = route.map(|route| route.link).filter(|link| link.enabled);
        let template = link
            .and_then(|link| link.template.as_deref())
            .and_then(|name| configuration.template(name));
        let words = template.map(|template| {
            template
                .words
                .shared(|| Words::compile(&template.entity.spec).ok())
        });
        let locale = receiver
            .locale
            .clone()
            .or_else(|| link.and_then(|link| link.locale.clone()))
            .or_else(|| spec.locale.clone())
            .unwrap_or_else(|| configuration.settings.locale.clone());
        Some(Prepared {
            updates: link.is_some_and(|link| link.update),
            earlier: update::earlier(&state, key, &delivery, &origin.notice).cloned(),
            provider: state
                .outbox
                .notices
                .get(&key.position)
                .map_or(0, |open| open.row.facts.provider),
            config_revision: configuration.revision,
            holder: calling.holder,
            holder_revision: calling.revision,
            marks: calling.marks,
            tracker: tracker.map(|tracker| tracker.entity.spec.name.clone()),
            zone: configuration.zone().clone(),
            target: spec,
            receiver,
            words,
            locale,
            listed_max,
            delivery,
        })
    }

    pub(super) fn compose(
        &self,
        prepared: &Prepared,
        kind: &dyn targets::Target,
        told: &Told,
        delivery_id: &str,
    ) -> Result<Composed, targets::Unsendable> {
        let now = Timestamp::from_microsecond(self.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH);
        let scene = Scene {
            still: told.still,
            digest: told.digest.as_ref(),
            notice: &told.notice,
            tracker: prepared.tracker.as_deref(),
            link: None,
            target: &prepared.target.name,
            receiver: &prepared.receiver.name,
            locale: &prepared.locale,
            zone: &prepared.zone,
            now,
        };
        let words = prepared.words.as_deref().and_then(Option::as_ref);
        let (message, mut faults) = message(&scene, words, kind, &prepared.target, delivery_id);
        let mut parts = kind.compose(&message, &prepared.target, &prepared.receiver)?;
        if let Some(carrier) = kind.carrier() {
            let items = self.fetchable(&told.notice);
            parts = carrier.carry(parts, items, &prepared.target, &prepared.receiver);
        }
        faults.truncate(8);
        Ok(Composed {
            hash: parts_hash(&parts),
            parts,
            faults,
            telling: told.telling.clone(),
        })
    }
}

/// Puts a notice into words for a target. What it says about itself when something went wrong comes
/// as faults.
pub fn message(
    scene: &Scene<'_>,
    words: Option<&Words>,
    kind: &dyn targets::Target,
    target: &TargetSpec,
    delivery_id: &str,
) -> (Message, Vec<String>) {
    let Rendered {
        title,
        text,
        buttons,
        mut faults,
        fell_back: _,
    } = render(words, kind.format(), scene);
    let body = target
        .body
        .as_deref()
        .and_then(|source| match render_body(source, scene) {
            Ok(body) => Some(body),
            Err(fault) => {
                faults.push(format!(
                    "the body template failed, so the default body was sent: {fault}"
                ));
                None
            }
        });
    let notice = scene.notice;
    let message = Message {
        delivery_id: delivery_id.to_owned(),
        title,
        text,
        buttons,
        severity: notice.draft.severity,
        url: notice.draft.url.clone(),
        notice: crate::templates::notice_json(notice),
        notices: scene.digest.map(|digest| {
            digest
                .notices()
                .map(crate::templates::notice_json)
                .collect()
        }),
        kind: notice.draft.kind.clone(),
        received_at: Timestamp::from_microsecond(notice.received_at)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_string(),
        body,
        hops: notice
            .draft
            .labels
            .get("hops")
            .and_then(|hops| hops.parse().ok())
            .unwrap_or(0),
    };
    (message, faults)
}
