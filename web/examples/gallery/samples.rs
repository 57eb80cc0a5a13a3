//! Every page in several states: empty, busy, failing, and with values that mean harm.

use notify_web::chart::Day;
use notify_web::message::{Message, PlaceKind};
use notify_web::pages::{
    access, ask, dashboard, deliveries, inbox, log, notice, notices, parked, places, problem,
    providers, targets,
};
use notify_web::view::relative;
use notify_web::why::{Attempt, Reason};
use notify_web::{Flash, Frame, Moment, NoticeStatus, Paused, Severity, Status, Tone};

/// 2026-08-29T10:15:00Z, when all samples are looked at.
const NOW: i64 = 1_787_998_500;

/// What a stranger may send: markup, an attribute's end, a direction mark, no place to break.
pub const HOSTILE: &str =
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202E}gnp.exe";
const UNBROKEN: &str = "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww";
const HEBREW: &str = "הגיבוי של nas הסתיים אחרי 4 דקות";

fn at(seconds_from_now: i64) -> Moment {
    let then = NOW + seconds_from_now;
    let of_day = then.rem_euclid(86_400);
    let day = 29 + then.div_euclid(86_400) - NOW.div_euclid(86_400);
    let (hour, minute) = (of_day / 3_600, of_day % 3_600 / 60);
    Moment {
        at: format!(
            "2026-08-{:02}T{hour:02}:{minute:02}:{:02}Z",
            day.clamp(1, 31),
            of_day % 60
        ),
        relative: relative(NOW, then),
        absolute: format!(
            "{} Aug 2026, {:02}:{minute:02} Lisbon",
            day.clamp(1, 31),
            (hour + 1) % 24
        ),
    }
}

fn frame() -> Frame {
    Frame {
        base: String::new(),
        user: Some("ana".into()),
        can_operate: true,
        csrf: "sample-token".into(),
        paused: None,
        version: "0.1.0".into(),
        parked: 16,
        flash: Vec::new(),
    }
}

fn stranger() -> Frame {
    Frame {
        csrf: "sample-token".into(),
        version: "0.1.0".into(),
        ..Frame::default()
    }
}

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

