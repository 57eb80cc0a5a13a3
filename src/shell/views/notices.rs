//! Lists of notices, one notice by its id, and the requests they came in.

use notify_store::{PAGE_FRAMES_MAX, Reader, Recorded, body};
use serde_json::{Value as Json, json};

use super::{
    Cursor, Look, NotACursor, PAGE_ENTRIES_MAX, Page, SCANNED_NOTICES_MAX, SCANNED_ROWS_MAX,
    ViewError, moment,
};
use crate::domain::decide::ONE_OFF;
use crate::domain::event::{Accepted, Event};
use crate::domain::family::{Family, notice_of};
use crate::domain::id::PublicId;
use crate::domain::notice::Severity;
use crate::domain::spec::{BRIDGE, BRIDGE_PROVIDER, EntityKind};
use crate::domain::state::{State, severity_code, word_hash};
use crate::projections::outbox::{NoticeStatus, ROW_TRACKERS_MAX, Row};
use crate::search::document;
use crate::search::matching::{Indexed, matches};
use crate::search::query::{Field, Reading, Tree, Value};
use crate::search::words::folded_value;
use crate::shell::families;
use crate::shell::http::hooks::BODY_BYTES_MAX;
use crate::shell::search::Search;
use crate::templates::notice_json;

/// Bytes that the line about a kept request may have besides its body.
const KEPT_HEAD_BYTES_MAX: usize = 1024 * 1024;
/// Events that a list of a provider's requests looks through.
const SCANNED_EVENTS_MAX: usize = 20_000;

/// What a list of notices is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct NoticeFilter {
    pub provider: Option<String>,
    pub kind: Option<String>,
    pub collection: Option<String>,
    pub tracker: Option<String>,
    pub severity: Option<Severity>,
    pub status: Option<NoticeStatus>,
    /// A query ([`Tree`]) whose words are beginnings of words in the notice.
    pub q: Option<String>,
    /// Microseconds since 1970, both ends included.
    pub since: Option<i64>,
    pub until: Option<i64>,
}

/// The filter with names resolved.
struct Wanted<'a> {
    filter: &'a NoticeFilter,
    provider: Option<u32>,
    tracker: Option<u32>,
    kind_hash: Option<u64>,
    collection_hash: Option<u64>,
    /// What `q` asks for.
    tree: Option<Tree>,
}

impl<'a> Wanted<'a> {
    fn of(state: &State, filter: &'a NoticeFilter, now: i64) -> Result<Self, ViewError> {
        let configuration = &state.configuration;
        let reading = Reading {
            now,
            zone: configuration.zone().clone(),
            beginnings: true,
        };
        let q = filter.q.as_deref().filter(|q| !q.trim().is_empty());
        let tree = q.map(|q| Tree::parse(q, &reading));
        let tree = tree.transpose().map_err(|error| ViewError::Invalid {
            field: "q",
            message: error.to_string(),
        })?;
        let provider = match filter.provider.as_deref() {
            None => None,
            // One-off messages.
            Some(ONE_OFF) => Some(0),
            Some(BRIDGE) => Some(BRIDGE_PROVIDER),
            Some(name) => Some(
                configuration
                    .id(EntityKind::Provider, name)
                    .ok_or_else(|| unknown("provider", name))?,
            ),
        };
        Ok(Wanted {
            provider,
            tracker: tracker_id(state, filter.tracker.as_deref())?,
            kind_hash: filter.kind.as_deref().map(word_hash),
            collection_hash: filter.collection.as_deref().map(word_hash),
            tree,
            filter,
        })
    }

    /// Whether a row may be one; what it cannot say is asked of the notice.
    fn row(&self, row: &Row) -> bool {
        let same = |wanted: Option<u64>, found: u64| wanted.is_none_or(|wanted| wanted == found);
        self.provider.is_none_or(|id| id == row.facts.provider)
            && same(self.kind_hash, row.facts.kind_hash)
            && same(self.collection_hash, row.facts.collection_hash)
            && self
                .filter
                .severity
                .is_none_or(|severity| severity_code(severity) == row.facts.severity)
            && self.filter.status.is_none_or(|status| status == row.status)
            && has_tracker(row, self.tracker)
            // A notice that was sent again has the later moment in its row.
            && self.filter.since.is_none_or(|since| row.received_at >= since)
    }

    /// Whether the notice itself is one.
    fn notice(&self, position: u64, accepted: &Accepted, received_at: i64) -> bool {
        let draft = &accepted.notice;
        let collection = draft.collection.as_ref();
        let same =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        self.provider.is_none_or(|id| id == accepted.provider)
            && same(&self.filter.kind, &draft.kind)
            && same(&self.filter.collection, collection.map_or("", |c| &c.name))
            && self
                .filter
                .severity
                .is_none_or(|severity| severity == draft.severity)
            && self.filter.since.is_none_or(|since| received_at >= since)
            && self.filter.until.is_none_or(|until| received_at <= until)
            && self.tree.as_ref().is_none_or(|tree| {
                let document = document::notice(position, received_at, accepted);
                matches(tree, &Indexed::of(document))
            })
    }

