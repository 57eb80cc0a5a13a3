//! Question: can any template or filter take more memory than it may, whatever it tries?
//!
//! Each try ends, and while it runs the program never holds 16 MiB more than before. What a try
//! costs in time is not measured here: fuel pays for every byte that is read or made, so the bound
//! on bytes is a bound on time.

use notify_bridge::domain::notice::{Item, ItemKind, Items, Notice, NoticeDraft};
use notify_bridge::domain::spec::{TemplateSpec, WordsSpec};
use notify_bridge::templates::{Filter, Scene, Words, render, render_body};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A notice as large as its bounds let it be.
fn large() -> Notice {
    let items: Vec<Item> = (0..500)
        .map(|n| Item {
            key: format!("key-{n}"),
            kind: ItemKind::Photo,
            label: "l".repeat(200),
            ..Item::default()
        })
        .collect();
    Notice {
        id: "01JDF2Z6V80001800000000000".into(),
        position: 1,
        received_at: 1_764_000_000_000_000,
        provider: "forge".into(),
        provider_kind: "gitea".into(),
        dispatch_id: "d".into(),
        draft: NoticeDraft {
            kind: "push".into(),
            title: "t".repeat(1_024),
            text: "x*y\n".repeat(8 * 1_024),
            labels: (0..64)
                .map(|n| (format!("l{n:02}"), "v".repeat(2_048)))
                .collect(),
            items: Items {
                added_total: items.len() as u64,
                added: items,
                ..Items::default()
            },
            ..NoticeDraft::default()
        },
    }
}

/// Whether the outcome is worth looking at besides its cost.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Outcome {
    /// Refused when compiled, or failed when run.
    Fault,
    /// Small enough to be allowed.
    Fine,
}
use Outcome::{Fault, Fine};

/// `s` doubled so many times.
fn doubled(times: usize, how: &str) -> String {
    let mut text = String::from("{% set s = 'abcdefgh' %}");
    for _ in 0..times {
        text.push_str(&format!("{{% set s = {how} %}}"));
    }
    text
}