fn rows() -> Vec<notices::NoticeRow> {
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

fn provider_view() -> providers::ProviderView {
    providers::ProviderView {
        name: "forge".into(),
        kind: "gitea".into(),
        description: "Everything from git.example.org".into(),
        managed_by: "household.toml".into(),
        hearing: providers::Hearing::Refused,
        last_verified: Some(at(-240)),
        refused: Some(providers::Refused {
            at: at(-95),
            why: "the signature in x-gitea-signature does not match: the secrets differ, or the body was changed on the way".into(),
            from: "192.0.2.17".into(),
            count: 3,
        }),
        address: "https://bridge.example.org/hooks/forge".into(),
        verify: "signature".into(),
        secrets: vec![("secret".into(), Some(at(-86_400 * 3)))],
        steps: vec![
            "Open Settings → Webhooks of the repository, or of the organization for all of its repositories, and add a webhook of type Gitea.".into(),
            "Target URL: the address above.".into(),
            "HTTP method POST, content type application/json.".into(),
            "Secret: the same one as configured here; the sender signs with it.".into(),
        ],
        traps: vec![
            "Gitea refuses addresses on private networks unless ALLOWED_HOST_LIST in its [webhook] section names them.".into(),
            "A webhook of a repository does not hear of other repositories.".into(),
        ],
        trackers: vec!["everything".into(), "releases".into()],
        requests: vec![
            providers::RequestRow { position: 48_021, at: at(-240), outcome: providers::RequestOutcome::Notices(vec![("01K3ZP7Q0W8M4T2V6X9Y000021".into(), "gordon pushed 2 commits to main".into())]) },
            providers::RequestRow { position: 48_018, at: at(-400), outcome: providers::RequestOutcome::Unreadable("the body is not JSON: expected value at line 1 column 1".into()) },
            providers::RequestRow { position: 48_011, at: at(-4_000), outcome: providers::RequestOutcome::Notices(Vec::new()) },
        ],
        can_test: true,
    }
}

fn target_view() -> targets::TargetView {
    targets::TargetView {
        name: "ops".into(),
        kind: "telegram".into(),
        description: "The people on duty".into(),
        managed_by: String::new(),
        standing: targets::Standing::Failing,
        failing_since: Some(at(-11_500)),
        failures: 214,
        last_error: "Telegram answered 502: Bad Gateway".into(),
        last_sent: Some(at(-11_800)),
        waits_until: Some(at(28)),
        receivers: vec![
            targets::Receiver { name: "team".into(), to: "-1001234567890".into(), thread: "7".into(), state: targets::ReceiverState::Fine, waiting: 1_214 },
            targets::Receiver { name: "night".into(), to: "-1009876543210".into(), thread: String::new(), state: targets::ReceiverState::Gone("Telegram answered 403: bot was kicked from the group chat".into()), waiting: 0 },
            targets::Receiver { name: "old group".into(), to: "-4012345".into(), thread: String::new(), state: targets::ReceiverState::Moved("-1004012345".into()), waiting: 3 },
        ],
        secrets: vec![("token".into(), Some(at(-86_400 * 40)))],
        trackers: vec!["everything".into()],
        promise: "At least once: Telegram knows no idempotency key, so a message whose answer was lost is sent again and may stand there twice.".into(),
        waiting: 1_217,
        can_test: true,
        test_receiver: "night".into(),
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

/// Name and page.
pub fn all() -> Vec<(&'static str, String)> {
    let paused = Frame {
        paused: Some(Paused {
            by: "ana".into(),
            since: at(-2_100),
        }),
        flash: vec![
            Flash {
                tone: Tone::Good,
                text: "12 deliveries are retried.".into(),
            },
            Flash {
                tone: Tone::Bad,
                text: format!("The test failed: {HOSTILE}"),
            },
        ],
        ..frame()
    };
    let viewer = Frame {
        can_operate: false,
        parked: 0,
        ..frame()
    };
    let hostile_frame = Frame {
        user: Some(HOSTILE.into()),
        csrf: HOSTILE.into(),
        version: HOSTILE.into(),
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
    let mut hostile_provider = provider_view();
    hostile_provider.name = HOSTILE.into();
    hostile_provider.description = format!("{HEBREW} {UNBROKEN}");
    hostile_provider.address = format!("https://bridge.example.org/hooks/{UNBROKEN}");
    hostile_provider.requests.clear();
    hostile_provider.hearing = providers::Hearing::Never;
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
            notices::page_of(&viewer, &all_notices(busy)),
        ),
        ("notices-found", notices::page_of(&frame(), &found)),
        ("notices-unfound", notices::page_of(&frame(), &unfound)),
        (
            "notices-empty",
            notices::page_of(&frame(), &all_notices(Vec::new())),
        ),
        (
            "notices-hostile",
            notices::page_of(&hostile_frame, &all_notices(hostile_rows())),
        ),
        ("notice", notice::page_of(&frame(), &notice_view())),
        ("notice-unrouted", notice::page_of(&viewer, &quiet_notice())),
        (
            "notice-hostile",
            notice::page_of(&hostile_frame, &hostile_notice()),
        ),
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
            parked::page_of(&viewer, &parked::ParkedView::default()),
        ),
        ("ask", ask::page_of(&frame(), &question())),
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
        (
            "providers",
            providers::list(
                &frame(),
                &providers::ProvidersView {
                    rows: vec![
                        providers::ProviderRow {
                            name: "forge".into(),
                            kind: "gitea".into(),
                            hearing: providers::Hearing::Refused,
                            last_notice: Some(at(-240)),
                            notices: 861,
                            trackers: 2,
                        },
                        providers::ProviderRow {
                            name: "backups".into(),
                            kind: "webhook".into(),
                            hearing: providers::Hearing::Heard,
                            last_notice: Some(at(-9_000)),
                            notices: 14,
                            trackers: 1,
                        },
                        providers::ProviderRow {
                            name: "house".into(),
                            kind: "webhook".into(),
                            hearing: providers::Hearing::Never,
                            last_notice: None,
                            notices: 0,
                            trackers: 0,
                        },
                    ],
                    hooks_base: String::new(),
                },
            ),
        ),
        (
            "providers-empty",
            providers::list(
                &frame(),
                &providers::ProvidersView {
                    rows: Vec::new(),
                    hooks_base: "https://bridge.example.org/hooks/".into(),
                },
            ),
        ),
        ("provider", providers::one(&frame(), &provider_view())),
        (
            "provider-hostile",
            providers::one(&frame(), &hostile_provider),
        ),
        (
            "targets",
            targets::list(
                &frame(),
                &targets::TargetsView {
                    rows: vec![
                        targets::TargetRow {
                            name: "ops".into(),
                            kind: "telegram".into(),
                            standing: targets::Standing::Failing,
                            receivers: 3,
                            gone: 1,
                            waiting: 1_217,
                            last_sent: Some(at(-11_800)),
                        },
                        targets::TargetRow {
                            name: "guild".into(),
                            kind: "discord".into(),
                            standing: targets::Standing::Fine,
                            receivers: 1,
                            gone: 0,
                            waiting: 0,
                            last_sent: Some(at(-200)),
                        },
                        targets::TargetRow {
                            name: "inbox".into(),
                            kind: "inbox".into(),
                            standing: targets::Standing::Unused,
                            receivers: 1,
                            gone: 0,
                            waiting: 0,
                            last_sent: None,
                        },
                    ],
                },
            ),
        ),
        (
            "targets-empty",
            targets::list(&frame(), &targets::TargetsView::default()),
        ),
        ("target", targets::one(&frame(), &target_view())),
        (
            "target-hostile",
            targets::one(
                &frame(),
                &targets::TargetView {
                    name: HOSTILE.into(),
                    last_error: HOSTILE.into(),
                    trackers: vec![HOSTILE.into()],
                    ..target_view()
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
        .into_iter()
        .map(|(name, page)| (name, page.into_string()))
        .collect()
}
