//! Every page in both sizes and both themes: nothing runs over the edge, nothing goes wrong in it,
//! the keyboard gets everywhere, and axe-core finds nothing serious.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::chromium::{axe, in_chromium};
use crate::harness::{Place, Scripted, push_body};
use crate::keyboard;
use crate::program::{OWNER, PASSWORD, Program, file, log_in, send_login};
use crate::tab::{Look, Tab};

/// Words that would do something if they were taken for more than words.
const HOSTILE: &str = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)> \
     \u{202e}backwards </pre><b>bold</b> {{ 7 * 7 }} &lt;i&gt;";
/// Longer than any line, and nowhere to break.
const LONG: usize = 300;

/// A program with something of everything, and the places it sends to.
struct House {
    program: Program,
    _telegram: Place,
    _hook: Place,
    _photos: Place,
    hostile: String,
    parked: String,
}

async fn house() -> House {
    let telegram = Place::telegram().await;
    // Some are parked, and from then on it fails and is tried again.
    let hook = Place::usually(Scripted::new(503, "moving house")).await;
    let long = format!("no room for {}", "x".repeat(LONG));
    hook.script([
        Scripted::new(400, "the shelf is full"),
        Scripted::new(400, "the shelf is full"),
        Scripted::new(400, long),
    ]);
    let photos = Place::usually(Scripted::new(200, ALBUMS)).await;
    let file = file(&telegram, &hook) + &albums_of(&photos);
    let program = Program::new(&file).await;
    program.refused().await;
    let parked = program.push("1", push_body("Sweep the yard")).await;
    let hostile = program.push("2", hostile_push()).await;
    for n in 3..=14 {
        let subject = format!("Change number {n} of the long list of things to do in the house");
        program.push(&n.to_string(), push_body(&subject)).await;
    }
    hook.has_received(4).await;
    House {
        program,
        _telegram: telegram,
        _hook: hook,
        _photos: photos,
        hostile,
        parked,
    }
}

/// What an Immich says of its albums; one has a name that would do something.
const ALBUMS: &str = r#"[
    { "id": "boats", "albumName": "Boats", "assetCount": 4031 },
    { "id": "attic", "albumName": "<img src=x onerror=alert(1)> \u202ebackwards", "assetCount": 1 },
    { "id": "long", "albumName": "nowherenowherenowherenowherenowherenowherenowherenowherenowhere", "assetCount": 0 }
]"#;

/// A provider that is asked.
fn albums_of(place: &Place) -> String {
    format!(
        r#"
[[provider]]
name = "photos"
kind = "immich"
url = "{}"
api_key = "a key that opens albums"
allow_private = true
"#,
        place.address
    )
}

fn hostile_push() -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&push_body(HOSTILE)).expect("JSON");
    body["pusher"]["full_name"] = json!("<b>Mallory</b>");
    body["commits"][0]["message"] = json!(format!("{HOSTILE}\n\n{}\n", "w".repeat(LONG)));
    body["repository"]["full_name"] = json!(format!("team/{}", "r".repeat(80)));
    body.to_string().into_bytes()
}

#[derive(Deserialize)]
struct Finding {
    id: String,
    impact: String,
    help: String,
    nodes: Vec<String>,
}

const AXE_RUN: &str = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations
    .filter((it) => it.impact == 'serious' || it.impact == 'critical')
    .map((it) => ({ id: it.id, impact: it.impact, help: it.help,
        nodes: it.nodes.map((node) => `${node.target.join(' ')}: ${node.any.concat(node.all, node.none).map((one) => one.message).join('; ')}`) })))";

/// What stands out over the right edge, where the page cannot be scrolled to it.
const OVER_THE_EDGE: &str = "(() => {
    const edge = document.documentElement.clientWidth;
    const scrolls = (it) => { for (; it; it = it.parentElement) if (getComputedStyle(it).overflowX != 'visible') return true; };
    return [...document.body.querySelectorAll('*')]
        .filter((it) => it.getBoundingClientRect().right > edge + 0.5 && !scrolls(it.parentElement))
        .map((it) => `${it.localName}.${it.className}`);
})()";

/// The page that says what came of a test.
const TOLD: &str = "document.readyState == 'complete' && document.querySelector('main .flash, main [role=status]')";

/// Looks at pages one after the other and gathers what is wrong with them.
struct Inspector {
    axe: Option<String>,
    pictures: Option<PathBuf>,
    wrong: Vec<String>,
}

impl Inspector {
    fn new() -> Self {
        let pictures = std::env::var_os("SCREENSHOTS").map(PathBuf::from);
        if let Some(folder) = &pictures {
            std::fs::create_dir_all(folder).expect("a folder for pictures");
        }
        Inspector {
            axe: axe(),
            pictures,
            wrong: Vec::new(),
        }
    }

    /// Opens a path and inspects what it shows.
    async fn visit(&mut self, tab: &mut Tab, name: &str, path: &str) {
        tab.goto(path).await;
        self.inspect(tab, name).await;
    }

