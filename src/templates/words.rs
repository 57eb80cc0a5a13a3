//! Templates, compiled, and the way from a notice to a message in words.
//!
//! **Invariant:** [`render`] always gives a message. A text that fails gives way to the built-in
//! words, and the faults say so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, LazyLock};

use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};

use super::bounds::{OUTPUT_BYTES_MAX, RECURSION_MAX, TEXT_FUEL};
use super::coding::{decode, write_coded};
use super::guards::{Faults, text_of};
use super::language::{self, Dialect, fault, fault_of};
use super::markup::{self, Markup};
use super::moments::{PLACE, Place};
use super::view::{self, AsValue, Record, Wanted};
use super::{Rendered, Scene, TemplateFault, defaults, filters, guards, locale, moments};
use crate::domain::notice::{Notice, is_http_url};
use crate::domain::spec::{TemplateSpec, WordsSpec};
use crate::targets::Button;

/// Coded signs are up to four bytes long for each byte of text.
const CODED_BYTES_MAX: usize = 4 * OUTPUT_BYTES_MAX;
/// Longest text on a button, in characters; the narrowest target takes 64 bytes.
const BUTTON_CHARS_MAX: usize = 60;
/// Most buttons of one message; the rest are left out.
const BUTTONS_MAX: usize = 10;
/// The entry that serves every notice kind without one of its own.
const DEFAULT_ENTRY: &str = "default";

const DIALECT: Dialect = Dialect {
    names: &[
        "notice", "items", "groups", "count", "more", "still", "link", "receiver", "now",
    ],
    filters: &[filters::NAMES, moments::NAMES],
    tests: filters::TESTS,
    loops: true,
};

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_fuel(Some(TEXT_FUEL));
    env.set_recursion_limit(RECURSION_MAX);
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_auto_escape_callback(|name| {
        if name.ends_with(EXACT) {
            AutoEscape::None
        } else {
            AutoEscape::Custom("markdown".into())
        }
    });
    env.set_formatter(write_value);
    guards::install(&mut env);
    filters::install(&mut env);
    moments::install(&mut env);
    env
});

/// Ends the names of texts that are no Markdown: addresses and whole bodies.
const EXACT: &str = ".exact";

fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let text = text_of(value)?;
    let exact = matches!(state.auto_escape(), AutoEscape::None) || value.is_safe();
    if exact {
        out.write_str(&text)?;
    } else {
        write_coded(out, &text)?;
    }
    Ok(())
}

/// One compiled text.
#[derive(Debug)]
struct Text {
    /// Its name in the engine; also what a fault calls it: `push.title`.
    name: String,
    wanted: Wanted,
}

#[derive(Debug, Default)]
struct Entry {
    title: Option<Text>,
    text: Option<Text>,
    buttons: Vec<(Text, Text)>,
    formats: BTreeMap<String, Text>,
}

impl Entry {
    fn texts_of(&self, format: &str) -> Option<(Option<&Text>, Option<&Text>)> {
        if let Some(whole) = self.formats.get(format) {
            return Some((None, Some(whole)));
        }
        if self.title.is_none() && self.text.is_none() {
            return None;
        }
        Some((self.title.as_ref(), self.text.as_ref()))
    }
}

#[derive(Debug)]
struct Compiled {
    engine: Environment<'static>,
    entries: BTreeMap<String, Entry>,
}

/// All words of a template, compiled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Words(Arc<Compiled>);

impl Words {
    /// Compiles every entry, or says everything that is wrong, each with its place, `push.title`.
    pub fn compile(spec: &TemplateSpec) -> Result<Words, Vec<(String, TemplateFault)>> {
        compile(&spec.entries)
    }

    fn entry(&self, kind: &str, format: &str) -> Option<&Entry> {
        [kind, DEFAULT_ENTRY]
            .into_iter()
            .filter_map(|name| self.0.entries.get(name))
            .find(|entry| entry.texts_of(format).is_some())
    }
}

