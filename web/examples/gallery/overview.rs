//! The overview and the lists of notices.

use notify_web::chart::Day;
use notify_web::pages::{dashboard, notices};
use notify_web::{Flash, FlashLine, Frame, NoticeStatus, Paused, Severity, Status, Tone};

use super::{HEBREW, HOSTILE, Pages, UNBROKEN, at, frame, hostile_frame, viewer};

/// A test of a target with several receivers.
fn tested() -> Flash {
    let line = |status, subject: &str, text: &str| FlashLine {
        status: Some(status),
        subject: subject.into(),
        text: text.into(),
    };
    Flash {
        lines: vec![
            line(Status::Sent, "team", "after 120 ms"),
            line(
                Status::Parked,
                HOSTILE,
                &format!("It answered 400: {HOSTILE}"),
            ),
            line(Status::Retrying, UNBROKEN, UNBROKEN),
        ],
        more: 4,
        link: Some(("/notices/0".into(), "Its why card".into())),
        ..Flash::new(Tone::Warning, "Test sent to 1 of 7 receivers.")
    }
}

/// Name and page.
pub fn pages() -> Pages {
    let paused = Frame {
        paused: Some(Paused {
            by: "ana".into(),
            since: at(-2_100),
        }),
        flash: vec![
            Flash::new(Tone::Good, "Retried 12 deliveries. 1 was already sent."),
            tested(),
            Flash::new(Tone::Bad, format!("Nothing was changed: {HOSTILE}")),
        ],
        ..frame()
    };
    let mut found = all_notices(rows()[1..4].to_vec());
    found.filter = notices::Filter {
        provider: "forge".into(),
        q: "array".into(),
        ..notices::Filter::default()
    };
    let mut unfound = all_notices(Vec::new());
    unfound.filter.q = HOSTILE.into();
    let mut busy = rows();
    for n in 0..3 {
        busy.extend(rows().into_iter().map(|mut row| {
            row.position -= 100 * (n + 1);
            row
        }));
    }
    vec![
        (
            "dashboard",
            dashboard::page_of(
                &Frame {
                    parked: 0,
                    ..frame()
                },
                &dashboard_view(),
            ),
        ),
        (
            "dashboard-failing",
            dashboard::page_of(&frame(), &failing_dashboard()),
        ),
        (
            "dashboard-paused",
            dashboard::page_of(&paused, &dashboard_view()),
        ),
        (
            "dashboard-empty",
            dashboard::page_of(
                &Frame {
                    parked: 0,
                    ..frame()
                },
                &dashboard::DashboardView {
                    hooks_base: "https://bridge.example.org/hooks/".into(),
                    ..dashboard::DashboardView::default()
                },
            ),
        ),
        (
            "dashboard-waiting",
            dashboard::page_of(
                &Frame {
                    parked: 0,
                    ..frame()
                },
                &dashboard::DashboardView {
                    latest: Vec::new(),
                    days: days()
                        .into_iter()
                        .map(|day| Day {
                            label: day.label,
                            ..Day::default()
                        })
                        .collect(),
                    providers: vec![counts("forge", "gitea", 0, 0)],
                    last_sent: None,
                    ..dashboard_view()
                },
            ),
        ),
        ("notices", notices::page_of(&frame(), &all_notices(rows()))),
        (
            "notices-busy",
            notices::page_of(&viewer(), &all_notices(busy)),
        ),
        ("notices-found", notices::page_of(&frame(), &found)),
        ("notices-unfound", notices::page_of(&frame(), &unfound)),
        (
            "notices-empty",
            notices::page_of(&frame(), &all_notices(Vec::new())),
        ),
        (
            "notices-hostile",
            notices::page_of(&hostile_frame(), &all_notices(hostile_rows())),
        ),
    ]
}

#[expect(
    clippy::too_many_arguments,
    reason = "one line of the table below per call"
)]
fn row(
    n: u64,
    title: &str,
    provider: &str,
    kind: &str,
    collection: &str,
    severity: Severity,
    status: NoticeStatus,
    seconds: i64,
) -> notices::NoticeRow {
    notices::NoticeRow {
        id: format!("01K3ZP7Q0W8M4T2V6X9Y{n:06}"),
        position: 48_000 + n,
        title: title.into(),
        provider: provider.into(),
        kind: kind.into(),
        collection: collection.into(),
        severity,
        status,
        received: at(-seconds),
    }
}