    /// Inspects what a tab shows.
    async fn inspect(&mut self, tab: &mut Tab, name: &str) {
        let mut wrong = Vec::new();
        let wide: i64 = tab
            .js("Math.max(document.scrollingElement.scrollWidth, innerWidth)")
            .await;
        if wide > tab.look.width {
            let over: Vec<String> = tab.js(OVER_THE_EDGE).await;
            wrong.push(format!("it is {wide} px wide; over the edge: {over:?}"));
        }
        let is_owned: bool = tab
            .js("document.title == 'owned' || !!document.querySelector('img:not(.thumb), main script, main b b, pre b')")
            .await;
        if is_owned {
            wrong.push("words of a payload became markup".into());
        }
        if let Some(axe) = &self.axe {
            let found: Vec<Finding> = tab.js_aside(axe, AXE_RUN).await;
            for finding in found {
                wrong.push(format!(
                    "{}, {}: {}: {:#?}",
                    finding.id, finding.impact, finding.help, finding.nodes
                ));
            }
        }
        if let Some(folder) = &self.pictures {
            let file = format!("{name}.{}.png", tab.look.name);
            tab.picture(&folder.join(file)).await;
        }
        // Themes have the same stops.
        if tab.look.theme == "light" {
            wrong.extend(keyboard::faults(tab).await);
        }
        wrong.extend(tab.faults().await);
        let look = tab.look.name;
        self.wrong
            .extend(wrong.iter().map(|wrong| format!("{name}, {look}: {wrong}")));
    }