/// The built-in words by language; the first serves every other language.
static BUILT_IN: LazyLock<Vec<(&'static str, Words)>> = LazyLock::new(|| {
    defaults::languages()
        .filter_map(|(language, entries)| Some((language, compile(&entries).ok()?)))
        .collect()
});

fn built_in(locale: &str) -> Option<&'static Words> {
    let language = locale.split(['-', '_']).next().unwrap_or_default();
    BUILT_IN
        .iter()
        .find(|(tag, _)| tag.eq_ignore_ascii_case(language))
        .or(BUILT_IN.first())
        .map(|(_, words)| words)
}

fn compile(entries: &BTreeMap<String, WordsSpec>) -> Result<Words, Vec<(String, TemplateFault)>> {
    let mut compiler = Compiler {
        engine: ENGINE.clone(),
        faults: Vec::new(),
    };
    let mut compiled = BTreeMap::new();
    for (kind, spec) in entries {
        let mut entry = Entry::default();
        if let Some(source) = &spec.title {
            entry.title = compiler.text(format!("{kind}.title"), source, "");
        }
        if let Some(source) = &spec.text {
            entry.text = compiler.text(format!("{kind}.text"), source, "");
        }
        for (format, source) in &spec.formats {
            if let Some(text) = compiler.text(format!("{kind}.{format}"), source, "") {
                entry.formats.insert(format.clone(), text);
            }
        }
        for (index, button) in spec.buttons.iter().enumerate() {
            let place = format!("{kind}.buttons[{index}]");
            let text = compiler.text(format!("{place}.text"), &button.text, "");
            let url = compiler.text(format!("{place}.url"), &button.url, EXACT);
            if let (Some(text), Some(url)) = (text, url) {
                entry.buttons.push((text, url));
            }
        }
        compiled.insert(kind.clone(), entry);
    }
    if compiler.faults.is_empty() {
        Ok(Words(Arc::new(Compiled {
            engine: compiler.engine,
            entries: compiled,
        })))
    } else {
        Err(compiler.faults)
    }
}

struct Compiler {
    engine: Environment<'static>,
    faults: Vec<(String, TemplateFault)>,
}

impl Compiler {
    fn text(&mut self, name: String, source: &str, mode: &str) -> Option<Text> {
        let compiled = language::template(source, DIALECT).and_then(|guarded| {
            self.engine
                .add_template_owned(format!("{name}{mode}"), guarded.source)
                .map_err(|error| fault_of(&error))?;
            Ok(guarded.wanted)
        });
        match compiled {
            Ok(wanted) => Some(Text { name, wanted }),
            Err(found) => {
                self.faults.push((name, found));
                None
            }
        }
    }
}

/// Whether a text would compile; for the configuration's checker.
pub fn check_words(source: &str) -> Result<(), TemplateFault> {
    let guarded = language::template(source, DIALECT)?;
    ENGINE
        .template_from_named_str("text", &guarded.source)
        .map(|_| ())
        .map_err(|error| fault_of(&error))
}

/// Puts a notice into words: the template's for its kind, else the template's `default`, else the
/// built-in ones. `format` is the target's: `telegram`, `discord`, `email` or `plain`.
pub fn render(words: Option<&Words>, format: &str, scene: &Scene<'_>) -> Rendered {
    let kind = scene.notice.draft.kind.as_str();
    let mut faults = Vec::new();
    let mut fell_back = false;
    if let Some(words) = words
        && let Some(entry) = words.entry(kind, format)
    {
        match render_entry(words, entry, format, scene) {
            Ok(rendered) => return rendered,
            Err((name, found)) => {
                faults.push(format!("template_failed: {name}, {found}"));
                fell_back = true;
            }
        }
    }
    let built_in = built_in(scene.locale).and_then(|words| {
        let entry = words.entry(kind, format)?;
        render_entry(words, entry, format, scene).ok()
    });
    let mut rendered = built_in.unwrap_or_else(|| bare(scene));
    rendered.fell_back = fell_back;
    faults.append(&mut rendered.faults);
    rendered.faults = faults;
    rendered
}

