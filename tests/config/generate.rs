//! Random configurations that are valid: whatever `read` would accept.

use std::collections::BTreeMap;

use notify_bridge::config::{Existing, Present};
use notify_bridge::domain::spec::{
    AskSpec, BackupSpec, BotMode, BotSpec, ButtonSpec, CarrySpec, DigestEncoding, EntityKind,
    EntitySpec, HmacSpec, LinkSpec, MapSpec, ProviderSpec, ReceiverSpec, Settings, SourceSpec,
    TargetSpec, TemplateSpec, TrackerSpec, UnknownPolicy, Verify, WordsSpec,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::fakes::{FORGE_KINDS, fingerprint};
use crate::{keeping, policy_made};

/// The one broadcast, which may hold every target.
const BROADCAST_NAME: &str = "b";

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9][a-z0-9_-]{0,12}"
}

/// One line, with everything that a writer of TOML could get wrong.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z\"'\\\\#=,.\\[\\] é→]{0,20}x",
        Just("'''".to_owned()),
        Just("\"\"\"".to_owned()),
        Just(" padded ".to_owned()),
        Just("C:\\temp\\n".to_owned()),
        Just("true".to_owned()),
    ]
}

fn optional_line() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), line()]
}

/// Many lines, with characters that have to be escaped.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        line(),
        "[a-z\"'\\\\\n\t\r é]{0,40}x",
        Just("x\r\ny\rz".to_owned()),
        Just("\n\nx\n".to_owned()),
        Just("\0\u{7f}\u{1b}x\u{2028}".to_owned()),
        Just("'''x\"\"\"".to_owned()),
        Just("\"\"\"\"\n''''\\".to_owned()),
    ]
}

fn locale() -> impl Strategy<Value = String> {
    select(vec!["en", "de", "pt-BR", "zh-Hant"]).prop_map(str::to_owned)
}

fn address() -> impl Strategy<Value = String> {
    "https?://[a-z]{1,8}\\.example(:[1-9][0-9]{2})?/[a-z?=&#%é-]{0,10}"
}

fn verify(kind: &str) -> BoxedStrategy<Verify> {
    match kind {
        "gitea" => select(vec![Verify::Signature, Verify::None]).boxed(),
        "alertmanager" => select(vec![Verify::Bearer, Verify::Basic, Verify::None]).boxed(),
        _ => prop_oneof![
            Just(Verify::Bearer),
            Just(Verify::Path),
            Just(Verify::None),
            (
                "[a-z][a-z0-9-]{0,12}",
                optional_line(),
                any::<bool>(),
                of("x-[a-z]{1,6}")
            )
                .prop_map(|(header, prefix, is_hex, timestamp)| {
                    let encoding = if is_hex {
                        DigestEncoding::Hex
                    } else {
                        DigestEncoding::Base64
                    };
                    Verify::Hmac(HmacSpec {
                        header,
                        prefix,
                        encoding,
                        timestamp,
                    })
                }),
        ]
        .boxed(),
    }
}

fn map() -> impl Strategy<Value = MapSpec> {
    (text(), of(line()), btree_map(line(), line(), 0..3)).prop_map(|(title, url, labels)| {
        let mut fields = BTreeMap::from([("title".to_owned(), title)]);
        fields.extend(url.map(|url| ("url".to_owned(), url)));
        MapSpec { fields, labels }
    })
}

fn provider(name: String) -> impl Strategy<Value = ProviderSpec> {
    select(vec!["gitea", "alertmanager", "webhook"]).prop_flat_map(move |kind| {
        let map = if kind == "webhook" {
            of(map()).boxed()
        } else {
            Just(None).boxed()
        };
        let flags = (any::<bool>(), any::<bool>());
        let name = name.clone();
        let options = (
            of(verify(kind)),
            of(of(policy_made::rate())),
            of(1024u32..26_214_400),
            map,
        );
        (optional_line(), flags, options)
            .prop_map(
                move |(description, (enabled, allow_private), (verify, rate, body_max, map))| {
                    ProviderSpec {
                        name: name.clone(),
                        kind: kind.to_owned(),
                        description,
                        enabled,
                        allow_private,
                        verify,
                        rate,
                        body_max,
                        map,
                        quiet: None,
                        expect: None,
                        retention: None,
                        source: SourceSpec::default(),
                    }
                },
            )
            .prop_flat_map(policy_made::on_provider)
    })
}

