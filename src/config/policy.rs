//! Keys of the time policy that stand in several places and mean the same in each: windows, pace,
//! digests, spans of time, thresholds; and the tables of a tracker and a link.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::EXPRESSION_BYTES_MAX;
use super::later::Later;
use super::names::Names;
use super::quantity::{self, NotAQuantity};
use super::reader::{Field, Reader};
use super::shapes::ProviderShape;
use super::wording::{shown, suggestion};
use crate::domain::civil::{CivilTime, DaySpan};
use crate::domain::notice::Severity;
use crate::domain::policy::{
    CatchUp, DIGEST_NOTICES_DEFAULT, DIGEST_NOTICES_MAX, DigestSpec, GROUP_INTERVAL_DEFAULT,
    GROUP_REPEAT_DEFAULT, GROUP_WAIT_DEFAULT, GroupSpec, INHIBIT_RULES_MAX, InhibitSpec,
    InhibitWhen, SEVERITY_KINDS_MAX, SPAN_SECONDS_MAX, SPAN_SECONDS_MIN, SeveritySpec, Span,
    Threshold, WallClock,
};
use crate::domain::recur::TIMES_MAX;
use crate::domain::spec::{EntityKind, LinkSpec, Rate, TrackerSpec};
use crate::domain::windows::{DAY_SPANS_MAX, WINDOWS_MAX, WindowMode, WindowSpec};
use crate::projections::storms::STORM_COUNT_MAX;

/// `quiet`: absent inherits, an empty list says that no window holds here.
pub(super) fn quiet(reader: &Reader<'_>) -> Option<Vec<WindowSpec>> {
    reader.take("quiet").and_then(|field| windows(&field))
}

pub(super) fn windows(field: &Field<'_>) -> Option<Vec<WindowSpec>> {
    let entries = field.list(WINDOWS_MAX)?;
    Some(entries.iter().filter_map(window).collect())
}

fn window(field: &Field<'_>) -> Option<WindowSpec> {
    let table = field.table()?;
    let days = table.take("days").map(|field| days(&field));
    let from = table.need("from").and_then(|field| written(&field));
    let to = table.need("to").and_then(|field| written(&field));
    let zone = table.take("zone").and_then(|field| field.zone());
    let words = WindowMode::ALL.map(|mode| (mode.as_str(), mode));
    let mode = table.take("mode").and_then(|field| field.one_of(&words));
    if let (Some(field), Some(CivilTime::DAY_END)) = (table.peek("from"), from) {
        field.problem("is the end of a day and no begin; write `00:00` and the day after");
    }
    table.finish(Later::Nothing, |_| None);
    Some(WindowSpec {
        days: days.unwrap_or_default(),
        from: from?,
        to: to?,
        zone,
        mode: mode.unwrap_or_default(),
    })
}

fn days(field: &Field<'_>) -> Vec<DaySpan> {
    let Some(lines) = field.lines(DAY_SPANS_MAX) else {
        return Vec::new();
    };
    if lines.is_empty()
        && field
            .list(DAY_SPANS_MAX)
            .is_some_and(|list| list.is_empty())
    {
        field.problem("names no day, so the window would never begin; leave it out for every day");
    }
    lines
        .iter()
        .filter_map(|(_, field)| written(field))
        .collect()
}

