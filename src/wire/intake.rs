//! Payloads about what came in. Strings are borrowed from the frame while decoding.

use serde::{Deserialize, Serialize};

use super::holds::{PlanningR1, planning};
use super::items::{DetailsR1, ItemsR1, describe, details_r1, items, items_r1};
use super::ways::{WaysR2, ways, ways_r2};
use super::{Texts, put, take};
use crate::domain::event::{
    Accepted, Event, IdSeed, Plan, Planned, PlannedLink, RequestKeys, RowFacts,
};
use crate::domain::item::Shared;
use crate::domain::notice::{Collection, Items, NoticeDraft, Severity, Subject, Transition};
use crate::domain::reason::{Routed, What};
use crate::domain::spec::UnknownPolicy;
use crate::domain::state::severity_code;

#[derive(Serialize, Deserialize)]
struct SeedR1 {
    millis: u64,
    epoch: u16,
}

#[derive(Serialize, Deserialize)]
struct KeysR1 {
    sender: Option<[u8; 16]>,
    body: Option<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
struct NoticeR1<'a> {
    kind: &'a str,
    /// (id, name)
    collection: Option<(&'a str, &'a str)>,
    subject_key: &'a str,
    subject_label: &'a str,
    transition: u8,
    actor: Option<&'a str>,
    title: &'a str,
    text: &'a str,
    url: Option<&'a str>,
    severity: u8,
    #[serde(borrow)]
    labels: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    before: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    after: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    items: Option<ItemsR1<'a>>,
    occurred_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct RoutedR1<'a> {
    what: u16,
    tracker: u32,
    tracker_name: &'a str,
    target_name: &'a str,
    detail: &'a str,
}

#[derive(Serialize, Deserialize)]
struct LinkR1<'a> {
    tracker: u32,
    tracker_name: &'a str,
    target: u32,
    target_name: &'a str,
    link_name: &'a str,
    unknown: u8,
    local: bool,
}

#[derive(Serialize, Deserialize)]
struct PlanR1<'a> {
    #[serde(borrow)]
    routed: Vec<RoutedR1<'a>>,
    #[serde(borrow)]
    links: Vec<LinkR1<'a>>,
    /// (receiver, index of its link)
    planned: Vec<(u32, u16)>,
}

#[derive(Serialize, Deserialize)]
struct AcceptedR1<'a> {
    seed: SeedR1,
    day: i32,
    provider: u32,
    provider_name: &'a str,
    provider_kind: &'a str,
    #[serde(borrow)]
    notice: NoticeR1<'a>,
    nth: u16,
    of: u16,
    keys: KeysR1,
    #[serde(borrow)]
    plan: PlanR1<'a>,
}

/// Like revision 1, with what becomes of deliveries that are not simply due.
#[derive(Serialize, Deserialize)]
struct AcceptedR2<'a> {
    #[serde(borrow)]
    first: AcceptedR1<'a>,
    /// (index of a reason, until when it is so)
    untils: Vec<(u16, i64)>,
    #[serde(borrow)]
    ways: Vec<PlanningR1<'a>>,
}

impl<'a> From<AcceptedR1<'a>> for AcceptedR2<'a> {
    fn from(first: AcceptedR1<'a>) -> Self {
        AcceptedR2 {
            first,
            untils: Vec::new(),
            ways: Vec::new(),
        }
    }
}

/// Like revision 2, with what is known of the items.
#[derive(Serialize, Deserialize)]
struct AcceptedR3<'a> {
    #[serde(borrow)]
    second: AcceptedR2<'a>,
    #[serde(borrow)]
    details: Option<DetailsR1<'a>>,
}

impl<'a> From<AcceptedR2<'a>> for AcceptedR3<'a> {
    fn from(second: AcceptedR2<'a>) -> Self {
        AcceptedR3 {
            second,
            details: None,
        }
    }
}

