//! How the bytes of an item are got from the service that named it.
//!
//! **Invariant:** credentials go to the provider's own origin and nowhere else: [`call`] takes every
//! header of a call that leads elsewhere away, whatever the kind said.

use std::collections::BTreeMap;

use url::Url;

use crate::domain::item::{Item, ItemKind};
use crate::domain::spec::ProviderSpec;
use crate::targets::{Call, USER_AGENT};

/// In which form an item is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rendition {
    /// The file as it was put into the service.
    Original,
    /// What the service plays or shows in its stead: a re-encoded video, a picture for a screen.
    Preview,
    /// A small picture, of a video too.
    Thumbnail,
}

impl Rendition {
    pub const ALL: [Rendition; 3] = [
        Rendition::Original,
        Rendition::Preview,
        Rendition::Thumbnail,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Rendition::Original => "original",
            Rendition::Preview => "preview",
            Rendition::Thumbnail => "thumbnail",
        }
    }

    pub fn named(text: &str) -> Option<Self> {
        Rendition::ALL
            .into_iter()
            .find(|rendition| rendition.as_str() == text)
    }
}

/// What a fetch is described with.
pub struct FetchContext<'a> {
    pub spec: &'a ProviderSpec,
    /// Opened secrets by field name.
    pub secrets: &'a BTreeMap<String, String>,
    pub kind: ItemKind,
    /// [`Item::fetch`], which this kind of provider wrote.
    pub handle: &'a str,
    pub wanted: Rendition,
}

/// What a provider kind knows whose items can be fetched.
pub trait Fetchable: Sync {
    /// The address of the service itself, to which its credentials may go.
    fn origin(&self, spec: &ProviderSpec) -> Option<Url>;
    /// The call that gets the bytes; nothing where the service has no such form of the item.
    fn fetch(&self, context: &FetchContext<'_>) -> Result<Option<Call>, Unfetchable>;
}

/// The configuration or the handle does not say how to fetch an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfetchable {
    #[error("this kind of provider gives no files")]
    NoFiles,
    #[error("the item says nothing of how it is fetched")]
    NoHandle,
    #[error("the handle of the item is not readable: {0}")]
    Handle(String),
    #[error("`{field}` of the provider {why}")]
    Provider { field: &'static str, why: String },
}

/// The described call for one form of an item, with credentials only towards the provider itself.
pub fn call(
    fetchable: &dyn Fetchable,
    context: &FetchContext<'_>,
) -> Result<Option<Call>, Unfetchable> {
    let Some(mut call) = fetchable.fetch(context)? else {
        return Ok(None);
    };
    let leads = Url::parse(&call.url).map(|url| url.origin()).ok();
    let own = fetchable.origin(context.spec).map(|url| url.origin());
    if leads.is_none() || leads != own {
        call.headers.clear();
    }
    let says_who = |(name, _): &(String, String)| name.eq_ignore_ascii_case("user-agent");
    if !call.headers.iter().any(says_who) {
        call.headers.push(("user-agent".into(), USER_AGENT.into()));
    }
    Ok(Some(call))
}

/// Which forms of an item are tried, best first.
pub fn renditions(item: &Item) -> &'static [Rendition] {
    match item.kind {
        ItemKind::Photo | ItemKind::Video => &Rendition::ALL,
        ItemKind::Audio | ItemKind::File | ItemKind::Other => &[Rendition::Original],
    }
}
