//! Deciding again what was decided: a command is rebuilt from the events it led to, and decided once
//! more against the state that it met.
//!
//! What came from outside is taken as it was recorded: the answers of services, the words that were
//! rendered, hashes of secrets. What is not in the log cannot be decided again, and is said to be so.
//! Some commands can be rebuilt in more than one way; a decision is the same when any of them gives it.
//!
//! **Invariant:** pure, like `decide` itself. Notices of the log that a command carries are read by the
//! one who asks.

use super::command::{
    Accept, Command, Configure, Context, FilesTold, Mute, Notify, Observe, Put, PutToken, PutUser,
    Refusal, Repeat, Sight, Sighting, UserCondition,
};
use super::decide::{REPEATS_PER_COMMAND_MAX, Say, decide};
use super::event::{Accepted, Event, RequestKeys};
use super::notice::NoticeDraft;
use super::reason::What;
use super::retention::Wanted;
use super::spec::{BRIDGE, BRIDGE_PROVIDER, EntityKind, SecretMarks};
use super::state::{At, State};
use crate::projections::snoozes::{Scope, Snooze};
use crate::providers::bridge::NOTICE_KINDS;

mod held;
mod sending;

/// Ways in which one command is rebuilt at most.
pub const WAYS_MAX: usize = 64;

/// Reads a notice of the log.
pub type Read<'a> = dyn FnMut(u64) -> Option<Accepted> + 'a;

/// The events of one command, and where the first of them stands.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    pub at: At,
    pub events: &'a [Event],
}

/// What came of deciding again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    Same,
    /// What would be decided now.
    Differs(Result<Vec<Event>, Refusal>),
    /// It cannot be decided again, and why.
    Unknown(&'static str),
}

/// Decides the command of these events again.
pub fn again(state: &State, recorded: Recorded<'_>, read: &mut Read<'_>) -> Again {
    let commands = match commands(state, recorded, read) {
        Ok(commands) => commands,
        Err(why) => return Again::Unknown(why),
    };
    let context = Context {
        now: recorded.at.recorded_at,
        first_position: recorded.at.position,
    };
    let mut nearest: Option<(usize, Result<Vec<Event>, Refusal>)> = None;
    let files = files(recorded);
    for mut command in commands.into_iter().take(WAYS_MAX) {
        if let Command::Report(report) = &mut command {
            report.saying.files = files.clone();
        }
        let decided = decide(state, command, &context).map(|decided| decided.events);
        let alike = match &decided {
            Ok(events) if events == recorded.events => return Again::Same,
            Ok(events) => {
                let pairs = events.iter().zip(recorded.events);
                1 + pairs.take_while(|(now, then)| now == then).count()
            }
            Err(_) => 0,
        };
        if nearest.as_ref().is_none_or(|(best, _)| alike > *best) {
            nearest = Some((alike, decided));
        }
    }
    match nearest {
        Some((_, decided)) => Again::Differs(decided),
        None => Again::Unknown("what it was asked for is not in the log"),
    }
}

/// What was recorded about the files of a part, beside what became of the part.
fn files(recorded: Recorded<'_>) -> FilesTold {
    let told = recorded.events.iter().find_map(|event| match event {
        Event::MediaTold {
            provider,
            items,
            rest_until,
            ..
        } => Some(FilesTold {
            provider: *provider,
            items: items.clone(),
            rest: sending::pause(*rest_until, recorded).unwrap_or_default(),
        }),
        _other => None,
    });
    told.unwrap_or_default()
}

