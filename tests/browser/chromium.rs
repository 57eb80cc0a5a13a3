//! Chromium: where it is, and one of it with a profile of its own for each test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use futures_util::StreamExt as _;
use tempfile::TempDir;

use crate::tab::{Look, Tab};

/// How long a test waits for something that must happen. Reached only when it does not.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// What its program may be called.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// Nothing of it may reach out, and it runs as root in containers too.
const FLAGS: [&str; 4] = [
    "disable-gpu",
    "disable-quic",
    "disable-component-update",
    "no-default-browser-check",
];

/// Whether what is not found is a failure.
fn is_required() -> bool {
    match std::env::var("NOTIFY_BRIDGE_BROWSER_TESTS").as_deref() {
        Ok("required") => true,
        Ok("" | "optional") | Err(_) => false,
        Ok(other) => {
            panic!("NOTIFY_BRIDGE_BROWSER_TESTS is `{other}`; write `required` or `optional`")
        }
    }
}

/// Says, past the capture of the test runner, that something was not tested.
fn not_run(why: &str) {
    use std::io::Write as _;
    assert!(!is_required(), "{why}");
    let line = format!("NOT TESTED IN A BROWSER: {why}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr is open");
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(
            named.is_file(),
            "CHROMIUM names {}, which is no file",
            named.display()
        );
        return Some(named);
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
}

/// The text of axe-core, which finds what hinders people. It is no part of this repository:
/// `npm install --prefix target/axe axe-core` puts it where it is looked for, and `AXE_CORE` names
/// another place.
pub fn axe() -> Option<String> {
    let file = match std::env::var_os("AXE_CORE").filter(|named| !named.is_empty()) {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/axe/node_modules/axe-core/axe.min.js"),
    };
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) => {
            not_run(&format!(
                "axe-core is not at {}: {error}; see .ci/run",
                file.display()
            ));
            None
        }
    }
}

pub struct Chromium {
    browser: Browser,
    events: tokio::task::JoinHandle<()>,
    _profile: TempDir,
}

/// Runs a scene in a new Chromium, or says that there is none.
pub async fn in_chromium(scene: impl AsyncFnOnce(&Chromium)) {
    let Some(program) = program() else {
        return not_run("no Chromium found on PATH; install it, or name it in CHROMIUM");
    };
    let profile = tempfile::tempdir().expect("a temporary folder");
    let config = BrowserConfig::builder()
        .chrome_executable(program)
        .new_headless_mode()
        .no_sandbox()
        .user_data_dir(profile.path())
        .viewport(None)
        .launch_timeout(PATIENCE)
        .request_timeout(PATIENCE)
        .args(FLAGS)
        .build()
        .expect("a configuration");
    let (browser, mut handler) = Browser::launch(config).await.expect("Chromium starts");
    let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
    let mut chromium = Chromium {
        browser,
        events,
        _profile: profile,
    };
    scene(&chromium).await;
    // After a panic the process is killed when the browser is dropped.
    chromium.browser.close().await.expect("it closes");
    chromium.browser.wait().await.expect("it ends");
    chromium.events.abort();
}

impl Chromium {
    /// A tab with cookies of its own, as another person's browser.
    pub async fn tab(&self, base: &str, look: Look) -> Tab {
        let context = CreateBrowserContextParams::default();
        let context = self.browser.create_browser_context(context).await;
        let params = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(context.expect("a context"))
            .build()
            .expect("a target");
        let page = self.browser.new_page(params).await.expect("a page");
        Tab::new(page, base, look).await
    }
}
