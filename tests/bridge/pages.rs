//! The pages behind the login: each answers to a session and to nobody else, what a payload says is
//! words, and forms that change something need the session's token.

use notify_bridge::domain::command::{Command, PutUser, UserCondition};
use notify_bridge::domain::event::Role;
use notify_bridge::shell::http::session;

use crate::harness::{Place, Scripted, TestBridge, forge_to_telegram};

/// Someone who is logged in.
pub struct Visit {
    pub cookie: String,
    pub csrf: String,
}

pub async fn visit(bridge: &TestBridge, role: Role) -> Visit {
    let name = role.as_str();
    bridge
        .command(Command::PutUser(Box::new(PutUser {
            name: name.into(),
            role: Some(role),
            password_hash: Some("not used here".into()),
            only_if: UserCondition::Absent,
            by: "test".into(),
        })))
        .await;
    let (secret, hash) = session::new_secret();
    bridge
        .command(Command::BeginSession {
            user: name.into(),
            hash,
        })
        .await;
    Visit {
        cookie: format!("{}={}", session::cookie_name(false), secret.as_str()),
        csrf: session::csrf_of(&secret),
    }
}

impl TestBridge {
    pub async fn page(&self, visit: &Visit, path: &str) -> (u16, String) {
        let request = self
            .client
            .get(format!("{}{path}", self.address))
            .header("cookie", &visit.cookie);
        let answer = request.send().await.expect("an answer");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a body"),
        )
    }

    async fn submit(&self, visit: &Visit, path: &str, site: &str, form: &str) -> u16 {
        self.send_form(visit, path, site, form).await.0
    }

    /// The status, and where the browser is sent.
    pub async fn send_form(
        &self,
        visit: &Visit,
        path: &str,
        site: &str,
        form: &str,
    ) -> (u16, String) {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let request = client
            .build()
            .expect("a client")
            .post(format!("{}{path}", self.address));
        let request = request
            .header("cookie", &visit.cookie)
            .header("sec-fetch-site", site)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        let answer = request.send().await.expect("an answer");
        let location = answer.headers().get("location");
        let location = location.map_or("", |value| value.to_str().expect("text"));
        (answer.status().as_u16(), location.to_owned())
    }
}

