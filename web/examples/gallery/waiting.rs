//! Deliveries, parked ones, and the question before something is lost.

use notify_web::Status;
use notify_web::pages::{ask, deliveries, notices, parked, snoozes};

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
