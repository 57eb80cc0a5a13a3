//! Bots.

use notify_web::pages::bots;

use super::{HEBREW, HOSTILE, Pages, UNBROKEN, at, frame};

/// Name and page.
pub fn pages() -> Pages {
    let rows = vec![
        bots::BotRow {
            name: "herald".into(),
            kind: "telegram".into(),
            enabled: true,
            username: "herald_of_the_house_bot".into(),
            targets: 2,
            chats: 3,
        },
        bots::BotRow {
            name: "spare".into(),
            kind: "telegram".into(),
            enabled: false,
            username: String::new(),
            targets: 0,
            chats: 0,
        },
    ];
    vec![
        ("bots", bots::list(&frame(), &bots::BotsView { rows })),
        (
            "bots-empty",
            bots::list(&frame(), &bots::BotsView::default()),
        ),
        ("bot", bots::one(&frame(), &view())),
        (
            "bot-looking",
            bots::one(
                &frame(),
                &bots::BotView {
                    looking_until: Some(at(240)),
                    chats: Vec::new(),
                    ..view()
                },
            ),
        ),
        (
            "bot-sent-to",
            bots::one(
                &frame(),
                &bots::BotView {
                    ear: bots::Ear::SentTo("https://bridge.example.org/hooks/bots/herald".into()),
                    username: String::new(),
                    targets: Vec::new(),
                    ..view()
                },
            ),
        ),
        (
            "bot-hostile",
            bots::one(
                &frame(),
                &bots::BotView {
                    name: HOSTILE.into(),
                    description: format!("{HEBREW} {UNBROKEN}"),
                    known_as: HOSTILE.into(),
                    targets: vec![HOSTILE.into()],
                    look_failed: HOSTILE.into(),
                    chats: vec![chat(HOSTILE, "-1001", true), chat(UNBROKEN, "-1002", false)],
                    ..view()
                },
            ),
        ),
    ]
}

fn chat(title: &str, to: &str, left: bool) -> bots::ChatRow {
    bots::ChatRow {
        title: title.into(),
        kind: "supergroup".into(),
        to: to.into(),
        username: String::new(),
        language: String::new(),
        seen: at(-700),
        left,
        receiver: format!("{{ to = \"{to}\" }}"),
    }
}

fn view() -> bots::BotView {
    bots::BotView {
        name: "herald".into(),
        kind: "telegram".into(),
        description: "Speaks for the house".into(),
        managed_by: "household.toml".into(),
        enabled: true,
        username: "herald_of_the_house_bot".into(),
        known_as: "Herald".into(),
        ear: bots::Ear::Asks,
        targets: vec!["ops".into(), "family".into()],
        secrets: vec![("token".into(), Some(at(-86_400 * 40)))],
        chats: vec![
            chat("The people on duty", "-1001234567890", false),
            bots::ChatRow {
                kind: "private".into(),
                username: "ines".into(),
                language: "pt".into(),
                ..chat("Inês", "31", false)
            },
            chat("Old group", "-4012345", true),
        ],
        looking_until: None,
        look_failed: String::new(),
    }
}