fn receivers(kind: &str) -> BoxedStrategy<Vec<ReceiverSpec>> {
    let implied = vec![ReceiverSpec {
        name: "default".into(),
        ..ReceiverSpec::default()
    }];
    let of_telegram = (
        any::<i64>(),
        of(0u32..99),
        of(locale()),
        any::<[bool; 3]>(),
        of(any::<bool>()),
    );
    let telegram = vec(of_telegram, 1..4).prop_map(|entries| {
        let entries = entries.into_iter().enumerate();
        entries
            .map(
                |(i, (to, thread, locale, [silent, protect, enabled], preview))| {
                    let thread = thread.map(|thread| thread.to_string());
                    // Some go by their default name, some by their own.
                    let to = format!("{i}:{to}");
                    let name = match (i % 2, &thread) {
                        (0, Some(thread)) => format!("{to}:{thread}"),
                        (0, None) => to.clone(),
                        (_, Some(_) | None) => format!("receiver {i}"),
                    };
                    ReceiverSpec {
                        name,
                        to,
                        thread,
                        thread_name: None,
                        locale,
                        silent,
                        protect,
                        preview,
                        enabled,
                        ..ReceiverSpec::default()
                    }
                },
            )
            .collect::<Vec<_>>()
    });
    let discord = vec((of(line()), any::<bool>()), 1..4).prop_map(|entries| {
        let entries = entries.into_iter().enumerate();
        entries
            .map(|(i, (thread_name, enabled))| ReceiverSpec {
                name: format!("{}", 100 + i * 7),
                thread: Some(format!("{}", 100 + i * 7)),
                thread_name,
                enabled,
                ..ReceiverSpec::default()
            })
            .collect::<Vec<_>>()
    });
    match kind {
        "telegram" => telegram.boxed(),
        "discord" => prop_oneof![Just(implied), Just(Vec::new()), discord].boxed(),
        _ => prop_oneof![Just(implied), Just(Vec::new())].boxed(),
    }
}

fn bot(name: String) -> impl Strategy<Value = BotSpec> {
    let modes = select(vec![BotMode::Poll, BotMode::Webhook]);
    (optional_line(), any::<[bool; 2]>(), of(address()), modes).prop_map(
        move |(description, [enabled, allow_private], api_base, mode)| BotSpec {
            name: name.clone(),
            kind: "telegram".into(),
            description,
            enabled,
            allow_private,
            api_base,
            mode,
        },
    )
}

fn target(name: String, bots: Vec<String>) -> impl Strategy<Value = TargetSpec> {
    // None of them, or any.
    let bots: Vec<Option<String>> = bots.into_iter().map(Some).chain([None]).collect();
    select(vec!["telegram", "discord", "webhook"]).prop_flat_map(move |kind| {
        let name = name.clone();
        let own = (
            of(address()),
            any::<bool>(),
            of(line()),
            of(select(vec!["POST", "PUT", "PATCH"])),
            of(text()),
            select(bots.clone()),
        );
        let shared = (
            optional_line(),
            any::<[bool; 2]>(),
            btree_set(line(), 0..3),
            of(locale()),
        );
        (shared, receivers(kind), own)
            .prop_map(
                move |((description, [enabled, allow_private], tags, locale), receivers, own)| {
                    let (url, preview, username, method, body, bot) = own;
                    let is = |wanted| kind == wanted;
                    let bot = bot.filter(|_| is("telegram"));
                    TargetSpec {
                        name: name.clone(),
                        kind: kind.to_owned(),
                        description,
                        enabled,
                        allow_private,
                        tags: tags.into_iter().collect(),
                        locale,
                        receivers,
                        api_base: url.clone().filter(|_| is("telegram") && bot.is_none()),
                        bot,
                        preview: preview && is("telegram"),
                        carry: CarrySpec::default(),
                        username: username.filter(|_| is("discord")),
                        avatar_url: url.filter(|_| is("discord")),
                        method: method.map(str::to_owned).filter(|_| is("webhook")),
                        body: body.filter(|_| is("webhook")),
                        targets: Vec::new(),
                        off: Vec::new(),
                        quiet: None,
                        pace: None,
                    }
                },
            )
            .prop_flat_map(policy_made::on_target)
    })
}

fn broadcast(name: String, targets: Vec<String>) -> impl Strategy<Value = TargetSpec> {
    let count = targets.len();
    subsequence(targets, 1..=count).prop_flat_map(move |targets| {
        let name = name.clone();
        subsequence(targets.clone(), 0..=targets.len()).prop_map(move |off| TargetSpec {
            name: name.clone(),
            kind: "broadcast".into(),
            description: String::new(),
            enabled: true,
            allow_private: false,
            tags: Vec::new(),
            locale: None,
            receivers: Vec::new(),
            bot: None,
            api_base: None,
            preview: false,
            carry: CarrySpec::default(),
            username: None,
            avatar_url: None,
            method: None,
            body: None,
            targets: targets.clone(),
            off,
            quiet: None,
            pace: None,
        })
    })
}

