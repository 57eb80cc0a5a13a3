//! The index on the disk: its fields, what a document becomes, and up to where of which log it reaches.
//!
//! **Invariant:** the checkpoint lies in the commit that it describes. An index of another version, of
//! another store, or with a checkpoint beyond the log is none: it is made anew.
//!
//! **Invariant:** nothing is stored that stands in the log; a document that was found is read from there.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tantivy::fastfield::Column;
use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::schema::{FAST, Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer};
use tantivy::{
    BitSet, DocId, Index, IndexSettings, Score, Searcher, SegmentReader, TantivyDocument,
    TantivyError,
};

use crate::search::document::Document;
use crate::search::query;
use crate::search::words::{Words, folded_value};

/// Version of the fields and of how words are taken; another one is not read but made anew.
const INDEX_VERSION: u32 = 1;
/// Between the values of one document's facet.
pub const BETWEEN: char = '\u{1f}';
/// The fields that are counted, in their order in a document's facet.
pub const FACETS: [query::Field; 6] = [
    query::Field::Is,
    query::Field::Provider,
    query::Field::Kind,
    query::Field::Status,
    query::Field::Severity,
    query::Field::Target,
];

pub const SEQ: &str = "seq";
pub const KEY: &str = "key";
pub const FOUNDING: &str = "founding";
pub const AT: &str = "at";
pub const FACET: &str = "facet";

/// The index's fields.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub words: Field,
    pub title: Field,
    /// Values as `field=value`.
    pub facts: Field,
    pub seq: Field,
    pub key: Field,
    pub founding: Field,
    pub at: Field,
    pub facet: Field,
}

/// Which store an index is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(pub u64);

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    store: Identity,
    through: u64,
}

/// An index with what is needed to use it.
#[derive(Clone)]
pub struct Shelf {
    pub index: Index,
    pub fields: Fields,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let text = |tokenizer: &str, records, norms| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer(tokenizer)
                .set_index_option(records)
                .set_fieldnorms(norms),
        )
    };
    let fields = Fields {
        words: schema.add_text_field(
            "words",
            text("words", IndexRecordOption::WithFreqsAndPositions, true),
        ),
        title: schema.add_text_field("title", text("words", IndexRecordOption::Basic, true)),
        facts: schema.add_text_field("facts", text("raw", IndexRecordOption::Basic, false)),
        seq: schema.add_u64_field(SEQ, FAST),
        key: schema.add_u64_field(KEY, FAST),
        founding: schema.add_u64_field(FOUNDING, FAST),
        at: schema.add_i64_field(AT, FAST),
        facet: schema.add_text_field(FACET, TextOptions::default().set_fast("raw")),
    };
    (schema.build(), fields)
}

/// The term under which a field's value is found; with a beginning, what the term begins with.
pub fn fact(field: query::Field, folded: &str) -> String {
    format!("{}={folded}", field.as_str())
}

impl Shelf {
    /// The index in a folder and up to where it reaches; `None` when there is none that is of use.
    pub fn open(
        folder: &Path,
        store: Identity,
        next: u64,
    ) -> Result<Option<(Shelf, u64)>, TantivyError> {
        if !folder.join("meta.json").exists() {
            return Ok(None);
        }
        let (wanted, fields) = schema();
        let index = Index::open_in_dir(folder)?;
        if index.schema() != wanted {
            return Ok(None);
        }
        let payload = index.load_metas()?.payload.unwrap_or_default();
        let checkpoint: Option<Checkpoint> = serde_json::from_str(&payload).ok();
        let through = checkpoint
            .filter(|found| found.version == INDEX_VERSION && found.store == store)
            .map(|found| found.through)
            .filter(|through| *through < next);
        let Some(through) = through else {
            return Ok(None);
        };
        let damaged = index.validate_checksum()?;
        if !damaged.is_empty() {
            tracing::warn!(
                files = damaged.len(),
                "files of the search index are damaged; it is made anew"
            );
            return Ok(None);
        }
        Ok(Some((Shelf::with(index, fields), through)))
    }

