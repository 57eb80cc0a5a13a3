//! One tab: goes to pages, presses keys, and remembers what went wrong in it.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
    SetFocusEmulationEnabledParams, SetScriptExecutionDisabledParams,
};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, InsertTextParams,
};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel, LogEntrySource};
use chromiumoxide::cdp::browser_protocol::network::{
    CookieParam, EventResponseReceived, ResourceType,
};
use chromiumoxide::cdp::browser_protocol::page::{
    CaptureScreenshotFormat, CreateIsolatedWorldParams, EventJavascriptDialogOpening,
};
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EvaluateParams, EventConsoleApiCalled, EventExceptionThrown,
    ExecutionContextId,
};
use chromiumoxide::layout::Point;
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::ScreenshotParams;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::chromium::PATIENCE;

/// How often a page is asked whether it is as far.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub name: &'static str,
    pub width: i64,
    pub height: i64,
    pub is_phone: bool,
    pub theme: &'static str,
}

impl Look {
    const fn phone(name: &'static str, theme: &'static str) -> Self {
        Look {
            name,
            width: 390,
            height: 844,
            is_phone: true,
            theme,
        }
    }

    const fn desktop(name: &'static str, theme: &'static str) -> Self {
        Look {
            name,
            width: 1280,
            height: 900,
            is_phone: false,
            theme,
        }
    }

    pub const PHONE_LIGHT: Look = Look::phone("phone-light", "light");
    pub const PHONE_DARK: Look = Look::phone("phone-dark", "dark");
    pub const DESKTOP_LIGHT: Look = Look::desktop("desktop-light", "light");
    pub const DESKTOP_DARK: Look = Look::desktop("desktop-dark", "dark");
}

/// What a page says aloud that a good one would not: faults of scripts, of its policy, of loading.
struct Ears {
    console: EventStream<EventConsoleApiCalled>,
    exceptions: EventStream<EventExceptionThrown>,
    log: EventStream<EventEntryAdded>,
    dialogs: EventStream<EventJavascriptDialogOpening>,
    answers: EventStream<EventResponseReceived>,
    /// Addresses of pages, as distinct from what pages load.
    pages: HashSet<String>,
    fences: u32,
}

pub struct Tab {
    page: Page,
    base: String,
    pub look: Look,
    ears: Ears,
}

impl Tab {
    pub async fn new(page: Page, base: &str, look: Look) -> Self {
        let ears = Ears {
            console: page.event_listener().await.expect("a listener"),
            exceptions: page.event_listener().await.expect("a listener"),
            log: page.event_listener().await.expect("a listener"),
            dialogs: page.event_listener().await.expect("a listener"),
            answers: page.event_listener().await.expect("a listener"),
            pages: HashSet::new(),
            fences: 0,
        };
        resize(&page, look, look.height).await;
        let media = SetEmulatedMediaParams::builder().features([
            MediaFeature::new("prefers-color-scheme", look.theme),
            MediaFeature::new("prefers-reduced-motion", "reduce"),
        ]);
        page.execute(media.build()).await.expect("it has the theme");
        // As the tab a person looks at, however many there are.
        page.execute(SetFocusEmulationEnabledParams::new(true))
            .await
            .expect("it has the focus");
        Tab {
            page,
            base: base.to_owned(),
            look,
            ears,
        }
    }

    /// From the next page on, no script of a page runs.
    pub async fn without_script(self) -> Self {
        self.page
            .execute(SetScriptExecutionDisabledParams::new(true))
            .await
            .expect("scripts are off");
        self
    }

    /// Opens a path of the program and waits until it is there.
    pub async fn goto(&self, path: &str) {
        self.goto_address(&format!("{}{path}", self.base)).await;
    }

    pub async fn goto_address(&self, address: &str) {
        if let Err(error) = self.page.goto(address).await {
            panic!("{address}: {error}");
        }
        self.until("the page is there", "document.readyState == 'complete'")
            .await;
    }

    pub async fn path(&self) -> String {
        self.js("location.pathname + location.search").await
    }

    /// What a person reads.
    pub async fn text(&self) -> String {
        self.js("document.body.innerText").await
    }