fn texts() -> Vec<(String, Outcome)> {
    let mut tries: Vec<(String, Outcome)> = [
        // Repetition.
        ("{{ 'a' * 1000000000 }}", Fault),
        ("{{ 1000000000 * 'a' }}", Fault),
        ("{{ ('a' * 100000) * 100000 }}", Fault),
        ("{{ [0] * 1000000000 }}", Fault),
        ("{{ ([0] * 100000000) ~ '' }}", Fault),
        ("{{ (([0] * 10000) * 10000)|join }}", Fault),
        ("{{ (0,) * 100000000 }}", Fault),
        (
            "{% if ([0] * 100000000) == ([0] * 100000000) %}x{% endif %}",
            Fault,
        ),
        (
            "{% if [[0] * 100000000] == [[0] * 100000000] %}x{% endif %}",
            Fault,
        ),
        ("{% if 'x' in ([0] * 100000000) %}x{% endif %}", Fault),
        ("{{ ([0] * 100000000) in 'abc' }}", Fault),
        ("{{ ([0] * 100000000)[99999999:] }}", Fault),
        // Ranges and loops.
        ("{{ range(1000000000) }}", Fault),
        ("{{ range(1000000000)|length }}", Fault),
        ("{{ range(0, 9223372036854775807, 1)|first }}", Fault),
        (
            "{{ range(-9223372036854775808, 9223372036854775807)|first }}",
            Fault,
        ),
        ("{{ range(10001) }}", Fault),
        ("{{ range(10000)|length }}", Fine),
        (
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{{ notice.text }}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s = notice.text ~ a %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s %}{{ notice.text }}{% endset %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set l = notice.labels|items %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% if notice.text == notice.text %}{% endif %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% if 'q' in notice.text %}{% endif %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s = notice.text[32767:] %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s = notice.text|length %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s = notice.text|truncate(9) %}{% endfor %}",
            Fault,
        ),
        (
            "{% for a in range(10000) %}{% set s = notice.text|tojson %}{% endfor %}",
            Fault,
        ),
        ("{% for c in 'abc' %}{{ c }}{% endfor %}", Fault),
        (
            "{% for a in range(10000) if range(10000) %}{% endfor %}",
            Fault,
        ),
        // Recursion and what holds itself.
        (
            "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
            Fault,
        ),
        (
            "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
            Fault,
        ),
        ("{% for a in [1] %}{{ loop([1]) }}{% endfor %}", Fault),
        ("{% for a in [1] %}{{ loop }}{% endfor %}", Fine),
        (
            "{% set n = namespace(a=1) %}{% set n.a = n %}{{ n }}",
            Fault,
        ),
        ("{% set a = [1] %}{% set a = [a, a] %}{{ a }}", Fault),
        ("{% set a = {'a': [1]} %}{{ a }}", Fault),
        ("{{ dict(a=notice) }}", Fault),
        // Filters that grow.
        ("{{ 'aaaa'|replace('', 'bbbb') }}", Fine),
        ("{{ notice.text|replace('x', notice.text) }}", Fault),
        (
            "{{ notice.text|replace('x', notice.text)|replace('y', notice.text) }}",
            Fault,
        ),
        ("{{ range(10000)|join(notice.text) }}", Fault),
        (
            "{{ [notice.text, notice.text, notice.text]|join(notice.text) }}",
            Fine,
        ),
        ("{{ notice.text|split('')|join(notice.text) }}", Fault),
        ("{{ notice.text|split('x')|join(notice.text) }}", Fault),
        ("{{ notice.text|split('x')|length }}", Fine),
        ("{{ 'x'|indent(1000000000) }}", Fault),
        ("{{ 'x'|center(1000000000) }}", Fault),
        ("{{ '%1000000000d'|format(1) }}", Fault),
        ("{{ 'x'.center(1000000000) }}", Fault),
        ("{{ 'x'.ljust(1000000000) }}", Fault),
        ("{{ 'x'|repeat(1000000000) }}", Fault),
        ("{{ [1, 2]|batch(1000000000, 0) }}", Fault),
        ("{{ [1, 2]|slice(1000000000) }}", Fault),
        ("{{ notice|tojson }}", Fault),
        ("{{ notice|pprint }}", Fault),
        ("{{ notice }}", Fault),
        ("{{ 1.5|round(1000000000) }}", Fine),
        ("{{ 1|number(1000000000) }}", Fine),
        ("{{ now|datetime('%1000000000Y') }}", Fault),
        (
            "{{ now|datetime('%255Y%255Y%255Y%255Y%255Y%255Y%255Y%255Y') }}",
            Fine,
        ),
        ("{{ '\u{0}\u{0}'|tojson }}", Fine),
        ("{{ items|sort(attribute='label')|length }}", Fine),
        ("{{ items|map(attribute='label')|unique|length }}", Fine),
        ("{{ range(10000)|unique|length }}", Fault),
        ("{{ range(10000)|sort|length }}", Fine),
        // Numbers.
        ("{{ 9 ** 9 ** 9 ** 9 }}", Fault),
        ("{{ 10 ** 1000000000 }}", Fault),
        ("{{ 170141183460469231731687303715884105727 * 2 }}", Fine),
        ("{{ 170141183460469231731687303715884105727 + 1 }}", Fault),
        ("{{ 1e308 * 1e308 }}", Fine),
    ]
    .into_iter()
    .map(|(text, outcome)| (text.to_owned(), outcome))
    .collect();
    for (how, few) in [
        ("s ~ s", Fine),
        ("s + s", Fine),
        ("s|replace('a', s)", Fine),
        ("[s, s]|join", Fine),
        ("[s, s]|join(s)", Fault),
    ] {
        tries.push((doubled(14, how) + "{{ s|length }}", few));
        tries.push((doubled(60, how), Fault));
    }
    // Much markup in little text.
    for piece in [
        "*a* ",
        "**a *b* c**",
        "`a` ",
        "[a](http://x.y) ",
        "- a\n",
        "- a\n\n",
        "> a\n\n",
        "a\n\n",
        "```\na\n```\n",
        "> - *a*\n",
        "# a\n",
        "&amp;",
        "<a>",
        "![",
        "](",
        "*_",
    ] {
        for (count, piece) in [
            (2_000, piece.to_owned()),
            (8_000, piece.repeat(20 / piece.len())),
        ] {
            tries.push((
                format!("{{% for a in range({count}) %}}{piece}{{% endfor %}}"),
                Fine,
            ));
        }
    }
    for loops in [
        "{% if s is startingwith(s) %}{% endif %}",
        "{% if s == t %}{% endif %}",
        "{% if s < t %}{% endif %}",
        "{% if s in t %}{% endif %}",
        "{% if s in [t, s] %}{% endif %}",
        "{% if s[1000:1001] %}{% endif %}",
        "{% if s[1000] %}{% endif %}",
        "{% if s|reverse %}{% endif %}",
        "{% if s|last %}{% endif %}",
    ] {
        tries.push((
            doubled(16, "s ~ s")
                + "{% set t = s[1:] ~ 'a' %}{% for a in range(10000) %}"
                + loops
                + "{% endfor %}",
            Fault,
        ));
    }
    tries.push((doubled(40, "s|tojson|tojson"), Fault));
    tries.push((doubled(60, "[s, s]"), Fault));
    tries.push((doubled(60, "s + [s]"), Fault));
    tries.push((
        "{% set s = [0] %}".to_owned() + &"{% set s = s + s %}".repeat(60),
        Fault,
    ));
    tries.push((
        "{% set s %}{{ notice.text }}{% endset %}".to_owned()
            + &"{% set s %}{{ s }}{{ s }}{% endset %}".repeat(60),
        Fault,
    ));
    tries.push(("{{ notice.text|replace('x*y', '') }}".repeat(4), Fine));
    tries.push(("{{ notice.text }}".repeat(7), Fine));
    // Many large values at a time.
    tries.push((
        format!(
            "{{% set l = [{}] %}}{{{{ l|join }}}}",
            vec!["notice.text"; 150].join(",")
        ),
        Fault,
    ));
    tries.push((
        (0..1_500)
            .map(|n| format!("{{% set v{n} = notice.text ~ {n} %}}"))
            .collect(),
        Fault,
    ));
    tries.push((
        (0..1_500)
            .map(|n| format!("{{% set v{n} = notice.text %}}"))
            .collect::<String>()
            + "fine",
        Fine,
    ));
    tries.push((
        (0..1_500)
            .map(|n| format!("{{% set v{n} = range(9999) %}}"))
            .collect(),
        Fault,
    ));
    tries.push(("{{ notice.text }}".repeat(9), Fault));
    tries.push(("*".repeat(60_000), Fine));
    tries.push(("[".repeat(60_000), Fine));
    tries
}