/// The command that led to these events, in every way in which it may have been given.
pub fn commands(
    state: &State,
    recorded: Recorded<'_>,
    read: &mut Read<'_>,
) -> Result<Vec<Command>, &'static str> {
    let Some(first) = recorded.events.first() else {
        return Err("it has no events");
    };
    let one = |command: Command| Ok(vec![command]);
    let access = &state.access;
    match first {
        Event::Founded { .. } if state.founding.is_some() => {
            Err("a store that is put back from a backup is founded anew by what restores it")
        }
        Event::Founded {
            epoch,
            salt,
            program,
        } => one(Command::Found {
            epoch: *epoch,
            salt: *salt,
            program: program.clone(),
        }),
        Event::SettingsChanged { .. }
        | Event::EntityPut { .. }
        | Event::EntityRemoved { .. }
        | Event::FileApplied { .. } => one(configure(state, recorded)),
        Event::UserPut { user, by } => {
            let known = access.users.contains_key(&user.id);
            one(Command::PutUser(Box::new(PutUser {
                name: user.name.clone(),
                role: Some(user.role),
                password_hash: Some(user.password_hash.clone()),
                only_if: if known {
                    UserCondition::Present
                } else {
                    UserCondition::Absent
                },
                by: by.clone(),
            })))
        }
        Event::UserRemoved { id, by } => {
            let user = access.users.get(id).ok_or("its user is not known")?;
            one(Command::RemoveUser {
                name: user.name.clone(),
                by: by.clone(),
            })
        }
        Event::TokenPut { token, by } => one(Command::PutToken(Box::new(PutToken {
            name: token.name.clone(),
            hash: token.hash,
            scopes: token.scopes.clone(),
            role: token.role,
            target: token.target.clone(),
            expires_at: token.expires_at,
            by: by.clone(),
        }))),
        Event::TokenRevoked { id, by } => {
            let token = access.tokens.get(id).ok_or("its token is not known")?;
            one(Command::RevokeToken {
                name: token.name.clone(),
                by: by.clone(),
            })
        }
        Event::SessionBegan { .. } | Event::SessionEnded { .. } | Event::SessionSeen { .. } => {
            one(session(state, recorded)?)
        }
        Event::Accepted(accepted) if accepted.provider == BRIDGE_PROVIDER => {
            let say = say(accepted).ok_or("the bridge no longer says such a thing")?;
            one(Command::Tell(Box::new(say)))
        }
        Event::Accepted(accepted) if accepted.provider == 0 => Ok(notify(state, accepted)),
        Event::Accepted(accepted) => Ok(accept(state, accepted, recorded.events)),
        Event::CursorMoved { provider, .. } => {
            Ok(vec![observe(state, *provider, Vec::new(), recorded.events)])
        }
        Event::ChatsSeen { bot, chats } => one(sight(state, *bot, Sight::Chats(chats.clone()))),
        Event::ChatsNamed { bot, chats } => one(sight(state, *bot, Sight::Names(chats.clone()))),
        Event::BotVerified { bot, identity } => {
            one(sight(state, *bot, Sight::Identity(identity.clone())))
        }
        Event::IntakeUnreadable {
            provider,
            why,
            keys,
            ..
        } => one(Command::Unreadable {
            provider: *provider,
            why: why.clone(),
            keys: *keys,
        }),
        Event::Resent {
            notice, why, by, ..
        } => match why {
            What::FellBack => one(Command::Overdue),
            What::Repeated => Ok(repeats(state, recorded, read)),
            _by_a_person => one(Command::Resend {
                notice: *notice,
                accepted: Box::new(
                    read(*notice).ok_or("the notice that was sent again is not kept any more")?,
                ),
                by: by.clone(),
            }),
        },
        Event::RepeatPutOff { .. } => Ok(repeats(state, recorded, read)),
        Event::FallbackAwaited { .. } | Event::FellSilent { .. } | Event::HandedOn { .. } => {
            one(Command::Overdue)
        }
        Event::MessageComposed { .. }
        | Event::GatheredTold { .. }
        | Event::AttemptStarted { .. }
        | Event::PartSent { .. }
        | Event::AttemptFailed { .. }
        | Event::FallbackUsed { .. }
        | Event::EditRefused { .. }
        | Event::PartLeftOut { .. }
        | Event::MediaTold { .. }
        | Event::ReceiverGone { .. }
        | Event::ReceiverMoved { .. } => sending::commands(state, recorded, read),
        Event::ClaimReturned { delivery, .. } => one(Command::Return {
            delivery: *delivery,
        }),
        Event::DeliverySettled { delivery, .. } | Event::DeliveryMerged { delivery, .. } => {
            if held::is_held(state, *delivery) {
                Ok(held::commands(state, recorded, read))
            } else {
                sending::commands(state, recorded, read)
            }
        }
        Event::HoldChanged {
            why: What::HeldRestored,
            ..
        } => one(Command::HoldRestored),
        Event::HoldChanged {
            delivery, hold, by, ..
        } => match (by.as_str(), hold) {
            ("", _) if held::is_held(state, *delivery) => Ok(held::commands(state, recorded, read)),
            ("", _) => sending::commands(state, recorded, read),
            (_, Some(hold)) => one(Command::HoldUntil {
                delivery: *delivery,
                until: (hold.until != super::hold::UNTIL_RELEASED).then_some(hold.until),
                by: by.clone(),
            }),
            (_, None) => one(Command::ReleaseNow {
                delivery: *delivery,
                by: by.clone(),
            }),
        },
        Event::OutcomeUnknown { .. } => one(Command::Recover),
        Event::DeliveryOperated { .. } | Event::ReceiverRestored { .. } => {
            let operated = recorded.events.iter().find_map(|event| match event {
                Event::DeliveryOperated {
                    delivery,
                    action,
                    by,
                    ..
                } => Some((*delivery, *action, by.clone())),
                _other => None,
            });
            let (delivery, action, by) = operated.ok_or("it does not say what was asked for")?;
            one(Command::Operate {
                delivery,
                action,
                by,
            })
        }
        Event::Acknowledged {
            notice,
            provider,
            subject,
            by,
        } => one(Command::Acknowledge {
            notice: *notice,
            provider: *provider,
            subject: *subject,
            by: by.clone(),
        }),
        Event::Snoozed(snooze) => one(Command::Snooze(Box::new(mute(state, snooze)?))),
        Event::SnoozeEnded { id, by } => one(Command::EndSnooze {
            id: *id,
            by: by.clone(),
        }),
        Event::SendingPaused { by } => one(Command::Pause { by: by.clone() }),
        Event::SendingResumed { by } => one(Command::Resume { by: by.clone() }),
        Event::StateCarried { .. } | Event::RetentionAdvanced { .. } => {
            one(advance(recorded).ok_or("it does not say what is forgotten")?)
        }
        Event::Restored { .. } => Err("a store is made from a backup by what restores it"),
        Event::LossAccepted { .. } => Err("it says what a damaged store had lost"),
        Event::Compacted { run, removed } => one(Command::NoteCompacted {
            run: *run,
            removed: *removed,
        }),
        Event::ClockStepped { by_micros } => one(Command::ClockStepped {
            by_micros: *by_micros,
        }),
    }
}

