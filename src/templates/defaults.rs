//! The built-in words: a bold line that says what happened, what there is to read below it, and a
//! button to the thing itself.
//!
//! Providers make a title that reads alone, so the words differ by how the text is best read: what a
//! person wrote is quoted, lists stay lists, messages stay whole. Another language is one more row
//! of phrases, with titles of its own.

mod russian;

use std::collections::BTreeMap;

use crate::domain::spec::{ButtonSpec, WordsSpec};

/// The few words that are ours and not the sender's.
#[derive(Debug)]
struct Phrases {
    language: &'static str,
    open: &'static str,
    /// What follows a count of things left out.
    more: (&'static str, &'static str),
    /// The forms that go with a count.
    notices: &'static [&'static str],
    labels: &'static str,
    level: &'static str,
    package: &'static str,
    /// The title of a kind; `None`: the provider's own.
    title: fn(kind: &str) -> Option<String>,
    /// The same as a line of a digest, below the name of the place.
    line: fn(kind: &str) -> Option<String>,
    /// What is said of something that began while nobody was to be woken, and goes on: by kind.
    still: &'static [(&'static str, &'static str)],
    /// What stands above a digest's lines of one kind in one place.
    heading: &'static str,
}

/// Under this format a kind has its line of a digest, in languages with titles of their own.
pub(super) const LINE: &str = "line";

static PHRASES: &[Phrases] = &[
    Phrases {
        language: "en",
        open: "Open",
        more: ("and ", " more"),
        notices: &["notice", "notices"],
        labels: "Labels",
        level: "Severity",
        package: "Package",
        still: &[
            ("firing", "still firing"),
            ("on_battery", "still on battery"),
            ("low_battery", "battery still low"),
            ("overload", "still overloaded"),
            ("replace_battery", "battery still to be replaced"),
            ("connection_lost", "connection still lost"),
            ("comms_lost", "connection still lost"),
            ("run_failed", "still failing"),
        ],
        title: |_| None,
        line: |_| None,
        heading: "**{{ group.kind|replace('_', ' ')|capitalize }}\
            {% if group.collection %} · {{ group.collection }}{% endif %}**",
    },
    Phrases {
        language: "ru",
        open: "Открыть",
        more: ("и ещё ", ""),
        notices: &["уведомление", "уведомления", "уведомлений"],
        labels: "Метки",
        level: "Важность",
        package: "Пакет",
        still: &[
            ("firing", "всё ещё в силе"),
            ("on_battery", "всё ещё от батареи"),
            ("low_battery", "батарея всё ещё разряжена"),
            ("overload", "перегрузка продолжается"),
            ("replace_battery", "батарею всё ещё нужно заменить"),
            ("connection_lost", "связи всё ещё нет"),
            ("comms_lost", "связи всё ещё нет"),
            ("run_failed", "всё ещё сбой"),
        ],
        title: russian::title,
        line: russian::line,
        heading: "{% if group.collection %}**{{ group.collection }}**{% endif %}",
    },
];

/// The words for what goes on, where the kind of `of` has some; `around` puts them where they stand.
fn still(phrases: &Phrases, of: &str, around: impl Fn(&str) -> String) -> String {
    let mut chain = String::new();
    for (kind, words) in phrases.still {
        let word = if chain.is_empty() { "if" } else { "elif" };
        chain.push_str(&format!("{{% {word} {of} == '{kind}' %}}{}", around(words)));
    }
    chain.push_str("{% endif %}");
    chain
}

fn capitalized(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// How the text of a kind is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Someone's words: quoted, the beginning.
    Quoted,
    /// Someone's words about something with labels: quoted, and the labels.
    Labelled,
    /// Lines made by a program or a list: as they are, the beginning.
    Lines,
    /// The message itself: whole, as far as a message goes.
    Whole,
    /// An alert: how bad, about what, and the beginning of the text.
    Alert,
    /// Items of a collection: what they have in common, and each with where it is seen. Their tracker
    /// says how many there are to show.
    Items,
    /// Nothing known: the beginning of the text, and the items.
    Any,
}

