//! Asking the index: the newest of what is wanted, how much there is, and of what sort.
//!
//! **Invariant:** parts of the index hold neighbours of the log, each in the log's order, so that the
//! newest are found by visiting parts from the newest on and stopping when there are enough.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tantivy::query::{EnableScoring, Query, Weight};
use tantivy::{DocId, DocSet as _, SegmentReader, TERMINATED};

use super::index::{BETWEEN, FACET, FACETS, KEY, Part, SEQ, View};
use crate::search::query::{Field, Tree};

/// Hits in a part from which on it is not looked through from its beginning.
const DENSE_HITS: u32 = 4_096;
/// How many times the hits that are wanted a look at a part's end is made for.
const LOOK_FACTOR: u64 = 4;
/// Documents that such a look takes in at least.
const LOOK_MIN: u64 = 1_024;

/// Which of the index's documents count.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Only documents before this place.
    pub before: u64,
    /// Documents about these are true no more.
    pub hidden: &'a BTreeSet<u64>,
}

/// Moments outside which nothing is wanted, for skipping whole parts.
fn span(tree: &Tree) -> (i64, i64) {
    let (mut from, mut to) = (i64::MIN, i64::MAX);
    let one = |tree: &Tree, from: &mut i64, to: &mut i64| match tree {
        Tree::Since(at) => *from = (*from).max(*at),
        Tree::Until(at) => *to = (*to).min(*at),
        Tree::All
        | Tree::Phrase(_)
        | Tree::Field(..)
        | Tree::Not(_)
        | Tree::And(_)
        | Tree::Or(_) => {}
    };
    match tree {
        Tree::And(all) => all.iter().for_each(|tree| one(tree, &mut from, &mut to)),
        tree => one(tree, &mut from, &mut to),
    }
    (from, to)
}

fn parts<'a>(view: &'a View, tree: &Tree, before: u64) -> impl Iterator<Item = &'a Part> {
    let (from, to) = span(tree);
    view.parts
        .iter()
        .filter(move |part| part.first < before && part.latest >= from && part.earliest <= to)
}

/// Places of the newest documents that are wanted, newest first.
pub fn newest(
    view: &View,
    tree: &Tree,
    query: &dyn Query,
    window: Window<'_>,
    limit: usize,
) -> tantivy::Result<Vec<u64>> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(&view.searcher))?;
    let mut found = Vec::new();
    for part in parts(view, tree, window.before) {
        if found.len() >= limit {
            break;
        }
        let segment = view.segment(part);
        let end = end_of(segment, part, window.before)?;
        let most = limit - found.len();
        let mut hits = Hits::of(segment, window, most)?;
        let mut scorer = weight.scorer(segment, 1.0)?;
        let expected = scorer.size_hint();
        let look = LOOK_MIN
            + u64::from(segment.max_doc()) * LOOK_FACTOR * most as u64 / u64::from(expected.max(1));
        if expected > DENSE_HITS && look < u64::from(end) {
            let start = end - look as DocId;
            hits.take(&mut *scorer, start, end);
            if !hits.is_full() {
                let newer = std::mem::take(&mut hits.docs);
                let mut rest = Hits::of(segment, window, most - newer.len())?;
                rest.take(&mut *weight.scorer(segment, 1.0)?, 0, start);
                rest.docs.extend(newer);
                hits = rest;
            }
        } else {
            hits.take(&mut *scorer, 0, end);
        }
        let seq = segment.fast_fields().u64(SEQ)?;
        found.extend(hits.docs.iter().rev().filter_map(|doc| seq.first(*doc)));
    }
    Ok(found)
}

/// The first document that does not lie before a place.
fn end_of(segment: &SegmentReader, part: &Part, before: u64) -> tantivy::Result<DocId> {
    if part.last < before {
        return Ok(segment.max_doc());
    }
    let seq = segment.fast_fields().u64(SEQ)?;
    let (mut low, mut high) = (0, segment.max_doc());
    while low < high {
        let middle = low + (high - low) / 2;
        if seq.first(middle).is_some_and(|found| found < before) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The last so many hits of a part.
struct Hits<'a> {
    segment: &'a SegmentReader,
    hidden: Option<(tantivy::fastfield::Column<u64>, &'a BTreeSet<u64>)>,
    docs: VecDeque<DocId>,
    most: usize,
}

impl<'a> Hits<'a> {
    fn of(segment: &'a SegmentReader, window: Window<'a>, most: usize) -> tantivy::Result<Self> {
        Ok(Hits {
            segment,
            hidden: hidden_in(segment, window)?,
            docs: VecDeque::new(),
            most,
        })
    }

    fn is_full(&self) -> bool {
        self.docs.len() >= self.most
    }

    fn take(&mut self, scorer: &mut dyn tantivy::query::Scorer, from: DocId, to: DocId) {
        let mut doc = scorer.doc();
        if doc < from {
            doc = scorer.seek(from);
        }
        while doc != TERMINATED && doc < to {
            if is_true(self.segment, self.hidden.as_ref(), doc) {
                if self.docs.len() == self.most {
                    self.docs.pop_front();
                }
                self.docs.push_back(doc);
            }
            doc = scorer.advance();
        }
    }
}

type Hidden<'a> = (tantivy::fastfield::Column<u64>, &'a BTreeSet<u64>);

fn hidden_in<'a>(
    segment: &SegmentReader,
    window: Window<'a>,
) -> tantivy::Result<Option<Hidden<'a>>> {
    if window.hidden.is_empty() {
        return Ok(None);
    }
    Ok(Some((segment.fast_fields().u64(KEY)?, window.hidden)))
}

