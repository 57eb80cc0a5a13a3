//! Random time policies that are valid: whatever `read` would accept.

use notify_bridge::domain::notice::Severity;
use notify_bridge::domain::policy::{
    CatchUp, DIGEST_NOTICES_MAX, DigestSpec, GroupSpec, InhibitSpec, InhibitWhen, SPAN_SECONDS_MAX,
    SeveritySpec, Span, Threshold, WallClock,
};
use notify_bridge::domain::spec::{
    BRIDGE, LinkSpec, ProviderSpec, Rate, ReceiverSpec, TargetSpec, TrackerSpec,
};
use notify_bridge::domain::windows::{WindowMode, WindowSpec};
use notify_bridge::projections::storms::STORM_COUNT_MAX;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::fakes::FORGE_KINDS;
use crate::generate::text;

pub fn rate() -> impl Strategy<Value = Rate> {
    (1u32..100_000, 1u32..100_000).prop_map(|(count, per_seconds)| Rate { count, per_seconds })
}

fn storm() -> impl Strategy<Value = Rate> {
    (1..=STORM_COUNT_MAX, 1u32..100_000)
        .prop_map(|(count, per_seconds)| Rate { count, per_seconds })
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![
        (1..=SPAN_SECONDS_MAX).prop_map(Span::of_seconds),
        // Some that are defaults somewhere, so that leaving them out is met too.
        select(vec![30, 300, 1_800, 14_400]).prop_map(Span::of_seconds),
    ]
}