fn filters() -> Vec<(String, Outcome)> {
    let mut tries: Vec<(String, Outcome)> = [
        ("'a' * 1000000000", Fault),
        ("[0] * 1000000000", Fault),
        ("([0] * 100000000) == ([0] * 100000000)", Fault),
        ("[[0] * 100000000] == [[0] * 100000000]", Fault),
        ("'x' in ([0] * 100000000)", Fault),
        ("([0] * 100000000) ~ 'x'", Fault),
        ("[[1, 1], [1, 1]] == [[1, 1], [1, 1]]", Fault),
        ("range(10)", Fault),
        ("notice.text|replace('x', notice.text)", Fault),
        ("notice.text|split('x')|join(notice.text)", Fault),
        ("'q' in notice.text", Fine),
        ("notice|tojson|length > 5", Fault),
        ("notice.labels|items|length > 5", Fine),
        ("9 ** 9 ** 9 ** 9", Fault),
    ]
    .into_iter()
    .map(|(source, outcome)| (source.to_owned(), outcome))
    .collect();
    tries.push((vec!["notice.text"; 200].join(" ~ "), Fault));
    tries.push((
        format!("[{}]|length > 5", vec!["notice.text"; 100].join(",")),
        Fault,
    ));
    tries.push(("'q' in notice.text|lower".to_owned(), Fine));
    tries.push((vec!["notice.text|upper"; 80].join(" == 'x' or "), Fault));
    tries
}

fn words(text: &str) -> Option<Words> {
    let words = WordsSpec {
        text: Some(text.to_owned()),
        ..WordsSpec::default()
    };
    Words::compile(&TemplateSpec {
        name: "try".into(),
        description: String::new(),
        locale: None,
        entries: [("default".to_owned(), words)].into(),
    })
    .ok()
}

/// What the tries held at most, and what did not go as it should.
#[derive(Default)]
struct Measured {
    most: usize,
    wrong: Vec<String>,
}

impl Measured {
    fn run(&mut self, what: &str, expected: Outcome, run: impl FnOnce() -> Outcome) {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome = run();
        let held = MEMORY.peak_usage().saturating_sub(before);
        let shown: String = what.chars().take(120).collect();
        if held > BYTES_MAX || outcome != expected {
            self.wrong
                .push(format!("{outcome:?} with {held} bytes: {shown}"));
        }
        self.most = self.most.max(held);
    }
}

// One test, so that no other thread's memory is counted.
#[test]
fn nothing_that_templates_try_takes_more_than_16_mib() {
    let notice = large();
    let zone = jiff::tz::TimeZone::UTC;
    let scene = Scene {
        still: false,
        digest: None,
        notice: &notice,
        tracker: None,
        link: None,
        target: "ops",
        receiver: "team",
        locale: "en",
        zone: &zone,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    // Fills what is made once.
    let _ = render(None, "plain", &scene);
    let _ = Filter::compile("notice.kind").map(|filter| filter.eval(&notice));
    let mut measured = Measured::default();
    for (text, expected) in texts() {
        measured.run(&text, expected, || match words(&text) {
            Some(words) if !render(Some(&words), "telegram", &scene).fell_back => Fine,
            _ => Fault,
        });
        // Whole bodies go another way.
        measured.run(&text, expected, || match render_body(&text, &scene) {
            Ok(_) => Fine,
            Err(_) => Fault,
        });
    }
    for (source, expected) in filters() {
        measured.run(&source, expected, || {
            match Filter::compile(&source).map(|filter| filter.eval(&notice)) {
                Ok(Ok(_)) => Fine,
                _ => Fault,
            }
        });
    }
    println!("at most {} KiB", measured.most / 1_024);
    assert_eq!(measured.wrong, Vec::<String>::new());
}