    /// What the index is asked for: what of the filter it knows by the same words.
    fn in_index(&self) -> Option<Tree> {
        let field = |field, value: &Option<String>| {
            value.as_ref().map(|value| {
                let value = Value {
                    text: folded_value(value),
                    prefix: false,
                };
                Tree::Field(field, vec![value])
            })
        };
        let severity = self.filter.severity.map(|s| s.as_str().to_owned());
        let also = [
            field(Field::Kind, &self.filter.kind),
            field(Field::Collection, &self.filter.collection),
            field(Field::Severity, &severity),
            self.filter.since.map(Tree::Since),
            self.filter.until.map(Tree::Until),
        ];
        let tree = self.tree.clone()?;
        Some(also.into_iter().flatten().fold(tree, Tree::and))
    }
}

pub(super) fn unknown(what: &'static str, name: &str) -> ViewError {
    ViewError::Invalid {
        field: what,
        message: format!("there is no {what} {name}"),
    }
}

pub(super) fn tracker_id(state: &State, name: Option<&str>) -> Result<Option<u32>, ViewError> {
    name.map(|name| {
        state
            .configuration
            .id(EntityKind::Tracker, name)
            .ok_or_else(|| unknown("tracker", name))
    })
    .transpose()
}

/// Whether the row names the tracker. A full row may have left it out.
pub(super) fn has_tracker(row: &Row, tracker: Option<u32>) -> bool {
    tracker.is_none_or(|id| row.trackers.contains(&id) || row.trackers.len() == ROW_TRACKERS_MAX)
}

/// Whether a tracker took the notice when it came.
fn took(accepted: &Accepted, tracker: u32) -> bool {
    let mut links = accepted.plan.links.iter();
    links.any(|link| link.tracker == tracker)
}

/// Where a list that goes back begins.
pub(super) fn before(cursor: Option<Cursor>) -> Result<u64, ViewError> {
    match cursor {
        None => Ok(u64::MAX),
        Some(Cursor::Before(position)) => Ok(position),
        Some(Cursor::After(_) | Cursor::Delivery { .. }) => Err(ViewError::Invalid {
            field: "cursor",
            message: NotACursor.to_string(),
        }),
    }
}

/// A page of notices, newest first, without their reasons and deliveries. Words are looked for in the
/// index where there is one that can say, else in the log within bounds.
pub fn notices(
    reader: &Reader<Event>,
    look: &impl Look,
    search: Option<&Search>,
    filter: &NoticeFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let now = look.now().unwrap_or_default();
    let wanted = look.look(|state| Wanted::of(state, filter, now))?;
    let at = before(cursor)?;
    if let Some(search) = search
        && let Some(tree) = wanted.in_index()
        && let Some(page) = indexed(reader, search, &wanted, &tree, at, limit)?
    {
        return Ok(page);
    }
    scanned(reader, &wanted, at, limit)
}

/// The page as the index knows it; `None` when it cannot say.
fn indexed(
    reader: &Reader<Event>,
    search: &Search,
    wanted: &Wanted<'_>,
    tree: &Tree,
    mut at: u64,
    limit: usize,
) -> Result<Option<Page>, ViewError> {
    let mut page = Page::default();
    let mut read = 0;
    loop {
        let Some(found) = search.notices(tree, at, PAGE_ENTRIES_MAX)? else {
            return Ok(None);
        };
        let is_last = found.len() < PAGE_ENTRIES_MAX;
        for position in found {
            if page.items.len() >= limit {
                page.next = Some(Cursor::Before(at));
                return Ok(Some(page));
            }
            if read >= SCANNED_NOTICES_MAX {
                page.next = Some(Cursor::Before(at));
                page.scanned_to = Some(at);
                return Ok(Some(page));
            }
            at = position;
            read += 1;
            let row = reader.row(position)?.and_then(|row| Row::decode(&row));
            if row.as_ref().is_none_or(|row| wanted.row(row)) {
                page.items.extend(item(reader, wanted, position, row)?);
            }
        }
        if is_last {
            return Ok(Some(page));
        }
    }
}

fn scanned(
    reader: &Reader<Event>,
    wanted: &Wanted<'_>,
    mut at: u64,
    limit: usize,
) -> Result<Page, ViewError> {
    let mut page = Page::default();
    let (mut rows_seen, mut read) = (0, 0);
    loop {
        let rows = reader.rows_back(at, PAGE_FRAMES_MAX)?;
        if rows.is_empty() {
            return Ok(page);
        }
        for (position, bytes) in rows {
            if page.items.len() >= limit {
                page.next = Some(Cursor::Before(at));
                return Ok(page);
            }
            if read >= SCANNED_NOTICES_MAX || rows_seen >= SCANNED_ROWS_MAX {
                page.next = Some(Cursor::Before(at));
                page.scanned_to = Some(at);
                return Ok(page);
            }
            at = position;
            rows_seen += 1;
            let row = Row::decode(&bytes);
            if row.as_ref().is_some_and(|row| !wanted.row(row)) {
                continue;
            }
            read += 1;
            page.items.extend(item(reader, wanted, position, row)?);
        }
    }
}

