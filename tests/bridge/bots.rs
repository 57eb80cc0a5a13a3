//! Bots end to end: targets that send as one, chats that are looked for or told of, and their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use notify_bridge::domain::event::Role;
use notify_bridge::shell::bots::{Bots, CHAT_EVERY};
use notify_bridge::shell::clock::{Clock, ManualClock, Wait};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::harness::{NOON, SECRET, TestBridge};
use crate::pages::visit;
use crate::waiting::PATIENCE;

const TOKEN: &str = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
const HOOK_SECRET: &str = "canary_hook-secret";
const HEADER: &str = "x-telegram-bot-api-secret-token";

/// A Bot API with what is said to the bot: it keeps updates until they are confirmed, and waits for
/// one when it is asked to.
#[derive(Clone)]
struct Ears {
    address: String,
    inside: Arc<Mutex<Inside>>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Inside {
    calls: Vec<(String, Value)>,
    updates: Vec<Value>,
    last: i64,
    /// What `getChat` answers, by chat.
    chats: BTreeMap<i64, (u16, Value)>,
    /// Answers given instead of the next ones to this method.
    script: Vec<(&'static str, (u16, Value))>,
    asking: usize,
}

fn refused(code: u16, says: &str) -> (u16, Value) {
    let body = json!({"ok": false, "error_code": code, "description": says});
    (code, body)
}

impl Ears {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let ears = Ears {
            address: format!("http://127.0.0.1:{port}"),
            inside: Arc::default(),
            changed: watch::Sender::new(()),
        };
        let own = ears.clone();
        let router = Router::new().fallback(move |uri: Uri, body: Bytes| {
            let ears = own.clone();
            async move {
                let (status, answer) = ears.answer(uri.path(), &body).await;
                let status = StatusCode::from_u16(status).expect("a status");
                (status, axum::Json(answer))
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        ears
    }

    fn inside<T>(&self, see: impl FnOnce(&mut Inside) -> T) -> T {
        let seen = see(&mut self.inside.lock().expect("no panic while held"));
        self.changed.send_replace(());
        seen
    }

    async fn answer(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let Some(method) = path.strip_prefix(&format!("/bot{TOKEN}/")) else {
            return refused(404, "Not Found");
        };
        let asked: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let scripted = self.inside(|inside| {
            inside.calls.push((method.to_owned(), asked.clone()));
            let found = inside.script.iter().position(|(of, _)| *of == method);
            found.map(|index| inside.script.remove(index).1)
        });
        if let Some(scripted) = scripted {
            return scripted;
        }
        let ok = |result: Value| (200, json!({"ok": true, "result": result}));
        match method {
            "getMe" => ok(json!({
                "id": 110_201_543, "is_bot": true, "first_name": "Herald", "username": "herald_bot",
            })),
            "getUpdates" => self.updates(&asked).await,
            "getChat" => {
                let chat = asked["chat_id"].as_i64().unwrap_or(0);
                let known = self.inside(|inside| inside.chats.get(&chat).cloned());
                known.unwrap_or_else(|| refused(400, "Bad Request: chat not found"))
            }
            "setWebhook" => ok(json!(true)),
            "sendMessage" => ok(json!({"message_id": 4711})),
            _other => refused(404, "Not Found: method not found"),
        }
    }

    async fn updates(&self, asked: &Value) -> (u16, Value) {
        let other = self.inside(|inside| {
            inside.asking += 1;
            inside.asking > 1
        });
        let _over = Asking(self.clone());
        if other {
            return refused(409, "Conflict: terminated by other getUpdates request");
        }
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let waiting: Vec<Value> = self
                .inside
                .lock()
                .expect("no panic while held")
                .waiting(asked);
            if !waiting.is_empty() || asked["timeout"] == 0 {
                return (200, json!({"ok": true, "result": waiting}));
            }
            changed.changed().await.expect("it is there");
        }
    }

    /// Something is said in a chat.
    fn say(&self, chat: Value) {
        self.inside(|inside| {
            inside.last += 1;
            let from = json!({"id": 31, "language_code": "pt"});
            inside.updates.push(json!({
                "update_id": 900 + inside.last,
                "message": {"message_id": inside.last, "from": from, "chat": chat, "text": "canary-text"},
            }));
        });
    }

    fn calls(&self, method: &str) -> Vec<Value> {
        let inside = self.inside.lock().expect("no panic while held");
        let calls = inside.calls.iter();
        calls
            .filter(|(of, _)| of == method)
            .map(|(_, asked)| asked.clone())
            .collect()
    }

    async fn has_been_called(&self, method: &str, times: usize) {
        let mut changed = self.changed.subscribe();
        let enough = tokio::time::timeout(PATIENCE, async {
            while self.calls(method).len() < times {
                changed.changed().await.expect("it is there");
            }
        });
        assert!(
            enough.await.is_ok(),
            "{method} was not called {times} times"
        );
    }
}

impl Inside {
    /// What was not confirmed yet.
    fn waiting(&mut self, asked: &Value) -> Vec<Value> {
        if let Some(next) = asked["offset"].as_i64() {
            self.updates
                .retain(|update| update["update_id"].as_i64() >= Some(next));
        }
        self.updates.clone()
    }
}

/// A question that is being answered, or was given up.
struct Asking(Ears);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.inside(|inside| inside.asking -= 1);
    }
}

fn person() -> Value {
    json!({"id": 31, "type": "private", "first_name": "Inês", "username": "ines"})
}

fn group(title: &str) -> Value {
    json!({"id": -1001987654321i64, "type": "supergroup", "title": title})
}

fn file(ears: &Ears, more: &str) -> String {
    format!(
        r#"
[[provider]]
name = "forge"
kind = "gitea"
secret = "{SECRET}"

[[bot]]
name = "herald"
kind = "telegram"
token = "{TOKEN}"
api_base = "{}"
allow_private = true
{more}

[[target]]
name = "ops"
kind = "telegram"
bot = "herald"
pace = "off"
receivers = [ {{ name = "team", to = "-1001234567890" }} ]

[[tracker]]
name = "everything"
provider = "forge"
links = [ {{ target = "ops" }} ]
"#,
        ears.address
    )
}

impl TestBridge {
    fn bot(&self) -> u32 {
        self.state(|state| state.configuration.bot("herald").expect("a bot").id)
    }

