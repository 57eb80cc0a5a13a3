//! The why card in plain sentences: what was decided, and the value that decided.
//!
//! Works on the JSON shapes of the contract, so that it says the same of a running program and of a
//! stopped store.

use serde_json::Value;

use super::printer::{Look, escaped};

/// A field as text; empty when it is not there.
pub fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or("")
}

/// The entries of a list; none when it is not there.
pub fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// The time of day of an RFC 3339 moment, for lines that stand near each other in time.
pub fn clock_time(moment: &str) -> &str {
    moment
        .split_once('T')
        .map_or(moment, |(_, time)| time.get(..8).unwrap_or(time))
}

/// A moment to the second, with its day.
pub fn day_and_time(moment: &str) -> String {
    match moment.split_once('T') {
        Some((day, _)) => format!("{day} {} UTC", clock_time(moment)),
        None => moment.to_owned(),
    }
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

/// One reason as a sentence. What a sender wrote in it is escaped.
pub fn reason(reason: &Value) -> (Look, String) {
    let tracker = escaped(text(reason, "tracker"));
    let target = escaped(text(reason, "target"));
    let detail = escaped(text(reason, "detail"));
    let because = after_colon(&detail);
    let until = text(reason, "until");
    let (look, sentence) = match text(reason, "what") {
        "no_tracker" => (Look::Faint, format!("Nobody asked for it{because}")),
        "kind_not_wanted" | "collection_not_wanted" | "filter_said_no" => {
            (Look::Faint, format!("Tracker {tracker} said no{because}"))
        }
        "filter_failed" => (
            Look::Waiting,
            format!("Tracker {tracker} could not ask its filter and let it pass{because}"),
        ),
        "tracker_disabled" => (Look::Faint, format!("Tracker {tracker} is switched off")),
        "link_disabled" => (
            Look::Faint,
            format!("Tracker {tracker}: its link to {target} is switched off"),
        ),
        "target_disabled" => (Look::Faint, format!("Target {target} is switched off")),
        "child_off" => (Look::Faint, format!("Target {target}{because}")),
        "planned" if tracker.is_empty() => {
            (Look::Plain, format!("Addressed to {target}, {detail}"))
        }
        "planned" => (
            Look::Plain,
            format!("Tracker {tracker} said yes: to {target}, {detail}"),
        ),
        "duplicate_of" => (Look::Faint, format!("It came before{because}")),
        "unsendable" => (Look::Bad, format!("Cannot be put to {target}{because}")),
        "attempt_failed" | "retry_at" if !until.is_empty() => (
            Look::Waiting,
            format!(
                "Did not get through{because}; tried again at {}",
                clock_time(until)
            ),
        ),
        "attempt_failed" | "retry_at" => (Look::Waiting, format!("Did not get through{because}")),
        "edited" => (
            Look::Good,
            format!("The earlier message at {target} was edited{because}"),
        ),
        "held_pacing" => (
            Look::Waiting,
            format!("Waits for its turn{because}; about {}", day_and_time(until)),
        ),
        "fallback_used" => (Look::Waiting, format!("Sent in another way{because}")),
        "receiver_gone" => (
            Look::Bad,
            format!("The receiver at {target} is gone{because}"),
        ),
        "unknown_after_restart" => (
            Look::Waiting,
            format!("It was being sent when the program stopped{because}"),
        ),
        "template_failed" => (Look::Waiting, format!("The template failed{because}")),
        "too_old" => (Look::Bad, format!("Too old to be sent{because}")),
        "loop" => (Look::Bad, format!("It goes in circles{because}")),
        "sent" => (Look::Good, format!("Sent{because}")),
        "rejected" => (
            Look::Bad,
            format!("{target} will not take it{because}; parked"),
        ),
        "tries_used_up" => (Look::Bad, format!("Given up for now{because}; parked")),
        "receiver_moved" => (Look::Waiting, format!("The receiver has moved{because}")),
        "retried" => (Look::Plain, format!("A person had it tried again{because}")),
        "dropped" => (Look::Faint, format!("A person dropped it{because}")),
        "confirmed" => (
            Look::Good,
            format!("A person said that it arrived{because}"),
        ),
        "resent" => (Look::Plain, format!("A person sent it again{because}")),
        "target_removed" => (
            Look::Bad,
            format!("Target {target} does not exist any more{because}"),
        ),
        "inhibited" => (
            Look::Faint,
            format!("Tracker {tracker} is silent while something else is open{because}"),
        ),
        "snoozed" if until.is_empty() => (Look::Faint, format!("Not sent{because}")),
        "snoozed" => (
            Look::Faint,
            format!("Not sent until {}{because}", day_and_time(until)),
        ),
        "acknowledged" => (Look::Plain, format!("Somebody knows of it{because}")),
        "repeated" => (
            Look::Waiting,
            format!("Told again, as it is still open and nobody has acknowledged it{because}"),
        ),
        "expired" => (Look::Faint, format!("It is over{because}")),
        "too_many_receivers" => (
            Look::Bad,
            format!("Target {target} has too many receivers{because}"),
        ),
        held @ ("held_quiet_hours" | "held_digest" | "held_settling" | "held_grouping"
        | "held_breaker" | "held_backoff" | "held_operator" | "held_restored") => (
            Look::Waiting,
            format!(
                "Held {} because {}{because}",
                until_when(until),
                because_of(held)
            ),
        ),
        "moved" => (
            Look::Waiting,
            format!("Moved: held {}{because}", until_when(until)),
        ),
        "storm_summarised" => (
            Look::Waiting,
            format!("Too many at once: it goes into a summary{because}"),
        ),
        "released" => (Look::Plain, format!("Released{because}")),
        "pierced" => (
            Look::Plain,
            format!("Severe enough to pass everything that would hold it{because}"),
        ),
        "silent_quiet_hours" => (
            Look::Plain,
            format!("Sent without sound: quiet hours{because}"),
        ),
        "dropped_quiet_hours" => (
            Look::Faint,
            format!("Not sent: quiet hours drop it{because}"),
        ),
        "merged_into" => (
            Look::Faint,
            format!("Told together with another notice{because}"),
        ),
        "cancelled_out" => (
            Look::Faint,
            format!("Taken back before it was told: neither is sent{because}"),
        ),
        other => {
            let what = escaped(other).replace('_', " ");
            let place = match (tracker.as_str(), target.as_str()) {
                ("", "") => String::new(),
                (tracker, "") => format!(" (tracker {tracker})"),
                ("", target) => format!(" (target {target})"),
                (tracker, target) => format!(" (tracker {tracker}, target {target})"),
            };
            (Look::Plain, format!("{what}{place}{because}"))
        }
    };
    (look, sentence)
}

/// "until 2026-02-03 07:00:00 UTC", or until a person does something about it.
fn until_when(until: &str) -> String {
    match until {
        "" => "until somebody releases it".to_owned(),
        until => format!("until {}", day_and_time(until)),
    }
}

/// What holds it.
fn because_of(what: &str) -> &'static str {
    match what {
        "held_quiet_hours" => "of quiet hours",
        "held_digest" => "it goes into a digest",
        "held_settling" => "it waits until things are quiet",
        "held_grouping" => "others of its group may join it",
        "held_breaker" => "the target keeps failing",
        "held_backoff" => "the target asked to wait",
        "held_operator" => "a person moved it",
        "held_restored" => "the store was restored",
        "storm_summarised" => "too many came at once",
        _ => "something holds it",
    }
}

