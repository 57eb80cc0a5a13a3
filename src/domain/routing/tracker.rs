//! What a tracker wants, made ready once per configuration.

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::notice::{Notice, Severity};
use crate::domain::policy::SeveritySpec;
use crate::domain::reason::What;
use crate::domain::spec::TrackerSpec;
use crate::templates::Filter;

/// A tracker's patterns and filter, made ready once per configuration.
pub struct CompiledTracker {
    kinds: Patterns,
    collections: Patterns,
    filter: Option<Result<Filter, String>>,
    severity: Option<Severities>,
    group: Option<Filter>,
}

/// How bad notices are for a tracker.
enum Severities {
    ByKind(BTreeMap<String, Severity>),
    Value(Filter),
}

impl CompiledTracker {
    pub fn of(spec: &TrackerSpec) -> Self {
        CompiledTracker {
            kinds: Patterns::of(&spec.kinds),
            collections: Patterns::of(&spec.collections),
            filter: spec
                .filter
                .as_deref()
                .map(|source| Filter::compile(source).map_err(|fault| fault.to_string())),
            // Both were compiled when they were configured; one that fails now says nothing.
            severity: match &spec.severity {
                Some(SeveritySpec::ByKind(kinds)) => Some(Severities::ByKind(kinds.clone())),
                Some(SeveritySpec::Expression(source)) => {
                    Filter::compile(source).ok().map(Severities::Value)
                }
                None => None,
            },
            group: spec
                .group
                .as_ref()
                .and_then(|group| Filter::compile(&group.by).ok()),
        }
    }

    /// Whether the tracker wants a notice; if not, which gate said so. `filter_failed` is no refusal.
    pub fn judge(&self, spec: &TrackerSpec, notice: &Notice) -> Result<(), Refused> {
        let draft = &notice.draft;
        if !self.kinds.want(&[&draft.kind]) {
            return refused(
                What::KindNotWanted,
                format!("kind {} is not in [{}]", draft.kind, spec.kinds.join(", ")),
            );
        }
        let wanted = match &draft.collection {
            Some(collection) => self.collections.want(&[&collection.name, &collection.id]),
            None => self.collections.is_empty(),
        };
        if !wanted {
            let collection = draft
                .collection
                .as_ref()
                .map_or("none", |collection| collection.name.as_str());
            return refused(
                What::CollectionNotWanted,
                format!(
                    "collection {collection} is not in [{}]",
                    spec.collections.join(", ")
                ),
            );
        }
        match &self.filter {
            None => Ok(()),
            Some(Ok(filter)) => match filter.eval(notice) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let values: Vec<String> = filter
                        .values(notice)
                        .into_iter()
                        .map(|(path, value)| format!("{path} = {value}"))
                        .collect();
                    let source = spec.filter.as_deref().unwrap_or("");
                    refused(
                        What::FilterSaidNo,
                        format!("{source}  ({})", values.join(", ")),
                    )
                }
                Err(fault) => refused(What::FilterFailed, fault.to_string()),
            },
            Some(Err(fault)) => refused(What::FilterFailed, fault.clone()),
        }
    }

    /// How bad a notice is for this tracker.
    pub fn severity(&self, notice: &Notice) -> Severity {
        let own = notice.draft.severity;
        match &self.severity {
            None => own,
            Some(Severities::ByKind(kinds)) => {
                kinds.get(&notice.draft.kind).copied().unwrap_or(own)
            }
            Some(Severities::Value(expression)) => expression
                .value(notice)
                .ok()
                .and_then(|word| Severity::parse(&word))
                .unwrap_or(own),
        }
    }

    /// Hash of what the tracker groups a notice by; 0 when it groups nothing.
    pub fn group(&self, notice: &Notice) -> u64 {
        self.group.as_ref().map_or(0, |by| {
            let value = by.value(notice).unwrap_or_default();
            xxh3_64(value.as_bytes()).max(1)
        })
    }
}

/// A gate that said no, and the value that decided.
pub struct Refused {
    pub what: What,
    pub detail: String,
}

fn refused(what: What, detail: String) -> Result<(), Refused> {
    Err(Refused { what, detail })
}

/// Globs of which `!` negates. Without any wanted one everything is wanted that is not unwanted.
pub struct Patterns {
    wanted: Vec<Pattern>,
    unwanted: Vec<Pattern>,
}

enum Pattern {
    Word(String),
    Glob(GlobMatcher),
}

impl Pattern {
    fn of(source: &str) -> Self {
        let special = |c: char| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\');
        if !source.contains(special) {
            return Pattern::Word(source.to_owned());
        }
        match GlobBuilder::new(source).literal_separator(false).build() {
            Ok(glob) => Pattern::Glob(glob.compile_matcher()),
            // Refused when configured; a pattern that got here all the same is taken as a word.
            Err(_) => Pattern::Word(source.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Word(word) => word == text,
            Pattern::Glob(glob) => glob.is_match(text),
        }
    }
}

impl Patterns {
    pub fn of(sources: &[String]) -> Self {
        let mut patterns = Patterns {
            wanted: Vec::new(),
            unwanted: Vec::new(),
        };
        for source in sources {
            match source.strip_prefix('!') {
                Some(source) => patterns.unwanted.push(Pattern::of(source)),
                None => patterns.wanted.push(Pattern::of(source)),
            }
        }
        patterns
    }

    pub fn want(&self, texts: &[&str]) -> bool {
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .any(|pattern| texts.iter().any(|text| pattern.matches(text)))
        };
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.unwanted)
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty()
    }
}