fn words() -> impl Strategy<Value = WordsSpec> {
    let button = (text(), address()).prop_map(|(text, url)| ButtonSpec { text, url });
    let formats = subsequence(vec!["telegram", "discord", "email", "plain"], 0..=4);
    (of(text()), text(), vec(button, 0..3), formats).prop_map(|(title, text, buttons, formats)| {
        WordsSpec {
            title,
            formats: formats
                .into_iter()
                .map(|format| (format.to_owned(), text.clone()))
                .collect(),
            text: Some(text),
            buttons,
        }
    })
}

fn template(name: String) -> impl Strategy<Value = TemplateSpec> {
    let kinds = select(vec![
        "push",
        "firing",
        "default",
        "issue_closed",
        "boiler_is_cold",
    ]);
    let entries = btree_map(kinds.prop_map(str::to_owned), words(), 1..4);
    (optional_line(), of(locale()), entries).prop_map(move |(description, locale, entries)| {
        TemplateSpec {
            name: name.clone(),
            description,
            locale,
            entries,
        }
    })
}

fn tracker(
    name: String,
    provider: ProviderSpec,
    targets: Vec<String>,
    templates: Vec<String>,
) -> impl Strategy<Value = TrackerSpec> {
    let kinds = match provider.kind.as_str() {
        "gitea" => subsequence(FORGE_KINDS.map(str::to_owned).to_vec(), 0..4).boxed(),
        "alertmanager" => {
            subsequence(vec!["fir*".to_owned(), "!resolved".to_owned()], 0..2).boxed()
        }
        _ => vec("[a-z]{1,5}[*]?", 0..1).boxed(),
    };
    let count = targets.len();
    let template = if templates.is_empty() {
        Just(None).boxed()
    } else {
        of(select(templates)).boxed()
    };
    let all = targets.clone();
    let links = subsequence(targets, 0..=count).prop_flat_map(move |targets| {
        let own = (
            of(name_of_link()),
            any::<[bool; 2]>(),
            template.clone(),
            of(locale()),
        );
        vec(own, targets.len()).prop_map(move |owns| {
            let pairs = targets.iter().cloned().zip(owns);
            pairs
                .map(
                    |(target, (name, [enabled, retries], template, locale))| LinkSpec {
                        target,
                        name,
                        enabled,
                        template,
                        locale,
                        unknown: if retries {
                            UnknownPolicy::Retry
                        } else {
                            UnknownPolicy::Park
                        },
                        ..LinkSpec::to("")
                    },
                )
                .collect::<Vec<_>>()
        })
    });
    let links = links.prop_flat_map(move |links| {
        let made = links.into_iter().map(|link| {
            // The broadcast may hold any of them, so it takes no part.
            let apart = all.iter().filter(|name| {
                **name != link.target && *name != BROADCAST_NAME && link.target != BROADCAST_NAME
            });
            let apart = apart.cloned().collect();
            policy_made::on_link(link, apart)
        });
        made.collect::<Vec<_>>()
    });
    let of_provider = provider.clone();
    let collections = btree_set("!?[a-z/*]{1,9}x", 0..3);
    (
        optional_line(),
        any::<bool>(),
        kinds,
        collections,
        of(text()),
        links,
    )
        .prop_map(
            move |(description, enabled, kinds, collections, filter, links)| TrackerSpec {
                name: name.clone(),
                provider: provider.name.clone(),
                description,
                enabled,
                kinds,
                collections: collections.into_iter().collect(),
                filter,
                links,
                quiet: None,
                group: None,
                settle: None,
                settle_max: None,
                severity: None,
                inhibit: Vec::new(),
                expect: None,
                asks: AskSpec::default(),
            },
        )
        .prop_flat_map(move |spec| policy_made::on_tracker(spec, &of_provider))
}

fn name_of_link() -> impl Strategy<Value = String> {
    name()
}

fn settings() -> impl Strategy<Value = Settings> {
    let zone = select(vec!["UTC", "Europe/Lisbon", "America/Argentina/Ushuaia"]);
    (
        zone,
        locale(),
        of("https://[a-z]{1,8}\\.example(/[a-z]{1,4})?"),
        policy_made::quiet(),
        of("0[0-9]:[0-5][0-9]"),
        of(keeping::of_settings()),
    )
        .prop_map(
            |(timezone, locale, public_url, quiet, at, retention)| Settings {
                timezone: timezone.to_owned(),
                locale,
                public_url,
                quiet,
                backup: at.map(|at| BackupSpec {
                    keep: u16::from(at.as_bytes()[4]) % 9 + 1,
                    at: at.parse().expect("a time of day"),
                }),
                retention,
            },
        )
}