/// How what a notice is about stands now, in sentences; none where there is nothing to say.
pub fn standing(standing: &Value) -> Vec<String> {
    let mut sentences = Vec::new();
    if standing["open"].as_bool() == Some(true) {
        let since = day_and_time(text(standing, "since"));
        let known = standing["acknowledged"].as_bool() == Some(true);
        let next = match (known, text(standing, "repeats_at")) {
            (true, _) => "; somebody has acknowledged it, so it is not told again".to_owned(),
            (false, "") => String::new(),
            (false, at) => format!(
                "; told again at {} unless it closes or somebody acknowledges it",
                day_and_time(at)
            ),
        };
        sentences.push(format!("It has been open since {since}{next}"));
    }
    for snooze in list(standing, "snoozes") {
        sentences.push(format!(
            "{} {} is snoozed until {} by {}",
            text(snooze, "scope"),
            escaped(text(snooze, "name")),
            day_and_time(text(snooze, "until")),
            escaped(text(snooze, "by"))
        ));
    }
    sentences
}

/// One attempt as a sentence; `number` counts from 1.
pub fn attempt(number: usize, attempt: &Value) -> (Look, String) {
    let outcome = text(attempt, "outcome");
    let result = match attempt["http_status"].as_u64() {
        Some(status) => status.to_string(),
        None if outcome == "sending" => "under way".to_owned(),
        None => "no answer".to_owned(),
    };
    let part = match attempt["part"].as_u64() {
        Some(part) if part > 0 => format!(", part {}", part + 1),
        Some(_) | None => String::new(),
    };
    let answer = text(attempt, "answer").lines().next().unwrap_or("");
    let answer = match outcome {
        "sent" | "sending" => String::new(),
        _ => after_colon(&escaped(answer)),
    };
    let (look, end) = match outcome {
        "sent" => (Look::Good, ", got through"),
        "sending" => (Look::Waiting, ""),
        "retry" | "fallback" | "unknown" => (Look::Waiting, ""),
        _ => (Look::Bad, ""),
    };
    let took = match attempt["duration_ms"].as_u64() {
        Some(0) if outcome != "sending" => " in under 1 ms".to_owned(),
        Some(took) if outcome != "sending" => format!(" in {took} ms"),
        Some(_) | None => String::new(),
    };
    (
        look,
        format!("Attempt {number}{part} → {result}{took}{end}{answer}"),
    )
}

