//! What is held: until its moment, over a restart, and what people do with it on the pages.

use notify_bridge::domain::event::Role;
use notify_bridge::domain::family::Family;
use notify_bridge::projections::outbox::Status;

use crate::harness::{NOON, Place, TestBridge, forge_to_telegram};
use crate::pages::{Visit, visit};

/// The clock begins at noon, UTC, within this window.
fn quiet_until(place: &Place, end: &str) -> String {
    let window = format!("[settings]\nquiet = [ {{ from = \"11:00\", to = \"{end}\" }} ]\n");
    format!("{window}{}", forge_to_telegram(place))
}

async fn is_held(bridge: &TestBridge, notices: u64) {
    bridge
        .until("it is held with all that joins it", |state| {
            let told = |delivery: &notify_bridge::projections::outbox::Delivery| {
                let gathered = delivery.gathered.as_deref();
                gathered.map_or(1, |gathered| gathered.count())
            };
            let open: Vec<_> = state.outbox.deliveries.values().collect();
            open.len() == 1 && open[0].status == Status::Held && told(open[0]) == notices
        })
        .await;
}

impl TestBridge {
    /// Pushes, and gives the family of the notice.
    async fn pushed(&self, delivery: &str, subject: &str) -> Family {
        self.push(delivery, subject).await;
        self.family(self.newest())
    }

    /// Answers the question of a page about everything of a moment, with more fields.
    async fn answer(&self, who: &Visit, action: &str, more: &str) -> String {
        let (_, list) = self.page(who, "/held").await;
        let begin = format!("/held/ask?action={action}&amp;group=");
        let (_, after) = list.split_once(&begin).expect("a button for all");
        let group = after.split('"').next().expect("an address ends");
        let path = format!("/held/ask?action={action}&group={group}");
        let (status, question) = self.page(who, &path).await;
        assert_eq!(status, 200, "{question}");
        let (_, after) = question
            .split_once(r#"name="asked" value=""#)
            .expect("the form says what it is about");
        let asked = after.split('"').next().expect("a value ends");
        let form = format!("csrf={}&asked={asked}{more}", who.csrf);
        let path = format!("/held/{action}");
        let sent = self.send_form(who, &path, "same-origin", &form).await;
        assert_eq!(sent, (303, "/held".to_owned()));
        question
    }
}

#[tokio::test]
async fn a_window_holds_over_a_restart_until_it_ends() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&quiet_until(&place, "12:01")).await;
    bridge.pushed("1", "Not before the minute is over").await;
    is_held(&bridge, 1).await;
    let bridge = bridge.restart().await;
    is_held(&bridge, 1).await;
    let owner = visit(&bridge, Role::Owner).await;
    let (_, list) = bridge.page(&owner, "/held").await;
    assert!(
        list.contains("Quiet hours") && list.contains("in 1 min") && list.contains("12:01 UTC"),
        "{list}"
    );
    let (_, overview) = bridge.page(&owner, "/").await;
    assert!(overview.contains(r#"href="/held""#), "{overview}");
    assert_eq!(place.received().len(), 0);
    bridge.advance(59);
    is_held(&bridge, 1).await;
    bridge.advance(1);
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
    let (_, list) = bridge.page(&owner, "/held").await;
    assert!(list.contains("Nothing is held"), "{list}");
}

#[tokio::test]
async fn what_is_told_together_is_shown_and_released_together() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&quiet_until(&place, "20:00")).await;
    let host = bridge.pushed("1", "Tighten the first bolt").await;
    let joined = bridge.pushed("2", "Tighten the second bolt").await;
    is_held(&bridge, 2).await;
    let editor = visit(&bridge, Role::Editor).await;
    let (_, list) = bridge.page(&editor, "/held").await;
    assert!(list.contains("telling 2 notices"), "{list}");
    let one = |family: &Family| format!("/notices/{}", family.notice.id);
    let (_, card) = bridge.page(&editor, &one(&host)).await;
    assert!(
        card.contains("Tells 1 further notice") && card.contains(&one(&joined)),
        "{card}"
    );
    assert!(card.contains("Release now"), "{card}");
    let (_, card) = bridge.page(&editor, &one(&joined)).await;
    assert!(
        card.contains("Told together with <a") && card.contains(&one(&host)),
        "{card}"
    );
    let viewer = visit(&bridge, Role::Viewer).await;
    let path = format!("/deliveries/{}/release", host.deliveries[0].id);
    let form = format!("csrf={}", viewer.csrf);
    let refused = bridge.send_form(&viewer, &path, "same-origin", &form).await;
    assert_eq!(refused.0, 403);
    let question = bridge.answer(&editor, "release", "").await;
    assert!(
        question.contains("Release 1 delivery") && question.contains("tell 2 notices"),
        "{question}"
    );
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}

#[tokio::test]
async fn a_person_says_another_moment_or_that_it_is_not_sent() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&quiet_until(&place, "12:30")).await;
    let family = bridge.pushed("1", "Later than the others").await;
    is_held(&bridge, 1).await;
    let editor = visit(&bridge, Role::Editor).await;
    let question = bridge
        .answer(&editor, "move", "&until=at&at=2026-11-24T14:00")
        .await;
    assert!(question.contains("In an hour"), "{question}");
    let until = |micros: i64| {
        bridge.until("it is moved", move |state| {
            let hold = |(until, _): &(i64, _)| *until == micros;
            state.outbox.held.iter().all(hold)
        })
    };
    const HOUR: i64 = 3_600_000_000;
    until(NOON + 2 * HOUR).await;
    let (_, list) = bridge.page(&editor, "/held").await;
    assert!(list.contains("Moved by a person"), "{list}");
    bridge.advance(3_600);
    is_held(&bridge, 1).await;
    assert_eq!(place.received().len(), 0);
    // Nonsense and the past change nothing.
    let path = format!("/deliveries/{}/move", family.deliveries[0].id);
    for when in ["at&at=", "at&at=yesterday", "2026-11-24T08:00:00Z"] {
        let form = format!("csrf={}&until={when}", editor.csrf);
        let sent = bridge.send_form(&editor, &path, "same-origin", &form).await;
        assert_eq!(sent.0, 303, "{when}");
        let (_, card) = bridge.page(&editor, &sent.1).await;
        assert!(card.contains("Nothing was changed"), "{when}: {card}");
    }
    until(NOON + 2 * HOUR).await;
    bridge.advance(3_600);
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
    // Until somebody releases it, and then it is dropped after all.
    bridge.advance(22 * 3_600);
    let family = bridge.pushed("2", "Never").await;
    is_held(&bridge, 1).await;
    let path = format!("/deliveries/{}/move", family.deliveries[0].id);
    let form = format!("csrf={}&until=released", editor.csrf);
    let sent = bridge.send_form(&editor, &path, "same-origin", &form).await;
    assert_eq!(sent.0, 303);
    bridge.advance(10 * 86_400);
    is_held(&bridge, 1).await;
    bridge.answer(&editor, "drop", "").await;
    bridge.settled().await;
    assert_eq!(place.received().len(), 1);
}