    /// Titles of chats that are known, the one last heard first.
    fn chats(&self) -> Vec<String> {
        let bot = self.bot();
        self.state(|state| {
            let known = state.bots.get(bot).cloned().unwrap_or_default();
            let chats = known.newest_first();
            chats.iter().map(|chat| chat.facts.title.clone()).collect()
        })
    }
}

#[tokio::test]
async fn a_target_sends_as_its_bot() {
    let ears = Ears::open().await;
    let bridge = TestBridge::start(&file(&ears, "")).await;
    bridge.push("1", "Mend the gate").await;
    bridge.settled().await;
    let sent = ears.calls("sendMessage");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["chat_id"], -1001234567890i64);
    // The bot's place and token are another's from one moment to the next.
    let elsewhere = Ears::open().await;
    bridge.apply(&file(&elsewhere, "")).await;
    bridge.push("2", "Paint the fence").await;
    bridge.settled().await;
    assert_eq!(ears.calls("sendMessage").len(), 1);
    assert_eq!(elsewhere.calls("sendMessage").len(), 1);
}

#[tokio::test]
async fn chats_are_found_while_somebody_looks() {
    let ears = Ears::open().await;
    ears.say(person());
    let bridge = TestBridge::start(&file(&ears, "")).await;
    let editor = visit(&bridge, Role::Editor).await;
    // Nobody asks before.
    assert_eq!(ears.calls("getUpdates"), Vec::<Value>::new());
    let form = format!("csrf={}", editor.csrf);
    let path = "/bots/herald/discover";
    let (status, to) = bridge.send_form(&editor, path, "same-origin", &form).await;
    assert_eq!((status, to.as_str()), (303, "/bots/herald"));
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    for part in [
        "Inês",
        "@<bdi>ines</bdi>",
        ", pt",
        "{ to = &quot;31&quot; }",
        "Looking until",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for secret in [TOKEN, "canary-text"] {
        assert!(!page.contains(secret), "{secret}: {page}");
    }
    // What was said is confirmed with the next question, which waits for more.
    ears.has_been_called("getUpdates", 2).await;
    let asked = ears.calls("getUpdates");
    assert_eq!(
        (&asked[0]["timeout"], &asked[0]["offset"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(
        (&asked[1]["timeout"], &asked[1]["offset"]),
        (&json!(25), &json!(902))
    );
    ears.say(group("The yard"));
    let bot = bridge.bot();
    bridge
        .until("the group is known", |state| {
            state
                .bots
                .get(bot)
                .is_some_and(|known| known.chats.len() == 2)
        })
        .await;
    // Another look joins the one that goes on.
    let (status, _) = bridge.send_form(&editor, path, "same-origin", &form).await;
    assert_eq!(status, 303);
    // It ends by itself.
    let over = tokio::time::timeout(PATIENCE, async {
        while bridge.app.bots.looking(bot).is_some() {
            bridge.advance(60);
            tokio::task::yield_now().await;
        }
    });
    assert!(over.await.is_ok(), "the look does not end");
    let asked = ears.calls("getUpdates").len();
    let (_, list) = bridge.page(&editor, "/bots").await;
    assert!(list.contains("/bots/herald"), "{list}");
    assert_eq!(ears.calls("getUpdates").len(), asked);
    // What is known outlives the program.
    let known = bridge.chats();
    let bridge = bridge.restart().await;
    assert_eq!(bridge.chats(), known);
}

#[tokio::test]
async fn a_look_that_cannot_be_says_why() {
    let ears = Ears::open().await;
    let bridge = TestBridge::start(&file(&ears, "")).await;
    let editor = visit(&bridge, Role::Editor).await;
    let form = format!("csrf={}", editor.csrf);
    let path = "/bots/herald/discover";
    for (answer, says) in [
        (
            refused(
                409,
                "Conflict: can't use getUpdates method while webhook is active",
            ),
            "only one program",
        ),
        (
            refused(401, "Unauthorized"),
            "check `token` and `api_base` of the bot",
        ),
    ] {
        ears.inside(|inside| inside.script.push(("getUpdates", answer)));
        bridge.send_form(&editor, path, "same-origin", &form).await;
        let (_, page) = bridge.page(&editor, "/bots/herald").await;
        assert!(page.contains(says), "{says}: {page}");
        assert!(bridge.app.bots.looking(bridge.bot()).is_none());
    }
    // One that ends later says it as well.
    ears.inside(|inside| {
        inside
            .script
            .push(("getUpdates", (200, json!({"ok": true, "result": []}))));
        inside
            .script
            .push(("getUpdates", refused(401, "Unauthorized")));
    });
    bridge.send_form(&editor, path, "same-origin", &form).await;
    let bot = bridge.bot();
    let ended = tokio::time::timeout(PATIENCE, async {
        while bridge
            .app
            .bots
            .looking(bot)
            .is_none_or(|look| look.failed.is_none())
        {
            bridge.advance(1);
            tokio::task::yield_now().await;
        }
    });
    assert!(ended.await.is_ok(), "the look goes on");
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    assert!(page.contains("The last look ended"), "{page}");
    // One that is switched off hears nothing.
    bridge.apply(&file(&ears, "enabled = false")).await;
    bridge.send_form(&editor, path, "same-origin", &form).await;
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    assert!(page.contains("switched off"), "{page}");
    // A visitor does not look.
    let viewer = visit(&bridge, Role::Viewer).await;
    let form = format!("csrf={}", viewer.csrf);
    let (status, _) = bridge.send_form(&viewer, path, "same-origin", &form).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_webhook_is_heard_when_it_proves_itself() {
    let ears = Ears::open().await;
    let hooked = format!("mode = \"webhook\"\nsecret = \"{HOOK_SECRET}\"");
    let bridge = TestBridge::start(&file(&ears, &hooked)).await;
    let editor = visit(&bridge, Role::Editor).await;
    let form = format!("csrf={}", editor.csrf);
    bridge
        .send_form(&editor, "/bots/herald/discover", "same-origin", &form)
        .await;
    let told = ears.calls("setWebhook");
    let address = format!("{}/hooks/bots/herald", bridge.address);
    assert_eq!(told[0]["url"], address);
    assert_eq!(told[0]["secret_token"], HOOK_SECRET);
    let update =
        json!({"update_id": 1, "message": {"chat": group("The yard"), "text": "canary-text"}});
    let update = update.to_string().into_bytes();
    let position = bridge.state(|state| state.position);
    for headers in [
        &[][..],
        &[(HEADER, "")],
        &[(HEADER, "canary_hook-secre")],
        &[(HEADER, TOKEN)],
    ] {
        let (status, _) = bridge.post("/hooks/bots/herald", headers, &update).await;
        assert_eq!(status, 401, "{headers:?}");
    }
    assert_eq!(bridge.state(|state| state.position), position);
    let proven = [(HEADER, HOOK_SECRET)];
    for (body, expected) in [
        (&update[..], 200),
        (b"{\"update_id\": 2, \"poll\": {}}", 200),
        (b"no JSON", 422),
    ] {
        let (status, answer) = bridge.post("/hooks/bots/herald", &proven, body).await;
        assert_eq!(status, expected, "{answer}");
    }
    assert_eq!(bridge.chats(), ["The yard"]);
    // Nothing but the chat is kept.
    let reader = bridge.app.ledger.reader();
    let next = reader.next_position();
    for event in reader.page_back(next, 100).expect("events") {
        let told = format!("{:?}", event.payload);
        assert!(
            !told.contains("canary-text") && !told.contains(HOOK_SECRET),
            "{told}"
        );
    }
    // Who is asked is not sent to, and an unknown one is no bot.
    bridge.apply(&file(&ears, "")).await;
    for path in ["/hooks/bots/herald", "/hooks/bots/nobody", "/hooks/bots"] {
        let (status, _) = bridge.post(path, &proven, &update).await;
        assert_eq!(status, 404, "{path}");
    }
}

/// A clock on which waiting takes no time; it remembers how long it would have.
struct Hurried(ManualClock, Mutex<Vec<Duration>>);

impl Clock for Hurried {
    fn now(&self) -> i64 {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn sleep(&self, span: Duration) -> Wait<'_> {
        self.1.lock().expect("no panic while held").push(span);
        self.0.sleep(Duration::ZERO)
    }

    fn sleep_until(&self, _at: i64) -> Wait<'_> {
        self.0.sleep(Duration::ZERO)
    }
}

#[tokio::test]
async fn chats_are_asked_what_they_are_called() {
    let ears = Ears::open().await;
    ears.say(person());
    ears.say(group("The yard"));
    ears.say(json!({"id": -77, "type": "group", "title": "Attic"}));
    let bridge = TestBridge::start(&file(&ears, "")).await;
    let look = bridge.app.bots.look("herald", Duration::from_secs(1), "");
    look.await.expect("it looks");
    assert_eq!(bridge.chats().len(), 3);
    let heard_at = bridge.clock.now();
    let ok = |chat: Value| (200, json!({"ok": true, "result": chat}));
    ears.inside(|inside| {
        let busy = json!({"ok": false, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": 7}});
        inside.script.push(("getChat", (429, busy)));
        inside.chats.insert(31, ok(person()));
        inside.chats.insert(-1001987654321, ok(group("The garden")));
    });
    let clock = Arc::new(Hurried(ManualClock::new(NOON), Mutex::default()));
    let app = &bridge.app;
    let bots = Bots::new(
        app.ledger.clone(),
        Arc::clone(&app.vault),
        Arc::clone(&app.client),
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    bots.refresh_names().await;
    let bot = bridge.bot();
    let told = bridge.state(|state| {
        let known = state.bots.get(bot).cloned().unwrap_or_default();
        assert_eq!(known.identity.expect("who it is").username, "herald_bot");
        let chats = known.chats.into_values();
        chats
            .map(|chat| {
                assert!(chat.seen_at <= heard_at);
                (chat.facts.title, chat.facts.language, chat.facts.is_left)
            })
            .collect::<Vec<_>>()
    });
    let said = |title: &str, language: &str, left| (title.to_owned(), language.to_owned(), left);
    // By address, as texts are ordered: the one that is called otherwise, the one that is not there any
    // more, the person.
    assert_eq!(
        told,
        [
            said("The garden", "", false),
            said("Attic", "", true),
            said("Inês", "pt", false),
        ]
    );
    let waits = clock.1.lock().expect("no panic while held").clone();
    let seven = Duration::from_secs(7);
    assert_eq!(waits, [CHAT_EVERY, seven, CHAT_EVERY, CHAT_EVERY]);
    // A day on nothing is new, so nothing is written.
    let position = bridge.state(|state| state.position);
    bots.refresh_names().await;
    assert_eq!(bridge.state(|state| state.position), position);
}

#[tokio::test]
async fn a_test_says_who_the_bot_is() {
    let ears = Ears::open().await;
    let bridge = TestBridge::start(&file(&ears, "")).await;
    let editor = visit(&bridge, Role::Editor).await;
    let form = format!("csrf={}", editor.csrf);
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    assert!(page.contains("not asked yet"), "{page}");
    let path = "/bots/herald/test";
    bridge.send_form(&editor, path, "same-origin", &form).await;
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    assert!(page.contains("herald answers as @herald_bot."), "{page}");
    ears.inside(|inside| inside.script.push(("getMe", refused(401, "Unauthorized"))));
    bridge.send_form(&editor, path, "same-origin", &form).await;
    let (_, page) = bridge.page(&editor, "/bots/herald").await;
    assert!(
        page.contains("Telegram answered 401: Unauthorized"),
        "{page}"
    );
}