pub fn rows() -> Vec<notices::NoticeRow> {
    use NoticeStatus as N;
    use Severity as S;
    vec![
        row(
            22,
            "UPS garage is on battery, 41 min left",
            "ups",
            "on_battery",
            "garage",
            S::Critical,
            N::Open,
            12,
        ),
        row(
            21,
            "gordon pushed 2 commits to main",
            "forge",
            "push",
            "acme/array-tools",
            S::Info,
            N::Sent,
            240,
        ),
        row(
            20,
            "Run nightly #311 failed on main",
            "forge",
            "run_failed",
            "acme/array-tools",
            S::Warning,
            N::Parked,
            610,
        ),
        row(
            19,
            "Release v2.4.0 of array-tools published",
            "forge",
            "release_published",
            "acme/array-tools",
            S::Info,
            N::Partly,
            1_900,
        ),
        row(
            18,
            "Run nightly #310 succeeded",
            "forge",
            "run_succeeded",
            "acme/array-tools",
            S::Success,
            N::Sent,
            3_700,
        ),
        row(
            17,
            "iris opened issue #88: the tank reports a wrong temperature after a restart of the controller",
            "forge",
            "issue_opened",
            "acme/tank",
            S::Info,
            N::Sent,
            5_400,
        ),
        row(
            16,
            HEBREW,
            "backups",
            "received",
            "nas",
            S::Success,
            N::Sent,
            9_000,
        ),
        row(
            15,
            "gordon commented on pull request #12",
            "forge",
            "pull_commented",
            "acme/tank",
            S::Info,
            N::Dropped,
            12_000,
        ),
        row(
            14,
            "Disk sda reports 3 reallocated sectors",
            "monitor",
            "firing",
            "nas",
            S::Warning,
            N::Sent,
            20_000,
        ),
        row(
            13,
            "iris starred acme/tank",
            "forge",
            "starred",
            "acme/tank",
            S::Info,
            N::Unrouted,
            30_000,
        ),
        row(
            12,
            "Door of the shed opened",
            "house",
            "state_changed",
            "binary_sensor.shed",
            S::Info,
            N::Merged,
            41_000,
        ),
        row(
            11,
            "UPS garage is back on line",
            "ups",
            "on_line",
            "garage",
            S::Success,
            N::Sent,
            88_000,
        ),
    ]
}

fn hostile_rows() -> Vec<notices::NoticeRow> {
    vec![
        row(
            31,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            HOSTILE,
            Severity::Critical,
            NoticeStatus::Parked,
            5,
        ),
        row(
            30,
            UNBROKEN,
            UNBROKEN,
            UNBROKEN,
            UNBROKEN,
            Severity::Warning,
            NoticeStatus::Open,
            50,
        ),
        row(
            29,
            "",
            "",
            "other",
            "",
            Severity::Info,
            NoticeStatus::Unrouted,
            500,
        ),
    ]
}

fn all_notices(rows: Vec<notices::NoticeRow>) -> notices::NoticesView {
    notices::NoticesView {
        filter: notices::Filter::default(),
        providers: vec!["forge".into(), "ups".into(), "monitor".into()],
        trackers: vec!["everything".into(), "releases".into()],
        kinds: vec!["push".into(), "release_published".into()],
        next: (rows.len() > 5).then(|| "Yi40ODAxMQ".into()),
        rows,
        error: None,
        at_newest: true,
    }
}

fn days() -> Vec<Day> {
    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    [31, 88, 102, 97, 140, 76, 0, 22, 93, 118, 212, 131, 84, 41]
        .iter()
        .zip(0u64..)
        .map(|(notices, n)| Day {
            label: format!("{} {} Aug", names[n as usize % 7], 16 + n),
            notices: *notices,
            sent: notices * 9 / 10,
            held: n % 3,
            parked: if n > 11 { 8 } else { 0 },
            dropped: n % 2,
        })
        .collect()
}

fn counts(name: &str, kind: &str, scale: u64, parked: u64) -> dashboard::ProviderCount {
    let by_day: Vec<u64> = days().iter().map(|day| day.notices * scale / 10).collect();
    let notices = by_day.iter().sum();
    dashboard::ProviderCount {
        name: name.into(),
        kind: kind.into(),
        sent: notices * 9 / 10,
        by_day,
        notices,
        parked,
        last: Some(at(-240)),
    }
}

fn dashboard_view() -> dashboard::DashboardView {
    dashboard::DashboardView {
        wrong: Vec::new(),
        fine_targets: 4,
        last_sent: Some(at(-130)),
        waiting: dashboard::Waiting {
            due: 2,
            sending: 1,
            held: 0,
            retrying: 0,
            parked: 0,
            unknown: 0,
            next: None,
        },
        snoozed: 2,
        latest: rows(),
        days: days(),
        providers: vec![
            counts("forge", "gitea", 7, 0),
            counts("ups", "nut", 1, 0),
            counts("monitor", "webhook", 2, 0),
            counts("backups", "webhook", 0, 0),
        ],
        hooks_base: "https://bridge.example.org/hooks/".into(),
        trackers: 5,
        targets: 4,
    }
}

fn failing_dashboard() -> dashboard::DashboardView {
    dashboard::DashboardView {
        wrong: vec![
            dashboard::Wrong {
                kind: dashboard::WrongKind::Target,
                name: "ops".into(),
                since: at(-11_500),
                why: "Telegram answered 401: Unauthorized. The token in `token` is wrong, or `api_base` points elsewhere".into(),
                waiting: 1_214,
            },
            dashboard::Wrong {
                kind: dashboard::WrongKind::Receiver,
                name: "family".into(),
                since: at(-86_400 * 2),
                why: "Telegram answered 403: bot was kicked from the group chat".into(),
                waiting: 0,
            },
            dashboard::Wrong {
                kind: dashboard::WrongKind::Provider,
                name: "forge".into(),
                since: at(-95),
                why: "the signature in x-gitea-signature does not match: the secrets differ, or the body was changed on the way".into(),
                waiting: 0,
            },
        ],
        waiting: dashboard::Waiting { due: 14, sending: 64, held: 3, retrying: 1_214, parked: 15, unknown: 1, next: Some(at(28)) },
        providers: vec![counts("forge", "gitea", 7, 12), counts("ups", "nut", 1, 4), counts(UNBROKEN, "webhook", 900, 0)],
        ..dashboard_view()
    }
}