/// A notice as one line of a digest, in a language that has titles of its own.
fn line(scene: &Scene<'_>, notice: &Notice) -> Option<String> {
    let words = built_in(scene.locale)?;
    let entry = words.0.entries.get(notice.draft.kind.as_str())?;
    entry.formats.get(defaults::LINE)?;
    let scene = Scene {
        digest: None,
        notice,
        ..*scene
    };
    let rendered = render_entry(words, entry, defaults::LINE, &scene).ok()?;
    Some(markup::plain(&rendered.text))
}

/// The notice's own words, when there is nothing else.
fn bare(scene: &Scene<'_>) -> Rendered {
    let draft = &scene.notice.draft;
    let clean = |text: &str| Markup::text(&super::coding::clean(text));
    Rendered {
        title: clean(&draft.title),
        text: clean(&draft.text),
        buttons: Vec::new(),
        faults: Vec::new(),
        fell_back: false,
    }
}

fn render_entry(
    words: &Words,
    entry: &Entry,
    format: &str,
    scene: &Scene<'_>,
) -> Result<Rendered, (String, TemplateFault)> {
    let (title, text) = entry.texts_of(format).unwrap_or_default();
    let mut wanted = Wanted::default();
    let buttons = entry.buttons.iter().take(BUTTONS_MAX);
    for text in [title, text]
        .into_iter()
        .flatten()
        .chain(buttons.clone().flat_map(|(text, url)| [text, url]))
    {
        wanted.join(&text.wanted);
    }
    let mut renderer = Renderer {
        words,
        context: context(scene, &wanted, view::cleaned),
        missing: Faults::default(),
    };
    let mut rendered = Rendered {
        title: Markup::default(),
        text: Markup::default(),
        buttons: Vec::new(),
        faults: Vec::new(),
        fell_back: false,
    };
    if let Some(title) = title {
        rendered.title = markup::parse(&renderer.run(title, "")?);
    }
    if let Some(text) = text {
        rendered.text = markup::parse(&renderer.run(text, "")?);
    }
    for (text, url) in buttons {
        // A button to nowhere is left out, so what is missing in its address is no fault.
        let missing = std::mem::take(&mut renderer.missing);
        let address = decode(&renderer.run(url, EXACT)?).trim().to_owned();
        renderer.missing = missing;
        if !is_http_url(&address) {
            if !address.is_empty() {
                rendered.faults.push(format!(
                    "{}: left out, for its address is not http or https",
                    url.name
                ));
            }
            continue;
        }
        let shown = markup::plain(&markup::parse(&renderer.run(text, "")?));
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = match shown.char_indices().nth(BUTTON_CHARS_MAX) {
            _ if shown.is_empty() => "Open".to_owned(),
            Some((end, _)) => format!("{}…", shown[..end].trim_end()),
            None => shown,
        };
        rendered.buttons.push(Button { text, url: address });
    }
    let Faults { missing, left_out } = renderer.missing;
    rendered
        .faults
        .extend(missing.iter().map(|what| format!("missing: {what}")));
    if left_out > 0 {
        rendered
            .faults
            .push(format!("missing: {left_out} more values"));
    }
    Ok(rendered)
}

struct Renderer<'w> {
    words: &'w Words,
    context: Value,
    missing: Faults,
}

impl Renderer<'_> {
    fn run(&mut self, text: &Text, mode: &str) -> Result<String, (String, TemplateFault)> {
        let failed = |found| (text.name.clone(), found);
        let name = format!("{}{mode}", text.name);
        let template = self
            .words
            .0
            .engine
            .get_template(&name)
            .map_err(|error| failed(fault_of(&error)))?;
        let mut page = Page::default();
        let captured = template
            .render_captured_to(self.context.clone(), &mut page)
            .map_err(|error| failed(fault_of(&error)))?;
        if let Some(found) = captured.state().get_extension::<Faults>() {
            for what in &found.missing {
                self.missing.note(what);
            }
            self.missing.left_out += found.left_out;
        }
        page.text().map_err(failed)
    }
}