static READINGS: &[(Reading, &[&str])] = &[
    (
        Reading::Labelled,
        &[
            "issue_opened",
            "issue_reopened",
            "pull_opened",
            "pull_reopened",
        ],
    ),
    (
        Reading::Quoted,
        &[
            "issue_closed",
            "issue_commented",
            "issue_labelled",
            "issue_assigned",
            "pull_closed",
            "pull_merged",
            "pull_updated",
            "pull_commented",
            "review_approved",
            "review_changes_requested",
            "review_commented",
            "discussion_opened",
            "discussion_answered",
        ],
    ),
    (
        Reading::Lines,
        &[
            "push",
            "branch_created",
            "branch_deleted",
            "tag_created",
            "tag_deleted",
            "release_published",
            "release_updated",
            "release_deleted",
            "run_succeeded",
            "run_failed",
            "run_cancelled",
            "deployment_changed",
            "repository_created",
            "repository_deleted",
            "repository_renamed",
            "forked",
            "starred",
            "wiki_changed",
            "member_changed",
            "other",
            "on_line",
            "on_battery",
            "low_battery",
            "battery_restored",
            "comms_lost",
            "comms_restored",
            "replace_battery",
            "overload",
        ],
    ),
    (
        Reading::Lines,
        &[
            "state_changed",
            "automation_triggered",
            "service_called",
            "event_fired",
            "connection_lost",
            "connection_restored",
        ],
    ),
    (
        Reading::Lines,
        &[
            "bridge_target_failing",
            "bridge_target_recovered",
            "bridge_receiver_gone",
            "bridge_provider_unreachable",
            "bridge_provider_reachable",
            "bridge_silent",
            "bridge_heard_again",
            "bridge_storm",
            "bridge_disk_low",
            "bridge_backup_failed",
        ],
    ),
    (Reading::Alert, &["security_alert"]),
    (
        Reading::Whole,
        &["message", "received", "scheduled_message"],
    ),
    (
        Reading::Items,
        &[
            "assets_added",
            "assets_removed",
            "album_renamed",
            "album_created",
            "album_deleted",
            "sharing_changed",
            "assets_picked",
            "memory",
        ],
    ),
    (Reading::Whole, &["summary"]),
    (Reading::Any, &["default"]),
];

/// How bad it is, before the title.
const MARK: &str = "{% if notice.severity == 'critical' %}🔴 \
    {% elif notice.severity == 'warning' %}⚠️ {% endif %}";

const TITLE: &str = "{{ notice.title or notice.kind|replace('_', ' ')|capitalize }}";

/// A title with what stands before it.
fn title(phrases: &Phrases, says: &str) -> String {
    let still = still(phrases, "notice.kind", |words| {
        format!("{}: ", capitalized(words))
    });
    format!("{MARK}**{{% if still %}}{still}{{% endif %}}{says}**")
}

/// A message without a title is its text.
const TITLE_OF_MESSAGE: &str = "{% if notice.title or not notice.text %}\
    {% if notice.severity == 'critical' %}🔴 \
    {% elif notice.severity == 'warning' %}⚠️ {% endif %}\
    **{{ notice.title or notice.kind|replace('_', ' ')|capitalize }}**{% endif %}";

/// Where, when the title does not say it.
const PLACE: &str = "{% if notice.collection and notice.collection not in notice.title %}\
    {{ notice.collection }}\n\n{% endif %}";

const QUOTE: &str = "{% if notice.text %}> {{ notice.text|excerpt }}\n\n{% endif %}";

const LINES: &str = "{{ notice.text|excerpt }}";

/// Targets split or cut by their own limits; this only keeps a flood of lines away.
const WHOLE: &str = "{{ notice.text|excerpt(12000, 400) }}";

