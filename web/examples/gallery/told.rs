//! One notice, and the inbox.

use notify_web::message::{Message, PlaceKind};
use notify_web::pages::pictures::{Picture, Pictures};
use notify_web::pages::{inbox, notice, snoozes};
use notify_web::why::{Attempt, Reason};
use notify_web::{NoticeStatus, Severity, Status};

use super::overview::rows;
use super::{HEBREW, HOSTILE, Pages, UNBROKEN, at, frame, hostile_frame, viewer};

/// Name and page.
pub fn pages() -> Pages {
    vec![
        ("notice", notice::page_of(&frame(), &notice_view())),
        ("notice-held", notice::page_of(&frame(), &held_notice())),
        (
            "notice-unrouted",
            notice::page_of(&viewer(), &quiet_notice()),
        ),
        (
            "notice-hostile",
            notice::page_of(&hostile_frame(), &hostile_notice()),
        ),
        (
            "inbox",
            inbox::page_of(
                &frame(),
                &inbox::InboxView {
                    messages: inbox_messages(),
                    next: None,
                    has_target: true,
                    at_newest: true,
                },
            ),
        ),
        (
            "inbox-empty",
            inbox::page_of(&frame(), &inbox::InboxView::default()),
        ),
    ]
}

fn notice_view() -> notice::NoticeView {
    let mut telegram = message(
        PlaceKind::Telegram,
        "",
        "<b>Release v2.4.0 of array-tools</b>\nPublished by <i>gordon</i> in <code>acme/array-tools</code>\n\n<blockquote>Faster rebuilds; fixes &lt;#81&gt; and #84.</blockquote>\n<a href=\"https://git.example.org/acme/array-tools/releases/v2.4.0\">Read the notes</a>",
    );
    telegram.buttons = vec![(
        "Open".into(),
        "https://git.example.org/acme/array-tools/releases/v2.4.0".into(),
    )];
    let retry = attempt(
        1,
        230,
        "retry",
        Some(429),
        "Too Many Requests: retry after 30",
    );
    notice::NoticeView {
        id: "01K3ZP7Q0W8M4T2V6X9Y000019".into(),
        title: "Release v2.4.0 of array-tools published".into(),
        text: "Faster rebuilds; fixes #81 and #84.\n\nThe controller no longer forgets its calibration after a restart.".into(),
        severity: Severity::Info,
        status: NoticeStatus::Partly,
        provider: "forge".into(),
        provider_kind: "gitea".into(),
        kind: "release_published".into(),
        collection: "acme/array-tools".into(),
        subject: "v2.4.0".into(),
        transition: "opens".into(),
        actor: "gordon".into(),
        url: "https://git.example.org/acme/array-tools/releases/v2.4.0".into(),
        received: at(-240),
        occurred: Some(at(-243)),
        labels: vec![("prerelease".into(), "false".into()), ("tag".into(), "v2.4.0".into())],
        changes: vec![("draft".into(), "true".into(), "false".into())],
        items: String::new(),
        pictures: Pictures {
            shown: (0..5)
                .map(|n| Picture {
                    n,
                    label: format!("PXL_2026{n:04}_{UNBROKEN}.jpg"),
                    kind: "photo".into(),
                    url: "https://photos.example.org/photos/1".into(),
                    is_visible: n % 2 == 0,
                    delivered: n as u64,
                    left_out: vec![("ops".into(), "is larger than 10 MB".into()); n % 2],
                })
                .collect(),
            total: 500,
        },
        dispatch_id: "9f86d081884c7d659a2feaa0c55ad015".into(),
        reasons: vec![
            reason("kind_not_wanted", "pushes", "", "kind release_published is not in [push, tag_*]"),
            reason("filter_said_no", "prereleases", "", "notice.labels.prerelease == 'true'  (notice.labels.prerelease = false)"),
            reason("planned", "releases", "ops", "2 receivers"),
            reason("planned", "releases", "guild", "1 receiver"),
            reason("link_disabled", "releases", "mail", ""),
            reason("planned", "releases", "archive", "1 receiver"),
        ],
        deliveries: vec![
            delivery(1, "ops", "telegram", "team", Status::Sent, vec![telegram.clone()], vec![retry, attempt(2, 198, "sent", Some(200), "")]),
            delivery(
                2,
                "guild",
                "discord",
                "default",
                Status::Retrying,
                vec![message(
                    PlaceKind::Discord,
                    "Release v2.4.0 of array-tools",
                    "Published by *gordon* in `acme/array-tools`\n> Faster rebuilds; fixes \\#81 and \\#84.\n[Read the notes](https://git.example.org/acme/array-tools/releases/v2.4.0)",
                )],
                vec![attempt(1, 235, "retry", Some(502), "Discord answered 502: upstream connect error"), attempt(2, 120, "retry", None, "connect: timed out after 10 s")],
            ),
            delivery(
                3,
                "archive",
                "webhook",
                "default",
                Status::Parked,
                vec![message(PlaceKind::Webhook, "", "{\"type\":\"notice.release_published\",\"timestamp\":\"2026-08-29T10:11:00Z\",\"data\":{\"title\":\"Release v2.4.0 of array-tools\",\"labels\":{},\"text\":\"Faster rebuilds\"}}")],
                vec![attempt(1, 236, "parked", Some(410), "gone"), notice::Step::Reason(reason("rejected", "releases", "archive", "the address answered 410: this endpoint was removed"))],
            ),
            delivery(4, "inbox", "inbox", "default", Status::Sent, vec![message(PlaceKind::Inbox, "Release v2.4.0 of array-tools", "Faster rebuilds; fixes #81 and #84.")], Vec::new()),
        ],
        cut_off: false,
        standing: notice::Standing {
            open_since: Some(at(-240)),
            repeats_at: Some(at(3_600)),
            mutable: vec![snoozes::Mutable {
                scope: "collection".into(),
                name: "acme/array-tools".into(),
                provider: "forge".into(),
                words: "its collection".into(),
                back: "/notices/01K3ZP7Q0W8M4T2V6X9Y000019".into(),
            }],
            ..notice::Standing::default()
        },
        raw: notice::Raw::Kept(notice::RawRequest {
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("x-gitea-event".into(), "release".into()),
                ("x-gitea-signature".into(), "[redacted]".into()),
            ],
            body: "{\"action\":\"published\",\"release\":{\"tag_name\":\"v2.4.0\",\"prerelease\":false},\"repository\":{\"full_name\":\"acme/array-tools\"}}".into(),
            content_type: "application/json".into(),
            bytes: 9_412,
            cut: true,
        }),
    }
}