/// Output with a bound.
#[derive(Default)]
struct Page(Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > CODED_BYTES_MAX {
            return Err(io::Error::other("too much text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    /// What was written, still coded, if it is short enough.
    fn text(self) -> Result<String, TemplateFault> {
        let text = String::from_utf8(self.0).map_err(|_| fault(1u32, "is not UTF-8"))?;
        let length: usize = text
            .chars()
            .map(|c| {
                if super::coding::is_reserved(c) {
                    1
                } else {
                    c.len_utf8()
                }
            })
            .sum();
        if length > OUTPUT_BYTES_MAX {
            let mut reason = String::new();
            let _ = write!(
                reason,
                "gives more than {} KiB of text",
                OUTPUT_BYTES_MAX / 1_024
            );
            return Err(fault(1u32, reason));
        }
        Ok(text)
    }
}

/// A whole body of a `webhook` target: no Markdown, values as they are; `tojson` quotes them.
pub fn render_body(source: &str, scene: &Scene<'_>) -> Result<String, TemplateFault> {
    let guarded = language::template(source, DIALECT)?;
    let name = format!("body{EXACT}");
    let template = ENGINE
        .template_from_named_str(&name, &guarded.source)
        .map_err(|error| fault_of(&error))?;
    let mut page = Page::default();
    template
        .render_captured_to(context(scene, &guarded.wanted, view::exact), &mut page)
        .map_err(|error| fault_of(&error))?;
    page.text()
}

fn context(scene: &Scene<'_>, wanted: &Wanted, text: AsValue) -> Value {
    let mut entries = Vec::with_capacity(DIALECT.names.len() + 1);
    let notice = scene.notice;
    let items = &notice.draft.items;
    // Of a removal, what was removed.
    let removal = items.added.is_empty() && items.added_total == 0;
    let (shown, total) = if removal {
        (&items.removed, items.removed_total)
    } else {
        (&items.added, items.added_total)
    };
    let (total, more) = match scene.digest {
        Some(digest) => (digest.count(), digest.more()),
        None => {
            let total = total.max(shown.len() as u64);
            (total, total - shown.len() as u64)
        }
    };
    for name in DIALECT.names {
        let read = wanted.names.contains(*name) || (*name == "notice" && wanted.whole);
        if !read {
            continue;
        }
        let value = match *name {
            "notice" => view::notice(notice, wanted, text),
            "items" => view::items(shown, text),
            "count" => Value::from(total),
            "more" => Value::from(more),
            "still" => Value::from(scene.still),
            "groups" => match scene.digest {
                Some(digest) => digest.value(text, &|notice| line(scene, notice)),
                None => continue,
            },
            "link" => {
                let mut link = vec![("target".into(), text(scene.target))];
                if let Some(tracker) = scene.tracker {
                    link.push(("tracker".into(), text(tracker)));
                }
                if let Some(name) = scene.link {
                    link.push(("name".into(), text(name)));
                }
                Record::value(link)
            }
            "receiver" => Record::value(vec![
                ("name".into(), text(scene.receiver)),
                ("locale".into(), text(scene.locale)),
                ("zone".into(), text(scene.zone.iana_name().unwrap_or("UTC"))),
            ]),
            "now" => Value::from(view::moment(scene.now.as_microsecond())),
            _ => continue,
        };
        entries.push(((*name).into(), value));
    }
    entries.push((
        PLACE.into(),
        Value::from_object(Place {
            zone: scene.zone.clone(),
            locale: locale::of(scene.locale),
            now: scene.now,
        }),
    ));
    Record::value(entries)
}
