//! A query's tree as tantivy asks it.

use std::ops::Bound;
use std::sync::Arc;

use tantivy::query::{
    AllQuery, BitSetDocSet, BooleanQuery, BoostQuery, ConstScoreQuery, ConstScorer, EmptyQuery,
    EnableScoring, Explanation, InvertedIndexRangeQuery, Occur, PhrasePrefixQuery, PhraseQuery,
    Query, RangeQuery, Scorer, TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, Score, SegmentReader, Term};

use super::index::{Fields, fact};
use crate::search::query::{Phrase, Tree, Value};

/// Words that a beginning after other words may stand for.
const EXPANSIONS_MAX: u32 = 10_000;
/// How much more a word of the title says than one of the text.
const TITLE_BOOST: f32 = 2.0;

/// Whether answers are ranked by how well they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scoring {
    None,
    Relevance,
}

pub fn compile(tree: &Tree, fields: &Fields, scoring: Scoring) -> Box<dyn Query> {
    match tree {
        Tree::All => Box::new(AllQuery),
        Tree::Phrase(phrase) => of_phrase(phrase, fields, scoring),
        Tree::Field(field, values) => either(
            values
                .iter()
                .map(|value| {
                    let Value { text, prefix } = value;
                    let fact = fact(*field, text);
                    plain(if *prefix {
                        beginning(fields.facts, &fact)
                    } else {
                        let term = Term::from_field_text(fields.facts, &fact);
                        Box::new(TermQuery::new(term, IndexRecordOption::Basic))
                    })
                })
                .collect(),
        ),
        Tree::Since(at) => plain(Box::new(RangeQuery::new(
            Bound::Included(Term::from_field_i64(fields.at, *at)),
            Bound::Unbounded,
        ))),
        Tree::Until(at) => plain(Box::new(RangeQuery::new(
            Bound::Unbounded,
            Bound::Included(Term::from_field_i64(fields.at, *at)),
        ))),
        Tree::Not(tree) => all_of(
            std::slice::from_ref(&Tree::Not(tree.clone())),
            fields,
            scoring,
        ),
        Tree::And(all) => all_of(all, fields, scoring),
        Tree::Or(any) => either(
            any.iter()
                .map(|tree| compile(tree, fields, scoring))
                .collect(),
        ),
    }
}

fn all_of(all: &[Tree], fields: &Fields, scoring: Scoring) -> Box<dyn Query> {
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = all
        .iter()
        .map(|tree| match tree {
            Tree::Not(tree) => {
                let excluded = compile(tree, fields, Scoring::None);
                (
                    Occur::MustNot,
                    Box::new(Gathered(excluded.into())) as Box<dyn Query>,
                )
            }
            tree => (Occur::Must, compile(tree, fields, scoring)),
        })
        .collect();
    if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(clauses))
}

fn either(mut any: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match any.len() {
        0 => Box::new(EmptyQuery),
        1 => any.remove(0),
        _ => Box::new(BooleanQuery::new(
            any.into_iter()
                .map(|query| (Occur::Should, query))
                .collect(),
        )),
    }
}

/// What says nothing about how well a document fits.
fn plain(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

fn of_phrase(phrase: &Phrase, fields: &Fields, scoring: Scoring) -> Box<dyn Query> {
    let term = |field: Field, word: &str| Term::from_field_text(field, word);
    let in_order = || -> Vec<(usize, Term)> {
        phrase
            .words
            .iter()
            .map(|(offset, word)| (*offset, term(fields.words, word)))
            .collect()
    };
    match (phrase.words.as_slice(), phrase.prefix) {
        ([], _) => Box::new(AllQuery),
        ([(_, word)], false) => {
            let found = Box::new(TermQuery::new(
                term(fields.words, word),
                IndexRecordOption::WithFreqs,
            ));
            if scoring == Scoring::None {
                return found;
            }
            let in_title = TermQuery::new(term(fields.title, word), IndexRecordOption::Basic);
            Box::new(BooleanQuery::new(vec![
                (Occur::Must, found as Box<dyn Query>),
                (
                    Occur::Should,
                    Box::new(BoostQuery::new(Box::new(in_title), TITLE_BOOST)),
                ),
            ]))
        }
        ([(_, word)], true) => {
            let begins = beginning(fields.words, word);
            match scoring {
                Scoring::None => begins,
                Scoring::Relevance => Box::new(ConstScoreQuery::new(begins, 1.0)),
            }
        }
        (_, false) => Box::new(PhraseQuery::new_with_offset(in_order())),
        (_, true) => {
            let mut query = PhrasePrefixQuery::new_with_offset(in_order());
            query.set_max_expansions(EXPANSIONS_MAX);
            Box::new(query)
        }
    }
}

/// Terms that begin as a text does.
fn beginning(field: Field, text: &str) -> Box<dyn Query> {
    // No sign comes after this one, and none that is used is it.
    let after = format!("{text}\u{10ffff}");
    Box::new(InvertedIndexRangeQuery::new(
        Bound::Included(Term::from_field_text(field, text)),
        Bound::Excluded(Term::from_field_text(field, &after)),
    ))
}

/// What is excluded, gathered per part before anything is asked of it: a phrase that ends before the
/// place it is asked about cannot be asked.
#[derive(Debug, Clone)]
struct Gathered(Arc<dyn Query>);

struct GatheredWeight(Box<dyn Weight>);

impl Query for Gathered {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(GatheredWeight(self.0.weight(scoring)?)))
    }
}

impl Weight for GatheredWeight {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut found = BitSet::with_max_value(segment.max_doc());
        self.0.for_each_no_score(segment, &mut |docs| {
            for doc in docs {
                found.insert(*doc);
            }
        })?;
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, segment: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.0.explain(segment, doc)
    }
}