    fn done(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

async fn every_page(look: Look) {
    in_chromium(async |chromium| {
        let house = house().await;
        let program = &house.program;
        let mut inspector = Inspector::new();
        let mut tab = chromium.tab(&program.address, look).await;

        inspector.visit(&mut tab, "login", "/login").await;
        send_login(&tab, "not the password").await;
        tab.until_it_says("do not fit together").await;
        inspector.inspect(&mut tab, "login-wrong").await;
        log_in(&tab).await;
        tab.until_reloaded(
            "/parked",
            "three are parked",
            "document.querySelectorAll('[name=id]').length == 3",
        )
        .await;
        tab.until_reloaded(
            "/deliveries?status=retrying",
            "one is tried again",
            "document.querySelector('main tbody .st-retrying')",
        )
        .await;
        let group: String = tab.href("/parked", "a.ask[href*='action=drop']").await;
        let drop: String = tab
            .href(&format!("/notices/{}", house.parked), "a.ask.danger")
            .await;
        let hostile = format!("/notices/{}", house.hostile);
        let resend = format!("{hostile}/resend");
        for (name, path) in [
            ("overview", "/"),
            ("notices", "/notices"),
            ("notices-none-fits", "/notices?q=nothing+of+the+kind"),
            ("search", "/search?q=is:notice&counts=yes"),
            ("search-teaches", "/search"),
            ("search-none", "/search?q=nothing+of+the+kind"),
            ("notice", &hostile),
            ("notice-parked", &format!("/notices/{}", house.parked)),
            ("notice-resend", &resend),
            ("deliveries", "/deliveries"),
            ("deliveries-any", "/deliveries?status=any"),
            ("delivery-drop", &drop),
            ("parked", "/parked"),
            ("held", "/held"),
            ("snoozes", "/snoozes"),
            ("parked-ask", &group),
            ("inbox", "/inbox"),
            ("providers", "/providers"),
            ("provider", "/providers/forge"),
            ("provider-never-heard", "/providers/boiler"),
            ("provider-asked", "/providers/photos"),
            ("provider-collections", "/providers/photos/collections"),
            (
                "provider-collections-chosen",
                "/providers/photos/collections?q=a&c=boats&c=attic",
            ),
            ("targets", "/targets"),
            ("target", "/targets/ops"),
            ("target-failing", "/targets/archive"),
            ("bots", "/bots"),
            ("bot", "/bots/herald"),
            ("settings", "/settings"),
            ("log", "/log"),
            ("log-notice", "/log?kind=notice_accepted"),
            ("log-event", "/log/12"),
            ("more", "/more"),
            ("account", "/account"),
            ("pause-ask", "/pause"),
            ("not-found", "/nowhere"),
        ] {
            inspector.visit(&mut tab, name, path).await;
        }

        tab.goto(&hostile).await;
        let text = tab.text().await;
        assert!(text.contains("<script>document.title"), "{text}");
        tab.click("details.raw summary").await;
        inspector.inspect(&mut tab, "notice-raw").await;

        // A question in a dialog; Escape calls it off, and the focus is where it was.
        tab.goto("/parked").await;
        tab.click("a.ask[href*='action=drop']").await;
        tab.until("it asks", "document.querySelector('dialog[open] #ask')")
            .await;
        inspector.inspect(&mut tab, "parked-dialog").await;
        tab.press("Escape").await;
        tab.until("it is called off", "!document.querySelector('dialog')")
            .await;
        tab.until(
            "the focus is back",
            "document.activeElement.matches('a.ask')",
        )
        .await;

        // What is said after a form.
        tab.click("a.ask[href*='action=drop']").await;
        tab.click("#ask button[type=submit]").await;
        tab.until("it is told", "document.querySelector('main .flash')")
            .await;
        inspector.inspect(&mut tab, "parked-told").await;
        for (name, path) in [
            ("target-tested", "/targets/ops"),
            ("target-tested-failing", "/targets/archive"),
            ("provider-tested", "/providers/forge"),
        ] {
            tab.goto(path).await;
            tab.click(&format!("form[action='{path}/test'] button"))
                .await;
            tab.until("it is told", TOLD).await;
            inspector.inspect(&mut tab, name).await;
        }

        tab.goto("/pause").await;
        tab.click("#ask button[type=submit]").await;
        tab.until_it_says("Sending is paused").await;
        inspector.visit(&mut tab, "overview-paused", "/").await;
        inspector.done();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_phone_in_the_light() {
    every_page(Look::PHONE_LIGHT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_phone_in_the_dark() {
    every_page(Look::PHONE_DARK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_desktop_in_the_light() {
    every_page(Look::DESKTOP_LIGHT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_on_a_desktop_in_the_dark() {
    every_page(Look::DESKTOP_DARK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_new_installation() {
    in_chromium(async |chromium| {
        let mut inspector = Inspector::new();
        for look in [
            Look::PHONE_LIGHT,
            Look::PHONE_DARK,
            Look::DESKTOP_LIGHT,
            Look::DESKTOP_DARK,
        ] {
            let program = Program::new_without_admin("# Nothing yet.\n").await;
            let mut tab = chromium.tab(&program.address, look).await;
            inspector.visit(&mut tab, "not-set-up", "/").await;
            let link = program.setup.clone().expect("a setup link");
            inspector.visit(&mut tab, "setup", &link).await;
            tab.fill("#f-name", OWNER).await;
            tab.fill("#f-password", PASSWORD).await;
            tab.fill("#f-password_again", "another line").await;
            tab.click("form[action='/setup'] button").await;
            tab.until_it_says("not the same as the password").await;
            inspector.inspect(&mut tab, "setup-wrong").await;
            tab.fill("#f-password", PASSWORD).await;
            tab.fill("#f-password_again", PASSWORD).await;
            tab.click("form[action='/setup'] button").await;
            tab.until_at("/").await;
            for (name, path) in [
                ("new-overview", "/"),
                ("new-notices", "/notices"),
                ("new-deliveries", "/deliveries"),
                ("new-parked", "/parked"),
                ("new-inbox", "/inbox"),
                ("new-providers", "/providers"),
                ("new-targets", "/targets"),
                ("new-log", "/log"),
            ] {
                inspector.visit(&mut tab, name, path).await;
            }
        }
        inspector.done();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_skip_link_leads_into_the_page() {
    in_chromium(async |chromium| {
        let program = Program::new("# Nothing yet.\n").await;
        let tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
        log_in(&tab).await;
        tab.goto("/notices").await;
        tab.press("Tab").await;
        tab.press("Enter").await;
        tab.until(
            "the focus is in the page",
            "document.activeElement.id == 'main'",
        )
        .await;
    })
    .await;
}

/// An inspector that sees nothing would praise every page.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_for_would_be_found() {
    in_chromium(async |chromium| {
        let program = Program::new("# Nothing yet.\n").await;
        let mut tab = chromium.tab(&program.address, Look::PHONE_LIGHT).await;
        log_in(&tab).await;
        let _spoilt: Value = tab
            .js("(() => {
                const add = (name, more) => document.querySelector('main').append(Object.assign(document.createElement(name), more));
                add('script', { textContent: 'document.title = 1' });
                add('img', { src: '/nowhere.png' });
                add('div', { textContent: '_'.repeat(600) });
                add('style', { textContent: 'a:focus { outline: none }' });
                console.error('it hurts');
                setTimeout(() => { throw 'a fit'; });
                document.querySelector('.skip').remove();
                document.querySelector('main').append(document.createElement('input'));
            })()")
            .await;
        let mut inspector = Inspector::new();
        inspector.inspect(&mut tab, "spoilt").await;
        let wrong = inspector.wrong.join("\n");
        for expected in [
            "px wide",
            "became markup",
            "script-src",
            "style-src",
            "nowhere.png",
            "it hurts",
            "a fit",
            "does not begin at the skip link",
        ] {
            assert!(wrong.contains(expected), "{expected:?} is not in\n{wrong}");
        }
        if inspector.axe.is_some() {
            for expected in ["image-alt, critical", "label, critical"] {
                assert!(wrong.contains(expected), "{expected:?} is not in\n{wrong}");
            }
        }
    })
    .await;
}
