//! Bots: what they are called with is counted once whatever targets they have, and what was heard as
//! one is kept for as long as it is true.

use std::collections::{BTreeMap, BTreeSet};

use notify_bridge::domain::command::{
    Attempted, Command, Configure, Put, Refusal, Sight, Sighting, Told,
};
use notify_bridge::domain::decide::{
    CHATS_PER_HOUR_MAX, CHATS_PER_SIGHTING_MAX, SEEN_AGAIN_MICROS,
};
use notify_bridge::domain::event::{BotIdentity, ChatFacts, ChatKind, Event};
use notify_bridge::domain::spec::{EntityKind, EntitySpec};
use notify_bridge::targets::Verdict;
use serde_json::json;

use crate::driver::{Core, accept, attempted, entity, provider, tracker};

fn bot(name: &str, base: Option<&str>) -> EntitySpec {
    let mut spec = json!({"entity": "bot", "name": name, "kind": "telegram"});
    if let Some(base) = base {
        spec["api_base"] = base.into();
    }
    entity(spec)
}

/// A target that sends as a bot, or with a token of its own.
fn sends_as(name: &str, bot: Option<&str>, to: &[&str]) -> EntitySpec {
    let receivers: Vec<_> = to.iter().map(|to| json!({"name": to, "to": to})).collect();
    let mut spec = json!({
        "entity": "target", "name": name, "kind": "telegram", "receivers": receivers,
    });
    if let Some(bot) = bot {
        spec["bot"] = bot.into();
    }
    entity(spec)
}

/// Configures one entity with this fingerprint of its token, or with none.
fn put(core: &mut Core, spec: EntitySpec, token: Option<u8>) {
    let secrets = token.map(|print| ("token".to_owned(), [print; 16]));
    let cleared = match token {
        Some(_) => BTreeSet::new(),
        None => BTreeSet::from(["token".to_owned()]),
    };
    let put = Put {
        spec,
        secrets: secrets.into_iter().collect::<BTreeMap<_, _>>(),
        cleared,
        managed_by: None,
    };
    core.run(Command::Configure(Box::new(Configure {
        by: "test".into(),
        puts: vec![put],
        ..Configure::default()
    })))
    .unwrap();
}

fn house() -> Core {
    let mut core = Core::new();
    core.configure(vec![
        provider("p"),
        bot("herald", None),
        sends_as("ops", Some("herald"), &["5", "6"]),
        sends_as("home", Some("herald"), &["7"]),
        tracker("to ops", "p", "ops"),
        tracker("to home", "p", "home"),
    ])
    .unwrap();
    core
}

fn bot_id(core: &Core) -> u32 {
    core.state.configuration.bot("herald").expect("a bot").id
}

fn sight(core: &mut Core, sight: Sight) -> Result<Told, Refusal> {
    let bot = core.state.configuration.bot("herald");
    let (bot, revision) = bot.map_or((0, 0), |bot| (bot.id, bot.revision));
    core.run(Command::Sight(Box::new(Sighting {
        bot,
        revision,
        sight,
    })))
}

fn chat(to: &str, title: &str) -> ChatFacts {
    ChatFacts {
        to: to.into(),
        kind: ChatKind::Supergroup,
        title: title.into(),
        username: String::new(),
        language: String::new(),
        is_left: false,
    }
}

fn identity(username: &str) -> Sight {
    Sight::Identity(BotIdentity {
        number: 7,
        username: username.into(),
        name: "Herald".into(),
    })
}

/// Titles of the chats that are known, the one last heard first.
fn titles(core: &Core) -> Vec<String> {
    let known = core.state.bots.get(bot_id(core));
    let chats = known.into_iter().flat_map(|known| known.newest_first());
    chats.map(|chat| chat.facts.title.clone()).collect()
}

fn checked(core: &Core) {
    core.check();
    assert_eq!(core.folded(None), core.state);
    assert_eq!(core.folded(Some(core.log.len() / 2)), core.state);
}

