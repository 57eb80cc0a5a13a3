//! What holds for every page, whatever is in its view.

#[path = "../examples/gallery/samples.rs"]
mod samples;

use notify_web::assets;

/// A start or end tag with its attributes, unescaped enough for comparison.
#[derive(Debug)]
struct Tag<'p> {
    name: &'p str,
    ends: bool,
    attributes: Vec<(&'p str, &'p str)>,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }
}

/// Reads tags strictly: every value is quoted and every `<` begins a tag, or the page is wrong.
fn tags(page: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut rest = page
        .strip_prefix("<!DOCTYPE html>")
        .expect("a page begins with its type");
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let ends = rest.starts_with('/');
        let from = usize::from(ends);
        let length = rest[from..].find([' ', '>']).expect("a tag ends");
        let name = &rest[from..from + length];
        assert!(
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "not a tag: <{}",
            &rest[..rest.len().min(40)].escape_debug()
        );
        rest = &rest[from + length..];
        let mut attributes = Vec::new();
        loop {
            if let Some(after) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
                rest = after;
                break;
            }
            rest = rest
                .strip_prefix([' ', '\n'])
                .expect("a space between attributes");
            if rest.starts_with(['>', '/']) {
                continue;
            }
            let length = rest.find(['=', ' ', '>', '\n']).expect("an attribute ends");
            let key = &rest[..length];
            rest = &rest[length..];
            let Some(after) = rest.strip_prefix("=\"") else {
                attributes.push((key, ""));
                continue;
            };
            let (value, after) = after.split_once('"').expect("a value ends");
            attributes.push((key, value));
            rest = after;
        }
        found.push(Tag {
            name,
            ends,
            attributes,
        });
    }
    found
}

fn each(check: impl Fn(&str, &str, &[Tag<'_>])) {
    for (name, page) in samples::all() {
        check(name, &page, &tags(&page));
    }
}

#[test]
fn values_are_text_wherever_they_stand() {
    let mut seen = 0;
    each(|name, page, tags| {
        for tag in tags {
            for (key, value) in &tag.attributes {
                assert!(
                    !value.contains(['<', '>']) || *key == "value" || *key == "title",
                    "{name}: {key}={value}"
                );
            }
            if let Some(href) = tag.get("href") {
                let known = ["/", "#", "http://", "https://", "data:image/svg+xml,"];
                assert!(
                    known.iter().any(|start| href.starts_with(start)),
                    "{name}: {href}"
                );
            }
        }
        assert!(!page.contains("<script>"), "{name}");
        let pictures = tags.iter().filter(|tag| tag.name == "img");
        for src in pictures.map(|tag| tag.get("src").unwrap_or_default()) {
            // What a notice names is fetched by the program, never by a browser.
            assert!(src.starts_with("/notices/"), "{name}: {src}");
        }
    });
    for (_, page) in samples::all() {
        seen += usize::from(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
    assert!(seen >= 8, "hostile values are on {seen} pages only");
}

#[test]
fn nothing_needs_more_than_the_policy_allows() {
    each(|name, _, tags| {
        for tag in tags {
            assert!(tag.get("style").is_none(), "{name}: {tag:?}");
            assert!(
                !tag.attributes.iter().any(|(key, _)| key.starts_with("on")),
                "{name}: {tag:?}"
            );
            match tag.name {
                "style" | "iframe" | "object" | "embed" | "base" => {
                    panic!("{name}: {tag:?}")
                }
                "script" if !tag.ends => assert_eq!(
                    tag.get("src"),
                    Some(assets::SCRIPT.path().as_str()),
                    "{name}"
                ),
                "link" if tag.get("rel") == Some("stylesheet") => {
                    assert_eq!(
                        tag.get("href"),
                        Some(assets::STYLE.path().as_str()),
                        "{name}"
                    );
                }
                _other => {}
            }
        }
    });
}

#[test]
fn forms_that_change_something_carry_the_token() {
    each(|name, _, tags| {
        let mut open = None;
        for tag in tags {
            match (tag.name, tag.ends) {
                ("form", false) => {
                    assert!(open.is_none(), "{name}: a form within a form");
                    let method = tag.get("method").expect("a form says its method");
                    assert!(
                        tag.get("action")
                            .is_some_and(|action| action.starts_with('/')),
                        "{name}"
                    );
                    open = Some((method == "post", false));
                }
                ("form", true) => {
                    let (posts, carries) = open.take().expect("a form was open");
                    assert_eq!(
                        posts, carries,
                        "{name}: a form posts without the token, or shows it in an address"
                    );
                }
                ("input", _) if tag.get("name") == Some("csrf") => {
                    assert_eq!(tag.get("type"), Some("hidden"), "{name}");
                    open.as_mut().expect("the token is in a form").1 = true;
                }
                _other => {}
            }
        }
    });
}

#[test]
fn pages_can_be_found_through_by_ear() {
    each(|name, page, tags| {
        let count = |wanted: &str| {
            tags.iter()
                .filter(|tag| tag.name == wanted && !tag.ends)
                .count()
        };
        assert_eq!((count("h1"), count("main")), (1, 1), "{name}");
        let mut level = 0;
        for tag in tags.iter().filter(|tag| !tag.ends) {
            if let Some(next) = tag
                .name
                .strip_prefix('h')
                .and_then(|n| n.parse::<u8>().ok())
            {
                assert!(next <= level + 1, "{name}: h{next} after h{level}");
                level = next;
            }
        }
        let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.get("id")).collect();
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{name}: id {id} twice");
        }
        assert!(
            page.contains("href=\"#main\"") && ids.contains(&"main"),
            "{name}: no way past the rail"
        );
        for tag in tags.iter().filter(|tag| !tag.ends) {
            for key in ["aria-labelledby", "aria-describedby", "for"] {
                if let Some(id) = tag.get(key) {
                    assert!(ids.contains(&id), "{name}: {key} {id} is nowhere");
                }
            }
            if tag.name == "use" {
                let id = tag
                    .get("href")
                    .and_then(|href| href.strip_prefix('#'))
                    .expect("a reference");
                assert!(ids.contains(&id), "{name}: icon {id} is nowhere");
            }
            if tag.name == "nav" || tag.get("role") == Some("region") {
                assert!(
                    tag.get("aria-label").is_some() || tag.get("aria-labelledby").is_some(),
                    "{name}: {tag:?}"
                );
            }
        }
    });
}

#[test]
fn every_start_has_its_end() {
    const VOID: [&str; 7] = ["meta", "link", "input", "br", "wbr", "hr", "img"];
    each(|name, _, tags| {
        let mut open = Vec::new();
        for tag in tags {
            if VOID.contains(&tag.name) || ["path", "circle"].contains(&tag.name) {
                continue;
            }
            if tag.ends {
                assert_eq!(open.pop(), Some(tag.name), "{name}");
            } else {
                open.push(tag.name);
            }
        }
        assert!(open.is_empty(), "{name}: {open:?}");
    });
}

#[test]
fn words_are_calm() {
    each(|name, page, _| {
        let text = page.replace("<!DOCTYPE", "").to_lowercase();
        for word in ["!", "please", "oops", "sorry", "dead letter"] {
            assert!(!text.contains(word), "{name}: {word}");
        }
    });
}