/// A text that its own type reads, whose error repeats it and says what to write.
pub(super) fn written<T: FromStr>(field: &Field<'_>) -> Option<T>
where
    T::Err: ToString,
{
    let text = field.line()?;
    match text.parse() {
        Ok(value) => Some(value),
        Err(why) => {
            field.problem(why.to_string());
            None
        }
    }
}

/// A time of at least a second.
pub(super) fn span(reader: &Reader<'_>, key: &'static str) -> Option<Span> {
    reader.take(key).and_then(|field| read_span(&field))
}

fn read_span(field: &Field<'_>) -> Option<Span> {
    span_from(field, SPAN_SECONDS_MIN, quantity::duration_seconds)
}

/// A time that may be none at all.
fn span_or_none(field: &Field<'_>) -> Option<Span> {
    span_from(field, 0, quantity::duration_seconds_or_none)
}

fn span_from(
    field: &Field<'_>,
    seconds_min: u32,
    read: fn(&str) -> Result<u32, NotAQuantity>,
) -> Option<Span> {
    let span = Span::of_seconds(field.quantity(read)?);
    if (seconds_min..=SPAN_SECONDS_MAX).contains(&span.seconds()) {
        return Some(span);
    }
    field.problem(format!(
        "has to lie between {} and {}",
        Span::of_seconds(seconds_min),
        Span::of_seconds(SPAN_SECONDS_MAX)
    ));
    None
}

pub(super) fn pace(reader: &Reader<'_>) -> Option<Option<Rate>> {
    reader.take("pace").and_then(|field| field.rate())
}

/// `storm`; `"off"` is what a receiver has anyway.
pub(super) fn storm(reader: &Reader<'_>) -> Option<Rate> {
    let field = reader.take("storm")?;
    let rate = field.rate().flatten()?;
    if rate.count > STORM_COUNT_MAX {
        field.problem(format!(
            "counts at most {STORM_COUNT_MAX} messages; say fewer, or leave it out"
        ));
        return None;
    }
    Some(rate)
}

/// `digest` of a receiver.
pub(super) fn digest(reader: &Reader<'_>) -> Option<DigestSpec> {
    let field = reader.take("digest")?;
    if field.as_text() == Some("off") {
        field.problem("a receiver has no digest unless it says so; leave it out");
        return None;
    }
    read_digest(&field)
}

fn read_digest(field: &Field<'_>) -> Option<DigestSpec> {
    let table = field.table()?;
    let notices = 1..=DIGEST_NOTICES_MAX;
    let at_field = table.take("at");
    let every_field = table.take("every");
    let digest = DigestSpec {
        every: every_field.as_ref().and_then(read_span),
        at: at_field.as_ref().map(times).unwrap_or_default(),
        after: table
            .take("after")
            .and_then(|field| field.count(notices.clone())),
        max: table
            .take("max")
            .and_then(|field| field.count(notices))
            .unwrap_or(DIGEST_NOTICES_DEFAULT),
    };
    if let (Some(every), Some(_)) = (&every_field, &at_field) {
        every.problem("stands beside `at`, and a digest has one of them; leave one out");
    }
    if every_field.is_none() && at_field.is_none() && table.peek("after").is_none() {
        table.problem("does not say when; give `every`, `at` or `after`");
    }
    table.finish(Later::Nothing, |_| None);
    Some(digest)
}

fn times(field: &Field<'_>) -> Vec<CivilTime> {
    let lines = field.lines(TIMES_MAX).unwrap_or_default();
    if field.list(TIMES_MAX).is_some_and(|list| list.is_empty()) {
        field.problem("names no time of day; give one like `08:00`");
    }
    lines
        .iter()
        .filter_map(|(_, field)| written(field))
        .collect()
}

fn threshold(field: &Field<'_>) -> Option<Threshold> {
    field.one_of(&Threshold::ALL.map(|threshold| (threshold.as_str(), threshold)))
}

/// What a tracker says of time, into its spec, whose provider is already read.
pub(super) fn of_tracker(reader: &Reader<'_>, names: &Names<'_>, spec: &mut TrackerSpec) {
    spec.quiet = quiet(reader);
    spec.group = reader.take("group").and_then(|field| group(&field, names));
    spec.settle = reader.take("settle").and_then(|field| span_or_none(&field));
    spec.settle_max = span(reader, "settle_max");
    if let (Some(settle), Some(settle_max), Some(field)) =
        (spec.settle, spec.settle_max, reader.peek("settle_max"))
        && settle_max < settle
    {
        field.problem(format!(
            "is shorter than `settle`, {settle}, so nothing could settle; make it as long at least"
        ));
    }
    spec.severity = reader
        .take("severity")
        .and_then(|field| severity(&field, &spec.provider, names));
    spec.inhibit = reader
        .take("inhibit")
        .and_then(|field| field.list(INHIBIT_RULES_MAX))
        .unwrap_or_default()
        .iter()
        .filter_map(|field| inhibit(field, names))
        .collect();
    spec.expect = span(reader, "expect");
}

fn group(field: &Field<'_>, names: &Names<'_>) -> Option<GroupSpec> {
    let table = field.table()?;
    let by = table
        .need("by")
        .and_then(|field| field.compiled(EXPRESSION_BYTES_MAX, names.checks.filter));
    let wait = span(&table, "wait").unwrap_or(GROUP_WAIT_DEFAULT);
    let interval = span(&table, "interval").unwrap_or(GROUP_INTERVAL_DEFAULT);
    let repeat = span(&table, "repeat").unwrap_or(GROUP_REPEAT_DEFAULT);
    table.finish(Later::Nothing, |_| None);
    Some(GroupSpec {
        by: by?,
        wait,
        interval,
        repeat,
    })
}

/// A table of words by notice kind, or an expression that gives the word.
fn severity(field: &Field<'_>, provider: &str, names: &Names<'_>) -> Option<SeveritySpec> {
    if field.as_text().is_some() {
        let source = field.compiled(EXPRESSION_BYTES_MAX, names.checks.filter)?;
        if Severity::parse(source.trim()).is_some() {
            field.problem(format!(
                "is an expression, in which {} is the name of a value; put the word in quotes once more: `\"'{}'\"`",
                shown(source.trim()),
                source.trim()
            ));
        }
        return Some(SeveritySpec::Expression(source));
    }
    if !field.is_table() {
        return field.wrong_type("a table of severities by notice kind, or an expression");
    }
    let table = field.table()?;
    if table.keys() > SEVERITY_KINDS_MAX {
        table.problem(format!(
            "names more than {SEVERITY_KINDS_MAX} kinds; write an expression instead"
        ));
        return None;
    }
    if table.keys() == 0 {
        table.problem("names no notice kind; give one a severity, or leave it out");
    }
    let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let mut by_kind = BTreeMap::new();
    for (kind, field) in table.rest() {
        notice_kind(&field, kind, provider, names);
        if let Some(severity) = field.one_of(&words) {
            by_kind.insert(kind.to_owned(), severity);
        }
    }
    Some(SeveritySpec::ByKind(by_kind))
}

/// Checks that a provider can give notices of this kind.
fn notice_kind(field: &Field<'_>, kind: &str, provider: &str, names: &Names<'_>) {
    let Some(provider_kind) = names.kind_of(EntityKind::Provider, provider) else {
        return;
    };
    let Some(ProviderShape { notice_kinds, .. }) = names.shape_of_provider(provider_kind) else {
        return;
    };
    if notice_kinds.is_empty() || notice_kinds.contains(&kind) {
        return;
    }
    field.problem(format!(
        "kind {} has no notice kind {}{}",
        shown(provider_kind),
        shown(kind),
        suggestion(kind, notice_kinds.iter().copied())
    ));
}

fn inhibit(field: &Field<'_>, names: &Names<'_>) -> Option<InhibitSpec> {
    let table = field.table()?;
    let when = table
        .need("when")
        .and_then(|field| inhibit_when(&field, names));
    let except = table.take("except").and_then(|field| threshold(&field));
    table.finish(Later::Nothing, |_| None);
    Some(InhibitSpec {
        when: when?,
        except: except.unwrap_or(Threshold::Off),
    })
}

fn inhibit_when(field: &Field<'_>, names: &Names<'_>) -> Option<InhibitWhen> {
    let table = field.table()?;
    let provider = table.need("provider").and_then(|field| {
        let name = field.line()?;
        names.refer(&field, EntityKind::Provider, &name);
        Some(name)
    });
    let of_provider = |field: Option<Field<'_>>| {
        let field = field?;
        let kind = field.line()?;
        if let Some(provider) = &provider {
            notice_kind(&field, &kind, provider, names);
        }
        Some(kind)
    };
    let kind = of_provider(table.need("kind"));
    let until = of_provider(table.take("until"));
    table.finish(Later::Nothing, |_| None);
    Some(InhibitWhen {
        provider: provider?,
        kind: kind?,
        until,
    })
}

