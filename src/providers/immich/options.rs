//! `[tracker.options]` of Immich, and what they make of a notice for their tracker.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::domain::cron::Cron;
use crate::domain::notice::{Item, ItemKind, NoticeDraft};
use crate::providers::options::{self, Faults};

/// Items that a message shows unless the tracker says otherwise.
pub const SHOWN_DEFAULT: usize = 10;
/// Most items that a message may be told to show.
const SHOWN_MAX: i64 = 500;
/// Assets of a scheduled notice unless the tracker says otherwise, and at most.
const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: i64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Media {
    #[default]
    All,
    Photo,
    Video,
}

const MEDIA: &[(&str, Media)] = &[
    ("all", Media::All),
    ("photo", Media::Photo),
    ("video", Media::Video),
];

impl Media {
    pub fn wants(self, kind: ItemKind) -> bool {
        match self {
            Media::All => true,
            Media::Photo => kind == ItemKind::Photo,
            Media::Video => kind == ItemKind::Video,
        }
    }

    /// As Immich calls it, where only one is wanted.
    pub fn asked_as(self) -> Option<&'static str> {
        match self {
            Media::All => None,
            Media::Photo => Some("IMAGE"),
            Media::Video => Some("VIDEO"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    Date,
    Name,
    Rating,
    Random,
    #[default]
    None,
}

const ORDERS: &[(&str, Order)] = &[
    ("date", Order::Date),
    ("name", Order::Name),
    ("rating", Order::Rating),
    ("random", Order::Random),
    ("none", Order::None),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShareLinks {
    #[default]
    Use,
    Create,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    PerAlbum,
    Combined,
    Random,
}

/// Assets chosen at moments of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    pub cron: String,
    pub mode: Mode,
    pub limit: usize,
    pub media: Media,
    pub favourites: bool,
    pub order: Order,
    pub min_rating: i8,
    /// Days, `2020-01-31`.
    pub from: Option<String>,
    pub to: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    pub cron: String,
    pub limit: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerOptions {
    pub media: Media,
    pub favourites_only: bool,
    pub order: Order,
    pub ascending: bool,
    pub shown: usize,
    pub tags: bool,
    pub details: bool,
    pub share_links: ShareLinks,
    pub summary: Option<String>,
    pub picked: Option<Picked>,
    pub memory: Option<Memory>,
}

impl TrackerOptions {
    /// The options as configured, and everything that is wrong with them.
    pub fn read(table: &Map<String, Value>) -> (TrackerOptions, Faults) {
        options::read(table, |options| {
            let limit = |options: &options::Options<'_>| {
                options
                    .number("limit", 1..=LIMIT_MAX)
                    .and_then(|limit| usize::try_from(limit).ok())
                    .unwrap_or(LIMIT_DEFAULT)
            };
            // A moment is what makes something scheduled.
            let cron = |options: &options::Options<'_>| {
                let given = options.cron("cron");
                if given.is_none() && !options.has("cron") {
                    options.fault("cron", "is missing; say when, like `0 9 * * sun`");
                }
                given
            };
            let day = |options: &options::Options<'_>, key: &'static str| {
                let text = options.line(key)?;
                if text.parse::<jiff::civil::Date>().is_err() {
                    options.fault(key, "has to be a day, like 2020-01-31");
                    return None;
                }
                Some(text)
            };
            TrackerOptions {
                media: options.one_of("media", MEDIA).unwrap_or_default(),
                favourites_only: options.flag("favourites_only").unwrap_or(false),
                order: options.one_of("order", ORDERS).unwrap_or_default(),
                ascending: options.flag("ascending").unwrap_or(true),
                shown: options
                    .number("max_shown", 0..=SHOWN_MAX)
                    .and_then(|shown| usize::try_from(shown).ok())
                    .unwrap_or(SHOWN_DEFAULT),
                tags: options.flag("tags").unwrap_or(true),
                details: options.flag("details").unwrap_or(true),
                share_links: options
                    .one_of(
                        "share_links",
                        &[
                            ("use", ShareLinks::Use),
                            ("create", ShareLinks::Create),
                            ("none", ShareLinks::None),
                        ],
                    )
                    .unwrap_or_default(),
                summary: options.table("summary", cron).flatten(),
                picked: options
                    .table("picked", |options| {
                        Some(Picked {
                            mode: options
                                .one_of(
                                    "mode",
                                    &[
                                        ("per_album", Mode::PerAlbum),
                                        ("combined", Mode::Combined),
                                        ("random", Mode::Random),
                                    ],
                                )
                                .unwrap_or_default(),
                            limit: limit(options),
                            media: options.one_of("type", MEDIA).unwrap_or_default(),
                            favourites: options.flag("favourites").unwrap_or(false),
                            order: options.one_of("order", ORDERS).unwrap_or(Order::Random),
                            min_rating: options
                                .number("min_rating", 0..=5)
                                .and_then(|rating| i8::try_from(rating).ok())
                                .unwrap_or(0),
                            from: day(options, "from"),
                            to: day(options, "to"),
                            cron: cron(options)?,
                        })
                    })
                    .flatten(),
                memory: options
                    .table("memory", |options| {
                        Some(Memory {
                            limit: limit(options),
                            cron: cron(options)?,
                        })
                    })
                    .flatten(),
            }
        })
    }

    /// Moments that this tracker asks for, by what is told then.
    pub fn crons(&self) -> impl Iterator<Item = (&'static str, Cron)> {
        let picked = self.picked.as_ref().map(|picked| &picked.cron);
        let memory = self.memory.as_ref().map(|memory| &memory.cron);
        [
            ("summary", self.summary.as_ref()),
            ("assets_picked", picked),
            ("memory", memory),
        ]
        .into_iter()
        .filter_map(|(what, cron)| Some((what, Cron::parse(cron?).ok()?)))
    }
}

/// The label that names the tracker for which a notice of the clock was made.
pub const TRACKER: &str = "tracker";
const SCHEDULED: &[&str] = &["summary", "assets_picked", "memory"];

/// What a tracker makes of a notice; the error says why it wants nothing of it.
pub fn shape<'n>(
    tracker: &str,
    table: &Map<String, Value>,
    notice: &'n NoticeDraft,
) -> Result<Cow<'n, NoticeDraft>, String> {
    if SCHEDULED.contains(&notice.kind.as_str()) {
        let of = notice.labels.get(TRACKER).map_or("", String::as_str);
        if of != tracker {
            return Err(format!("was made for tracker {of}"));
        }
    }
    let items = &notice.items;
    if items.is_empty() {
        return Ok(Cow::Borrowed(notice));
    }
    let (options, _) = TrackerOptions::read(table);
    let mut shaped = notice.clone();
    for (list, total) in [
        (&mut shaped.items.added, &mut shaped.items.added_total),
        (&mut shaped.items.removed, &mut shaped.items.removed_total),
    ] {
        options.narrow(list, total, &notice.labels);
        options.arrange(list);
        for item in list.iter_mut() {
            options.strip(item);
        }
    }
    // Its own words are of its own items, with everything that is known of them.
    if shaped.items != notice.items || notice.title.is_empty() {
        super::notices::describe(&mut shaped);
    }
    shaped.items.added.truncate(options.shown);
    shaped.items.removed.truncate(options.shown);
    if shaped.items.is_empty() {
        let only = match (options.media, options.favourites_only) {
            (Media::Photo, false) => "photos",
            (Media::Video, false) => "videos",
            (Media::All, _) => "favourites",
            (Media::Photo, true) => "favourite photos",
            (Media::Video, true) => "favourite videos",
        };
        return Err(format!("has no {only}"));
    }
    super::notices::retitle(&mut shaped, notice);
    Ok(Cow::Owned(shaped))
}