#[test]
fn targets_of_one_bot_are_counted_together() {
    let mut core = house();
    let provider = core.provider("p");
    core.run(accept(provider, "", None)).unwrap();
    for key in core.due_with_depth(1).ready {
        core.claim(key).unwrap();
        core.report(key, attempted(0)).unwrap();
    }
    // Three receivers, one bot.
    assert_eq!(core.state.outbox.pacing.remembered(), 4);
    core.remove(&[
        (EntityKind::Tracker, "to home"),
        (EntityKind::Target, "home"),
    ])
    .unwrap();
    assert_eq!(
        core.state.outbox.pacing.remembered(),
        3,
        "the bot is used yet"
    );
    put(&mut core, bot("herald", None), Some(9));
    assert_eq!(core.state.outbox.pacing.remembered(), 2, "another account");
    checked(&core);
}

#[test]
fn thirty_a_second_go_to_all_targets_of_a_bot() {
    let mut core = Core::new();
    let many: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let all: Vec<&str> = many.iter().map(String::as_str).collect();
    core.configure(vec![
        provider("p"),
        bot("herald", None),
        sends_as("a", Some("herald"), &all[..20]),
        sends_as("b", Some("herald"), &all[20..]),
        tracker("to a", "p", "a"),
        tracker("to b", "p", "b"),
    ])
    .unwrap();
    let provider = core.provider("p");
    core.run(accept(provider, "", None)).unwrap();
    let due = core.due_with_depth(1).ready;
    assert_eq!(due.len(), 30);
    for key in due {
        core.claim(key).unwrap();
        core.report(key, attempted(0)).unwrap();
    }
    assert_eq!(core.due_with_depth(1).ready, []);
    core.now += 1_000_000;
    assert_eq!(core.due_with_depth(1).ready.len(), 30);
}

#[test]
fn a_bot_in_use_is_not_removed() {
    let mut core = house();
    let refused = core.remove(&[(EntityKind::Bot, "herald")]).unwrap_err();
    let Refusal::InUse { name, consumers } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(name, "bot herald");
    assert_eq!(consumers, ["target ops", "target home"]);
    sight(&mut core, Sight::Chats(vec![chat("1", "One")])).unwrap();
    core.remove(&[
        (EntityKind::Tracker, "to home"),
        (EntityKind::Tracker, "to ops"),
        (EntityKind::Target, "home"),
        (EntityKind::Target, "ops"),
        (EntityKind::Bot, "herald"),
    ])
    .unwrap();
    assert_eq!(core.state.bots.iter().count(), 0);
    assert!(sight(&mut core, identity("herald_bot")).is_err());
    checked(&core);
}

#[test]
fn what_says_nothing_new_is_not_written() {
    let mut core = house();
    let seen = || Sight::Chats(vec![chat("-1", "Yard"), chat("-2", "Attic")]);
    sight(&mut core, seen()).unwrap();
    let position = core.state.position;
    core.now += SEEN_AGAIN_MICROS - 1;
    sight(&mut core, seen()).unwrap();
    sight(&mut core, Sight::Chats(Vec::new())).unwrap();
    assert_eq!(core.state.position, position);
    // What changed is, and what was heard an hour ago.
    let language = ChatFacts {
        language: "pt".into(),
        ..chat("-2", "Attic")
    };
    sight(&mut core, Sight::Chats(vec![language, chat("-1", "Yard")])).unwrap();
    assert!(matches!(
        core.log.last(),
        Some((_, Event::ChatsSeen { chats, .. })) if chats.len() == 1
    ));
    assert_eq!(titles(&core), ["Attic", "Yard"]);
    core.now += 1;
    sight(&mut core, seen()).unwrap();
    let position = core.state.position;
    // Names of chats that are known, and only those that changed.
    let names = |title| Sight::Names(vec![chat("-1", title), chat("-9", "Nobody's")]);
    sight(&mut core, names("Yard")).unwrap();
    assert_eq!(core.state.position, position);
    sight(&mut core, names("Garden")).unwrap();
    assert_eq!(core.state.position, position + 1);
    let mut now = titles(&core);
    now.sort();
    assert_eq!(now, ["Attic", "Garden"]);
    // Who it is.
    sight(&mut core, identity("herald_bot")).unwrap();
    let position = core.state.position;
    sight(&mut core, identity("herald_bot")).unwrap();
    assert_eq!(core.state.position, position);
    checked(&core);
}

