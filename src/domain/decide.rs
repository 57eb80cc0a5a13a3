//! `decide`: a command against the state gives events, or a refusal. Pure.

use super::command::{Command, Context, Refusal, Told};
use super::event::{Event, IdSeed};
use super::state::State;

mod access;
mod attention;
mod bots;
mod bridge;
mod catch_up;
mod configure;
mod delivery;
mod follow;
mod held;
mod intake;
mod muted;
mod observe;
mod recover;
mod restore;
mod retention;
mod sent;

pub use attention::{REPEATS_PER_COMMAND_MAX, StormBegun, storms_begun};
pub use bots::{CHATS_PER_HOUR_MAX, CHATS_PER_SIGHTING_MAX, SEEN_AGAIN_MICROS};
pub(in crate::domain) use bridge::silence;
pub use bridge::{Say, backup_failed, disk, provider_reachable, provider_unreachable, storm};
pub use catch_up::{CATCH_UP_PEERS_MAX, CATCH_UP_PER_COMMAND_MAX};
pub use delivery::{
    AGE_MAX, FALLBACKS_MAX, MESSAGE_BYTES_MAX, RETRY_AFTER_MAX, RETRY_BASE, RETRY_MAX, TRIES_MAX,
    parts_hash, retry_at,
};
pub use follow::OVERDUE_PER_COMMAND_MAX;
pub use held::{HELD_PER_COMMAND_MAX, MOVE_MAX_MICROS, held_after, judged_again};
pub use intake::{NOTICES_PER_REQUEST_MAX, ONE_OFF};
pub use restore::RESTORED_PER_COMMAND_MAX;
pub use retention::CARRIED_BYTES_MAX;

/// What was decided: events to append, and what the one who asked is told once they are durable.
#[derive(Debug, Clone)]
pub struct Decided {
    pub events: Vec<Event>,
    pub told: Told,
}

impl Decided {
    fn done(event: Event) -> Self {
        Decided {
            events: vec![event],
            told: Told::Done,
        }
    }

    /// Each event changes one thing.
    fn changed(events: Vec<Event>) -> Self {
        let count = events.len() as u32;
        Decided {
            events,
            told: Told::Changed { count },
        }
    }

    fn nothing() -> Self {
        Decided {
            events: Vec::new(),
            told: Told::Done,
        }
    }
}

/// Decides one command. It is taken whole or refused whole.
pub fn decide(state: &State, command: Command, context: &Context) -> Result<Decided, Refusal> {
    let mut decided = decide_alone(state, command, context)?;
    follow::follow(state, &mut decided.events, context);
    Ok(decided)
}

/// Without what follows from it.
fn decide_alone(state: &State, command: Command, context: &Context) -> Result<Decided, Refusal> {
    match command {
        Command::Found {
            epoch,
            salt,
            program,
        } => {
            if state.founding.is_some() {
                return Err(Refusal::Conflict("the store is founded already".into()));
            }
            Ok(Decided::done(Event::Founded {
                epoch,
                salt,
                program,
            }))
        }
        Command::Configure(change) => configure::configure(state, *change, context),
        Command::Observe(observe) => observe::observe(state, *observe, context),
        Command::Sight(sighting) => bots::sight(state, *sighting, context),
        Command::Accept(accept) => intake::accept(state, *accept, context),
        Command::Unreadable {
            provider,
            why,
            keys,
        } => intake::unreadable(state, provider, why, keys, context),
        Command::Notify(notify) => intake::notify(state, *notify, context),
        Command::Resend {
            notice,
            accepted,
            by,
        } => intake::resend(state, notice, &accepted, by, context),
        Command::Claim(claim) => delivery::claim(state, *claim, context),
        Command::Report(report) => delivery::report(state, *report, context),
        Command::Return { delivery } => delivery::give_back(state, delivery),
        Command::Operate {
            delivery,
            action,
            by,
        } => delivery::operate(state, delivery, action, by),
        Command::ReleaseDue { due } => Ok(held::release_due(state, due, context)),
        Command::Replan { after } => Ok(held::replan(state, after, context)),
        Command::Overdue => Ok(follow::overdue(state, context)),
        Command::Tell(say) => Ok(follow::tell(state, *say, context)),
        Command::HoldUntil {
            delivery,
            until,
            by,
        } => held::hold_until(state, delivery, until, by, context),
        Command::ReleaseNow { delivery, by } => held::release_now(state, delivery, by),
        Command::Repeat { due } => Ok(attention::repeat(state, due, context)),
        Command::Acknowledge {
            notice,
            provider,
            subject,
            by,
        } => attention::acknowledge(state, notice, provider, subject, by),
        Command::Snooze(mute) => attention::snooze(state, *mute, context),
        Command::EndSnooze { id, by } => attention::end_snooze(state, id, by, context),
        Command::OperateAsSeen {
            delivery,
            revision,
            action,
            by,
        } => {
            delivery::as_seen(state, delivery, revision)?;
            delivery::operate(state, delivery, action, by)
        }
        Command::Pause { by } => Ok(if state.outbox.paused {
            Decided::nothing()
        } else {
            Decided::done(Event::SendingPaused { by })
        }),
        Command::Resume { by } => Ok(if state.outbox.paused {
            Decided::done(Event::SendingResumed { by })
        } else {
            Decided::nothing()
        }),
        Command::Recover => Ok(recover::recover(state)),
        Command::BeginRestored(restore) => restore::begin(state, *restore),
        Command::HoldRestored => Ok(restore::hold(state)),
        Command::AcceptLoss {
            stretches,
            others,
            kept_as,
            by,
        } => Ok(restore::accept_loss(stretches, others, kept_as, by)),
        Command::ClockStepped { by_micros } => Ok(Decided::done(Event::ClockStepped { by_micros })),
        Command::AdvanceRetention { wanted, by } => retention::advance(state, *wanted, by, context),
        Command::NoteCompacted { run, removed } => Ok(retention::compacted(state, run, removed)),
        Command::PutUser(put) => access::put_user(state, *put),
        Command::RemoveUser { name, by } => access::remove_user(state, &name, by),
        Command::PutToken(put) => access::put_token(state, *put, context),
        Command::RevokeToken { name, by } => access::revoke_token(state, &name, by),
        Command::BeginSession { user, hash } => access::begin_session(state, &user, hash, context),
        Command::SeeSession { hash } => Ok(access::see_session(state, &hash, context)),
        Command::EndSession { hash } => Ok(access::end_session(state, &hash)),
    }
}

/// The seed of ids given out now.
fn seed(state: &State, context: &Context) -> IdSeed {
    let now_millis = u64::try_from(context.now / 1_000).unwrap_or(0);
    IdSeed {
        millis: state.id_millis.max(now_millis),
        epoch: state.founding.map_or(0, |founding| founding.epoch),
    }
}

/// The civil day of now in the space's zone, days since 1970-01-01.
fn day(state: &State, context: &Context) -> i32 {
    let Ok(now) = jiff::Timestamp::from_microsecond(context.now) else {
        return 0;
    };
    let offset = state.configuration.zone().to_offset(now);
    let seconds = now.as_second() + i64::from(offset.seconds());
    i32::try_from(seconds.div_euclid(86_400)).unwrap_or(0)
}
