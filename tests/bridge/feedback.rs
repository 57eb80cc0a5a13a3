//! What the pages say after a form: once, to whom it concerns, in words, without any script.

use notify_bridge::domain::command::Command;
use notify_bridge::domain::event::{Action, DeliveryKey, Role};
use notify_bridge::projections::outbox::Status;
use notify_bridge::shell::operate;
use tokio::net::TcpListener;

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram};
use crate::pages::{Visit, visit};

/// What a receiver may answer that means harm.
const HOSTILE: &str = "<script>alert(1)</script> \u{202e}gnp.exe";

fn refusal(why: &str) -> Scripted {
    let answer = serde_json::json!({
        "ok": false, "error_code": 400, "description": format!("Bad Request: {why}"),
    });
    Scripted::new(400, answer.to_string())
}

/// A page's message, as its markup; empty when it has none.
fn flash(page: &str) -> &str {
    let Some((_, after)) = page.split_once(r#"<div class="flashes""#) else {
        return "";
    };
    // It ends where the page's own content begins.
    let end = after
        .find("<section")
        .or_else(|| after.find("<div class=\"rows-box\""))
        .unwrap_or(after.len());
    &after[..end]
}

/// The address that a link or button with these words leads to.
fn link<'p>(page: &'p str, words: &str) -> &'p str {
    let (before, _) = page
        .split_once(&format!(">{words}</a>"))
        .unwrap_or_else(|| panic!("no link {words} in {page}"));
    let (_, address) = before
        .rsplit_once("href=\"")
        .expect("a link has an address");
    address.split('"').next().unwrap_or_default()
}

