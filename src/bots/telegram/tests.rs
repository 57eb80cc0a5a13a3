use expect_test::{Expect, expect};

use super::*;
use crate::domain::spec::BotMode;

fn reply(status: u16, body: &Value) -> Reply {
    Reply::Answered {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn ok(result: &Value) -> Reply {
    reply(200, &json!({ "ok": true, "result": result }))
}

/// What an update tells of a chat.
fn check(update: Value, expected: Expect) {
    let told = match heard(&update) {
        None => "nothing".to_owned(),
        Some(chat) => format!(
            "{} {} {:?} @{} {} {}",
            chat.to,
            chat.kind.as_str(),
            chat.title,
            chat.username,
            chat.language,
            if chat.is_left { "left" } else { "there" },
        ),
    };
    expected.assert_eq(&told);
}

#[test]
fn an_update_tells_where_something_was_said() {
    check(
        json!({"update_id": 1, "message": {
            "message_id": 9, "text": "hello",
            "from": {"id": 31, "first_name": "Ana", "language_code": "pt-br"},
            "chat": {"id": 31, "type": "private", "first_name": "Ana", "last_name": "Reis", "username": "anareis"},
        }}),
        expect![[r#"31 private "Ana Reis" @anareis pt-br there"#]],
    );
    check(
        json!({"update_id": 2, "message": {
            "from": {"id": 31, "language_code": "pt-br"},
            "chat": {"id": -1001555000111i64, "type": "supergroup", "title": " The\u{202e} yard\n", "is_forum": true},
            "message_thread_id": 4,
        }}),
        expect![[r#"-1001555000111 supergroup "The yard" @  there"#]],
    );
    check(
        json!({"update_id": 3, "channel_post": {
            "chat": {"id": -1001555000222i64, "type": "channel", "title": "Tides", "username": "tides"},
        }}),
        expect![[r#"-1001555000222 channel "Tides" @tides  there"#]],
    );
    check(
        json!({"update_id": 4, "my_chat_member": {
            "chat": {"id": -55, "type": "group", "title": "Attic"}, "from": {"id": 31},
            "new_chat_member": {"status": "kicked", "user": {"id": 7}},
        }}),
        expect![[r#"-55 group "Attic" @  left"#]],
    );
    check(
        json!({"update_id": 5, "message": {
            "chat": {"id": -55, "type": "group", "title": "Attic"},
            "migrate_to_chat_id": -1001555000333i64,
        }}),
        expect![[r#"-55 group "Attic" @  left"#]],
    );
    // Other updates, chats of kinds to come, and what is none.
    check(
        json!({"update_id": 6, "poll": {"id": "1"}}),
        expect!["nothing"],
    );
    check(
        json!({"message": {"chat": {"id": 1, "type": "stage", "title": "x"}}}),
        expect!["nothing"],
    );
    check(json!({"message": {"chat": "x"}}), expect!["nothing"]);
    check(json!([1, 2]), expect!["nothing"]);
}

#[test]
fn each_chat_of_many_updates_is_told_once_as_it_was_last() {
    let said = |id: i64, chat: i64, title: &str| json!({"update_id": id, "message": {"chat": {"id": chat, "type": "group", "title": title}}});
    let list = json!([
        said(70, -1, "Old"),
        said(71, -2, "Two"),
        said(72, -1, "New"),
        {"update_id": 73, "poll": {}},
    ]);
    let told = updates(&ok(&list)).expect("updates");
    assert_eq!(told.next, Some(74));
    let titles: Vec<&str> = told.chats.iter().map(|chat| chat.title.as_str()).collect();
    assert_eq!(titles, ["Two", "New"]);
    assert_eq!(updates(&ok(&json!([]))), Ok(Updates::default()));
}

#[test]
fn a_long_title_is_cut() {
    let chat = json!({"id": -1, "type": "group", "title": "é".repeat(1_000)});
    let facts = super::chat(&ok(&chat)).expect("an answer").expect("a chat");
    assert!(facts.title.len() <= CHAT_TITLE_BYTES_MAX && facts.title.ends_with('…'));
}

#[test]
fn answers_without_a_result_say_why() {
    let refused = |status: u16, more: Value| {
        let mut body = json!({"ok": false, "error_code": status, "description": "no"});
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        taken(&reply(status, &body)).expect_err("it is refused")
    };
    let says = |text: &str| json!({ "description": text });
    let waits = json!({"parameters": {"retry_after": 7}});
    assert_eq!(
        refused(429, waits),
        Unanswered::Wait(Duration::from_secs(7))
    );
    let long = json!({"parameters": {"retry_after": 86_400}});
    assert_eq!(refused(429, long), Unanswered::Wait(WAIT_MAX));
    assert!(matches!(
        refused(401, json!({})),
        Unanswered::Credentials { .. }
    ));
    assert!(matches!(refused(409, json!({})), Unanswered::Conflict(_)));
    for (status, text) in [
        (403, "Forbidden: bot was kicked"),
        (400, "Bad Request: chat not found"),
        (
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
        ),
    ] {
        let why = refused(status, says(text));
        assert!(matches!(why, Unanswered::NotThere { .. }), "{text}");
    }
    assert!(matches!(
        refused(400, says("Bad Request: bad webhook")),
        Unanswered::Refused { .. }
    ));
    let page = Reply::Answered {
        status: 200,
        headers: Vec::new(),
        body: b"<html>".to_vec(),
    };
    assert!(matches!(taken(&page), Err(Unanswered::NoAnswer(_))));
}

#[test]
fn calls_go_where_the_bot_is() {
    let spec = BotSpec {
        name: "herald".into(),
        kind: KIND.into(),
        description: String::new(),
        enabled: true,
        allow_private: false,
        api_base: Some("http://127.0.0.1:8081/".into()),
        mode: BotMode::Poll,
    };
    let secrets = BTreeMap::from([(TOKEN.to_owned(), "12:ab_c-D".to_owned())]);
    let bot = Bot {
        spec: &spec,
        secrets: &secrets,
    };
    let call = bot
        .updates(Some(74), Duration::from_secs(25))
        .expect("a call");
    assert_eq!(call.url, "http://127.0.0.1:8081/bot12:ab_c-D/getUpdates");
    let body: Value = serde_json::from_slice(&call.body).expect("JSON");
    assert_eq!(
        body,
        json!({"timeout": 25, "limit": 100, "offset": 74,
               "allowed_updates": ["message", "channel_post", "my_chat_member"]})
    );
    let body = |call: Call| serde_json::from_slice::<Value>(&call.body).expect("JSON");
    let chat = bot.chat("-1001555000111").expect("a call");
    assert_eq!(body(chat), json!({ "chat_id": -1001555000111i64 }));
    for secret in ["", "with space", &"x".repeat(SECRET_BYTES_MAX + 1)] {
        assert!(
            bot.webhook("https://b.example", secret).is_err(),
            "{secret}"
        );
    }
    assert!(bot.webhook("https://b.example", "a_B-9").is_ok());
    let nothing = BTreeMap::new();
    let without = Bot {
        secrets: &nothing,
        ..bot
    };
    assert!(without.identity().is_err());
}