fn hostile_notice() -> notice::NoticeView {
    let mut view = notice_view();
    for field in [
        &mut view.title,
        &mut view.text,
        &mut view.provider,
        &mut view.kind,
        &mut view.collection,
        &mut view.subject,
        &mut view.actor,
        &mut view.dispatch_id,
        &mut view.id,
    ] {
        *field = HOSTILE.into();
    }
    view.text = format!("{HEBREW}\n{UNBROKEN}{UNBROKEN}\n{HOSTILE}");
    view.url = "javascript:alert(3)".into();
    view.severity = Severity::Critical;
    view.labels = vec![
        (HOSTILE.into(), HOSTILE.into()),
        (UNBROKEN.into(), UNBROKEN.into()),
    ];
    view.changes = vec![(HOSTILE.into(), HOSTILE.into(), UNBROKEN.into())];
    view.reasons = vec![
        reason("filter_failed", HOSTILE, HOSTILE, HOSTILE),
        reason("a_later_word", UNBROKEN, UNBROKEN, UNBROKEN),
        reason("no_tracker", "", "", ""),
    ];
    let kinds = [
        ("telegram", PlaceKind::Telegram),
        ("discord", PlaceKind::Discord),
        ("webhook", PlaceKind::Webhook),
        ("inbox", PlaceKind::Inbox),
        (HOSTILE, PlaceKind::Other),
    ];
    view.deliveries = kinds
        .into_iter()
        .zip(0..)
        .map(|((kind, place), n)| {
            let mut part = message(place, HOSTILE, &format!("<b>{HOSTILE}</b> <a href=\"javascript:alert(4)\">x</a> [y](javascript:alert(5)) {UNBROKEN}"));
            part.buttons = vec![(HOSTILE.into(), "javascript:alert(6)".into()), (HOSTILE.into(), format!("https://x.example/{HOSTILE}"))];
            let mut story = attempt(1, 5, "retry", Some(500), HOSTILE);
            if let notice::Step::Attempt(attempt) = &mut story {
                attempt.parts = 3;
            }
            let mut delivery = delivery(n, HOSTILE, kind, UNBROKEN, Status::Unknown, vec![part], vec![story]);
            delivery.id = HOSTILE.into();
            delivery.tracker = HOSTILE.into();
            delivery
        })
        .collect();
    view.raw = notice::Raw::Kept(notice::RawRequest {
        headers: vec![(HOSTILE.into(), HOSTILE.into())],
        body: format!("{HOSTILE}{UNBROKEN}"),
        content_type: HOSTILE.into(),
        bytes: 1,
        cut: false,
    });
    view
}

fn quiet_notice() -> notice::NoticeView {
    notice::NoticeView {
        reasons: vec![reason("no_tracker", "", "", "no tracker watches forge")],
        deliveries: Vec::new(),
        status: NoticeStatus::Unrouted,
        text: String::new(),
        raw: notice::Raw::NotShown(
            "The body is no longer kept: bodies of forge are kept for 7 days.".into(),
        ),
        ..notice_view()
    }
}

