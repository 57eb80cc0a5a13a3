//! Deliveries, parked ones, and the question before something is lost.

use notify_web::Status;
use notify_web::pages::{ask, deliveries, held, notices, parked, snoozes};

use super::overview::rows;
use super::{HOSTILE, Pages, UNBROKEN, at, frame, viewer};

/// Name and page.
pub fn pages() -> Pages {
    vec![
        (
            "deliveries",
            deliveries::page_of(
                &frame(),
                &deliveries::DeliveriesView {
                    rows: delivery_rows(),
                    targets: vec!["ops".into()],
                    trackers: vec!["everything".into()],
                    ..deliveries::DeliveriesView::default()
                },
            ),
        ),
        (
            "deliveries-empty",
            deliveries::page_of(&frame(), &deliveries::DeliveriesView::default()),
        ),
        ("parked", parked::page_of(&frame(), &parked_view())),
        (
            "parked-empty",
            parked::page_of(&viewer(), &parked::ParkedView::default()),
        ),
        ("held", held::page_of(&frame(), &held_view())),
        (
            "held-empty",
            held::page_of(&frame(), &held::HeldView::default()),
        ),
        ("held-hostile", held::page_of(&viewer(), &hostile_held())),
        (
            "ask-move",
            ask::page_with(&frame(), &moving(), held::until_when(&moments())),
        ),
        ("snoozes", snoozes::page_of(&frame(), &snoozes_view())),
        (
            "snoozes-empty",
            snoozes::page_of(&viewer(), &snoozes::SnoozesView::default()),
        ),
        ("ask", ask::page_of(&frame(), &question())),
        (
            "ask-nothing",
            ask::nothing_left(
                &frame(),
                "Nothing is left to retry",
                "Everything that was chosen is no longer parked.",
                "/parked",
            ),
        ),
        (
            "ask-hostile",
            ask::page_of(
                &frame(),
                &ask::Question {
                    title: HOSTILE.into(),
                    text: HOSTILE.into(),
                    concerned: vec![HOSTILE.into(), UNBROKEN.into()],
                    fields: vec![(HOSTILE.into(), HOSTILE.into())],
                    button: HOSTILE.into(),
                    ..question()
                },
            ),
        ),
    ]
}

fn snoozes_view() -> snoozes::SnoozesView {
    let row = |id: &str, scope: &str, name: &str| snoozes::SnoozeRow {
        id: id.into(),
        scope: scope.into(),
        name: name.into(),
        provider: String::new(),
        since: at(-600),
        until: at(3_600),
        by: "user gordon".into(),
    };
    snoozes::SnoozesView {
        rows: vec![
            row("3", "target", "ops"),
            snoozes::SnoozeRow {
                provider: "forge".into(),
                ..row("2", "collection", HOSTILE)
            },
            row("1", "subject", UNBROKEN),
        ],
        next: None,
        trackers: vec!["everything".into()],
        targets: vec!["ops".into()],
        providers: vec!["forge".into()],
    }
}

fn delivery_rows() -> Vec<deliveries::DeliveryRow> {
    let statuses = [
        (Status::Sending, "", None),
        (Status::Due, "", None),
        (
            Status::Held,
            "quiet hours of ops, mon–fri 22:00–07:00",
            Some(at(22_320)),
        ),
        (
            Status::Retrying,
            "Telegram answered 429: retry after 30",
            Some(at(28)),
        ),
        (
            Status::Retrying,
            "connect: timed out after 10 s",
            Some(at(600)),
        ),
    ];
    rows()
        .iter()
        .zip(statuses)
        .map(|(notice, (status, why, next))| deliveries::DeliveryRow {
            id: notice.id.clone(),
            notice_id: notice.id.clone(),
            title: notice.title.clone(),
            severity: notice.severity,
            status,
            target: "ops".into(),
            receiver: "team".into(),
            tracker: "everything".into(),
            created: notice.received.clone(),
            next,
            reason: why.into(),
        })
        .collect()
}

fn parked_row(notice: &notices::NoticeRow, status: Status) -> parked::ParkedRow {
    parked::ParkedRow {
        id: notice.id.clone(),
        notice_id: notice.id.clone(),
        title: notice.title.clone(),
        severity: notice.severity,
        status,
        target: "family".into(),
        receiver: "grandparents".into(),
        parked: notice.received.clone(),
    }
}

fn parked_view() -> parked::ParkedView {
    let rows = rows();
    parked::ParkedView {
        next: Some(2),
        groups: vec![
            parked::Group {
                key: "rejected.403".into(),
                reason: "Telegram answered 403: bot was kicked from the group chat".into(),
                advice: "Add the bot to the group again, then retry.".into(),
                count: 12,
                rows: rows[..4]
                    .iter()
                    .map(|row| parked_row(row, Status::Parked))
                    .collect(),
            },
            parked::Group {
                key: "unknown".into(),
                reason:
                    "It was being sent when the program stopped; nobody knows whether it arrived"
                        .into(),
                advice:
                    "Look there. Confirm on the notice's page what arrived, retry what did not."
                        .into(),
                count: 1,
                rows: vec![parked_row(&rows[5], Status::Unknown)],
            },
        ],
        total: 13,
    }
}