fn clock() -> impl Strategy<Value = String> {
    (0u8..24, 0u8..60).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn window() -> impl Strategy<Value = WindowSpec> {
    let days = btree_set(select(vec!["mon", "tue-fri", "sat-mon", "sun"]), 0..3);
    let zone = of(select(vec!["UTC", "Asia/Kathmandu"]));
    (
        days,
        clock(),
        clock(),
        zone,
        select(WindowMode::ALL.to_vec()),
    )
        .prop_map(|(days, from, to, zone, mode)| WindowSpec {
            days: days
                .iter()
                .map(|days| days.parse().expect("these are days"))
                .collect(),
            from: from.parse().expect("this is a time"),
            to: to.parse().expect("this is a time"),
            zone: zone.map(str::to_owned),
            mode,
        })
}

pub fn quiet() -> impl Strategy<Value = Option<Vec<WindowSpec>>> {
    of(vec(window(), 0..3))
}

fn pace() -> impl Strategy<Value = Option<Option<Rate>>> {
    of(of(rate()))
}

fn digest() -> impl Strategy<Value = DigestSpec> {
    let counts = (of(1..=DIGEST_NOTICES_MAX), 1..=DIGEST_NOTICES_MAX);
    let when = (of(span()), btree_set(clock(), 0..3), any::<bool>());
    (when, counts).prop_map(|((every, at, hourly), (after, max))| {
        let at = at.iter().map(|at| at.parse().expect("this is a time"));
        // Not both, and one of the three at least.
        let at: Vec<_> = at.filter(|_| every.is_none()).collect();
        let after = match (every, at.is_empty()) {
            (None, true) => after.or(Some(3)),
            (Some(_), _) | (None, false) => after,
        };
        let max = if hourly { 50 } else { max };
        DigestSpec {
            every,
            at,
            after,
            max,
        }
    })
}

pub fn on_provider(spec: ProviderSpec) -> impl Strategy<Value = ProviderSpec> {
    let retention = of(super::keeping::of_provider());
    (quiet(), of(span()), retention).prop_map(move |(quiet, expect, retention)| ProviderSpec {
        quiet,
        expect,
        retention,
        ..spec.clone()
    })
}

pub fn on_receivers(specs: Vec<ReceiverSpec>) -> impl Strategy<Value = Vec<ReceiverSpec>> {
    // The receiver that a target lists none for has nothing of its own to say.
    let listed = specs.iter().filter(|spec| spec.name != "default").count();
    let policies = vec((quiet(), pace(), of(digest()), of(storm())), listed);
    policies.prop_map(move |policies| {
        let mut policies = policies.into_iter();
        let specs = specs.iter().cloned();
        specs
            .map(|spec| {
                if spec.name == "default" {
                    return spec;
                }
                let (quiet, pace, digest, storm) = policies.next().expect("one for each");
                ReceiverSpec {
                    quiet,
                    pace,
                    digest,
                    storm,
                    ..spec
                }
            })
            .collect()
    })
}

pub fn on_target(spec: TargetSpec) -> impl Strategy<Value = TargetSpec> {
    let receivers = on_receivers(spec.receivers.clone());
    (quiet(), pace(), receivers).prop_map(move |(quiet, pace, receivers)| TargetSpec {
        quiet,
        pace,
        receivers,
        ..spec.clone()
    })
}

/// `apart` are targets to which a link may fall back: none of them is what the link leads to.
pub fn on_link(spec: LinkSpec, apart: Vec<String>) -> impl Strategy<Value = LinkSpec> {
    let fallback = if apart.is_empty() {
        Just(None).boxed()
    } else {
        of((select(apart), of(span()))).boxed()
    };
    let catch_up = prop_oneof![
        Just(CatchUp::All),
        Just(CatchUp::Newest),
        Just(CatchUp::Summary),
        span().prop_map(CatchUp::MaxAge),
    ];
    let pierce = select(Threshold::ALL.to_vec());
    let wall_clock = select(vec![WallClock::Drop, WallClock::Hold]);
    let late = (fallback, any::<bool>(), catch_up, wall_clock);
    (quiet(), of(of(digest())), pierce, late).prop_map(
        move |(quiet, digest, pierce, (fallback, update, catch_up, wall_clock))| {
            let (fallback, fallback_after) = fallback.unzip();
            LinkSpec {
                quiet,
                digest,
                pierce,
                fallback,
                fallback_after: fallback_after.flatten(),
                update,
                catch_up,
                wall_clock,
                ..spec.clone()
            }
        },
    )
}

fn severity(kinds: Vec<String>) -> impl Strategy<Value = SeveritySpec> {
    let severity = select(Severity::ALL.to_vec());
    prop_oneof![
        text().prop_map(SeveritySpec::Expression),
        btree_map(select(kinds), severity, 1..3).prop_map(SeveritySpec::ByKind),
    ]
}

fn kinds_of(provider: &ProviderSpec) -> Vec<String> {
    match provider.kind.as_str() {
        "gitea" => FORGE_KINDS.map(str::to_owned).to_vec(),
        "alertmanager" => vec!["firing".into(), "resolved".into()],
        // A mapping may give any, also one that has to stand in quotes.
        _ => vec!["received".into(), "a kind".into()],
    }
}

fn inhibit(providers: Vec<(String, Vec<String>)>) -> impl Strategy<Value = InhibitSpec> {
    let except = select(Threshold::ALL.to_vec());
    let when = select(providers).prop_flat_map(|(provider, kinds)| {
        let kind = select(kinds);
        (Just(provider), kind.clone(), of(kind))
    });
    (when, except).prop_map(|((provider, kind, until), except)| InhibitSpec {
        when: InhibitWhen {
            provider,
            kind,
            until,
        },
        except,
    })
}

pub fn on_tracker(
    spec: TrackerSpec,
    provider: &ProviderSpec,
) -> impl Strategy<Value = TrackerSpec> + use<> {
    let group =
        (text(), span(), span(), span()).prop_map(|(by, wait, interval, repeat)| GroupSpec {
            by,
            wait,
            interval,
            repeat,
        });
    let kinds = kinds_of(provider);
    let providers = vec![
        (provider.name.clone(), kinds.clone()),
        (BRIDGE.to_owned(), vec!["bridge_silent".to_owned()]),
    ];
    let settle = prop_oneof![span(), Just(Span::of_seconds(0))];
    let settling = (of(settle), of(span())).prop_map(|(settle, settle_max)| {
        let least = settle.unwrap_or(Span::of_seconds(1));
        (settle, settle_max.map(|most| most.max(least)))
    });
    let inhibit = vec(inhibit(providers), 0..3);
    let rest = (of(severity(kinds)), inhibit, of(span()));
    (quiet(), of(group), settling, rest).prop_map(
        move |(quiet, group, (settle, settle_max), (severity, inhibit, expect))| TrackerSpec {
            quiet,
            group,
            settle,
            settle_max,
            severity,
            inhibit,
            expect,
            ..spec.clone()
        },
    )
}