    /// Asks the page something; a promise is awaited.
    pub async fn js<T: DeserializeOwned>(&self, expression: &str) -> T {
        match self.ask(expression, None).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// As [`Tab::js`], in a world of its own that the page knows nothing of.
    pub async fn js_aside<T: DeserializeOwned>(&self, first: &str, expression: &str) -> T {
        let frame = self.page.mainframe().await.expect("an answer");
        let params = CreateIsolatedWorldParams::new(frame.expect("a frame"));
        let world = self.page.execute(params).await.expect("a world");
        let world = world.result.execution_context_id;
        let _nothing: Value = self
            .ask(&format!("{first};0"), Some(world))
            .await
            .expect("it is read");
        match self.ask(expression, Some(world)).await {
            Ok(value) => value,
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        expression: &str,
        world: Option<ExecutionContextId>,
    ) -> Result<T, String> {
        let mut params = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true);
        if let Some(world) = world {
            params = params.context_id(world);
        }
        let params = params.build().expect("an expression");
        let answer = self.page.execute(params).await;
        let answer = answer.map_err(|error| error.to_string())?.result;
        if let Some(thrown) = answer.exception_details {
            return Err(format!("{thrown:?}"));
        }
        let value = answer.result.value.unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// Waits until an expression is true, over as many pages as it takes.
    pub async fn until(&self, what: &str, expression: &str) {
        self.until_again(what, expression, None).await;
    }

    /// As [`Tab::until`], opening a path anew each time: for what does not come by itself.
    pub async fn until_reloaded(&self, path: &str, what: &str, expression: &str) {
        self.until_again(what, expression, Some(path)).await;
    }

    async fn until_again(&self, what: &str, expression: &str, path: Option<&str>) {
        let question = format!("!!({expression})");
        let wait = async {
            let mut between = tokio::time::interval(ASKED_EVERY);
            loop {
                between.tick().await;
                if let Some(path) = path {
                    let address = format!("{}{path}", self.base);
                    self.page.goto(address).await.expect("it goes there");
                }
                // While one page goes and another comes there is nobody to answer.
                if let Ok(true) = self.ask::<bool>(&question, None).await {
                    return;
                }
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            panic!(
                "waited in vain until {what}, at {}:\n{}",
                self.path().await,
                self.text().await
            );
        }
    }

    pub async fn until_at(&self, path: &str) {
        let expression = format!(
            "location.pathname == {} && document.readyState == 'complete'",
            json!(path)
        );
        self.until(&format!("it is at {path}"), &expression).await;
    }

    pub async fn until_it_says(&self, words: &str) {
        let expression = format!("document.body.innerText.includes({})", json!(words));
        self.until(&format!("it says {words:?}"), &expression).await;
    }

    /// Presses the mouse where the element is, as a person would.
    pub async fn click(&self, selector: &str) {
        let at = self.place_of(selector).await;
        self.page.click(at).await.expect("the mouse works");
    }

    async fn place_of(&self, selector: &str) -> Point {
        let chosen = json!(selector);
        self.until(
            &format!("there is {selector}"),
            &format!("document.querySelector({chosen})"),
        )
        .await;
        let (x, y): (f64, f64) = self
            .js(&format!(
                "(() => {{
                    const chosen = document.querySelector({chosen});
                    chosen.scrollIntoView({{ block: 'center' }});
                    const box = chosen.getClientRects()[0];
                    return [box.x + box.width / 2, box.y + box.height / 2];
                }})()"
            ))
            .await;
        Point { x, y }
    }

    /// Writes into a field what was not there before.
    pub async fn fill(&self, selector: &str, text: &str) {
        self.click(selector).await;
        let chosen = json!(selector);
        let _chosen: Value = self
            .js(&format!("document.querySelector({chosen}).select()"))
            .await;
        self.page
            .execute(InsertTextParams::new(text))
            .await
            .expect("the keys work");
    }