/// What will happen next with a delivery; `None` when nothing more does.
pub fn future(delivery: &Value) -> Option<String> {
    let due = text(delivery, "due_at");
    match text(delivery, "status") {
        "retrying" if !due.is_empty() => {
            Some(format!("will be tried again at {}", day_and_time(due)))
        }
        "due" if due.is_empty() => Some("will be sent when its turn comes".to_owned()),
        "due" | "retrying" => Some(format!("will be sent at {}", day_and_time(due))),
        "sending" => Some("is being sent".to_owned()),
        "held" => {
            let reason = &delivery["reason"];
            let why = because_of(text(reason, "what"));
            let when = match text(delivery, "held_until") {
                "" => "will be sent when somebody releases it".to_owned(),
                until => format!("will be sent at {}", day_and_time(until)),
            };
            Some(format!("{when}; held because {why}{}", together(delivery)))
        }
        "merged" => {
            let notice = escaped(text(delivery, "merged_into_notice"));
            let host = escaped(text(delivery, "merged_into"));
            let told = &delivery["told_in"];
            let at = text(told, "at");
            if !at.is_empty() {
                let notice = escaped(text(told, "notice"));
                let host = escaped(text(told, "delivery"));
                let how = match told["listed"].as_bool() {
                    Some(true) => "told",
                    Some(false) | None => "counted",
                };
                return Some(format!(
                    "{how} in delivery {host} of notice {notice}, sent at {}{}",
                    day_and_time(at),
                    together(told)
                ));
            }
            (!host.is_empty()).then(|| format!("told by delivery {host} of notice {notice}"))
        }
        "parked" => Some("waits for a person: retry, drop or confirm it".to_owned()),
        "unknown" => Some("nobody knows whether it arrived: retry, drop or confirm it".to_owned()),
        _ => None,
    }
}