    /// An empty index in a folder whose files go.
    pub fn create(folder: &Path) -> Result<Shelf, TantivyError> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let (schema, fields) = schema();
        let index = Index::builder()
            .schema(schema)
            .settings(IndexSettings {
                docstore_compress_dedicated_thread: false,
                ..IndexSettings::default()
            })
            .create_in_dir(folder)?;
        Ok(Shelf::with(index, fields))
    }

    fn with(index: Index, fields: Fields) -> Shelf {
        index
            .tokenizers()
            .register("words", TextAnalyzer::from(WordTokenizer::default()));
        Shelf { index, fields }
    }

    pub fn document(&self, document: &Document) -> TantivyDocument {
        let fields = &self.fields;
        let mut made = TantivyDocument::new();
        made.add_u64(fields.seq, document.seq);
        made.add_u64(fields.key, document.key);
        made.add_u64(fields.founding, document.founding);
        made.add_i64(fields.at, document.at);
        made.add_text(fields.words, document.text());
        if document.is_title_searched {
            made.add_text(fields.title, &document.title);
        }
        for field in query::Field::ALL {
            for value in document.values(field) {
                made.add_text(fields.facts, fact(field, &folded_value(value)));
            }
        }
        made.add_text(fields.facet, facet_of(document));
        made
    }
}

/// The payload of a commit.
pub fn checkpoint(store: Identity, through: u64) -> String {
    let checkpoint = Checkpoint {
        version: INDEX_VERSION,
        store,
        through,
    };
    serde_json::to_string(&checkpoint).unwrap_or_default()
}

/// The values of a document that are counted, as one.
pub fn facet_of(document: &Document) -> String {
    let mut facet = String::new();
    for (index, field) in FACETS.into_iter().enumerate() {
        if index > 0 {
            facet.push(BETWEEN);
        }
        if let Some(value) = document.values(field).next() {
            facet.push_str(value);
        }
    }
    facet
}

/// One of the index's parts.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Its number in the searcher.
    pub ordinal: usize,
    pub first: u64,
    pub last: u64,
    /// Moments of its documents, microseconds since 1970.
    pub earliest: i64,
    pub latest: i64,
}

/// The index as it was at a commit.
pub struct View {
    pub searcher: Searcher,
    pub fields: Fields,
    /// Every event up to here is in it.
    pub through: u64,
    /// Newest first.
    pub parts: Vec<Part>,
}

impl View {
    pub fn of(searcher: Searcher, fields: Fields, through: u64) -> Result<View, TantivyError> {
        let mut parts = Vec::new();
        for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
            if segment.num_docs() == 0 {
                continue;
            }
            let seq = segment.fast_fields().u64(SEQ)?;
            let at = segment.fast_fields().i64(AT)?;
            parts.push(Part {
                ordinal,
                first: seq.min_value(),
                last: seq.max_value(),
                earliest: at.min_value(),
                latest: at.max_value(),
            });
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.last));
        let is_in_order = parts.windows(2).all(|pair| pair[1].last < pair[0].first);
        if !is_in_order {
            return Err(TantivyError::InternalError(
                "parts of the index overlap".into(),
            ));
        }
        Ok(View {
            searcher,
            fields,
            through,
            parts,
        })
    }

    pub fn segment(&self, part: &Part) -> &SegmentReader {
        self.searcher.segment_reader(part.ordinal as u32)
    }
}

/// Documents whose column holds one of the values.
#[derive(Debug, Clone)]
pub struct These {
    pub column: &'static str,
    pub values: Arc<BTreeSet<u64>>,
}

impl Query for These {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for These {
    fn scorer(&self, segment: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let column: Column<u64> = segment.fast_fields().u64(self.column)?;
        let mut found = BitSet::with_max_value(segment.max_doc());
        let range = column.min_value()..=column.max_value();
        if self.values.range(range).next().is_some() {
            let has = |doc: &DocId| {
                let value = column.first(*doc);
                value.is_some_and(|value| self.values.contains(&value))
            };
            (0..segment.max_doc()).filter(has).for_each(|doc| {
                found.insert(doc);
            });
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(found), boost)))
    }

    fn explain(&self, _: &SegmentReader, _: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("one of the values", 1.0))
    }
}

/// Hands tantivy the words that [`Words`] finds.
#[derive(Debug, Clone, Default)]
struct WordTokenizer {
    words: Words,
}

struct WordStream<'a> {
    words: &'a Words,
    next: usize,
    token: Token,
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.words.split(text);
        WordStream {
            words: &self.words,
            next: 0,
            token: Token::default(),
        }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(span) = self.words.spans().get(self.next) else {
            return false;
        };
        self.next += 1;
        self.token.text.clear();
        self.token.text.push_str(self.words.folded(span));
        self.token.offset_from = span.from;
        self.token.offset_to = span.to;
        self.token.position = span.position;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