/// Like revision 3, with how bad the notice is for links that see it otherwise, and ways in runs; the
/// ways of the revisions in it are empty.
#[derive(Serialize, Deserialize)]
struct AcceptedR4<'a> {
    #[serde(borrow)]
    third: AcceptedR3<'a>,
    /// (index of a link, severity)
    severities: Vec<(u16, u8)>,
    #[serde(borrow)]
    ways: WaysR2<'a>,
}

impl<'a> From<AcceptedR3<'a>> for AcceptedR4<'a> {
    fn from(third: AcceptedR3<'a>) -> Self {
        AcceptedR4 {
            third,
            severities: Vec::new(),
            ways: WaysR2::default(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct UnreadableR1<'a> {
    seed: SeedR1,
    day: i32,
    provider: u32,
    provider_name: &'a str,
    why: &'a str,
    keys: KeysR1,
}

#[derive(Serialize, Deserialize)]
struct ResentR1<'a> {
    seed: SeedR1,
    notice: u64,
    day: i32,
    provider: u32,
    severity: u8,
    kind_hash: u64,
    collection_hash: u64,
    subject: u64,
    #[serde(borrow)]
    plan: PlanR1<'a>,
    by: &'a str,
}

/// Like revision 1, with why it was planned again and what becomes of what is not simply due.
#[derive(Serialize, Deserialize)]
struct ResentR2<'a> {
    #[serde(borrow)]
    first: ResentR1<'a>,
    untils: Vec<(u16, i64)>,
    why: u16,
    #[serde(borrow)]
    ways: Vec<PlanningR1<'a>>,
}

impl<'a> From<ResentR1<'a>> for ResentR2<'a> {
    fn from(first: ResentR1<'a>) -> Self {
        ResentR2 {
            first,
            untils: Vec::new(),
            why: What::Resent.code(),
            ways: Vec::new(),
        }
    }
}

/// Like revision 2, with what [`AcceptedR4`] has more.
#[derive(Serialize, Deserialize)]
struct ResentR3<'a> {
    #[serde(borrow)]
    second: ResentR2<'a>,
    severities: Vec<(u16, u8)>,
    #[serde(borrow)]
    ways: WaysR2<'a>,
}

impl<'a> From<ResentR2<'a>> for ResentR3<'a> {
    fn from(second: ResentR2<'a>) -> Self {
        ResentR3 {
            second,
            severities: Vec::new(),
            ways: WaysR2::default(),
        }
    }
}

fn transition_code(transition: Transition) -> u8 {
    match transition {
        Transition::None => 0,
        Transition::Opens => 1,
        Transition::Updates => 2,
        Transition::Closes => 3,
    }
}

fn transition(code: u8) -> Result<Transition, String> {
    [
        Transition::None,
        Transition::Opens,
        Transition::Updates,
        Transition::Closes,
    ]
    .into_iter()
    .find(|known| transition_code(*known) == code)
    .ok_or_else(|| format!("unknown transition {code}"))
}

fn severity(code: u8) -> Result<Severity, String> {
    [
        Severity::Info,
        Severity::Success,
        Severity::Warning,
        Severity::Critical,
    ]
    .into_iter()
    .find(|known| severity_code(*known) == code)
    .ok_or_else(|| format!("unknown severity {code}"))
}

pub(super) fn unknown_code(policy: UnknownPolicy) -> u8 {
    match policy {
        UnknownPolicy::Retry => 0,
        UnknownPolicy::Park => 1,
    }
}

pub(super) fn unknown(code: u8) -> Result<UnknownPolicy, String> {
    match code {
        0 => Ok(UnknownPolicy::Retry),
        1 => Ok(UnknownPolicy::Park),
        other => Err(format!("unknown policy {other}")),
    }
}

type Map = std::collections::BTreeMap<String, String>;