fn configure(state: &State, recorded: Recorded<'_>) -> Command {
    let mut change = Configure::default();
    for (event, position) in recorded.events.iter().zip(recorded.at.position..) {
        match event {
            Event::SettingsChanged { settings, by } => {
                change.settings = Some(settings.clone());
                change.by.clone_from(by);
            }
            Event::EntityPut {
                id,
                spec,
                secrets,
                receivers: _,
                managed_by,
                by,
            } => {
                let none = SecretMarks::new();
                let before = state.configuration.secrets(spec.kind(), *id);
                change.by.clone_from(by);
                change.puts.push(put(
                    spec,
                    secrets,
                    before.unwrap_or(&none),
                    position,
                    managed_by,
                ));
            }
            Event::EntityRemoved { kind, name, by, .. } => {
                change.removes.push((*kind, name.clone()));
                change.by.clone_from(by);
            }
            Event::FileApplied { file, digest, by } => {
                change.file = Some((file.clone(), *digest));
                change.by.clone_from(by);
            }
            _what_follows => {}
        }
    }
    Command::Configure(Box::new(change))
}

/// The secrets that were given are those marked with this position. Ones that were given and known
/// already left a gap in the numbers of the others.
fn put(
    spec: &super::spec::EntitySpec,
    secrets: &SecretMarks,
    before: &SecretMarks,
    position: u64,
    managed_by: &Option<String>,
) -> Put {
    let mut given = std::collections::BTreeMap::new();
    for (field, mark) in secrets.iter().filter(|(_, mark)| mark.position == position) {
        let mut known = secrets
            .iter()
            .filter(|(other, mark)| mark.position != position && *other < field);
        while given.len() < usize::from(mark.slot)
            && let Some((other, mark)) = known.next()
        {
            given.insert(other.clone(), mark.fingerprint);
        }
        given.insert(field.clone(), mark.fingerprint);
    }
    Put {
        spec: spec.clone(),
        secrets: given,
        cleared: before
            .keys()
            .filter(|field| !secrets.contains_key(*field))
            .cloned()
            .collect(),
        managed_by: managed_by.clone(),
    }
}

