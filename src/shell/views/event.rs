//! Events of the log, readable.

use notify_store::{Payload as _, Reader, Recorded};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Cursor, Page, ViewError, add, moment, reason};
use crate::domain::event::{
    Accepted, Action, Answer, DeliveryKey, Event, IdSeed, Outcome, Plan, RequestKeys, RowFacts,
    Token, User,
};
use crate::domain::family::{dispatch_id, notice_of};
use crate::domain::hold::{UNTIL_RELEASED, Way};
use crate::domain::notice::Severity;
use crate::domain::spec::{SecretMarks, UnknownPolicy};
use crate::targets::{Part, Scope};
use crate::templates::notice_json;
use crate::wire;

/// A page of the log: ascending from a position, or newest first.
pub fn log(
    reader: &Reader<Event>,
    from: Option<u64>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page, ViewError> {
    let (start, ascending) = match (cursor, from) {
        (Some(Cursor::After(position)), _) => (position.saturating_add(1), true),
        (Some(Cursor::Before(position)), _) => (position, false),
        (Some(Cursor::Delivery { .. }), _) => {
            return Err(ViewError::Invalid {
                field: "cursor",
                message: super::NotACursor.to_string(),
            });
        }
        (None, Some(from)) => (from, true),
        (None, None) => (u64::MAX, false),
    };
    let events = if ascending {
        reader.page(start, limit)?
    } else {
        reader.page_back(start, limit)?
    };
    let last = events.last().map(|event| event.position);
    let next = match last {
        Some(last) if ascending => {
            (last + 1 < reader.next_position()).then_some(Cursor::After(last))
        }
        Some(last) => (!reader.page_back(last, 1)?.is_empty()).then_some(Cursor::Before(last)),
        None => None,
    };
    let first = events.iter().map(|event| event.position).min();
    let mark = crate::shell::compaction::removed_below(reader)?;
    let asked = if ascending { Some(start) } else { first };
    Ok(Page {
        items: events.iter().map(event).collect(),
        next,
        compacted_before: asked.filter(|from| *from < mark).map(|_| mark),
        ..Page::default()
    })
}

/// An event in the contract's shape.
pub fn event(recorded: &Recorded<Event>) -> Value {
    let kind = wire::kind_of(&recorded.payload);
    let mut shape = json!({
        "position": recorded.position,
        "kind": wire::kind_name(kind),
        "revision": recorded.payload.revision(),
        "recorded_at": moment(recorded.recorded_at),
        // The only space there is so far.
        "space": "home",
        "correlation": dispatch_id(&recorded.correlation),
        "data": data(recorded),
    });
    let causation = Some(recorded.causation).filter(|position| *position != 0);
    add(&mut shape, "causation", causation);
    shape
}

fn data(recorded: &Recorded<Event>) -> Value {
    match &recorded.payload {
        // The salt stays inside: with it the moments of retries could be foretold.
        Event::Founded {
            epoch,
            program,
            salt: _,
        } => json!({"epoch": epoch, "program": program}),
        Event::SettingsChanged { settings, by } => json!({"settings": plain(settings), "by": by}),
        Event::EntityPut {
            id,
            spec,
            secrets,
            receivers,
            managed_by,
            by,
        } => json!({
            "id": id,
            "entity": spec.kind().as_str(),
            "spec": super::entities::spec(spec),
            "secrets": set_fields(secrets),
            "receivers": receivers,
            "managed_by": managed_by,
            "by": by,
        }),
        Event::EntityRemoved { kind, id, name, by } => {
            json!({"entity": kind.as_str(), "id": id, "name": name, "by": by})
        }
        // The digest stays inside: secrets may stand in the file it is of.
        Event::FileApplied {
            file,
            digest: _,
            by,
        } => json!({"file": file, "by": by}),
        Event::UserPut {
            user:
                User {
                    id,
                    name,
                    role,
                    password_hash: _,
                },
            by,
        } => {
            json!({"id": id, "name": name, "role": role.as_str(), "by": by})
        }
        Event::UserRemoved { id, by } | Event::TokenRevoked { id, by } => {
            json!({"id": id, "by": by})
        }
        Event::TokenPut { token, by } => token_put(token, by),
        Event::SessionBegan { session } => json!({"id": session.id, "user": session.user}),
        Event::SessionSeen { id } | Event::SessionEnded { id } => json!({"id": id}),
        Event::Accepted(accepted) => accepted_data(recorded, accepted),
        Event::IntakeUnreadable {
            seed: _,
            day,
            provider,
            provider_name,
            why,
            keys,
        } => json!({
            "provider": provider_name,
            "provider_id": provider,
            "day": day,
            "why": why,
            "keyed": keyed(keys),
        }),
        Event::Resent {
            seed,
            notice,
            day,
            provider,
            row,
            subject: _,
            plan,
            why,
            by,
        } => {
            let mut shape = json!({
                "notice": notice,
                "day": day,
                "provider_id": provider,
                "row": row_facts(row),
                "why": why.as_str(),
                "by": by,
            });
            add_plan(&mut shape, recorded, *seed, plan);
            shape
        }
        Event::MessageComposed {
            notice,
            planning,
            hash: _,
            parts,
            faults,
        } => json!({
            "notice": notice,
            "planning": planning,
            "parts": parts.iter().map(part).collect::<Value>(),
            "faults": faults,
        }),
        Event::AttemptStarted {
            delivery,
            notice,
            attempt,
            part,
            composed,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "attempt": attempt,
            "part": part,
            "composed": composed,
        }),
        Event::PartSent {
            delivery,
            notice,
            part,
            ids,
            answer,
            pause_until,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "message_ids": ids,
            "answer": answered(answer),
            "pause_until": pause_until.map(moment),
        }),
        Event::AttemptFailed {
            delivery,
            notice,
            part,
            scope,
            retry_at,
            reason,
            answer,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "scope": scope_word(*scope),
            "retry_at": moment(*retry_at),
            "reason": reason,
            "answer": answered(answer),
        }),
        Event::FallbackUsed {
            delivery,
            notice,
            composed,
            reason,
            answer,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "composed": composed,
            "reason": reason,
            "answer": answered(answer),
        }),
        Event::ClaimReturned { delivery, notice } => {
            json!({"delivery": key(*delivery), "notice": notice})
        }
        Event::DeliverySettled {
            delivery,
            notice,
            part,
            outcome,
            why,
            detail,
            ids,
            answer,
            pause_until,
            remember,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "outcome": outcome_word(*outcome),
            "why": why.as_str(),
            "detail": detail,
            "message_ids": ids,
            "answer": answered(answer),
            "pause_until": pause_until.map(moment),
            "remember": remember,
        }),
        Event::GatheredTold {
            delivery,
            notice,
            composed,
            telling,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "composed": composed,
            "notices": telling.notices,
            "listed": telling.listed,
            "notices_total": telling.count,
            "items": telling.items.map(|(added, removed)| json!({"added": added, "removed": removed})),
        }),
        Event::EditRefused {
            delivery,
            notice,
            part,
            reason,
            answer,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "reason": reason,
            "answer": answered(answer),
        }),
        Event::PartLeftOut {
            delivery,
            notice,
            part,
            reason,
            answer,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "reason": reason,
            "answer": answered(answer),
        }),
        Event::MediaTold {
            delivery,
            notice,
            part,
            target,
            receiver,
            provider,
            items,
            rest_until,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "part": part,
            "target": target,
            "receiver": receiver,
            "provider": provider,
            "items": super::notice::items_told(items),
            "rest_until": rest_until.map(moment),
        }),
        Event::OutcomeUnknown {
            delivery,
            notice,
            policy,
        } => {
            json!({"delivery": key(*delivery), "notice": notice, "policy": policy_word(*policy)})
        }
        Event::DeliveryOperated {
            delivery,
            notice,
            action,
            by,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "action": action_word(*action),
            "by": by,
        }),
        Event::HoldChanged {
            delivery,
            notice,
            hold,
            silent,
            pierced,
            why,
            detail,
            unwanted,
            by,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "held_until": hold.and_then(|hold| held_until(hold.until)),
            "held_because": hold.map(|hold| hold.why.as_str()),
            "silent": silent,
            "pierced": pierced,
            "why": why.as_str(),
            "detail": detail,
            "unwanted": unwanted,
            "by": by,
        }),
        Event::DeliveryMerged {
            delivery,
            notice,
            host,
            until,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "merged_into": key(*host),
            "held_until": held_until(*until),
        }),
        Event::FallbackAwaited {
            notice,
            planning,
            waits,
        } => json!({
            "notice": notice,
            "planning": planning,
            "waits": waits
                .iter()
                .map(|(ordinal, seconds)| json!({"ordinal": ordinal, "seconds": seconds}))
                .collect::<Vec<_>>(),
        }),
        Event::HandedOn {
            delivery,
            notice,
            planning,
            detail,
        } => json!({
            "delivery": key(*delivery),
            "notice": notice,
            "planning": planning,
            "detail": detail,
        }),
        Event::FellSilent { kind, id, since } => {
            json!({"entity": kind.as_str(), "id": id, "since": moment(*since)})
        }
        // What the kind keeps is its own, and not for reading.
        Event::CursorMoved {
            provider,
            key,
            bytes,
        } => json!({
            "provider": provider,
            "key": key,
            "bytes": bytes.as_ref().map(|bytes| bytes.len()),
        }),
        Event::ChatsSeen { bot, chats } | Event::ChatsNamed { bot, chats } => json!({
            "bot_id": bot,
            "chats": chats.iter().map(super::bots::chat_facts).collect::<Vec<_>>(),
        }),
        Event::BotVerified { bot, identity } => json!({
            "bot_id": bot,
            "identity": super::bots::identity(identity),
        }),
        Event::ReceiverGone {
            target,
            receiver,
            reason,
        } => {
            json!({"target_id": target, "receiver_id": receiver, "reason": reason})
        }
        Event::ReceiverMoved {
            target,
            receiver,
            to,
        } => {
            json!({"target_id": target, "receiver_id": receiver, "to": to})
        }
        Event::ReceiverRestored {
            target,
            receiver,
            by,
        } => {
            json!({"target_id": target, "receiver_id": receiver, "by": by})
        }
        Event::Acknowledged {
            notice,
            provider,
            subject: _,
            by,
        } => json!({"notice": notice, "provider_id": provider, "by": by}),
        Event::Snoozed(snooze) => json!({
            "id": snooze.id,
            "scope": snooze.scope.as_str(),
            "name": snooze.name,
            "entity_id": snooze.entity,
            "since": moment(snooze.since),
            "until": moment(snooze.until),
            "by": snooze.by,
        }),
        Event::SnoozeEnded { id, by } => json!({"id": id, "by": by}),
        Event::RepeatPutOff {
            slot: _,
            notice,
            again,
            why,
            detail,
        } => json!({"notice": notice, "again": again, "why": why.as_str(), "detail": detail}),
        Event::SendingPaused { by } | Event::SendingResumed { by } => json!({"by": by}),
        Event::Restored {
            epoch,
            through,
            taken_at,
            written_by,
            by,
        } => json!({
            "epoch": epoch,
            "through": through,
            "taken_at": moment(*taken_at),
            "written_by": written_by,
            "by": by,
        }),
        Event::LossAccepted {
            stretches,
            others,
            kept_as,
            by,
        } => json!({
            "stretches": stretches,
            "others": others,
            "kept_as": kept_as,
            "by": by,
        }),
        Event::ClockStepped { by_micros } => json!({"by_micros": by_micros}),
        // What it says is the state itself, with the hashes of what lets people in.
        Event::StateCarried {
            layout: _,
            part,
            parts,
            bytes,
        } => {
            json!({"part": part, "parts": parts, "bytes": bytes.len()})
        }
        Event::RetentionAdvanced {
            rules,
            history_before,
            mark,
            carried_at,
            seen_from: _,
            by,
        } => json!({
            "rules": rules
                .iter()
                .map(|rule| json!({
                    "provider_id": rule.provider,
                    "kind": rule.kind,
                    "before": rule.before,
                }))
                .collect::<Value>(),
            "history_before": history_before,
            "mark": mark,
            "carried_at": carried_at,
            "by": by,
        }),
        Event::Compacted { run, removed } => json!({
            "run": run,
            "families": removed.families,
            "events": removed.frames,
            "bodies": removed.bodies,
            "bytes": removed.bytes,
        }),
    }
}