impl TrackerOptions {
    /// Leaves what the tracker wants, and counts it.
    fn narrow(
        &self,
        items: &mut Vec<Item>,
        total: &mut u64,
        labels: &std::collections::BTreeMap<String, String>,
    ) {
        if self.media == Media::All && !self.favourites_only {
            return;
        }
        let all_named = items.len() as u64 == *total;
        items.retain(|item| {
            self.media.wants(item.kind) && (!self.favourites_only || item.favourite == Some(true))
        });
        let counted = match self.media {
            Media::Photo => labels.get("photos"),
            Media::Video => labels.get("videos"),
            Media::All => None,
        };
        let counted = counted.and_then(|count| count.parse::<u64>().ok());
        *total = match counted {
            // The provider counted what it did not name as well.
            Some(counted) if !all_named && !self.favourites_only => {
                counted.min(*total).max(items.len() as u64)
            }
            Some(_) | None => items.len() as u64,
        };
    }

    pub fn arrange(&self, items: &mut [Item]) {
        arrange(items, self.order, self.ascending, 0);
    }

    fn strip(&self, item: &mut Item) {
        if !self.tags {
            item.people.clear();
            item.tags.clear();
        }
        if !self.details {
            (item.lat, item.lon) = (None, None);
            (item.city, item.state, item.country) = (None, None, None);
            (item.favourite, item.rating, item.description) = (None, None, None);
        }
    }
}

/// Puts items in order; at random by `chance`.
pub fn arrange(items: &mut [Item], order: Order, ascending: bool, chance: u64) {
    let compare: fn(&Item, &Item) -> Ordering = match order {
        Order::None => return,
        Order::Random => {
            items.sort_by_key(|item| xxh3_64_with_seed(item.key.as_bytes(), chance));
            return;
        }
        Order::Date => |one, other| one.taken_at.cmp(&other.taken_at),
        Order::Name => |one, other| one.label.cmp(&other.label),
        Order::Rating => |one, other| one.rating.cmp(&other.rating),
    };
    items.sort_by(|one, other| {
        let order = compare(one, other);
        let order = if ascending { order } else { order.reverse() };
        order.then_with(|| one.key.cmp(&other.key))
    });
}
