//! Reading why, and what a person does about a delivery.

use crate::chromium::{Chromium, in_chromium};
use crate::harness::{Place, Scripted, push_body};
use crate::program::{Program, file, log_in, push_by};
use crate::tab::{Look, Tab};

/// A place that refuses one message for good and takes all others.
async fn refuses_once() -> Place {
    let place = Place::usually(Scripted::new(200, "thank you")).await;
    place.script([Scripted::new(400, "the shelf is full")]);
    place
}

#[tokio::test(flavor = "multi_thread")]
async fn the_why_card_tells_reasons_words_and_attempts() {
    in_chromium(async |chromium| {
        let (telegram, hook) = (Place::telegram().await, refuses_once().await);
        let program = Program::new(&file(&telegram, &hook)).await;
        let id = program.push("1", push_body("Sharpen the pencils")).await;
        for has_script in [true, false] {
            let mut tab = chromium.tab(&program.address, Look::DESKTOP_LIGHT).await;
            if !has_script {
                tab = tab.without_script().await;
            }
            log_in(&tab).await;
            let path = format!("/notices/{id}");
            let settled = "document.querySelector('#why').innerText.includes('4711')
                && document.querySelector('#why').innerText.includes('the shelf is full')";
            tab.until_reloaded(&path, "both places answered", settled)
                .await;
            let card: String = tab.js("document.querySelector('#why').innerText").await;
            for expected in [
                "Received from forge and verified",
                // One tracker said no, and which value decided.
                "Tracker releases said no",
                "push",
                "Tracker everything said yes: planned for ops",
                // What each place was told, and what it answered.
                "Sharpen the pencils",
                "Attempt 1 → sent, message 4711",
                "Attempt 1 → 400",
                "the shelf is full",
                "Waits for a person",
            ] {
                assert!(card.contains(expected), "{expected:?} is not in\n{card}");
            }
            let messages: Vec<String> = tab
                .js("[...document.querySelectorAll('#why .msg')].map((it) => it.innerText)")
                .await;
            assert_eq!(messages.len(), 3, "one for each target: {messages:?}");
            for message in messages {
                assert!(message.contains("Sharpen the pencils"), "{message}");
            }
            assert_eq!(tab.faults().await, [""; 0]);
        }
    })
    .await;
}

/// Has one delivery parked, and opens the list of what is.
async fn parked(chromium: &Chromium, program: &Program, has_script: bool) -> Tab {
    let mut tab = chromium.tab(&program.address, Look::PHONE_LIGHT).await;
    if !has_script {
        tab = tab.without_script().await;
    }
    log_in(&tab).await;
    tab.until_reloaded(
        "/parked",
        "it is parked",
        "document.body.innerText.includes('the shelf is full')",
    )
    .await;
    tab
}

async fn is_retried_through_the_pages(has_script: bool) {
    in_chromium(async |chromium| {
        let (telegram, hook) = (Place::telegram().await, refuses_once().await);
        let program = Program::new(&file(&telegram, &hook)).await;
        let id = program.push("1", push_body("Dust the shelf")).await;
        let mut tab = parked(chromium, &program, has_script).await;
        assert_eq!(hook.received().len(), 1);

        // It asks first: in place with the script, on a page of its own without.
        tab.click("a.ask[href*='action=retry']").await;
        tab.until(
            "it asks",
            "document.querySelector('#ask button[type=submit]')",
        )
        .await;
        let is_dialog: bool = tab
            .js("!!document.querySelector('dialog[open] #ask')")
            .await;
        assert_eq!(is_dialog, has_script);
        let question: String = tab.js("document.querySelector('#ask').innerText").await;
        assert!(question.contains("Retry 1 delivery"), "{question}");
        assert_eq!(hook.received().len(), 1, "asking does nothing");
        tab.click("#ask .cancel").await;
        tab.until("it was called off", "!document.querySelector('#ask')")
            .await;
        tab.click("a.ask[href*='action=retry']").await;
        tab.click("#ask button[type=submit]").await;
        tab.until_at("/parked").await;
        hook.has_received(2).await;

        let path = format!("/notices/{id}");
        tab.until_reloaded(
            &path,
            "it is sent",
            "document.querySelector('#why').innerText.includes('Attempt 2 → sent')",
        )
        .await;
        let card: String = tab.js("document.querySelector('#why').innerText").await;
        assert!(card.contains("Retried"), "who did it is told: {card}");
        tab.goto("/parked").await;
        tab.until_it_says("Nothing is parked").await;
        assert_eq!(hook.received().len(), 2);
        assert_eq!(tab.faults().await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_delivery_is_retried_with_a_dialog() {
    is_retried_through_the_pages(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_delivery_is_retried_without_script() {
    is_retried_through_the_pages(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_list_while_typing_and_stand_in_the_address() {
    in_chromium(async |chromium| {
        let place = Place::telegram().await;
        let program = Program::new(&file(&place, &place)).await;
        for who in ["nora", "ida"] {
            program.push(who, push_by(who)).await;
        }
        for has_script in [true, false] {
            let mut tab = chromium.tab(&program.address, Look::DESKTOP_DARK).await;
            if !has_script {
                tab = tab.without_script().await;
            }
            log_in(&tab).await;
            tab.goto("/notices").await;
            tab.fill("input[name=q]", "nora").await;
            if !has_script {
                tab.click("form[role=search] button").await;
            }
            tab.until(
                "one is left",
                "document.querySelectorAll('main [data-id]').length == 1",
            )
            .await;
            assert!(tab.text().await.contains("nora pushed"));
            let query: String = tab.js("location.search").await;
            assert!(query.contains("q=nora"), "{query}");
            assert_eq!(tab.faults().await, [""; 0]);
        }
    })
    .await;
}
