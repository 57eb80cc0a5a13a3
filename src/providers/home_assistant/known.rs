//! What is kept of the entities that somebody watches, in cursors.
//!
//! Entities are spread over [`BUCKETS`] cursors by a hash of their id, so that a change rewrites the
//! few that share one. What is kept of an entity is the value of each point that somebody watches (its
//! state, or an attribute) and since when, and what waits until it has been so for a while.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::projections::cursors::OfProvider;
use crate::providers::cursor::{self, Moved};

/// Cursors that the entities are spread over. With 5 000 entities one holds ten of them.
const BUCKETS: u64 = 512;
/// Before the number of a bucket in the key of its cursor.
const BUCKET_KEY: &str = "entities/";
/// Whether the connection is there.
const CONNECTION_KEY: &str = "connection";
/// Before the bytes of a bucket: how they are written. Of others nothing is known.
const FORM: u8 = 1;
/// Bytes of everything that is kept. What does not fit is told as it happens, and not compared.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest value that is kept whole, in bytes; a longer one is kept by its beginning and its hash.
const VALUE_BYTES_MAX: usize = 256;
/// What an entity and what each of its parts take besides their texts, at most.
const ENTRY_BYTES_MAX: usize = 32;
/// Points of one entity that are watched.
pub const POINTS_MAX: usize = 16;
/// What may wait at one entity.
pub const PENDING_MAX: usize = 64;

/// A value that is followed: the state of an entity, or one of its attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Empty for the state.
    pub attribute: String,
    pub value: String,
    /// When it became so, by Home Assistant's clock, in microseconds since 1970.
    pub since: i64,
}

/// A change that is told when it has lasted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub tracker: u32,
    pub attribute: String,
    pub before: String,
    /// By our clock, microseconds since 1970.
    pub since: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    pub points: Vec<Point>,
    pub pending: Vec<Pending>,
    /// Since when it is not there, in microseconds since 1970; 0 when it is.
    pub gone: i64,
}

impl Entity {
    pub fn point(&self, attribute: &str) -> Option<&Point> {
        self.points
            .iter()
            .find(|point| point.attribute == attribute)
    }

    pub fn put(&mut self, point: Point) {
        match self
            .points
            .iter_mut()
            .find(|known| known.attribute == point.attribute)
        {
            Some(known) => *known = point,
            None => self.points.push(point),
        }
    }

    fn bytes(&self, id: &str) -> usize {
        let points = self
            .points
            .iter()
            .map(|point| point.attribute.len() + point.value.len());
        let pending = self
            .pending
            .iter()
            .map(|pending| pending.attribute.len() + pending.before.len());
        let parts = points.chain(pending).map(|bytes| bytes + ENTRY_BYTES_MAX);
        id.len() + ENTRY_BYTES_MAX + parts.sum::<usize>()
    }
}

/// A value as it is kept: values that differ are kept differently.
pub fn value_of(text: String) -> String {
    if text.len() <= VALUE_BYTES_MAX {
        return text;
    }
    let hash = format!(" #{:016x}", xxh3_64(text.as_bytes()));
    let mut kept = text;
    crate::domain::notice::cut(&mut kept, VALUE_BYTES_MAX - hash.len());
    kept + &hash
}

/// Where the connection stood when it was last written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Never,
    Up,
    Lost,
}

/// Where the connection stands by the cursors.
pub fn connection(cursors: &OfProvider) -> Connection {
    match cursors.get(CONNECTION_KEY).map(|bytes| &**bytes) {
        Some(b"up") => Connection::Up,
        Some(b"lost") => Connection::Lost,
        Some(_) | None => Connection::Never,
    }
}

/// Notes that the connection is lost.
pub fn set_lost(cursors: &OfProvider, moved: &mut Moved) {
    cursor::set(cursors, moved, CONNECTION_KEY, b"lost");
}

fn bucket_of(id: &str) -> u64 {
    xxh3_64(id.as_bytes()) % BUCKETS
}

fn key_of(bucket: u64) -> String {
    format!("{BUCKET_KEY}{bucket:03x}")
}