fn reason(what: &str, tracker: &str, target: &str, detail: &str) -> Reason {
    Reason {
        at: at(-240),
        what: what.into(),
        tracker: tracker.into(),
        target: target.into(),
        detail: detail.into(),
        ..Reason::default()
    }
}

fn attempt(
    number: u64,
    seconds: i64,
    outcome: &str,
    status: Option<u16>,
    answer: &str,
) -> notice::Step {
    notice::Step::Attempt(Attempt {
        number,
        at: at(-seconds),
        part: 1,
        parts: 1,
        outcome: outcome.into(),
        http_status: status,
        answer: answer.into(),
        duration_ms: 184,
        ids: if outcome == "sent" {
            vec!["4711".into()]
        } else {
            Vec::new()
        },
    })
}

fn message(place: PlaceKind, title: &str, text: &str) -> Message {
    Message {
        place,
        marked_up: true,
        title: title.into(),
        text: text.into(),
        buttons: Vec::new(),
        ids: Vec::new(),
    }
}

/// Held, told by others, taken back, and past everything that holds.
fn held_notice() -> notice::NoticeView {
    let held = |what: &str, target: &str, until: Option<i64>, detail: &str| {
        notice::Step::Reason(Reason {
            until: until.map(at),
            ..reason(what, "releases", target, detail)
        })
    };
    let plain = |n, target, status, story| {
        delivery(n, target, "telegram", "team", status, Vec::new(), story)
    };
    let window = "22:00–07:00 of the target (hold)";
    let first = [
        held(
            "held_settling",
            "ops",
            Some(60),
            "until it has been quiet for 2m",
        ),
        held("held_quiet_hours", "ops", Some(22_320), window),
    ];
    let mut host = plain(1, "ops", Status::Held, first.into());
    host.due = Some(at(22_320));
    host.reason = window.into();
    host.told = notice::Told {
        notices: rows()
            .iter()
            .take(5)
            .map(|row| (row.id.clone(), row.title.clone()))
            .collect(),
        more: 1_198,
        items: "49 500 added, 12 removed".into(),
        by: None,
        told_at: None,
        silent: false,
    };
    let moved = [held("held_operator", "family", None, "by user ana")];
    let moved = plain(2, "family", Status::Held, moved.into());
    let merged = [held("merged_into", "digest", Some(2_700), "")];
    let mut merged = plain(3, "digest", Status::Merged, merged.into());
    let row = rows()[2].clone();
    merged.told.by = Some((row.id, row.title));
    let gone = [held("cancelled_out", "alerts", None, "")];
    let gone = plain(4, "alerts", Status::Dropped, gone.into());
    let dropped = [held(
        "dropped_quiet_hours",
        "clock",
        None,
        "22:00–07:00 of the receiver (drop)",
    )];
    let dropped = plain(5, "clock", Status::Dropped, dropped.into());
    let quiet = [
        held(
            "silent_quiet_hours",
            "quiet",
            None,
            "22:00–07:00 of the target (silent)",
        ),
        attempt(1, 30, "sent", Some(200), ""),
    ];
    let mut quiet = plain(6, "quiet", Status::Sent, quiet.into());
    quiet.told.silent = true;
    let loud = [
        held("pierced", "pager", None, "critical"),
        held("released", "pager", None, "by user ana"),
        attempt(1, 30, "sent", Some(200), ""),
    ];
    let loud = plain(7, "pager", Status::Sent, loud.into());
    notice::NoticeView {
        status: NoticeStatus::Open,
        deliveries: vec![host, moved, merged, gone, dropped, quiet, loud],
        ..notice_view()
    }
}

fn delivery(
    n: u64,
    target: &str,
    kind: &str,
    receiver: &str,
    status: Status,
    messages: Vec<Message>,
    story: Vec<notice::Step>,
) -> notice::DeliveryView {
    notice::DeliveryView {
        told: notice::Told::default(),
        id: format!("01K3ZP7Q0W8M4T2V6X9Z{n:06}"),
        tracker: "releases".into(),
        link: String::new(),
        target: target.into(),
        target_kind: kind.into(),
        receiver: receiver.into(),
        status,
        due: matches!(status, Status::Retrying).then(|| at(95)),
        reason: String::new(),
        attempts: story.len() as u64,
        messages,
        story,
    }
}

fn inbox_messages() -> Vec<inbox::InboxMessage> {
    rows()
        .iter()
        .zip([
            "41 min left at the present load.",
            "a1b2c3 Keep the calibration\nd4e5f6 Say which tank",
            "Step test failed after 3 min 12 s.",
            "Faster rebuilds; fixes #81 and #84.",
            "",
            "",
            HEBREW,
        ])
        .map(|(row, text)| inbox::InboxMessage {
            id: row.id.clone(),
            position: row.position,
            notice_id: row.id.clone(),
            title: row.title.clone(),
            text: text.into(),
            severity: row.severity,
            target: "inbox".into(),
            provider: row.provider.clone(),
            received: row.received.clone(),
        })
        .collect()
}
