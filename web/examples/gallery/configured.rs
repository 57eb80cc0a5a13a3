//! Providers and targets.

use notify_web::pages::{providers, targets};

use super::{HEBREW, HOSTILE, Pages, UNBROKEN, at, frame};

/// Name and page.
pub fn pages() -> Pages {
    let mut hostile_provider = provider_view();
    hostile_provider.name = HOSTILE.into();
    hostile_provider.description = format!("{HEBREW} {UNBROKEN}");
    hostile_provider.address = format!("https://bridge.example.org/hooks/{UNBROKEN}");
    hostile_provider.requests.clear();
    hostile_provider.hearing = providers::Hearing::Never;
    vec![
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
    ]
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
        collections: Some("albums".into()),
        asking: None,
        session: None,
        is_told: true,
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
        bot: "herald".into(),
        secrets: vec![("token".into(), Some(at(-86_400 * 40)))],
        trackers: vec!["everything".into()],
        promise: "At least once: Telegram knows no idempotency key, so a message whose answer was lost is sent again and may stand there twice.".into(),
        waiting: 1_217,
        snoozes: Vec::new(),
        can_test: true,
        test_receiver: "night".into(),
    }
}
