//! What a tracker wants, made ready once per configuration.

use std::borrow::Cow;
use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::notice::{Notice, NoticeDraft, Severity};
use crate::domain::policy::SeveritySpec;
use crate::domain::reason::What;
use crate::domain::spec::TrackerSpec;
use crate::projections::configuration::Configuration;
use crate::providers::{self, Provider};
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

/// The provider kind and the tracker that shape a notice before it is told.
pub struct Shaper<'a> {
    kind: &'static dyn Provider,
    tracker: Cow<'a, TrackerSpec>,
}

impl<'a> Shaper<'a> {
    /// `None` where nothing is known that could shape: a one-off message has no tracker.
    pub fn of(configuration: &'a Configuration, tracker: u32) -> Option<Self> {
        let tracker = &configuration.trackers.get(&tracker)?.entity.spec;
        let provider = configuration.provider(&tracker.provider)?;
        Shaper::new(&provider.spec.kind, tracker)
    }

    /// For who knows the provider's kind and the tracker already.
    pub fn new(provider_kind: &str, tracker: &'a TrackerSpec) -> Option<Self> {
        Some(Shaper {
            kind: providers::kind(provider_kind)?,
            tracker: Cow::Borrowed(tracker),
        })
    }

    pub fn into_owned(self) -> Shaper<'static> {
        Shaper {
            kind: self.kind,
            tracker: Cow::Owned(self.tracker.into_owned()),
        }
    }

    /// What the tracker's options make of a notice, or why it wants nothing of it.
    pub fn shape<'n>(&self, notice: &'n NoticeDraft) -> Result<Cow<'n, NoticeDraft>, String> {
        let tracker = &self.tracker;
        self.kind
            .shape(&tracker.name, &tracker.asks.options, notice)
    }

    /// The notice as it is told. Where the options changed since it was routed so that they want
    /// nothing of it, it stays as it is.
    pub fn told(&self, notice: &NoticeDraft) -> Option<NoticeDraft> {
        self.shape(notice).ok().and_then(|shaped| match shaped {
            Cow::Owned(shaped) => Some(shaped),
            Cow::Borrowed(_) => None,
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