fn held_row(notice: &notices::NoticeRow, notices: u64) -> held::HeldRow {
    let others = rows();
    let others = others.iter().filter(|other| other.id != notice.id);
    held::HeldRow {
        id: notice.id.clone(),
        notice_id: notice.id.clone(),
        title: notice.title.clone(),
        severity: notice.severity,
        target: "ops".into(),
        receiver: "team".into(),
        notices,
        preview: others
            .map(|other| other.title.clone())
            .take((notices - 1).min(held::PREVIEW_MAX as u64) as usize)
            .collect(),
        items: String::new(),
        since: notice.received.clone(),
    }
}

fn held_view() -> held::HeldView {
    let rows = rows();
    let group = |key: &str, seconds: Option<i64>, rows: Vec<held::HeldRow>| held::Group {
        key: key.into(),
        until: seconds.map(at),
        count: rows.len() as u64,
        notices: rows.iter().map(|row| row.notices).sum(),
        rows,
    };
    let mut album = held_row(&rows[3], 1_204);
    album.items = "49 500 added, 12 removed".into();
    let mut digest = group(
        "held_digest.1",
        Some(2_700),
        vec![album, held_row(&rows[0], 3)],
    );
    (digest.count, digest.notices) = (26, 1_231);
    held::HeldView {
        reasons: vec![
            held::Reason {
                what: "held_digest".into(),
                groups: vec![digest],
            },
            held::Reason {
                what: "held_quiet_hours".into(),
                groups: vec![
                    group(
                        "held_quiet_hours.1",
                        Some(22_320),
                        vec![held_row(&rows[1], 1), held_row(&rows[2], 4)],
                    ),
                    group(
                        "held_quiet_hours.2",
                        Some(25_920),
                        vec![held_row(&rows[4], 1)],
                    ),
                ],
            },
            held::Reason {
                what: "held_restored".into(),
                groups: vec![group(
                    "held_restored.released",
                    None,
                    vec![held_row(&rows[5], 1)],
                )],
            },
        ],
        total: 30,
        next: Some(1),
        turned: 0,
    }
}

fn hostile_held() -> held::HeldView {
    let row = held::HeldRow {
        id: HOSTILE.into(),
        notice_id: HOSTILE.into(),
        title: HOSTILE.into(),
        target: UNBROKEN.into(),
        receiver: HOSTILE.into(),
        preview: vec![HOSTILE.into(), UNBROKEN.into()],
        items: HOSTILE.into(),
        ..held_row(&rows()[0], 9)
    };
    held::HeldView {
        reasons: vec![held::Reason {
            what: "something_new".into(),
            groups: vec![held::Group {
                key: HOSTILE.into(),
                until: Some(at(60)),
                count: 1,
                notices: 9,
                rows: vec![row],
            }],
        }],
        total: 1,
        ..held::HeldView::default()
    }
}

fn moving() -> ask::Question {
    ask::Question {
        title: "Move 26 deliveries?".into(),
        text: "They are held until then, whatever else would hold them, and then sent. Together they tell 1 231 notices.".into(),
        total: 26,
        action: "/held/move".into(),
        fields: vec![("asked".into(), "sample".into())],
        button: "Move 26 deliveries".into(),
        back: "/held".into(),
        destructive: false,
        ..question()
    }
}

fn moments() -> held::Moments {
    let preset = |seconds: i64, words: &str| {
        let moment = at(seconds);
        (moment.at, format!("{words}, {}", moment.absolute))
    };
    held::Moments {
        presets: vec![
            preset(3_600, "In an hour"),
            preset(4 * 3_600, "In four hours"),
            preset(78_300, "Tomorrow morning"),
            ("released".into(), "Until somebody releases it".into()),
        ],
        field: "2026-08-29T12:15".into(),
        earliest: "2026-08-29T11:15".into(),
        latest: "2027-08-30T11:15".into(),
        zone: "Lisbon".into(),
    }
}

fn question() -> ask::Question {
    ask::Question {
        title: "Drop 12 deliveries?".into(),
        text: "12 messages to family will not be sent. Their notices stay in the list and can be sent again by hand.".into(),
        concerned: rows().iter().take(5).map(|row| format!("{} → family / grandparents", row.title)).collect(),
        total: 12,
        action: "/deliveries/bulk".into(),
        fields: vec![("action".into(), "drop".into()), ("group".into(), "rejected.403".into())],
        button: "Drop 12 deliveries".into(),
        back: "/parked".into(),
        destructive: true,
    }
}
