//! How dates, numbers and spans of time are written in a language.
//!
//! A locale is a table; another language is one more of them. A language without a table gets dates
//! in numbers, which everyone reads, and English words.

/// The rules and words of one language.
#[derive(Debug)]
pub(super) struct Locale {
    /// Its tag, `en`.
    pub language: &'static str,
    pub date: DateStyle,
    /// Between groups of three digits.
    pub group: &'static str,
    pub point: &'static str,
    pub just_now: &'static str,
    /// The forms of each unit, for `ago`; from seconds to days.
    pub units: [&'static [&'static str]; 4],
    /// Short names, for `duration`.
    pub short_units: [&'static str; 4],
    /// What stands around a span of time that is over, and one that is to come.
    pub past: (&'static str, &'static str),
    pub future: (&'static str, &'static str),
    /// Which of the given forms counts so many.
    pub form: fn(count: f64, forms: usize) -> usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum DateStyle {
    /// 24 Nov 2025, with the months' names.
    Words(&'static [&'static str; 12]),
    /// 2025-11-24.
    Numbers,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

static ENGLISH: Locale = Locale {
    language: "en",
    date: DateStyle::Words(&MONTHS),
    group: ",",
    point: ".",
    just_now: "just now",
    units: [
        &["second", "seconds"],
        &["minute", "minutes"],
        &["hour", "hours"],
        &["day", "days"],
    ],
    short_units: ["s", "min", "h", "d"],
    past: ("", " ago"),
    future: ("in ", ""),
    form: one_or_more,
};

const RUSSIAN_MONTHS: [&str; 12] = [
    "янв.",
    "февр.",
    "марта",
    "апр.",
    "мая",
    "июня",
    "июля",
    "авг.",
    "сент.",
    "окт.",
    "нояб.",
    "дек.",
];

static RUSSIAN: Locale = Locale {
    language: "ru",
    date: DateStyle::Words(&RUSSIAN_MONTHS),
    group: "\u{00A0}",
    point: ",",
    just_now: "только что",
    // In the case that both `назад` and `через` ask for.
    units: [
        &["секунду", "секунды", "секунд"],
        &["минуту", "минуты", "минут"],
        &["час", "часа", "часов"],
        &["день", "дня", "дней"],
    ],
    short_units: ["с", "мин", "ч", "д"],
    past: ("", " назад"),
    future: ("через ", ""),
    form: one_few_many,
};

static ELSEWHERE: Locale = Locale {
    language: "",
    date: DateStyle::Numbers,
    // A narrow space that does not break, as the SI has it.
    group: "\u{202F}",
    point: ".",
    just_now: "just now",
    units: ENGLISH.units,
    short_units: ["s", "min", "h", "d"],
    past: ("", " ago"),
    future: ("in ", ""),
    form: one_or_more,
};

static LOCALES: &[&Locale] = &[&ENGLISH, &RUSSIAN];

/// 1 коммит, 2 коммита, 5 коммитов; a fraction takes the second form.
fn one_few_many(count: f64, forms: usize) -> usize {
    let count = count.abs();
    let form = if count.fract() != 0.0 {
        1
    } else {
        match (count % 10.0, count % 100.0) {
            (last, tail) if last == 1.0 && tail != 11.0 => 0,
            (last, tail) if (2.0..=4.0).contains(&last) && !(12.0..=14.0).contains(&tail) => 1,
            _ => 2,
        }
    };
    form.min(forms.saturating_sub(1))
}

fn one_or_more(count: f64, forms: usize) -> usize {
    if count.abs() == 1.0 {
        0
    } else {
        forms.saturating_sub(1)
    }
}

/// The locale of a tag such as `en-GB`.
pub(super) fn of(tag: &str) -> &'static Locale {
    let language = tag.split(['-', '_']).next().unwrap_or_default();
    LOCALES
        .iter()
        .copied()
        .find(|locale| locale.language.eq_ignore_ascii_case(language))
        .unwrap_or(&ELSEWHERE)
}