    /// Presses a key: `Tab`, `Enter` or `Escape`.
    pub async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, None),
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            other => panic!("the key {other} is not known here"),
        };
        let event = DispatchKeyEventParams::builder()
            .key(key)
            .code(key)
            .windows_virtual_key_code(code);
        let down = match text {
            Some(text) => event
                .clone()
                .text(text)
                .r#type(DispatchKeyEventType::KeyDown),
            None => event.clone().r#type(DispatchKeyEventType::RawKeyDown),
        };
        for event in [down, event.r#type(DispatchKeyEventType::KeyUp)] {
            let event = event.build().expect("a key");
            self.page.execute(event).await.expect("the keys work");
        }
    }

    /// Moves the mouse over an element.
    pub async fn point_at(&self, selector: &str) {
        let at = self.place_of(selector).await;
        self.page.move_mouse(at).await.expect("the mouse works");
    }

    /// Where a link of a page leads.
    pub async fn href(&self, path: &str, selector: &str) -> String {
        self.goto(path).await;
        let chosen = json!(selector);
        self.js(&format!(
            "document.querySelector({chosen}).getAttribute('href')"
        ))
        .await
    }

    /// The cookies of this tab, as a request carries them.
    pub async fn cookies(&self) -> String {
        let cookies = self.page.get_cookies().await.expect("cookies");
        let pairs = cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Puts cookies back, as somebody who had copied them.
    pub async fn put_cookies(&self, cookies: &str) {
        for pair in cookies.split("; ").filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').expect("a pair");
            let cookie = CookieParam::builder()
                .name(name)
                .value(value)
                .url(&self.base)
                .build()
                .expect("a cookie");
            self.page.set_cookie(cookie).await.expect("it is kept");
        }
    }

    /// What went wrong in the pages since this was asked last. That a page itself came with the
    /// status of an error is not among it.
    pub async fn faults(&mut self) -> Vec<String> {
        self.ears.fences += 1;
        // What was said before the fence has been heard when the fence is.
        let fence = format!("fence {}", self.ears.fences);
        let _said: Value = self.js(&format!("console.debug({})", json!(fence))).await;
        let mut faults = Vec::new();
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.ears.console.next()).await;
            let call = heard.expect("the console is heard").expect("it is open");
            let first = call.args.first().and_then(|first| first.value.as_ref());
            if first.and_then(Value::as_str) == Some(&fence) {
                break;
            }
            if matches!(
                call.r#type,
                ConsoleApiCalledType::Error
                    | ConsoleApiCalledType::Warning
                    | ConsoleApiCalledType::Assert
            ) {
                faults.push(format!("console: {:?}", call.args));
            }
        }
        while let Some(Some(thrown)) = self.ears.exceptions.next().now_or_never() {
            faults.push(format!("exception: {:?}", thrown.exception_details));
        }
        while let Some(Some(answer)) = self.ears.answers.next().now_or_never() {
            if answer.r#type == ResourceType::Document {
                self.ears.pages.insert(answer.response.url.clone());
            }
        }
        while let Some(Some(said)) = self.ears.log.next().now_or_never() {
            let entry = &said.entry;
            let is_page = entry.source == LogEntrySource::Network
                && entry
                    .url
                    .as_ref()
                    .is_some_and(|url| self.ears.pages.contains(url));
            if !is_page && matches!(entry.level, LogEntryLevel::Error | LogEntryLevel::Warning) {
                faults.push(format!(
                    "{:?}: {} {}",
                    entry.source,
                    entry.text,
                    entry.url.as_deref().unwrap_or_default()
                ));
            }
        }
        while let Some(Some(dialog)) = self.ears.dialogs.next().now_or_never() {
            faults.push(format!("a dialog opened: {}", dialog.message));
        }
        faults
    }

    /// Writes a picture of the whole page, in a window as high as it is.
    pub async fn picture(&self, file: &Path) {
        let height: i64 = self.js("document.scrollingElement.scrollHeight").await;
        resize(&self.page, self.look, height.max(self.look.height)).await;
        let params = ScreenshotParams::builder()
            .format(CaptureScreenshotFormat::Png)
            .capture_beyond_viewport(false)
            .build();
        let picture = self.page.screenshot(params).await.expect("a picture");
        std::fs::write(file, picture).expect("it is written");
        resize(&self.page, self.look, self.look.height).await;
    }
}

async fn resize(page: &Page, look: Look, height: i64) {
    let size = SetDeviceMetricsOverrideParams::builder()
        .width(look.width)
        .height(height)
        .device_scale_factor(1.0)
        .mobile(look.is_phone)
        .build()
        .expect("a size");
    page.execute(size).await.expect("it has the size");
}
