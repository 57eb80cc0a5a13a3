//! Bounds of the files, and the contrast of the colours.

use notify_web::assets::{ALL, SCRIPT, STYLE};

/// Bytes of one file, uncompressed.
const FILE_BYTES_MAX: usize = 30 * 1024;
/// Bytes of the script.
const SCRIPT_BYTES_MAX: usize = 6 * 1024;
/// Bytes of all of them; uncompressed, so that compressed they are below it as well.
const ALL_BYTES_MAX: usize = 60 * 1024;

const ICONS: &str = include_str!("../assets/icons.svg");

#[test]
fn files_stay_small() {
    for bytes in ALL
        .iter()
        .map(|asset| asset.body.len())
        .chain([ICONS.len()])
    {
        assert!(bytes < FILE_BYTES_MAX, "{bytes}");
    }
    assert!(
        SCRIPT.body.len() < SCRIPT_BYTES_MAX,
        "{}",
        SCRIPT.body.len()
    );
    let all = ALL.iter().map(|asset| asset.body.len()).sum::<usize>() + ICONS.len();
    assert!(all < ALL_BYTES_MAX, "{all}");
}

#[test]
fn files_fetch_nothing() {
    for asset in ALL {
        for far in ["http:", "https:", "//fonts", "@import", "url("] {
            assert!(!asset.body.contains(far), "{}: {far}", asset.file_name());
        }
    }
}

/// A colour of the sheet in (light, dark).
fn token(name: &str) -> (f64, f64) {
    let start = format!("--{name}: light-dark(");
    let (_, after) = STYLE
        .body
        .split_once(&start)
        .unwrap_or_else(|| panic!("no colour {name}"));
    let (pair, _) = after.split_once(')').expect("a pair ends");
    let (light, dark) = pair.split_once(", ").expect("two colours");
    (luminance(light), luminance(dark))
}

fn luminance(hex: &str) -> f64 {
    let value = u32::from_str_radix(hex.trim_start_matches('#'), 16).expect("six digits");
    let part = |shift: u32| {
        let part = f64::from(value >> shift & 0xff) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
}

fn contrast(a: f64, b: f64) -> f64 {
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn colours_can_be_read_in_both_themes() {
    let texts = [
        "text", "dim", "accent", "sent", "due", "held", "retrying", "parked", "dropped", "unknown",
    ];
    let mut pairs: Vec<(&str, &str, f64)> = vec![("on-accent", "accent", 4.5)];
    for ground in ["bg", "surface", "sunk"] {
        pairs.extend(texts.map(|text| (text, ground, 4.5)));
    }
    pairs.extend([("field", "bg", 3.0), ("field", "surface", 3.0)]);
    for (text, ground, least) in pairs {
        let (text_light, text_dark) = token(text);
        let (ground_light, ground_dark) = token(ground);
        for (theme, ratio) in [
            ("light", contrast(text_light, ground_light)),
            ("dark", contrast(text_dark, ground_dark)),
        ] {
            assert!(ratio >= least, "{text} on {ground}, {theme}: {ratio:.2}");
        }
    }
}