fn is_true(segment: &SegmentReader, hidden: Option<&Hidden<'_>>, doc: DocId) -> bool {
    !segment.is_deleted(doc)
        && hidden
            .is_none_or(|(key, hidden)| key.first(doc).is_none_or(|key| !hidden.contains(&key)))
}

/// Documents by the values that are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub total: u64,
    pub values: BTreeMap<(Field, String), u64>,
}

impl Counted {
    /// So many documents with this facet.
    pub fn add(&mut self, facet: &str, times: u64) {
        self.total += times;
        for (field, value) in FACETS.into_iter().zip(facet.split(BETWEEN)) {
            if !value.is_empty() {
                *self.values.entry((field, value.to_owned())).or_default() += times;
            }
        }
    }

    fn join(&mut self, other: Counted) {
        self.total += other.total;
        for (value, times) in other.values {
            *self.values.entry(value).or_default() += times;
        }
    }
}

/// Counts what is wanted, on two threads.
pub fn counted(
    view: &View,
    tree: &Tree,
    query: &dyn Query,
    window: Window<'_>,
) -> tantivy::Result<Counted> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(&view.searcher))?;
    let mut halves: [(u64, Vec<&Part>); 2] = Default::default();
    let mut wanted: Vec<&Part> = parts(view, tree, window.before).collect();
    wanted.sort_by_key(|part| std::cmp::Reverse(view.segment(part).max_doc()));
    for part in wanted {
        let half = usize::from(halves[1].0 < halves[0].0);
        halves[half].0 += u64::from(view.segment(part).max_doc());
        halves[half].1.push(part);
    }
    let [(_, here), (_, there)] = halves;
    let count = |parts: &[&Part]| -> tantivy::Result<Counted> {
        let mut counted = Counted::default();
        for part in parts {
            counted_in(view.segment(part), part, &*weight, window, &mut counted)?;
        }
        Ok(counted)
    };
    let mut counted = std::thread::scope(|scope| {
        let other = (!there.is_empty()).then(|| scope.spawn(|| count(&there)));
        let mut counted = count(&here)?;
        if let Some(other) = other {
            match other.join() {
                Ok(other) => counted.join(other?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, tantivy::TantivyError>(counted)
    })?;
    counted.values.retain(|_, times| *times > 0);
    Ok(counted)
}

fn counted_in(
    segment: &SegmentReader,
    part: &Part,
    weight: &dyn Weight,
    window: Window<'_>,
    counted: &mut Counted,
) -> tantivy::Result<()> {
    let Some(facets) = segment.fast_fields().str(FACET)? else {
        return Ok(());
    };
    let end = end_of(segment, part, window.before)?;
    let hidden = hidden_in(segment, window)?;
    let is_plain = hidden.is_none() && !segment.has_deletes() && end == segment.max_doc();
    let mut times = vec![0u64; facets.num_terms()];
    let mut ordinals = Vec::new();
    weight.for_each_no_score(segment, &mut |docs| {
        ordinals.clear();
        ordinals.resize(docs.len(), None);
        facets.ords().first_vals(docs, &mut ordinals);
        for (doc, ordinal) in docs.iter().zip(&ordinals) {
            let counts = is_plain || (*doc < end && is_true(segment, hidden.as_ref(), *doc));
            if counts
                && let Some(times) = ordinal.and_then(|ordinal| times.get_mut(ordinal as usize))
            {
                *times += 1;
            }
        }
    })?;
    let mut facet = String::new();
    for (ordinal, times) in (0u64..).zip(times) {
        if times > 0 && facets.ord_to_str(ordinal, &mut facet)? {
            counted.add(&facet, times);
        }
    }
    Ok(())
}
