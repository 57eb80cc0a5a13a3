//! Parts that carry files: their files are fetched, judged and uploaded within one attempt.

use super::{Dispatch, answer};
use crate::domain::command::{Attempted, FilesTold};
use crate::domain::event::Answer;
use crate::domain::item::{Item, ItemKind};
use crate::domain::notice::Notice;
use crate::domain::spec::{EntityKind, TargetSpec};
use crate::projections::outbox::Delivery;
use crate::providers;
use crate::providers::fetch::Rendition;
use crate::shell::client::Took;
use crate::shell::media::{Asked, Held, NotFetched};
use crate::shell::redact::Redactor;
use crate::shell::vault::Opened;
use crate::targets::media::{Carrier, Fit, Ready, Sending, Wanted};
use crate::targets::{CallContext, Part, Reply, Scope, Target, Unsendable, Verdict};

/// Attempts in which a file that cannot be had now is waited for; then the part goes without it.
const WAITED_FOR_MAX: u16 = 3;

/// One attempt at a part with files.
pub(super) struct Carried<'a> {
    pub carrier: &'a dyn Carrier,
    pub delivery: &'a Delivery,
    pub part: &'a Part,
    pub wanted: Vec<Wanted>,
    pub context: CallContext<'a>,
    pub target: &'a TargetSpec,
    pub redactor: &'a Redactor,
    /// Whether parts follow.
    pub more: bool,
}

/// The provider that a delivery's items are of, as it is configured now.
struct Source {
    id: u32,
    revision: u64,
    spec: crate::domain::spec::ProviderSpec,
    opened: std::sync::Arc<Opened>,
}

/// Who carries the files of a part, and which they are.
type Files<'k> = (&'k dyn Carrier, Vec<Wanted>);

/// The files of a part, and who carries them; nothing for a part of words.
pub(super) fn carried<'k>(
    kind: &'k dyn Target,
    part: &Part,
) -> Result<Option<Files<'k>>, Unsendable> {
    let Some(carrier) = kind.carrier() else {
        return Ok(None);
    };
    let wanted = carrier.files(part)?;
    Ok((!wanted.is_empty()).then_some((carrier, wanted)))
}