/// A value whose JSON is its own: specs and settings, which hold no secret.
fn plain(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn token_put(token: &Token, by: &str) -> Value {
    let Token {
        id,
        name,
        hash: _,
        scopes,
        role,
        target,
        expires_at,
        created_at,
    } = token;
    json!({
        "id": id,
        "name": name,
        "scopes": scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "role": role.as_str(),
        "target": target,
        "expires_at": expires_at.map(moment),
        "created_at": moment(*created_at),
        "by": by,
    })
}

fn accepted_data(recorded: &Recorded<Event>, accepted: &Accepted) -> Value {
    let notice = notice_of(
        recorded.position,
        recorded.recorded_at,
        &recorded.correlation,
        accepted,
    );
    let mut shape = json!({
        "notice": notice_json(&notice),
        "provider_id": accepted.provider,
        "day": accepted.day,
        "nth": accepted.nth,
        "of": accepted.of,
        "keyed": keyed(&accepted.keys),
    });
    add_plan(&mut shape, recorded, accepted.seed, &accepted.plan);
    shape
}

fn add_plan(shape: &mut Value, recorded: &Recorded<Event>, seed: IdSeed, plan: &Plan) {
    shape["reasons"] = plan
        .routed
        .iter()
        .map(|routed| reason(recorded.recorded_at, routed))
        .collect();
    shape["deliveries"] = plan
        .planned
        .iter()
        .zip(1u16..)
        .filter_map(|(planned, ordinal)| {
            let link = plan.links.get(usize::from(planned.link))?;
            Some(json!({
                "id": seed.id(recorded.position, ordinal).to_string(),
                "tracker": link.tracker_name,
                "target": link.target_name,
                "receiver_id": planned.receiver,
                "unknown": policy_word(link.unknown),
                "local": link.local,
                "severity": link.severity.map(Severity::as_str),
                "way": plan
                    .ways
                    .iter()
                    .find(|planning| planning.index + 1 == ordinal)
                    .map(|planning| way(&planning.way)),
            }))
        })
        .collect();
}

/// By what a redelivery would be known; the keys themselves are hashes of what was sent.
fn keyed(keys: &RequestKeys) -> Value {
    json!({"sender": keys.sender.is_some(), "body": keys.body.is_some()})
}

fn row_facts(facts: &RowFacts) -> Value {
    json!({"provider_id": facts.provider, "severity": facts.severity})
}

fn set_fields(secrets: &SecretMarks) -> Value {
    let fields = secrets
        .keys()
        .map(|field| (field.clone(), json!({"set": true})));
    Value::Object(fields.collect())
}

/// Nothing for a hold that only a person ends.
fn held_until(until: i64) -> Option<String> {
    (until != UNTIL_RELEASED).then(|| moment(until))
}

/// What becomes of a planned delivery that is not simply due.
fn way(way: &Way) -> Value {
    match way {
        Way::Now { silent, pierced } => json!({"silent": silent, "pierced": pierced}),
        Way::Held { hold, thread: _ } => {
            json!({"held_until": held_until(hold.until), "why": hold.why.as_str()})
        }
        Way::Merged { host, until, .. } => {
            json!({"merged_into": key(*host), "held_until": held_until(*until)})
        }
        Way::Cancelled { host, .. } => json!({"cancelled_out": key(*host)}),
        Way::Dropped { why } => json!({"dropped": why.as_str()}),
    }
}

fn key(key: DeliveryKey) -> Value {
    json!({"position": key.position, "ordinal": key.ordinal})
}

fn part(part: &Part) -> Value {
    json!({"kind": part.kind, "text": part.text})
}

fn answered(answer: &Answer) -> Value {
    json!({
        "http_status": answer.http_status,
        "text": answer.text,
        "duration_ms": answer.duration_ms,
    })
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Message => "message",
        Scope::Receiver => "receiver",
        Scope::Target => "target",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sent => "sent",
        Outcome::Parked => "parked",
        Outcome::Dropped => "dropped",
    }
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Retry => "retry",
        Action::Drop => "drop",
        Action::Confirm => "confirm",
    }
}

fn policy_word(policy: UnknownPolicy) -> &'static str {
    match policy {
        UnknownPolicy::Retry => "retry",
        UnknownPolicy::Park => "park",
    }
}