#[tokio::test]
async fn every_page_answers_a_session_and_sends_others_to_the_login() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let (_, answer) = bridge
        .push("1", "<script>alert(1)</script> \u{202e}backwards")
        .await;
    let id = answer["notices"][0].as_str().expect("an id").to_owned();
    bridge.settled().await;
    let owner = visit(&bridge, Role::Owner).await;
    let one = format!("/notices/{id}");
    let paths = [
        "/",
        "/notices",
        "/notices?q=alert",
        "/search",
        "/search?q=alert",
        "/search?q=alert&counts=yes",
        "/search?q=alert&fragment=counts",
        "/search?q=provder:forge",
        "/search?q=allert&sort=relevance",
        one.as_str(),
        "/deliveries",
        "/deliveries?status=any",
        "/parked",
        "/snoozes",
        "/settings",
        "/inbox",
        "/providers",
        "/providers/forge",
        "/targets",
        "/targets/ops",
        "/bots",
        "/log",
        "/log/1",
        "/more",
        "/account",
        "/pause",
        "/notices?fragment=rows&after=1",
        "/?fragment=standing",
        "/?fragment=counts",
    ];
    for path in paths {
        let (status, body) = bridge.page(&owner, path).await;
        assert_eq!(status, 200, "{path}: {body}");
        assert!(
            !body.contains("<script>alert"),
            "{path} lets markup through"
        );
        assert!(!body.contains('\u{202e}'), "{path} turns words round");
        let nobody = Visit {
            cookie: "notify_bridge=guessed".into(),
            csrf: String::new(),
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let request = client
            .build()
            .expect("a client")
            .get(format!("{}{path}", bridge.address));
        let answer = request
            .header("cookie", &nobody.cookie)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 303, "{path}");
        assert!(
            answer.headers()["location"]
                .to_str()
                .expect("text")
                .starts_with("/login"),
            "{path}"
        );
    }
    let (_, card) = bridge.page(&owner, &one).await;
    assert!(
        card.contains("everything") && card.contains("4711"),
        "the card names the tracker and the message"
    );
    assert_eq!(
        bridge
            .page(&owner, "/notices/01M86B7TW7RWPG000000000R00")
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_parked_delivery_is_retried_by_a_form_of_ours_and_by_no_other() {
    let place = Place::telegram().await;
    place.script([Scripted::new(
        400,
        r#"{"ok":false,"error_code":400,"description":"Bad Request: too heavy"}"#,
    )]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    bridge.push("1", "heavy").await;
    bridge
        .until("it is parked", |state| !state.outbox.parked.is_empty())
        .await;
    let owner = visit(&bridge, Role::Owner).await;
    let (_, parked) = bridge.page(&owner, "/parked").await;
    assert!(parked.contains("too heavy"), "{parked}");
    let family = bridge.family(bridge.newest());
    let path = format!("/deliveries/{}/retry", family.deliveries[0].id);
    let form = format!("csrf={}", owner.csrf);
    assert_eq!(
        bridge.submit(&owner, &path, "same-origin", "csrf=").await,
        403
    );
    assert_eq!(bridge.submit(&owner, &path, "cross-site", &form).await, 403);
    let viewer = visit(&bridge, Role::Viewer).await;
    assert_eq!(
        bridge
            .submit(
                &viewer,
                &path,
                "same-origin",
                &format!("csrf={}", viewer.csrf)
            )
            .await,
        403
    );
    assert_eq!(place.received().len(), 1);
    assert_eq!(
        bridge.submit(&owner, &path, "same-origin", &form).await,
        303
    );
    bridge.settled().await;
    assert_eq!(place.received().len(), 2);
}

#[tokio::test]
async fn many_parked_ones_are_asked_about_with_their_count_and_dropped_together() {
    let place = Place::telegram().await;
    let refusal = || {
        Scripted::new(
            400,
            r#"{"ok":false,"error_code":400,"description":"Bad Request: no"}"#,
        )
    };
    place.script([refusal(), refusal(), refusal()]);
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    for n in 0..3 {
        bridge.push(&n.to_string(), &format!("number {n}")).await;
    }
    bridge
        .until("all are parked", |state| state.outbox.parked.len() == 3)
        .await;
    let editor = visit(&bridge, Role::Editor).await;
    let ids: Vec<String> = bridge.state(|state| {
        let notices = &state.outbox.notices;
        let id = |key: &notify_bridge::domain::event::DeliveryKey| {
            notices[&key.position].seed.id(key.position, key.ordinal)
        };
        state
            .outbox
            .parked
            .iter()
            .map(|key| id(key).to_string())
            .collect()
    });
    let query: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    let (status, question) = bridge
        .page(
            &editor,
            &format!("/parked/ask?action=drop&{}", query.join("&")),
        )
        .await;
    assert_eq!(status, 200);
    assert!(question.contains("Drop 3 deliveries"), "{question}");
    let (_, after) = question
        .split_once(r#"name="asked" value=""#)
        .expect("the form says what it is about");
    let asked = after.split('"').next().expect("a value ends");
    let form = format!("csrf={}&asked={asked}", editor.csrf);
    assert_eq!(
        bridge
            .submit(&editor, "/parked/drop", "same-origin", &form)
            .await,
        303
    );
    bridge.settled().await;
}

#[tokio::test]
async fn the_log_and_raw_requests_are_not_for_everyone() {
    let place = Place::telegram().await;
    let bridge = TestBridge::start(&forge_to_telegram(&place)).await;
    let (_, answer) = bridge.push("1", "look inside").await;
    let one = format!("/notices/{}", answer["notices"][0].as_str().expect("an id"));
    let owner = visit(&bridge, Role::Owner).await;
    let viewer = visit(&bridge, Role::Viewer).await;
    assert_eq!(bridge.page(&viewer, "/log").await.0, 403);
    assert!(!bridge.page(&viewer, &one).await.1.contains("compare_url"));
    assert!(bridge.page(&owner, &one).await.1.contains("compare_url"));
}

#[tokio::test]
async fn the_inbox_holds_what_was_sent_to_it_and_no_more() {
    let place = Place::telegram().await;
    let file = format!(
        "{}\n[[target]]\nname = \"desk\"\nkind = \"inbox\"\n\n[[tracker]]\nname = \"kept\"\nprovider = \"forge\"\n\
         where = \"'keep' in notice.text\"\nlinks = [ {{ target = \"desk\" }} ]\n",
        forge_to_telegram(&place)
    );
    let bridge = TestBridge::start(&file).await;
    let owner = visit(&bridge, Role::Owner).await;
    let (_, before) = bridge.page(&owner, "/inbox").await;
    assert!(before.contains("The inbox is empty"), "{before}");
    bridge.push("1", "keep this one").await;
    bridge.push("2", "pass this one on").await;
    bridge.settled().await;
    for path in ["/inbox", "/inbox?fragment=rows&after=1"] {
        let (_, inbox) = bridge.page(&owner, path).await;
        assert!(inbox.contains("keep this one"), "{path}: {inbox}");
        assert!(!inbox.contains("pass this one on"), "{path}: {inbox}");
    }
    let (_, target) = bridge.page(&owner, "/targets/desk").await;
    assert!(target.contains("Last sent"), "{target}");
}