impl Dispatch {
    /// The items of a notice that can be fetched, as long as its provider can.
    pub(super) fn fetchable<'n>(&self, notice: &'n Notice) -> &'n [Item] {
        match providers::kind(&notice.provider_kind).and_then(providers::Provider::files) {
            Some(_) => &notice.draft.items.added,
            None => &[],
        }
    }

    /// Fetches what a part carries, uploads it, and says what came of it.
    pub(super) async fn carry(&self, carried: &Carried<'_>) -> (Attempted, Answer, FilesTold) {
        let source = self.source(carried.delivery);
        let mut told = FilesTold {
            provider: source.as_ref().map_or(0, |source| source.id),
            ..FilesTold::default()
        };
        let announcing = async {
            if carried.target.carry.chat_action
                && let Some(call) = carried.carrier.announce(carried.part, &carried.context)
            {
                // Whether it is shown changes nothing.
                let _shown = self
                    .client
                    .perform(&call, carried.target.allow_private, carried.redactor)
                    .await;
            }
        };
        let ((), readied) =
            futures_util::join!(announcing, self.ready(carried, source.as_ref(), true));
        let (mut ready, mut files) = match readied {
            Ok(readied) => readied,
            Err(result) => return (result, Answer::default(), told),
        };
        let mut performed = self.perform(carried, &ready, &mut files).await;
        if let Performed::Replied(reply, _) = &performed
            && carried.carrier.is_stale(reply)
            && ready
                .iter()
                .any(|ready| matches!(ready, Ready::Known { .. }))
        {
            // Refused as a whole: nothing of it was sent, so it goes again with the files themselves.
            (ready, files) = match self.ready(carried, source.as_ref(), false).await {
                Ok(readied) => readied,
                Err(result) => return (result, Answer::default(), told),
            };
            performed = self.perform(carried, &ready, &mut files).await;
        }
        let (verdict, reply, answer) = match performed {
            Performed::Not(result) => return (result, Answer::default(), told),
            Performed::Instead(parts, reason) => {
                let nothing = Reply::NotSent { why: String::new() };
                (
                    Verdict::Fallback { parts, reason },
                    nothing,
                    Answer::default(),
                )
            }
            Performed::Replied(reply, took) => {
                let verdict = carried
                    .carrier
                    .judge(carried.part, &reply, &ready, carried.target);
                let answer = answer(&reply, took);
                (verdict, reply, answer)
            }
        };
        told.items = carried.carrier.told(carried.part, &reply, &ready, &verdict);
        if carried.more && matches!(verdict, Verdict::Sent { .. }) {
            let ms = carried.target.carry.pause_ms();
            told.rest = std::time::Duration::from_millis(u64::from(ms));
        }
        let result = match verdict {
            Verdict::Retry { reason, .. } if matches!(reply, Reply::NoAnswer { .. }) => {
                Attempted::Unknown(reason)
            }
            verdict => Attempted::Judged(verdict),
        };
        (result, answer, told)
    }

    fn source(&self, delivery: &Delivery) -> Option<Source> {
        let (id, revision, spec, marks) = {
            let state = self.ledger.state();
            let notice = state.outbox.notices.get(&delivery.notice)?;
            let id = notice.row.facts.provider;
            let entity = state.configuration.providers.get(&id)?;
            (
                id,
                entity.revision,
                entity.spec.clone(),
                entity.secrets.clone(),
            )
        };
        let opened = self
            .vault
            .open(EntityKind::Provider, id, revision, &marks)
            .ok()?;
        Some(Source {
            id,
            revision,
            spec,
            opened,
        })
    }

    /// How each file stands. `use_known` takes those that the service has already.
    async fn ready(
        &self,
        carried: &Carried<'_>,
        source: Option<&Source>,
        use_known: bool,
    ) -> Result<(Vec<Ready>, Vec<Option<Held>>), Attempted> {
        let mut ready = Vec::with_capacity(carried.wanted.len());
        let mut files = Vec::with_capacity(carried.wanted.len());
        for wanted in &carried.wanted {
            let known = source.filter(|_| use_known).and_then(|source| {
                let now = self.clock.now();
                let state = self.ledger.state();
                let known =
                    state
                        .files
                        .get(carried.delivery.target, source.id, &wanted.key, now)?;
                Some(Ready::Known {
                    id: known.id.clone(),
                    form: known.form,
                })
            });
            if let Some(known) = known {
                ready.push(known);
                files.push(None);
                continue;
            }
            match self.fetched(carried, source, wanted).await {
                Ok((file, held)) => {
                    ready.push(file);
                    files.push(held);
                }
                Err(reason) if carried.delivery.failures < WAITED_FOR_MAX => {
                    let reason = format!("a file cannot be fetched now: {reason}");
                    return Err(Attempted::Judged(Verdict::Retry {
                        after: None,
                        scope: Scope::Message,
                        reason,
                    }));
                }
                Err(why) => {
                    ready.push(Ready::LeftOut { why });
                    files.push(None);
                }
            }
        }
        Ok((ready, files))
    }

    /// The first form of a file that fits; the error means that it may be had later.
    async fn fetched(
        &self,
        carried: &Carried<'_>,
        source: Option<&Source>,
        wanted: &Wanted,
    ) -> Result<(Ready, Option<Held>), String> {
        let left_out = |why: &str| {
            let why = why.to_owned();
            Ok((Ready::LeftOut { why }, None))
        };
        let Some(source) = source else {
            return left_out("its provider is not configured any more");
        };
        let kind = providers::kind(&source.spec.kind);
        let Some(fetchable) = kind.and_then(providers::Provider::files) else {
            return left_out("its provider gives no files");
        };
        let kind = wanted.item_kind();
        let renditions: &[Rendition] = match kind {
            ItemKind::Photo | ItemKind::Video => &Rendition::ALL,
            ItemKind::Audio | ItemKind::File | ItemKind::Other => &[Rendition::Original],
        };
        let bytes_max = carried.carrier.file_bytes_max(carried.target);
        // What is wrong with the original says most.
        let mut first = None;
        for rendition in renditions {
            let too_large = wanted.size.is_some_and(|size| size > bytes_max);
            if *rendition == Rendition::Original && too_large {
                first = Some(format!("is larger than {} MB", bytes_max / 1_000_000));
                continue;
            }
            let asked = Asked {
                fetchable,
                provider: source.id,
                revision: source.revision,
                spec: &source.spec,
                opened: &source.opened,
                kind,
                handle: &wanted.handle,
                wanted: *rendition,
                bytes_max,
            };
            let why = match self.media.get(&asked).await {
                Ok(held) => match carried.carrier.fit(wanted, &held.facts, carried.target) {
                    Fit::As(form) => {
                        let ready = Ready::Fetched {
                            form,
                            bytes: held.facts.bytes,
                            file_type: held.facts.file_type,
                        };
                        return Ok((ready, Some(held)));
                    }
                    Fit::Not(why) => why,
                },
                Err(NotFetched::NotThis(why)) => why,
                Err(error @ (NotFetched::NotNow(_) | NotFetched::Disk(_))) => {
                    return Err(error.to_string());
                }
            };
            first.get_or_insert(why);
        }
        left_out(&first.unwrap_or_default())
    }

    async fn perform(
        &self,
        carried: &Carried<'_>,
        ready: &[Ready],
        files: &mut [Option<Held>],
    ) -> Performed {
        let sending = carried.carrier.send(carried.part, &carried.context, ready);
        match sending {
            Err(unsendable) => Performed::Not(Attempted::Unsendable(unsendable.reason)),
            Ok(Sending::Instead { parts, reason }) => Performed::Instead(parts, reason),
            Ok(Sending::Upload(upload)) => {
                let files = files.iter_mut().map(|held| {
                    let held = held.take()?;
                    Some((held.file, held.facts.bytes))
                });
                let (reply, took) = self
                    .client
                    .upload(
                        &upload,
                        files.collect(),
                        carried.target.allow_private,
                        carried.redactor,
                    )
                    .await;
                Performed::Replied(reply, took)
            }
        }
    }
}

enum Performed {
    Replied(Reply, Took),
    Instead(Vec<Part>, String),
    /// It cannot be described.
    Not(Attempted),
}