fn text(reading: Reading, place: &str, phrases: &Phrases) -> String {
    match reading {
        Reading::Quoted => format!("{place}{QUOTE}"),
        Reading::Lines => format!("{place}{LINES}"),
        Reading::Whole => WHOLE.to_owned(),
        Reading::Labelled => format!(
            "{place}{QUOTE}{{% if notice.labels.labels %}}{}: {{{{ notice.labels.labels }}}}{{% endif %}}",
            phrases.labels
        ),
        Reading::Alert => format!(
            "{place}{{% if notice.labels.level %}}{}: {{{{ notice.labels.level }}}}\n{{% endif %}}\
             {{% if notice.labels.package %}}{}: {{{{ notice.labels.package }}}}\n{{% endif %}}\n{LINES}",
            phrases.level, phrases.package
        ),
        Reading::Items => {
            let (before, after) = phrases.more;
            format!(
                "{LINES}\n\n{{% for item in items[:50] %}}- {{% if item.public_url or item.url %}}\
                 [{{{{ item.label }}}}]({{{{ item.public_url or item.url }}}})\
                 {{% else %}}{{{{ item.label }}}}{{% endif %}}\n{{% endfor %}}\
                 {{% if count > [items|length, 50]|min %}}- {before}{{{{ (count - [items|length, 50]|min)|number }}}}{after}{{% endif %}}"
            )
        }
        Reading::Any => {
            let (before, after) = phrases.more;
            format!(
                "{place}{LINES}\n\n{{% for item in items[:5] %}}- {{{{ item.label }}}}\n{{% endfor %}}\
                 {{% if count > 5 %}}- {before}{{{{ (count - 5)|number }}}}{after}{{% endif %}}"
            )
        }
    }
}

/// The built-in words of every language, by kind, as a person would configure them.
pub fn languages() -> impl Iterator<Item = (&'static str, BTreeMap<String, WordsSpec>)> {
    PHRASES
        .iter()
        .map(|phrases| (phrases.language, entries(phrases)))
}

fn entries(phrases: &Phrases) -> BTreeMap<String, WordsSpec> {
    let mut entries = BTreeMap::new();
    for (reading, kinds) in READINGS {
        for kind in *kinds {
            let own = (phrases.title)(kind);
            // Titles of our own say where it was.
            let place = if own.is_some() { "" } else { PLACE };
            let title = match (own, reading) {
                (Some(own), _) => title(phrases, &own),
                (None, Reading::Whole) => TITLE_OF_MESSAGE.to_owned(),
                (
                    None,
                    Reading::Quoted
                    | Reading::Labelled
                    | Reading::Lines
                    | Reading::Alert
                    | Reading::Items
                    | Reading::Any,
                ) => title(phrases, TITLE),
            };
            entries.insert(
                (*kind).to_owned(),
                WordsSpec {
                    title: Some(title),
                    text: Some(text(*reading, place, phrases)),
                    buttons: vec![ButtonSpec {
                        text: phrases.open.to_owned(),
                        url: "{{ notice.url }}".to_owned(),
                    }],
                    formats: (phrases.line)(kind)
                        .map(|line| (LINE.to_owned(), line))
                        .into_iter()
                        .collect(),
                },
            );
        }
    }
    entries.insert(super::DIGEST_KIND.to_owned(), digest(phrases));
    entries
}

/// Groups with what there is in each, of few notices also how their texts begin; what is not listed
/// is counted.
fn digest(phrases: &Phrases) -> WordsSpec {
    let (before, after) = phrases.more;
    let heading = phrases.heading;
    let forms = phrases
        .notices
        .iter()
        .map(|form| format!("'{form}'"))
        .collect::<Vec<_>>()
        .join(", ");
    let still = still(phrases, "entry.kind", |words| format!(" ({words})"));
    WordsSpec {
        title: Some(format!(
            "{MARK}**{{{{ count|number }}}} {{{{ count|plural({forms}) }}}}\
             {{% if groups|length == 1 and groups[0].collection %}}: {{{{ groups[0].collection }}}}{{% endif %}}**"
        )),
        text: Some(format!(
            "{{% for group in groups %}}\
             {heading}\n\n\
             {{% for entry in group.notices %}}- {{% if entry.url %}}[{{{{ entry.title or entry.kind }}}}]({{{{ entry.url }}}})\
             {{% else %}}{{{{ entry.title or entry.kind }}}}{{% endif %}}\
             {{% if entry.still %}}{still}{{% endif %}}\
             {{% if entry.text and count <= 20 %}}: {{{{ entry.text|excerpt(120, 1) }}}}{{% endif %}}\n{{% endfor %}}\n\
             {{% endfor %}}\
             {{% if more %}}{before}{{{{ more|number }}}}{after}{{% endif %}}"
        )),
        buttons: Vec::new(),
        formats: BTreeMap::new(),
    }
}
