//! Many notices in one message: grouped by collection and kind, in the order in which they came.
//!
//! A digest is put into words like any notice, by the entry `digest`; `groups` is what its text reads
//! besides `count` and `more`.

use std::collections::BTreeSet;

use minijinja::Value;

use super::view::{self, AsValue, Record};
use crate::domain::notice::{Notice, NoticeDraft, Severity};

/// The kind under which a template has the words of a digest.
pub const DIGEST_KIND: &str = "digest";

/// Notices of one kind in one collection.
#[derive(Debug, Clone, PartialEq)]
struct Group {
    collection: String,
    kind: String,
    notices: Vec<Notice>,
}

/// Several notices that are told together.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    groups: Vec<Group>,
    /// All of them, those that are not listed included.
    count: u64,
    /// Positions of those whose subject is open yet.
    still: BTreeSet<u64>,
}

impl Digest {
    /// Of these notices, in this order, and of as many more as `count` says.
    pub fn of(notices: Vec<Notice>, count: u64) -> Self {
        let count = count.max(notices.len() as u64);
        let mut groups: Vec<Group> = Vec::new();
        for notice in notices {
            let draft = &notice.draft;
            let collection = draft
                .collection
                .as_ref()
                .map_or("", |collection| collection.name.as_str());
            let place = groups
                .iter()
                .position(|group| group.collection == collection && group.kind == draft.kind);
            match place {
                Some(place) => groups[place].notices.push(notice),
                None => groups.push(Group {
                    collection: collection.to_owned(),
                    kind: draft.kind.clone(),
                    notices: vec![notice],
                }),
            }
        }
        Digest {
            groups,
            count,
            still: BTreeSet::new(),
        }
    }

    /// Says of these notices that what they opened is open yet.
    #[must_use]
    pub fn still(mut self, open: BTreeSet<u64>) -> Self {
        self.still = open;
        self
    }

    /// The notices that are listed.
    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.groups.iter().flat_map(|group| &group.notices)
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Notices that are counted and not listed.
    pub fn more(&self) -> u64 {
        self.count.saturating_sub(self.notices().count() as u64)
    }

    /// The digest as the notice that its message is about: as bad as the worst it tells.
    pub fn as_notice(&self, like: &Notice) -> Notice {
        let worst = self
            .notices()
            .map(|notice| notice.draft.severity)
            .max_by_key(|severity| severity.rank())
            .unwrap_or(Severity::Info);
        let hops = self
            .notices()
            .filter_map(|notice| notice.draft.labels.get("hops"))
            .max();
        let hops = hops.map(|hops| ("hops".to_owned(), hops.clone()));
        Notice {
            draft: NoticeDraft {
                kind: DIGEST_KIND.to_owned(),
                severity: worst,
                labels: hops.into_iter().collect(),
                ..NoticeDraft::default()
            },
            ..like.clone()
        }
    }

    /// What a template reads; `title` puts a notice into words where the language has its own.
    pub(super) fn value(&self, text: AsValue, title: &dyn Fn(&Notice) -> Option<String>) -> Value {
        let groups = self.groups.iter().map(|group| {
            let notices = group.notices.iter().map(|notice| {
                let still = self.still.contains(&notice.position);
                line(notice, still, text, title(notice))
            });
            Record::value(vec![
                ("collection".into(), text(&group.collection)),
                ("kind".into(), text(&group.kind)),
                ("count".into(), Value::from(group.notices.len() as u64)),
                ("notices".into(), Value::from(notices.collect::<Vec<_>>())),
            ])
        });
        Value::from(groups.collect::<Vec<_>>())
    }
}

fn line(notice: &Notice, still: bool, text: AsValue, title: Option<String>) -> Value {
    let draft = &notice.draft;
    let mut fields = vec![
        (
            "title".into(),
            text(title.as_deref().unwrap_or(&draft.title)),
        ),
        ("kind".into(), text(&draft.kind)),
        ("provider".into(), text(&notice.provider)),
        ("severity".into(), text(draft.severity.as_str())),
        ("text".into(), text(&draft.text)),
        (
            "received_at".into(),
            Value::from(view::moment(notice.received_at)),
        ),
    ];
    fields.push(("still".into(), Value::from(still)));
    if let Some(actor) = &draft.actor {
        fields.push(("actor".into(), text(actor)));
    }
    if let Some(url) = &draft.url {
        fields.push(("url".into(), text(url)));
    }
    Record::value(fields)
}