fn session(state: &State, recorded: Recorded<'_>) -> Result<Command, &'static str> {
    let began = recorded.events.iter().find_map(|event| match event {
        Event::SessionBegan { session } => Some(session),
        _other => None,
    });
    if let Some(session) = began {
        let user = state.access.users.get(&session.user);
        return Ok(Command::BeginSession {
            user: user.ok_or("its user is not known")?.name.clone(),
            hash: session.hash,
        });
    }
    let hash = |id: &u32| {
        let session = state.access.sessions.get(id);
        session.map(|session| session.hash)
    };
    match recorded.events.first() {
        Some(Event::SessionSeen { id }) => hash(id).map(|hash| Command::SeeSession { hash }),
        Some(Event::SessionEnded { id }) => hash(id).map(|hash| Command::EndSession { hash }),
        _other => None,
    }
    .ok_or("its session is not known")
}

fn say(accepted: &Accepted) -> Option<Say> {
    let notice = &accepted.notice;
    let kind = NOTICE_KINDS.iter().find(|kind| kind.name == notice.kind)?;
    Some(Say {
        kind: kind.name,
        about: notice.subject.key.clone(),
        name: notice.subject.label.clone(),
        transition: notice.transition,
        title: notice.title.clone(),
        text: notice.text.clone(),
        labels: notice.labels.clone(),
    })
}

fn sight(state: &State, bot: u32, sight: Sight) -> Command {
    let known = state.configuration.bots.get(&bot);
    Command::Sight(Box::new(Sighting {
        bot,
        revision: known.map_or(0, |known| known.revision),
        sight,
    }))
}

/// What was seen at a provider that is asked. Where looking stood already is not written again.
fn observe(state: &State, provider: u32, notices: Vec<NoticeDraft>, events: &[Event]) -> Command {
    let known = state.configuration.providers.get(&provider);
    let moved = events.iter().filter_map(|event| match event {
        Event::CursorMoved { key, bytes, .. } => Some((key.clone(), bytes.clone())),
        _other => None,
    });
    Command::Observe(Box::new(Observe {
        provider,
        revision: known.map_or(0, |known| known.revision),
        cursors: moved.collect(),
        notices,
    }))
}

fn accept(state: &State, first: &Accepted, events: &[Event]) -> Vec<Command> {
    let notices: Vec<NoticeDraft> = events
        .iter()
        .take(usize::from(first.of))
        .filter_map(|event| match event {
            Event::Accepted(accepted) => Some(accepted.notice.clone()),
            _other => None,
        })
        .collect();
    let with = |notices: Vec<NoticeDraft>, hops: u8| {
        Command::Accept(Box::new(Accept {
            provider: first.provider,
            notices,
            keys: first.keys,
            hops,
        }))
    };
    if first.keys == RequestKeys::default() {
        // A sender's request without any key gives the same.
        return vec![
            observe(state, first.provider, notices.clone(), events),
            with(notices, 0),
        ];
    }
    // The label is the bridge's own where the notice came through another bridge; else its sender's.
    let hops = notices.first().and_then(|notice| notice.labels.get("hops"));
    let Some(hops) = hops.and_then(|hops| hops.parse().ok()) else {
        return vec![with(notices, 0)];
    };
    let without = notices
        .iter()
        .cloned()
        .map(|mut notice| {
            notice.labels.remove("hops");
            notice
        })
        .collect();
    vec![with(without, hops), with(notices, 0)]
}

/// Which targets a message was for is known by where it went. It may have been for one that leads to
/// them, for a tag, or for one receiver alone.
fn notify(state: &State, accepted: &Accepted) -> Vec<Command> {
    let configuration = &state.configuration;
    let plan = &accepted.plan;
    let mut targets: Vec<Vec<String>> = Vec::new();
    let mut add = |names: Vec<String>| {
        if !names.is_empty() && !targets.contains(&names) {
            targets.push(names);
        }
    };
    let linked = plan.links.iter().map(|link| link.target_name.clone());
    add(linked.collect());
    let mut routed: Vec<String> = Vec::new();
    for reason in &plan.routed {
        if !reason.target_name.is_empty() && !routed.contains(&reason.target_name) {
            routed.push(reason.target_name.clone());
        }
    }
    let reached = routed.clone();
    add(routed);
    for target in configuration.targets.values() {
        let spec = &target.entity.spec;
        if spec.kind == "broadcast" || plan.links.is_empty() {
            add(vec![spec.name.clone()]);
        }
        for tag in &spec.tags {
            let tagged = configuration.targets.values().filter(|other| {
                let other = &other.entity.spec;
                other.tags.contains(tag)
            });
            let names: Vec<String> = tagged.map(|other| other.entity.spec.name.clone()).collect();
            if names.iter().any(|name| reached.contains(name)) {
                add(names);
            }
        }
    }
    // Where a receiver was named, it is the only one.
    let only = match plan.planned.as_slice() {
        [planned] => configuration
            .receivers
            .get(&planned.receiver)
            .and_then(|target| configuration.targets.get(target))
            .and_then(|target| target.receiver_name(planned.receiver))
            .map(str::to_owned),
        _several => None,
    };
    let mut ways = Vec::new();
    for names in targets {
        for at_once in [false, true] {
            for receiver in [None, only.clone()] {
                ways.push(Command::Notify(Box::new(Notify {
                    notice: accepted.notice.clone(),
                    targets: names.clone(),
                    receiver,
                    tag: None,
                    at_once,
                    by: accepted.notice.actor.clone().unwrap_or_default(),
                })));
            }
        }
    }
    ways
}

/// The groups that are due, as the timer finds them.
fn repeats(state: &State, recorded: Recorded<'_>, read: &mut Read<'_>) -> Vec<Command> {
    let mut repeat = |slot: u64| {
        let notice = state.tells_again(slot).unwrap_or(0);
        Repeat {
            slot,
            notice,
            accepted: read(notice).map(Box::new),
        }
    };
    let due = state.groups.due(recorded.at.recorded_at);
    let due: Vec<u64> = due.take(REPEATS_PER_COMMAND_MAX).collect();
    let told: Vec<u64> = recorded
        .events
        .iter()
        .filter_map(|event| match event {
            Event::RepeatPutOff { slot, .. } => Some(*slot),
            Event::Resent { plan, .. } => plan.ways.first().map(|planning| planning.group),
            _other => None,
        })
        .collect();
    let mut ways = Vec::new();
    for mut slots in [due, told] {
        slots.dedup();
        ways.push(Command::Repeat {
            due: slots.into_iter().map(&mut repeat).collect(),
        });
    }
    ways
}

/// What the census of a run found is taken as it was recorded.
fn advance(recorded: Recorded<'_>) -> Option<Command> {
    recorded.events.iter().find_map(|event| match event {
        Event::RetentionAdvanced {
            rules,
            history_before,
            by,
            ..
        } => Some(Command::AdvanceRetention {
            wanted: Box::new(Wanted {
                rules: rules.clone(),
                history_before: *history_before,
                is_released: true,
                providers: rules.iter().map(|rule| rule.provider).collect(),
            }),
            by: by.clone(),
        }),
        _other => None,
    })
}

fn mute(state: &State, snooze: &Snooze) -> Result<Mute, &'static str> {
    let configuration = &state.configuration;
    let provider = match (snooze.scope, snooze.entity) {
        (Scope::Tracker | Scope::Target, _) | (_, 0) => None,
        (Scope::Collection | Scope::Subject, BRIDGE_PROVIDER) => Some(BRIDGE.to_owned()),
        (Scope::Collection | Scope::Subject, id) => {
            let spec = configuration.spec(EntityKind::Provider, id);
            let (spec, ..) = spec.ok_or("its provider is not known")?;
            Some(spec.name().to_owned())
        }
    };
    Ok(Mute {
        scope: snooze.scope,
        name: snooze.name.clone(),
        provider,
        until: snooze.until,
        by: snooze.by.clone(),
    })
}