/// How many notices a delivery tells, where it is more than its own.
fn together(delivery: &Value) -> String {
    let items = match &delivery["items"] {
        Value::Null => String::new(),
        items => format!(
            ", {} items added and {} removed",
            items["added"], items["removed"]
        ),
    };
    match delivery["notices_total"].as_u64() {
        Some(total) if total > 1 => format!("; it tells {total} notices{items}"),
        Some(_) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        let cases = [
            (
                json!({"what": "kind_not_wanted", "tracker": "releases", "detail": "kind push is not in [release_published]"}),
                "Tracker releases said no: kind push is not in [release_published]",
            ),
            (
                json!({"what": "planned", "tracker": "code", "target": "inbox", "detail": "1 receiver"}),
                "Tracker code said yes: to inbox, 1 receiver",
            ),
            (
                json!({"what": "planned", "target": "inbox", "detail": "1 receiver"}),
                "Addressed to inbox, 1 receiver",
            ),
            (
                json!({"what": "attempt_failed", "target": "pager", "detail": "answered 500", "until": "2026-02-03T04:05:06.7Z"}),
                "Did not get through: answered 500; tried again at 04:05:06",
            ),
            (
                json!({"what": "filter_said_no", "tracker": "a", "detail": "x == '\u{202e}'"}),
                "Tracker a said no: x == '\\u{202e}'",
            ),
            (
                json!({"what": "held_quiet_hours", "target": "b", "until": "2026-02-03T07:00:00Z", "detail": "22:00–07:00 of the target (hold)"}),
                "Held until 2026-02-03 07:00:00 UTC because of quiet hours: 22:00–07:00 of the target (hold)",
            ),
            (
                json!({"what": "held_operator", "detail": "by user wren"}),
                "Held until somebody releases it because a person moved it: by user wren",
            ),
            (
                json!({"what": "inhibited", "tracker": "a", "detail": "on_battery of ups since 2026-02-03T04:05:06Z"}),
                "Tracker a is silent while something else is open: on_battery of ups since 2026-02-03T04:05:06Z",
            ),
            (
                json!({"what": "snoozed", "tracker": "a", "until": "2026-02-03T07:00:00Z", "detail": "tracker a is snoozed by user wren"}),
                "Not sent until 2026-02-03 07:00:00 UTC: tracker a is snoozed by user wren",
            ),
            (
                json!({"what": "something_new", "target": "b"}),
                "something new (target b)",
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(reason(&value).1, expected);
        }
    }

    #[test]
    fn attempts_and_the_future_read_as_sentences() {
        let failed = json!({"outcome": "retry", "http_status": 500, "duration_ms": 12, "part": 0, "answer": "out of tea\nsorry"});
        assert_eq!(
            attempt(2, &failed).1,
            "Attempt 2 → 500 in 12 ms: out of tea"
        );
        let sent = json!({"outcome": "sent", "http_status": 200, "duration_ms": 3, "part": 1, "answer": "ok"});
        assert_eq!(
            attempt(3, &sent).1,
            "Attempt 3, part 2 → 200 in 3 ms, got through"
        );
        let silent =
            json!({"outcome": "retry", "duration_ms": 5000, "answer": "not sent: refused"});
        assert_eq!(
            attempt(1, &silent).1,
            "Attempt 1 → no answer in 5000 ms: not sent: refused"
        );
        let retrying = json!({"status": "retrying", "due_at": "2026-02-03T04:05:06Z"});
        assert_eq!(
            future(&retrying).as_deref(),
            Some("will be tried again at 2026-02-03 04:05:06 UTC")
        );
        let held = json!({"status": "held", "held_until": "2026-02-03T07:00:00Z", "notices_total": 12, "reason": {"what": "held_digest"}});
        assert_eq!(
            future(&held).as_deref(),
            Some(
                "will be sent at 2026-02-03 07:00:00 UTC; held because it goes into a digest; it tells 12 notices"
            )
        );
        let merged = json!({"status": "merged", "merged_into": "D", "merged_into_notice": "N"});
        assert_eq!(
            future(&merged).as_deref(),
            Some("told by delivery D of notice N")
        );
        assert_eq!(future(&json!({"status": "sent"})), None);
    }
}
