//! Access, the log, and what went wrong.

use notify_web::pages::{access, log, places, problem};

use super::{HOSTILE, Pages, at, frame, stranger};

/// Name and page.
pub fn pages() -> Pages {
    let problems = [
        (
            "problem-404",
            problem::ProblemView {
                status: 404,
                title: "There is no such notice".into(),
                detail: "No notice has this id, or it was forgotten by retention.".into(),
                advice: vec!["Look among the notices.".into()],
                request_id: "r-7f3a".into(),
                ..problem::ProblemView::default()
            },
        ),
        (
            "problem-421",
            problem::ProblemView {
                status: 421,
                title: "This name is not ours".into(),
                detail: "The request was for bridge.lan, which is not a name of this installation."
                    .into(),
                advice: vec![
                    "Start the program with --host bridge.lan, or set the public URL.".into(),
                ],
                ..problem::ProblemView::default()
            },
        ),
        (
            "problem-503",
            problem::ProblemView {
                status: 503,
                title: "Starting".into(),
                detail:
                    "The state is rebuilt from the log. Requests are answered when it is whole."
                        .into(),
                progress: Some(problem::Progress {
                    phase: "Replaying the log".into(),
                    done: 412_000,
                    of: 1_000_000,
                }),
                ..problem::ProblemView::default()
            },
        ),
    ];
    let mut pages = vec![
        (
            "setup",
            access::setup(
                &stranger(),
                &access::SetupView {
                    password_min: 12,
                    ..access::SetupView::default()
                },
            ),
        ),
        (
            "setup-errors",
            access::setup(
                &stranger(),
                &access::SetupView {
                    name: HOSTILE.into(),
                    password_min: 12,
                    password_error: Some("Too short: 8 characters. Take at least 12.".into()),
                    again_error: Some("Not the same as above. Type it once more.".into()),
                    ..access::SetupView::default()
                },
            ),
        ),
        (
            "login",
            access::login(&stranger(), &access::LoginView::default()),
        ),
        (
            "login-wrong",
            access::login(
                &stranger(),
                &access::LoginView {
                    name: "ana".into(),
                    next: "/notices?q=a".into(),
                    trouble: Some(access::LoginTrouble::Wrong),
                },
            ),
        ),
        (
            "login-throttled",
            access::login(
                &stranger(),
                &access::LoginView {
                    name: "ana".into(),
                    next: String::new(),
                    trouble: Some(access::LoginTrouble::Throttled {
                        wait: "40 s".into(),
                    }),
                },
            ),
        ),
        (
            "log",
            log::list(
                &frame(),
                &log::LogView {
                    kinds: vec!["notice_accepted".into(), "delivery_settled".into()],
                    rows: events(),
                    next: Some("Yi40ODAyNQ".into()),
                    ..log::LogView::default()
                },
            ),
        ),
        (
            "log-event",
            log::one(
                &frame(),
                &log::EventView {
                    position: 48_028,
                    kind: "notice_accepted".into(),
                    revision: 1,
                    recorded: at(-240),
                    summary: "forge: Release v2.4.0 of array-tools published".into(),
                    causation: Some(48_011),
                    correlation: "9f86d081884c7d659a2feaa0c55ad015".into(),
                    notice_id: "01K3ZP7Q0W8M4T2V6X9Y000019".into(),
                    json: format!(
                        "{{\"position\":48028,\"kind\":\"notice_accepted\",\"data\":{{\"title\":\"{}\",\"n\":[1,2]}}}}",
                        HOSTILE.replace('"', "\\\"")
                    ),
                    previous: Some(48_027),
                    following: None,
                },
            ),
        ),
        (
            "more",
            places::more(
                &frame(),
                &places::MoreView {
                    further: vec![places::Link {
                        path: "/api/docs".into(),
                        words: "API".into(),
                        about: "What programs can ask for".into(),
                    }],
                },
            ),
        ),
        (
            "account",
            access::account(
                &frame(),
                &access::AccountView {
                    name: "ana".into(),
                    role: "owner".into(),
                    logged_in: Some(at(-86_400)),
                    session_ends: Some(at(86_400 / 2)),
                },
            ),
        ),
    ];
    for (name, view) in problems {
        let who = if name == "problem-404" {
            frame()
        } else {
            stranger()
        };
        pages.push((name, problem::page_of(&who, &view)));
    }
    pages
}

fn events() -> Vec<log::EventRow> {
    [
        ("delivery_settled", "ops / team: sent, message 4711"),
        ("attempt_started", "ops / team: attempt 2"),
        (
            "attempt_failed",
            "ops / team: Telegram answered 429: retry after 30",
        ),
        (
            "notice_accepted",
            "forge: Release v2.4.0 of array-tools published",
        ),
        ("intake_unreadable", "forge: the body is not JSON"),
        ("entity_put", "tracker releases, by ana"),
        ("clock_stepped", "by +41 s"),
    ]
    .into_iter()
    .zip(0u64..)
    .map(|((kind, summary), n)| log::EventRow {
        position: 48_031 - n,
        kind: kind.into(),
        summary: summary.into(),
        recorded: at(-(n as i64) * 40),
    })
    .collect()
}
