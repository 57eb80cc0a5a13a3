//! What happens while a page is open: a notice arrives in it by itself.

use serde::Deserialize;
use serde_json::json;

use crate::chromium::in_chromium;
use crate::harness::{SECRET, sign};
use crate::program::{Program, log_in, push_by, small_file};
use crate::tab::{Look, Tab};

/// From the answer to the sender until a person sees the notice.
const ARRIVAL_MS_MAX: f64 = 1_000.0;
/// Of so many notices the quickest counts: other tests may have the processor at the moment.
const TRIES: usize = 3;

#[derive(Deserialize)]
struct Arrival {
    status: u16,
    milliseconds: f64,
}

/// Posts a notice out of the page itself, so that one clock sees the answer and the arrival.
async fn arrival(tab: &Tab, delivery: &str, who: &str) -> f64 {
    let body = push_by(who);
    let headers = json!({
        "content-type": "application/json",
        "x-gitea-event": "push",
        "x-gitea-delivery": delivery,
        "x-gitea-signature": sign(SECRET, &body),
    });
    let body = json!(String::from_utf8(body).expect("a text"));
    let who = json!(who);
    let arrival: Arrival = tab
        .js(&format!(
            "(async () => {{
                const shows = () => [...document.querySelectorAll('main [data-id]')]
                    .some((row) => row.textContent.includes({who}));
                const arrived = new Promise((done) => {{
                    new MutationObserver(() => shows() && done(performance.now()))
                        .observe(document.body, {{ subtree: true, childList: true }});
                }});
                const answer = await fetch('/hooks/forge', {{ method: 'POST', headers: {headers}, body: {body} }});
                const accepted = performance.now();
                return {{ status: answer.status, milliseconds: await arrived - accepted }};
            }})()"
        ))
        .await;
    assert_eq!(arrival.status, 202);
    arrival.milliseconds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_arrives_in_the_open_page_within_a_second() {
    in_chromium(async |chromium| {
        let program = Program::new(&small_file()).await;
        let mut tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
        log_in(&tab).await;
        program.push("first", push_by("nora")).await;
        for (path, who) in [("/", "ida"), ("/notices", "ole"), ("/inbox", "eli")] {
            tab.goto(path).await;
            let _kept: bool = tab.js("window.sameDocument = true").await;
            let mut quickest = f64::INFINITY;
            for n in 0..TRIES {
                let who = format!("{who}-{n}");
                quickest = quickest.min(arrival(&tab, &who, &who).await);
            }
            assert!(
                quickest <= ARRIVAL_MS_MAX,
                "{path}: the quickest of {TRIES} took {quickest} ms"
            );
            let is_same: bool = tab.js("window.sameDocument === true").await;
            assert!(is_same, "{path}: it came without a reload");
        }
        assert_eq!(tab.faults().await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_page_waits_for_the_first_notice() {
    in_chromium(async |chromium| {
        for path in ["/", "/notices", "/inbox"] {
            let program = Program::new(&small_file()).await;
            let mut tab = chromium.tab(&program.address, Look::PHONE_LIGHT).await;
            log_in(&tab).await;
            tab.goto(path).await;
            tab.until_it_says("This page waits").await;
            program.push("first", push_by("nora")).await;
            tab.until_it_says("nora pushed").await;
            assert_eq!(tab.faults().await, [""; 0]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_under_the_pointer_gathers_behind_a_button() {
    in_chromium(async |chromium| {
        let program = Program::new(&small_file()).await;
        let tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
        log_in(&tab).await;
        program.push("first", push_by("nora")).await;
        tab.goto("/notices").await;
        tab.point_at(".rows tbody tr").await;
        program.push("second", push_by("ida")).await;
        tab.until(
            "a button counts it",
            "[...document.querySelectorAll('.news')].some((it) => !it.hidden && it.textContent == '1 new')",
        )
        .await;
        assert!(!tab.text().await.contains("ida pushed"));
        tab.click(".news").await;
        tab.until_it_says("ida pushed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_a_reload_shows_it() {
    in_chromium(async |chromium| {
        let program = Program::new(&small_file()).await;
        let tab = chromium.tab(&program.address, Look::PHONE_DARK).await;
        let tab = tab.without_script().await;
        log_in(&tab).await;
        for (path, who) in [("/", "nora"), ("/notices", "ida"), ("/inbox", "ole")] {
            tab.goto(path).await;
            program.push(who, push_by(who)).await;
            assert!(!tab.text().await.contains(who), "{path}");
            tab.goto(path).await;
            assert!(tab.text().await.contains(who), "{path}");
        }
    })
    .await;
}