/// The notice at a position, when it is one that is wanted.
fn item(
    reader: &Reader<Event>,
    wanted: &Wanted<'_>,
    position: u64,
    row: Option<Row>,
) -> Result<Option<Json>, ViewError> {
    let Some(founding) = reader.get(position)? else {
        return Ok(None);
    };
    let Event::Accepted(accepted) = &founding.payload else {
        return Ok(None);
    };
    let named = |id| row.as_ref().is_some_and(|row| row.trackers.contains(&id));
    if !wanted.notice(position, accepted, founding.recorded_at)
        || wanted
            .tracker
            .is_some_and(|id| !named(id) && !took(accepted, id))
    {
        return Ok(None);
    }
    let status = match row {
        Some(row) => row.status,
        None => super::notice::status(&families::read(reader, position)?),
    };
    if wanted.filter.status.is_some_and(|wanted| wanted != status) {
        return Ok(None);
    }
    let notice = notice_of(
        position,
        founding.recorded_at,
        &founding.correlation,
        accepted,
    );
    let mut item = notice_json(&notice);
    item["status"] = status.as_str().into();
    Ok(Some(item))
}

/// The founding event of a notice's public id. The whole id has to be right, not only where it
/// points.
pub fn founding(reader: &Reader<Event>, id: &str) -> Result<(u64, Box<Accepted>), ViewError> {
    let unknown = || ViewError::not_found("notice", id);
    let parsed: PublicId = id.parse().map_err(|_| unknown())?;
    match reader.get(parsed.position)?.map(|event| event.payload) {
        Some(Event::Accepted(accepted)) if accepted.seed.id(parsed.position, 0) == parsed => {
            Ok((parsed.position, accepted))
        }
        Some(_) | None => Err(ViewError::missing(reader, "notice", id, parsed.position)?),
    }
}

/// The family of a notice's public id.
pub fn find_notice(reader: &Reader<Event>, id: &str) -> Result<Family, ViewError> {
    let (position, _) = founding(reader, id)?;
    Ok(families::read(reader, position)?)
}

/// What is kept of the request a notice came in: the line about it and its redacted body.
pub fn notice_body(reader: &Reader<Event>, family: &Family) -> Result<Json, ViewError> {
    let first = family.notice.position.saturating_sub(u64::from(family.nth));
    let missing = || ViewError::not_found("kept request of notice", family.notice.id.as_str());
    let packed = reader.body(first)?.ok_or_else(missing)?;
    let (mut head, body) = unpacked(&packed).ok_or_else(missing)?;
    head["position"] = first.into();
    head["bytes"] = body.len().into();
    head["body"] = String::from_utf8_lossy(&body).into();
    Ok(head)
}

/// The line about a request, and its body; `None` when it is not of a form this version keeps.
fn unpacked(packed: &[u8]) -> Option<(Json, Vec<u8>)> {
    let mut bytes = body::unpack(packed, BODY_BYTES_MAX as usize + KEPT_HEAD_BYTES_MAX).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head: Json = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = bytes.split_off(end + 1);
    let pairs = head["headers"].as_array()?;
    let headers: Json = pairs
        .iter()
        .map(|pair| json!({"name": pair[0], "value": pair[1]}))
        .collect();
    let shown = json!({"method": head["method"], "query": head["query"], "headers": headers});
    Some((shown, body))
}

/// The last verified requests of a provider whose bodies are kept, unreadable ones too.
pub fn requests(
    reader: &Reader<Event>,
    provider: u32,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let mut at = before(cursor)?;
    let mut page = Page::default();
    let mut seen = 0;
    loop {
        let events = reader.page_back(at, PAGE_FRAMES_MAX)?;
        if events.is_empty() {
            return Ok(page);
        }
        for event in events {
            if page.items.len() >= limit || seen >= SCANNED_EVENTS_MAX {
                page.next = Some(Cursor::Before(at));
                page.scanned_to = (seen >= SCANNED_EVENTS_MAX).then_some(at);
                return Ok(page);
            }
            at = event.position;
            seen += 1;
            if let Some(mut item) = request(&event, provider)
                && let Some(packed) = reader.body(event.position)?
                && let Some((head, body)) = unpacked(&packed)
            {
                item["method"] = head["method"].clone();
                item["headers"] = head["headers"].clone();
                item["bytes"] = body.len().into();
                page.items.push(item);
            }
        }
    }
}

fn request(event: &Recorded<Event>, wanted: u32) -> Option<Json> {
    let mut item = json!({"position": event.position, "at": moment(event.recorded_at)});
    match &event.payload {
        Event::Accepted(accepted) if accepted.provider == wanted && accepted.nth == 0 => {
            let ids: Vec<String> = (0..u64::from(accepted.of))
                .map(|nth| accepted.seed.id(event.position + nth, 0).to_string())
                .collect();
            item["readable"] = true.into();
            item["notices"] = ids.into();
        }
        Event::IntakeUnreadable { provider, why, .. } if *provider == wanted => {
            item["readable"] = false.into();
            item["why"] = why.as_str().into();
        }
        _ => return None,
    }
    Some(item)
}