fn pairs(map: &Map) -> Vec<(&str, &str)> {
    map.iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

fn map(pairs: Vec<(&str, &str)>, texts: Texts) -> Map {
    texts.unread_list(
        pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    )
}

fn seed_r1(seed: IdSeed) -> SeedR1 {
    SeedR1 {
        millis: seed.millis,
        epoch: seed.epoch,
    }
}

fn seed(seed: SeedR1) -> IdSeed {
    IdSeed {
        millis: seed.millis,
        epoch: seed.epoch,
    }
}

fn keys_r1(keys: RequestKeys) -> KeysR1 {
    KeysR1 {
        sender: keys.sender.map(u128::to_le_bytes),
        body: keys.body.map(u128::to_le_bytes),
    }
}

fn keys(keys: KeysR1) -> RequestKeys {
    RequestKeys {
        sender: keys.sender.map(u128::from_le_bytes),
        body: keys.body.map(u128::from_le_bytes),
    }
}

fn notice_r1(notice: &NoticeDraft) -> NoticeR1<'_> {
    NoticeR1 {
        kind: &notice.kind,
        collection: notice
            .collection
            .as_ref()
            .map(|collection| (collection.id.as_str(), collection.name.as_str())),
        subject_key: &notice.subject.key,
        subject_label: &notice.subject.label,
        transition: transition_code(notice.transition),
        actor: notice.actor.as_deref(),
        title: &notice.title,
        text: &notice.text,
        url: notice.url.as_deref(),
        severity: severity_code(notice.severity),
        labels: pairs(&notice.labels),
        before: pairs(&notice.before),
        after: pairs(&notice.after),
        items: items_r1(&notice.items),
        occurred_at: notice.occurred_at,
    }
}

fn notice(notice: NoticeR1<'_>, texts: Texts, of_items: Texts) -> Result<NoticeDraft, String> {
    Ok(NoticeDraft {
        kind: notice.kind.to_owned(),
        collection: notice.collection.map(|(id, name)| Collection {
            id: texts.unread(id),
            name: name.to_owned(),
        }),
        subject: Subject {
            key: notice.subject_key.to_owned(),
            label: texts.unread(notice.subject_label),
        },
        transition: transition(notice.transition)?,
        actor: notice.actor.map(|actor| texts.unread(actor)),
        title: texts.unread(notice.title),
        text: texts.unread(notice.text),
        url: notice.url.map(|url| texts.unread(url)),
        severity: severity(notice.severity)?,
        labels: map(notice.labels, texts),
        before: map(notice.before, texts),
        after: map(notice.after, texts),
        items: notice
            .items
            .map_or_else(Items::default, |found| items(found, of_items)),
        occurred_at: notice.occurred_at,
    })
}

fn plan_r1(plan: &Plan) -> PlanR1<'_> {
    PlanR1 {
        routed: plan
            .routed
            .iter()
            .map(|routed| RoutedR1 {
                what: routed.what.code(),
                tracker: routed.tracker,
                tracker_name: &routed.tracker_name,
                target_name: &routed.target_name,
                detail: &routed.detail,
            })
            .collect(),
        links: plan
            .links
            .iter()
            .map(|link| LinkR1 {
                tracker: link.tracker,
                tracker_name: &link.tracker_name,
                target: link.target,
                target_name: &link.target_name,
                link_name: &link.link_name,
                unknown: unknown_code(link.unknown),
                local: link.local,
            })
            .collect(),
        planned: plan
            .planned
            .iter()
            .map(|planned| (planned.receiver, planned.link))
            .collect(),
    }
}

/// Until when reasons hold, by their index, which a notice's few reasons always fit.
fn untils_r2(plan: &Plan) -> Vec<(u16, i64)> {
    let indexed = (0u16..).zip(&plan.routed);
    indexed
        .filter_map(|(index, routed)| Some((index, routed.until?)))
        .collect()
}

