//! Texts as people write them: few words often, many seldom.

use notify_bridge::domain::notice::{Collection, NoticeDraft, Severity, Subject};

/// Different words.
const VOCABULARY: u64 = 30_000;
/// Words of a title, and of a text.
const TITLE_WORDS: u64 = 6;
const TEXT_WORDS: u64 = 34;

const SYLLABLES: [&str; 24] = [
    "ka", "lo", "mi", "ter", "ven", "so", "ru", "pal", "ne", "dor", "gi", "ash", "bel", "cu",
    "fan", "hem", "jo", "kri", "lun", "mor", "ost", "pri", "sta", "wen",
];

/// The word of a rank; common words are short.
pub fn word(rank: u64) -> String {
    let mut rest = rank % VOCABULARY + 24;
    let mut word = String::new();
    while rest > 0 {
        word.push_str(SYLLABLES[(rest % 24) as usize]);
        rest /= 24;
    }
    word
}

/// The same number for the same seed, spread over all numbers.
fn spread(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn words(number: u64, from: u64, count: u64) -> String {
    let ranks = (from..from + count).map(|nth| {
        let share = spread(number << 8 | nth) as f64 / u64::MAX as f64;
        // Evenly over the logarithm: half of all words are among the first two hundred.
        word((VOCABULARY as f64).powf(share) as u64)
    });
    ranks.collect::<Vec<_>>().join(" ")
}

pub fn title(number: u64) -> String {
    words(number, 0, TITLE_WORDS)
}

pub fn text(number: u64) -> String {
    words(number, TITLE_WORDS, TEXT_WORDS)
}

/// Something that happened, about as long as a push with its commits.
pub fn notice(number: u64) -> NoticeDraft {
    let repository = format!("kites/{}", word(number % 40));
    NoticeDraft {
        kind: ["push", "issue_opened", "run_failed"][(number % 3) as usize].into(),
        title: title(number),
        text: text(number),
        severity: Severity::ALL[(number % 4) as usize],
        actor: Some(word(number % 30)),
        subject: Subject {
            key: format!("{number}"),
            label: format!("#{number}"),
        },
        collection: Some(Collection {
            id: repository.clone(),
            name: repository,
        }),
        ..NoticeDraft::default()
    }
}