#[test]
fn strangers_do_not_make_the_log_grow() {
    let mut core = house();
    let strangers = |from: usize| {
        let chats = (from..from + 60).map(|n| chat(&n.to_string(), "Stranger"));
        Sight::Chats(chats.collect())
    };
    sight(&mut core, strangers(0)).unwrap();
    sight(&mut core, strangers(60)).unwrap();
    assert_eq!(titles(&core).len(), CHATS_PER_HOUR_MAX);
    let position = core.state.position;
    sight(&mut core, strangers(200)).unwrap();
    assert_eq!(core.state.position, position);
    // A chat that is known is heard all the same, and an hour later new ones are.
    sight(&mut core, Sight::Chats(vec![chat("3", "Friend")])).unwrap();
    assert_eq!(core.state.position, position + 1);
    core.now += SEEN_AGAIN_MICROS;
    sight(&mut core, strangers(200)).unwrap();
    assert_eq!(titles(&core).len(), CHATS_PER_HOUR_MAX + 60);
    checked(&core);
}

#[test]
fn a_sighting_is_bounded_and_of_the_bot_as_it_is() {
    let mut core = house();
    let many = (0..=CHATS_PER_SIGHTING_MAX).map(|n| chat(&n.to_string(), "x"));
    let refused = sight(&mut core, Sight::Chats(many.collect())).unwrap_err();
    assert!(matches!(refused, Refusal::Invalid { .. }), "{refused:?}");
    let sighting = Sighting {
        bot: bot_id(&core),
        revision: 1,
        sight: identity("another_bot"),
    };
    let refused = core.run(Command::Sight(Box::new(sighting))).unwrap_err();
    assert_eq!(refused, Refusal::Outdated);
}

/// One receiver of `ops` is gone and a chat is known.
fn observed() -> (Core, u32) {
    let mut core = house();
    sight(&mut core, Sight::Chats(vec![chat("5", "Yard")])).unwrap();
    let provider = core.provider("p");
    core.run(accept(provider, "", None)).unwrap();
    let key = core.due_with_depth(1).ready[0];
    let receiver = core.state.outbox.deliveries[&key].receiver;
    core.claim(key).unwrap();
    let reason = "blocked".to_owned();
    core.report(key, Attempted::Judged(Verdict::Gone { reason }))
        .unwrap();
    assert!(core.state.health.is_gone(receiver));
    (core, receiver)
}

#[test]
fn another_token_or_place_makes_untrue_what_was_observed() {
    for (base, token, is_forgotten) in [
        (None, 2, false),
        (None, 3, true),
        (Some("https://bot.example"), 2, true),
    ] {
        let (mut core, receiver) = observed();
        put(&mut core, bot("herald", base), Some(token));
        assert_eq!(core.state.health.is_gone(receiver), !is_forgotten);
        assert_eq!(titles(&core).is_empty(), is_forgotten);
        checked(&core);
    }
}

#[test]
fn the_same_token_is_the_same_bot_wherever_it_stands() {
    for (token, is_forgotten) in [(2, false), (3, true)] {
        let (mut core, receiver) = observed();
        // From the bot to a token of the target's own.
        put(&mut core, sends_as("ops", None, &["5", "6"]), Some(token));
        assert_eq!(core.state.health.is_gone(receiver), !is_forgotten);
        // And back.
        put(
            &mut core,
            sends_as("ops", Some("herald"), &["5", "6"]),
            None,
        );
        assert_eq!(core.state.health.is_gone(receiver), !is_forgotten);
        let target = core.state.configuration.target("ops").expect("a target");
        assert!(target.entity.secrets.is_empty());
        checked(&core);
    }
}