fn field<'p>(page: &'p str, name: &str) -> &'p str {
    let (_, after) = page
        .split_once(&format!(r#"name="{name}" value=""#))
        .unwrap_or_else(|| panic!("no field {name} in {page}"));
    after.split('"').next().unwrap_or_default()
}

impl TestBridge {
    /// Sends a form as a browser does and goes where it is sent.
    async fn after(&self, visit: &Visit, path: &str, fields: &str) -> String {
        let form = format!("csrf={}&{fields}", visit.csrf);
        let (status, location) = self.send_form(visit, path, "same-origin", &form).await;
        assert_eq!(status, 303, "{path}");
        assert!(!location.contains('?'), "{location} says something itself");
        let (status, page) = self.page(visit, &location).await;
        assert_eq!(status, 200, "{location}");
        page
    }

    /// Parks one delivery per push.
    async fn park(&self, place: &Place, count: usize) {
        for nth in 0..count {
            place.script([refusal("too heavy")]);
            self.push(&nth.to_string(), &format!("number {nth}")).await;
            self.until("it is parked", |state| state.outbox.parked.len() == nth + 1)
                .await;
        }
    }

    fn parked(&self) -> Vec<DeliveryKey> {
        self.state(|state| state.outbox.parked.iter().copied().collect())
    }

    async fn retry(&self, delivery: DeliveryKey) {
        self.command(Command::Operate {
            delivery,
            action: Action::Retry,
            by: "someone else".into(),
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_done_is_told_once_and_to_nobody_else() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.park(&place, 1).await;
    let (owner, editor) = (
        visit(&bridge, Role::Owner).await,
        visit(&bridge, Role::Editor).await,
    );
    let family = bridge.family(bridge.newest());
    let page = format!("/notices/{}", family.notice.id);
    let retry = format!("/deliveries/{}/retry", family.deliveries[0].id);
    let form = format!("csrf={}", owner.csrf);
    let (status, location) = bridge.send_form(&owner, &retry, "same-origin", &form).await;
    assert_eq!((status, location.as_str()), (303, page.as_str()));
    // Neither another session, nor another page, nor the script's look at a part is told.
    for (who, path) in [
        (&editor, page.as_str()),
        (&owner, "/"),
        (&owner, "/parked?flash=All+is+lost&said=All+is+lost"),
        (&owner, &format!("{page}?fragment=why")),
    ] {
        let (_, other) = bridge.page(who, path).await;
        assert_eq!(flash(&other), "", "{path}");
        assert!(!other.contains("All is lost"));
    }
    let (_, told) = bridge.page(&owner, &page).await;
    assert!(
        flash(&told).contains("Retried: the delivery to ops is tried again now."),
        "{told}"
    );
    assert!(flash(&told).contains(r#"role="status""#));
    assert_eq!(flash(&bridge.page(&owner, &page).await.1), "");
    bridge.settled().await;
    let refused = bridge.after(&owner, &retry, "").await;
    assert!(
        flash(&refused).contains("Nothing was changed: the delivery is settled"),
        "{refused}"
    );
    assert!(flash(&refused).contains(r#"role="alert""#));
    assert_eq!(place.received().len(), 2, "nothing was sent once more");
}

#[tokio::test]
async fn many_are_done_as_they_were_asked_about_and_what_changed_is_told() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.park(&place, 4).await;
    let editor = visit(&bridge, Role::Editor).await;
    let (_, parked) = bridge.page(&editor, "/parked").await;
    let ask = link(&parked, "Drop all 4").replace("&amp;", "&");
    let (_, question) = bridge.page(&editor, &ask).await;
    assert!(question.contains("Drop 4 deliveries?"), "{question}");
    assert_eq!(question.matches(" to ops / team").count(), 4, "{question}");
    let asked = format!("asked={}", field(&question, "asked"));
    // Meanwhile one is sent after all, and one is tried again in vain.
    let keys = bridge.parked();
    bridge.retry(keys[0]).await;
    bridge
        .until("it is sent", |state| state.outbox.parked.len() == 3)
        .await;
    bridge
        .until("nothing is under way", |state| {
            state.outbox.deliveries.len() == 3
        })
        .await;
    place.script([refusal("too heavy")]);
    bridge.retry(keys[1]).await;
    place.has_received(6).await;
    bridge
        .until("it is parked again", |state| {
            state.outbox.parked.contains(&keys[1])
        })
        .await;
    let told = bridge.after(&editor, "/parked/drop", &asked).await;
    let words =
        "Dropped 2 deliveries. 1 was already sent. 1 was parked again meanwhile and left alone.";
    assert!(flash(&told).contains(words), "{told}");
    assert!(
        flash(&told).contains("the delivery has changed since it was looked at"),
        "{told}"
    );
    assert_eq!(bridge.parked(), [keys[1]]);
    // The same answer once more changes nothing and says so.
    let again = bridge.after(&editor, "/parked/drop", &asked).await;
    let words =
        "Nothing was changed. 2 were already dropped. 1 was already sent. 1 was parked again";
    assert!(flash(&again).contains(words), "{again}");
    assert_eq!(bridge.parked(), [keys[1]]);
    let chosen = "/parked/ask?action=retry&id=01M86B7TW7RWPG000000000R00";
    let (status, nothing) = bridge.page(&editor, chosen).await;
    assert_eq!(status, 200);
    assert!(nothing.contains("Nothing to retry") && nothing.contains("was settled meanwhile"));
    let csrf = &editor.csrf;
    for form in ["asked=", "asked=%21", "asked=AQ", "id=7"] {
        let form = format!("csrf={csrf}&{form}");
        let (status, _) = bridge
            .send_form(&editor, "/parked/drop", "same-origin", &form)
            .await;
        assert_eq!(status, 422, "{form}");
    }
}

/// A telegram target with so many receivers.
fn crowd(place: &Place, receivers: usize) -> String {
    let receivers: Vec<String> = (0..receivers)
        .map(|nth| format!(r#"{{ name = "chat-{nth}", to = "-{}" }}"#, nth + 1))
        .collect();
    let file = forge_to_telegram(place);
    let one = r#"receivers = [ { name = "team", to = "-1001234567890" } ]"#;
    assert!(file.contains(one));
    file.replace(one, &format!("receivers = [ {} ]", receivers.join(", ")))
}

#[tokio::test]
async fn a_group_is_all_of_it() {
    const COUNT: usize = 620;
    let place = Place::usually(refusal("chat not found")).await;
    let bridge = TestBridge::start(&crowd(&place, COUNT)).await;
    bridge.push("1", "to everyone").await;
    bridge
        .until("all are parked", |state| state.outbox.parked.len() == COUNT)
        .await;
    let editor = visit(&bridge, Role::Editor).await;
    let (_, parked) = bridge.page(&editor, "/parked").await;
    let ask = link(&parked, "Drop all 620").replace("&amp;", "&");
    let (_, question) = bridge.page(&editor, &ask).await;
    assert!(question.contains("Drop 620 deliveries?"), "{question}");
    assert!(question.contains("and 600 more"), "{question}");
    let asked = format!("asked={}", field(&question, "asked"));
    let told = bridge.after(&editor, "/parked/drop", &asked).await;
    assert!(flash(&told).contains("Dropped 620 deliveries."), "{told}");
    assert!(bridge.parked().is_empty());
}

#[tokio::test]
async fn a_test_says_what_came_of_it_receiver_by_receiver() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&crowd(&place, 3)).await;
    let editor = visit(&bridge, Role::Editor).await;
    let test = "/targets/ops/test";
    let all = bridge.after(&editor, test, "receiver=").await;
    assert!(
        flash(&all).contains("Test sent to 3 of 3 receivers."),
        "{all}"
    );
    for part in ["chat-0", "chat-1", "chat-2", "Sent", "after ", " ms"] {
        assert!(flash(&all).contains(part), "{part}: {all}");
    }
    let one = bridge.after(&editor, test, "receiver=chat-1").await;
    assert!(flash(&one).contains("Test sent."), "{one}");
    assert!(!flash(&one).contains("chat-0"));
    place.script([refusal(HOSTILE)]);
    let some = bridge.after(&editor, test, "receiver=").await;
    let said = flash(&some);
    assert!(said.contains("Test sent to 2 of 3 receivers."), "{some}");
    assert!(said.contains("It answered 400"), "{some}");
    assert!(said.contains("&lt;script&gt;alert(1)") && !some.contains("<script>alert"));
    assert!(!some.contains('\u{202e}'), "{some}");
    // What a service puts off beyond the wait is told at once.
    let busy = r#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":3600}}"#;
    place.script([Scripted::new(429, busy)]);
    let later = bridge.after(&editor, test, "receiver=chat-2").await;
    let said = flash(&later);
    assert!(said.contains("The test is not sent yet."), "{later}");
    assert!(said.contains("It is tried again in 1 h"), "{later}");
    let nobody = bridge.after(&editor, test, "receiver=nobody").await;
    assert!(
        flash(&nobody).contains("Nothing was changed: receiver nobody does not exist."),
        "{nobody}"
    );
    let form = format!("csrf={}", editor.csrf);
    let missing = bridge.send_form(&editor, "/targets/none/test", "same-origin", &form);
    assert_eq!(missing.await.0, 404);
}

#[tokio::test]
async fn pausing_and_sending_again_say_what_they_did() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let (_, answer) = bridge.push("1", "once").await;
    bridge.settled().await;
    // While there is no admin, the overview says only how to make one.
    let owner = visit(&bridge, Role::Owner).await;
    let resend = format!(
        "/notices/{}/resend",
        answer["notices"][0].as_str().expect("an id")
    );
    for (path, fields, words) in [
        (resend.as_str(), "", "Sending again: 1 delivery is planned."),
        (
            "/pause",
            "",
            "Paused: nothing is sent until someone resumes.",
        ),
        (
            "/pause",
            "",
            "Nothing was changed: sending was paused already.",
        ),
        (
            "/targets/ops/test",
            "receiver=",
            "sending is paused; it goes out when someone resumes",
        ),
        ("/resume", "", "Resumed: what is due is sent now."),
        (
            "/resume",
            "",
            "Nothing was changed: sending was not paused.",
        ),
    ] {
        let page = bridge.after(&owner, path, fields).await;
        assert!(flash(&page).contains(words), "{path}: {page}");
        bridge
            .until("what can be sent is sent", |state| {
                state.outbox.paused || state.outbox.deliveries.is_empty()
            })
            .await;
    }
}

#[tokio::test]
async fn a_providers_test_says_what_was_heard_and_that_nothing_was_called() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let editor = visit(&bridge, Role::Editor).await;
    let test = "/providers/forge/test";
    let silent = bridge.after(&editor, test, "").await;
    let address = format!("{}/hooks/forge", bridge.address);
    for words in [
        "No request has come yet.",
        "Nothing was called",
        address.as_str(),
    ] {
        assert!(flash(&silent).contains(words), "{words}: {silent}");
    }
    let unsigned = [("x-gitea-event", "push"), ("x-gitea-delivery", "1")];
    assert_eq!(bridge.post("/hooks/forge", &unsigned, b"{}").await.0, 401);
    let refused = bridge.after(&editor, test, "").await;
    assert!(
        flash(&refused).contains("was refused") && flash(&refused).contains("127.0.0.1"),
        "{refused}"
    );
    bridge.advance(60);
    bridge.push("2", "heard").await;
    let heard = bridge.after(&editor, test, "").await;
    assert!(flash(&heard).contains("was verified."), "{heard}");
    assert!(flash(&heard).contains(r#"role="status""#));
}

#[tokio::test]
async fn a_test_is_waited_for_within_a_bound() {
    // It takes the call and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut place = Place::telegram().await;
    place.address = format!("http://{}", silent.local_addr().expect("an address"));
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let ledger = &bridge.app.ledger;
    let planned = operate::test_target(ledger, "ops", None, "test")
        .await
        .expect("it is planned");
    let wait = operate::come_of(ledger, &*bridge.app.clock, &planned, operate::TEST_WAIT_MAX);
    tokio::pin!(wait);
    let sending = |state: &notify_bridge::domain::state::State| {
        let mut open = state.outbox.deliveries.values();
        open.any(|delivery| delivery.status == Status::Sending)
    };
    tokio::select! {
        biased;
        () = &mut wait => panic!("something came of a call that is not answered"),
        () = bridge.until("it is called", sending) => {}
    }
    bridge.advance(operate::TEST_WAIT_MAX.as_secs());
    wait.await;
}