/// What a link says of time, into its spec, whose target is already read.
pub(super) fn of_link(reader: &Reader<'_>, names: &Names<'_>, spec: &mut LinkSpec) {
    spec.quiet = quiet(reader);
    spec.digest = reader
        .take("digest")
        .and_then(|field| match field.as_text() {
            Some("off") => Some(None),
            Some(_) => field.wrong_type("a table in { }, or `\"off\"`"),
            None => read_digest(&field).map(Some),
        });
    if let Some(pierce) = reader.take("pierce").and_then(|field| threshold(&field)) {
        spec.pierce = pierce;
    }
    if let Some(field) = reader.take("fallback") {
        spec.fallback = fallback(&field, &spec.target, names);
    }
    spec.fallback_after = span(reader, "fallback_after");
    if let Some(field) = reader.peek("fallback_after")
        && reader.peek("fallback").is_none()
    {
        field.problem("says when, but there is no `fallback` that says where; give one too");
    }
    spec.update = reader.flag("update", false);
    spec.catch_up = reader
        .take("catch_up")
        .and_then(|field| catch_up(&field))
        .unwrap_or_default();
    spec.wall_clock = reader
        .take("wall_clock")
        .and_then(|field| field.one_of(&[("drop", WallClock::Drop), ("hold", WallClock::Hold)]))
        .unwrap_or_default();
}

/// What does not arrive at a target does not arrive there by another way either.
fn fallback(field: &Field<'_>, target: &str, names: &Names<'_>) -> Option<String> {
    let name = field.line()?;
    names.refer(field, EntityKind::Target, &name);
    if !target.is_empty()
        && let Some(shared) = shared_target(&names.reached_by(target), &names.reached_by(&name))
    {
        field.problem(falls_back_on_itself(&name, target, shared));
    }
    Some(name)
}

/// A target that messages to both are for.
pub(super) fn shared_target<'n>(
    one: &'n BTreeSet<String>,
    other: &BTreeSet<String>,
) -> Option<&'n str> {
    let mut shared = one.iter().filter(|name| other.contains(*name));
    shared.next().map(String::as_str)
}

pub(super) fn falls_back_on_itself(fallback: &str, target: &str, shared: &str) -> String {
    if fallback == target {
        return "is the link's own target; name another".into();
    }
    if shared == target {
        return format!(
            "{} holds the link's own target; name one apart from it",
            shown(fallback)
        );
    }
    if shared == fallback {
        return format!(
            "is one of the targets of {} already; name one apart from them",
            shown(target)
        );
    }
    format!(
        "{} and {} share the target {}; name one apart from it",
        shown(fallback),
        shown(target),
        shown(shared)
    )
}

fn catch_up(field: &Field<'_>) -> Option<CatchUp> {
    if !field.is_table() {
        return field.one_of(&[
            ("all", CatchUp::All),
            ("newest", CatchUp::Newest),
            ("summary", CatchUp::Summary),
        ]);
    }
    let table = field.table()?;
    let max_age = table.need("max_age").and_then(|field| read_span(&field));
    table.finish(Later::Nothing, |_| None);
    max_age.map(CatchUp::MaxAge)
}