/// How bad the notice is for the links that see it otherwise, by their index.
fn severities_r2(plan: &Plan) -> Vec<(u16, u8)> {
    let indexed = (0u16..).zip(&plan.links);
    indexed
        .filter_map(|(index, link)| Some((index, severity_code(link.severity?))))
        .collect()
}

/// What later revisions say of a plan.
struct Later<'a> {
    untils: Vec<(u16, i64)>,
    severities: Vec<(u16, u8)>,
    /// Ways as they were written one by one.
    earlier: Vec<PlanningR1<'a>>,
    ways: WaysR2<'a>,
}

impl Later<'_> {
    fn is_due(&self) -> bool {
        self.earlier.is_empty() && self.ways.is_empty()
    }
}

fn plan(plan: PlanR1<'_>, later: Later<'_>, texts: Texts) -> Result<Plan, String> {
    let mut severities = later.severities.into_iter().peekable();
    let mut severity_of = |index: usize| {
        let next = severities.next_if(|(of, _)| usize::from(*of) == index);
        next.map(|(_, code)| severity(code)).transpose()
    };
    let mut untils = later.untils.into_iter().peekable();
    let mut until = |index: usize| {
        let next = untils.next_if(|(of, _)| usize::from(*of) == index);
        next.map(|(_, until)| until)
    };
    let routed: Result<Vec<Routed>, String> = plan
        .routed
        .into_iter()
        .enumerate()
        .map(|(index, routed)| {
            Ok(Routed {
                what: What::from_code(routed.what)
                    .ok_or_else(|| format!("unknown reason {}", routed.what))?,
                tracker: routed.tracker,
                tracker_name: texts.unread(routed.tracker_name),
                target_name: texts.unread(routed.target_name),
                until: until(index),
                detail: texts.unread(routed.detail),
            })
        })
        .collect();
    let links: Result<Vec<PlannedLink>, String> = plan
        .links
        .into_iter()
        .enumerate()
        .map(|(index, link)| {
            Ok(PlannedLink {
                severity: severity_of(index)?,
                tracker: link.tracker,
                tracker_name: texts.unread(link.tracker_name),
                target: link.target,
                target_name: texts.unread(link.target_name),
                link_name: link.link_name.to_owned(),
                unknown: unknown(link.unknown)?,
                local: link.local,
            })
        })
        .collect();
    let planned = plan.planned.into_iter();
    let planned: Vec<Planned> = planned
        .map(|(receiver, link)| Planned { receiver, link })
        .collect();
    let mut all = ways(later.ways, &planned, texts)?;
    for way in later.earlier {
        all.push(planning(way, texts)?);
    }
    Ok(Plan {
        routed: routed?,
        links: links?,
        planned,
        ways: all,
    })
}

pub fn encode(event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Accepted(accepted) => put(
            &AcceptedR4 {
                third: AcceptedR3 {
                    second: AcceptedR2 {
                        first: AcceptedR1 {
                            seed: seed_r1(accepted.seed),
                            day: accepted.day,
                            provider: accepted.provider,
                            provider_name: &accepted.provider_name,
                            provider_kind: &accepted.provider_kind,
                            notice: notice_r1(&accepted.notice),
                            nth: accepted.nth,
                            of: accepted.of,
                            keys: keys_r1(accepted.keys),
                            plan: plan_r1(&accepted.plan),
                        },
                        untils: untils_r2(&accepted.plan),
                        ways: Vec::new(),
                    },
                    details: details_r1(&accepted.notice.items, &mut Shared::default()),
                },
                severities: severities_r2(&accepted.plan),
                ways: ways_r2(&accepted.plan),
            },
            out,
        ),
        Event::IntakeUnreadable {
            seed,
            day,
            provider,
            provider_name,
            why,
            keys,
        } => put(
            &UnreadableR1 {
                seed: seed_r1(*seed),
                day: *day,
                provider: *provider,
                provider_name,
                why,
                keys: keys_r1(*keys),
            },
            out,
        ),
        Event::Resent {
            seed,
            notice,
            day,
            provider,
            row,
            subject,
            plan,
            why,
            by,
        } => put(
            &ResentR3 {
                second: ResentR2 {
                    first: ResentR1 {
                        seed: seed_r1(*seed),
                        notice: *notice,
                        day: *day,
                        provider: *provider,
                        severity: row.severity,
                        kind_hash: row.kind_hash,
                        collection_hash: row.collection_hash,
                        subject: *subject,
                        plan: plan_r1(plan),
                        by,
                    },
                    untils: untils_r2(plan),
                    why: why.code(),
                    ways: Vec::new(),
                },
                severities: severities_r2(plan),
                ways: ways_r2(plan),
            },
            out,
        ),
        _ => debug_assert!(false, "kind {} is not encoded here", super::kind_of(event)),
    }
}