/// Names of a kind, with a letter before each that keeps kinds apart.
fn names(letter: char, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
    btree_set(name(), count)
        .prop_map(move |names| names.into_iter().map(|n| format!("{letter}{n}")).collect())
}

/// Every entity of a space, referring only to each other.
pub fn entities() -> impl Strategy<Value = Vec<EntitySpec>> {
    let counts = (
        names('p', 1..3),
        names('t', 1..4),
        names('w', 0..3),
        names('k', 0..3),
        names('b', 0..3),
    );
    counts
        .prop_flat_map(|(providers, targets, templates, trackers, bots)| {
            let providers: Vec<_> = providers.into_iter().map(provider).collect();
            let broadcast = of(broadcast(BROADCAST_NAME.into(), targets.clone()));
            let shown: Vec<_> = templates.iter().cloned().map(template).collect();
            let made: Vec<_> = targets
                .iter()
                .map(|name| target(name.clone(), bots.clone()))
                .collect();
            let bots: Vec<_> = bots.into_iter().map(bot).collect();
            (
                (providers, bots),
                made,
                broadcast,
                shown,
                Just((targets, templates, trackers)),
            )
        })
        .prop_flat_map(
            |((providers, bots), targets, broadcast, templates, names)| {
                let (mut to, words, trackers) = names;
                to.extend(broadcast.as_ref().map(|b| b.name.clone()));
                let trackers: Vec<_> = trackers
                    .into_iter()
                    .enumerate()
                    .map(|(i, name)| {
                        let provider = providers[i % providers.len()].clone();
                        tracker(name, provider, to.clone(), words.clone())
                    })
                    .collect();
                (
                    Just((providers, bots, targets, broadcast, templates)),
                    trackers,
                )
            },
        )
        .prop_map(
            |((providers, bots, targets, broadcast, templates), trackers)| {
                let mut all: Vec<EntitySpec> = Vec::new();
                all.extend(providers.into_iter().map(EntitySpec::Provider));
                all.extend(bots.into_iter().map(EntitySpec::Bot));
                all.extend(targets.into_iter().chain(broadcast).map(EntitySpec::Target));
                all.extend(templates.into_iter().map(EntitySpec::Template));
                all.extend(trackers.into_iter().map(EntitySpec::Tracker));
                all
            },
        )
}

/// Values of secrets, by kind, name and field.
pub type Values = BTreeMap<(EntityKind, String, String), String>;

/// A whole space with the values of its secrets.
pub fn space() -> impl Strategy<Value = (Present, Values)> {
    (name(), settings(), entities(), text(), any::<bool>()).prop_map(
        |(space, settings, specs, secret, rotates)| {
            let mut present = Present {
                space,
                settings,
                entities: BTreeMap::new(),
            };
            let mut values = Values::new();
            for spec in specs {
                let address = format!("https://x.example/{}", spec.name());
                let headers = format!("{{\"env\":\"{}\"}}", spec.name());
                let own: Vec<(&str, &str)> = match &spec {
                    EntitySpec::Provider(_) if rotates => {
                        vec![("secret", &secret), ("secret.2", "b")]
                    }
                    EntitySpec::Provider(_) => vec![("secret", &secret)],
                    EntitySpec::Bot(bot) => match bot.mode {
                        BotMode::Poll => vec![("token", &secret)],
                        BotMode::Webhook => vec![("token", &secret), ("secret", "s")],
                    },
                    EntitySpec::Target(target) if target.bot.is_some() => Vec::new(),
                    EntitySpec::Target(target) => match target.kind.as_str() {
                        "telegram" => vec![("token", &secret)],
                        "discord" => vec![("url", &address)],
                        "webhook" => vec![("url", &address), ("headers", &headers)],
                        _ => Vec::new(),
                    },
                    EntitySpec::Tracker(_) | EntitySpec::Template(_) => Vec::new(),
                };
                let (kind, name) = (spec.kind(), spec.name().to_owned());
                let mut secrets = BTreeMap::new();
                for (field, value) in own {
                    let print = fingerprint(kind, &name, field, value.as_bytes());
                    secrets.insert(field.to_owned(), print);
                    values.insert((kind, name.clone(), field.to_owned()), value.to_owned());
                }
                let existing = Existing {
                    spec,
                    secrets,
                    managed_by: None,
                };
                present.entities.insert((kind, name), existing);
            }
            (present, values)
        },
    )
}