/// Everything that is kept, and what of it is not written down yet.
pub struct Known {
    /// As handed over last.
    cursors: OfProvider,
    buckets: BTreeMap<u64, BTreeMap<String, Entity>>,
    changed: BTreeSet<u64>,
    connection: Connection,
    bytes: usize,
}

impl Known {
    pub fn read(cursors: &OfProvider) -> Known {
        let mut known = Known {
            cursors: OfProvider::new(),
            buckets: BTreeMap::new(),
            changed: BTreeSet::new(),
            connection: connection(cursors),
            bytes: 0,
        };
        for (key, bytes) in cursors {
            known.cursors.insert(key.clone(), bytes.clone());
            if !key.starts_with(BUCKET_KEY) {
                continue;
            }
            for (id, entity) in entities_of(bytes) {
                known.bytes += entity.bytes(&id);
                let bucket = known.buckets.entry(bucket_of(&id)).or_default();
                bucket.insert(id, entity);
            }
        }
        known
    }

    pub fn get(&self, id: &str) -> Option<&Entity> {
        self.buckets.get(&bucket_of(id))?.get(id)
    }

    pub fn connection(&self) -> Connection {
        self.connection
    }

    pub fn set_connection(&mut self, connection: Connection) {
        self.connection = connection;
    }

    /// Everything, by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Entity)> {
        self.buckets.values().flatten()
    }

    /// Puts an entity in place of what was kept of it. One that does not fit is not kept.
    pub fn put(&mut self, id: &str, entity: Entity) {
        let before = self.get(id);
        if before == Some(&entity) {
            return;
        }
        let was = before.map_or(0, |before| before.bytes(id));
        let is = entity.bytes(id);
        if is > was && self.bytes - was + is > KEPT_BYTES_MAX {
            self.remove(id);
            return;
        }
        self.bytes = self.bytes - was + is;
        let bucket = bucket_of(id);
        self.buckets
            .entry(bucket)
            .or_default()
            .insert(id.to_owned(), entity);
        self.changed.insert(bucket);
    }

    pub fn remove(&mut self, id: &str) {
        let bucket = bucket_of(id);
        let Some(entities) = self.buckets.get_mut(&bucket) else {
            return;
        };
        if let Some(entity) = entities.remove(id) {
            self.bytes -= entity.bytes(id);
            self.changed.insert(bucket);
        }
    }

    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty() || self.connection != connection(&self.cursors)
    }

    /// What has to be written down; it counts as written.
    pub fn moved(&mut self) -> Moved {
        let mut moved = Moved::new();
        for bucket in std::mem::take(&mut self.changed) {
            let key = key_of(bucket);
            let entities = self.buckets.get(&bucket);
            match entities.filter(|entities| !entities.is_empty()) {
                Some(entities) => {
                    cursor::set(&self.cursors, &mut moved, &key, &bytes_of(entities));
                }
                None => cursor::remove(&self.cursors, &mut moved, &key),
            }
        }
        match self.connection {
            Connection::Never => cursor::remove(&self.cursors, &mut moved, CONNECTION_KEY),
            Connection::Up => cursor::set(&self.cursors, &mut moved, CONNECTION_KEY, b"up"),
            Connection::Lost => set_lost(&self.cursors, &mut moved),
        }
        for (key, bytes) in &moved {
            match bytes {
                Some(bytes) => self.cursors.insert(key.clone(), bytes.clone()),
                None => self.cursors.remove(key),
            };
        }
        moved
    }
}

fn bytes_of(entities: &BTreeMap<String, Entity>) -> Vec<u8> {
    let mut bytes = vec![FORM];
    // Of integers, texts and lists of them nothing fails.
    bytes.extend(postcard::to_stdvec(entities).unwrap_or_default());
    bytes
}

/// What is written in a bucket. What cannot be read is as if it had never been seen.
fn entities_of(bytes: &[u8]) -> BTreeMap<String, Entity> {
    match bytes.split_first() {
        Some((&FORM, rest)) => postcard::from_bytes(rest).unwrap_or_default(),
        Some(_) | None => BTreeMap::new(),
    }
}