pub fn decode(kind: u16, revision: u16, bytes: &[u8], texts: Texts) -> Result<Event, String> {
    Ok(match kind {
        20 => {
            let AcceptedR4 {
                third:
                    AcceptedR3 {
                        second:
                            AcceptedR2 {
                                first: accepted,
                                untils,
                                ways: earlier,
                            },
                        details,
                    },
                severities,
                ways,
            } = match revision {
                1 => AcceptedR3::from(AcceptedR2::from(take::<AcceptedR1<'_>>(bytes)?)).into(),
                2 => AcceptedR3::from(take::<AcceptedR2<'_>>(bytes)?).into(),
                3 => take::<AcceptedR3<'_>>(bytes)?.into(),
                _newest => take(bytes)?,
            };
            let later = Later {
                untils,
                severities,
                earlier,
                ways,
            };
            // What is gathered is folded from the keys of its items.
            let of_items = if later.is_due() { texts } else { Texts::All };
            let mut notice = notice(accepted.notice, texts, of_items)?;
            if let Some(details) = details {
                describe(&mut notice.items, &details, texts)?;
            }
            Event::Accepted(Box::new(Accepted {
                seed: seed(accepted.seed),
                day: accepted.day,
                provider: accepted.provider,
                provider_name: texts.unread(accepted.provider_name),
                provider_kind: texts.unread(accepted.provider_kind),
                notice,
                nth: accepted.nth,
                of: accepted.of,
                keys: keys(accepted.keys),
                plan: plan(accepted.plan, later, texts)?,
            }))
        }
        21 => {
            let unreadable: UnreadableR1<'_> = take(bytes)?;
            Event::IntakeUnreadable {
                seed: seed(unreadable.seed),
                day: unreadable.day,
                provider: unreadable.provider,
                provider_name: texts.unread(unreadable.provider_name),
                why: texts.unread(unreadable.why),
                keys: keys(unreadable.keys),
            }
        }
        22 => {
            let ResentR3 {
                second:
                    ResentR2 {
                        first: resent,
                        untils,
                        why,
                        ways: earlier,
                    },
                severities,
                ways,
            } = match revision {
                1 => ResentR2::from(take::<ResentR1<'_>>(bytes)?).into(),
                2 => take::<ResentR2<'_>>(bytes)?.into(),
                _newest => take(bytes)?,
            };
            let later = Later {
                untils,
                severities,
                earlier,
                ways,
            };
            Event::Resent {
                seed: seed(resent.seed),
                notice: resent.notice,
                day: resent.day,
                provider: resent.provider,
                row: RowFacts {
                    provider: resent.provider,
                    severity: resent.severity,
                    kind_hash: resent.kind_hash,
                    collection_hash: resent.collection_hash,
                },
                subject: resent.subject,
                plan: plan(resent.plan, later, texts)?,
                why: What::from_code(why).ok_or_else(|| format!("unknown reason {why}"))?,
                by: texts.unread(resent.by),
            }
        }
        other => return Err(format!("kind {other} is not decoded here")),
    })
}
