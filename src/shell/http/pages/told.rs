//! What came of a form, in words, and the way to the page that says them.

use axum::response::{IntoResponse, Redirect, Response};
use notify_web::view::counted;
use notify_web::{Flash, FlashLine, Status, Tone};
use serde_json::Value;

use super::{Desk, Wrong, text};
use crate::shell::http::flash::LINES_MAX;
use crate::shell::ledger::LedgerError;
use crate::shell::operate::{self, Finding, OperateError, Planned};
use crate::shell::sources::Heard;
use crate::shell::views::{self, Around};

impl Desk {
    /// To a page of ours (a path, without a query), which says once what was done.
    pub fn tell(&self, path: &str, flash: Flash) -> Response {
        let now = self.app.clock.monotonic();
        self.app.flashes.leave(self.visitor.hash, path, flash, now);
        Redirect::to(path).into_response()
    }

    /// To the page that was left, which says why nothing was changed.
    pub fn tell_why_not(
        &self,
        path: &str,
        error: impl Into<OperateError>,
    ) -> Result<Response, Wrong> {
        let error = match error.into() {
            OperateError::Ledger(error) => error,
            error @ (OperateError::View(_) | OperateError::Lost) => return Err(error.into()),
        };
        let words = match error {
            LedgerError::Refused(_) | LedgerError::Saturated | LedgerError::DiskLow => {
                format!("Nothing was changed: {error}.")
            }
            LedgerError::Failed => {
                "It may have been done or not: writing failed. Look before you try again."
                    .to_owned()
            }
            // Nobody will be here to tell it.
            LedgerError::Stopping => return Err(error.into()),
        };
        Ok(self.tell(path, Flash::new(Tone::Bad, words)))
    }
}

/// What came of a test message, receiver by receiver; what went wrong first.
pub fn of_test(desk: &Desk, target: &str, planned: &Planned) -> Result<Flash, Wrong> {
    let ledger = &desk.app.ledger;
    let family = views::find_notice(ledger.reader(), &planned.notice)?;
    let around = Around::of(ledger.reader(), ledger, &family)?;
    let shape = views::notice(&family, &around);
    let is_paused = ledger.state().outbox.paused;
    let mut lines: Vec<(Standing, FlashLine)> = shape["deliveries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|delivery| line_of(desk, target, delivery, is_paused))
        .collect();
    lines.sort_by_key(|(standing, _)| *standing);
    let of = |wanted| lines.iter().filter(|(is, _)| *is == wanted).count();
    let (failed, sent, all) = (of(Standing::Failed), of(Standing::Sent), lines.len());
    let tone = match (failed, sent) {
        (0, sent) if sent == all && all > 0 => Tone::Good,
        (0, _) if all > 0 => Tone::Warning,
        (_, sent) if sent > 0 => Tone::Warning,
        _ => Tone::Bad,
    };
    let words = match (all, sent) {
        (0, _) => format!("Nothing was sent: no receiver of {target} takes it."),
        (1, 1) => "Test sent.".to_owned(),
        (1, _) if failed == 0 => "The test is not sent yet.".to_owned(),
        (1, _) => "The test was not sent.".to_owned(),
        (all, sent) => format!("Test sent to {sent} of {all} receivers."),
    };
    let mut lines: Vec<FlashLine> = lines.into_iter().map(|(_, line)| line).collect();
    lines.extend(planned.plan.routed.iter().map(|routed| FlashLine {
        status: None,
        subject: routed.target_name.clone(),
        text: match routed.detail.as_str() {
            "" => routed.what.as_str().replace('_', " "),
            detail => detail.to_owned(),
        },
    }));
    let more = lines.len().saturating_sub(LINES_MAX) as u64;
    lines.truncate(LINES_MAX);
    Ok(Flash {
        lines,
        more,
        link: Some((
            format!("/notices/{}", planned.notice),
            "Its why card".into(),
        )),
        ..Flash::new(tone, words)
    })
}

/// How a test stands with one receiver, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Failed,
    Waiting,
    Sent,
}

fn line_of(desk: &Desk, tested: &str, delivery: &Value, is_paused: bool) -> (Standing, FlashLine) {
    let status = Status::parse(delivery["status"].as_str().unwrap_or(""));
    let status = status.unwrap_or(Status::Unknown);
    let attempts = delivery["attempts"].as_array();
    let attempts = attempts.map_or(&[][..], Vec::as_slice);
    let why = text(&delivery["reason"]["detail"]);
    let (standing, words) = match status {
        Status::Sent if attempts.is_empty() => (Standing::Sent, "stored here".to_owned()),
        Status::Sent | Status::Merged => {
            let took = attempts
                .iter()
                .filter_map(|one| one["duration_ms"].as_u64());
            (Standing::Sent, format!("after {} ms", took.sum::<u64>()))
        }
        Status::Parked | Status::Unknown | Status::Dropped => {
            (Standing::Failed, with_answer(&why, attempts.last()))
        }
        Status::Due | Status::Held if is_paused => (
            Standing::Waiting,
            "sending is paused; it goes out when someone resumes".to_owned(),
        ),
        Status::Due | Status::Held | Status::Sending => (
            Standing::Waiting,
            format!("no answer within {} s", operate::TEST_WAIT_MAX.as_secs()),
        ),
        Status::Retrying => {
            let words = with_answer(&why, attempts.last());
            let next = desk.moment(&delivery["due_at"]);
            let next = next.map_or(String::new(), |next| {
                format!(
                    " It is tried again {}, at {}.",
                    next.relative, next.absolute
                )
            });
            (Standing::Waiting, format!("{words}{next}"))
        }
    };
    let (target, receiver) = (text(&delivery["target"]), text(&delivery["receiver"]));
    let subject = match (target == tested, receiver.as_str()) {
        (_, "default") => target,
        (true, _) => receiver,
        (false, _) => format!("{target} / {receiver}"),
    };
    let line = FlashLine {
        status: Some(status),
        subject,
        text: words,
    };
    (standing, line)
}

/// Why it failed, and the answer as it was kept unless that says so already.
fn with_answer(why: &str, attempt: Option<&Value>) -> String {
    let answer = attempt.and_then(|attempt| attempt["answer"].as_str());
    let code = attempt.and_then(|attempt| attempt["http_status"].as_u64());
    let answer = answer.map(|answer| answer.trim_end_matches('.'));
    let answered = match (answer.filter(|answer| !answer.is_empty()), code) {
        (Some(answer), _) if why.contains(answer) => String::new(),
        (Some(answer), Some(code)) => format!("It answered {code}: {answer}."),
        (Some(answer), None) => format!("It answered: {answer}."),
        (None, Some(code)) => format!("It answered {code}."),
        (None, None) => String::new(),
    };
    match (why, answered.as_str()) {
        ("", _) => answered,
        (_, "") => format!("{why}."),
        _ => format!("{why}. {answered}"),
    }
}

/// What a provider's test found, with what there is to look at.
pub fn of_finding(
    desk: &Desk,
    name: &str,
    finding: &Finding,
    heard: &Heard,
    address: &str,
) -> Flash {
    let found = match finding {
        Finding::NoSuchKind(kind) => format!("This version has no provider kind {kind}."),
        Finding::Disabled => format!("{name} is switched off: requests are answered with 404."),
        Finding::Verified(at) => format!(
            "{name} is heard: the last request, at {}, was verified.",
            desk.at(*at).absolute
        ),
        Finding::Refused { at, why } => format!(
            "The last request, at {}, was refused: {why}.",
            desk.at(*at).absolute
        ),
        Finding::Before(at) => format!(
            "Nothing came since the program started; the last notice came before, at {}.",
            desk.at(*at).absolute
        ),
        Finding::Silent => {
            "No request has come yet. Let the sender send one, then test again.".to_owned()
        }
    };
    let tone = match finding {
        Finding::Verified(_) => Tone::Good,
        Finding::Before(_) | Finding::Silent => Tone::Note,
        Finding::Disabled => Tone::Warning,
        Finding::NoSuchKind(_) | Finding::Refused { .. } => Tone::Bad,
    };
    let line = |subject: &str, text: String| FlashLine {
        status: None,
        subject: subject.to_owned(),
        text,
    };
    let mut lines = vec![line(
        "Last verified",
        match heard.last_verified_at {
            Some(at) => desk.at(at).absolute,
            None => "none since the program started".to_owned(),
        },
    )];
    lines.push(line(
        "Last refused",
        match heard.last_refused_at {
            Some(at) => {
                let why = heard.last_refused_why.as_deref().unwrap_or("not verified");
                let from = heard.last_refused_from;
                let from = from.map_or(String::new(), |from| format!(", from {from}"));
                format!("{}{from}: {why}", desk.at(at).absolute)
            }
            None => "none since the program started".to_owned(),
        },
    ));
    if !address.is_empty() {
        lines.push(line("Address", address.to_owned()));
    }
    Flash {
        lines,
        ..Flash::new(
            tone,
            format!("{found} Nothing was called: only its sender can begin a request."),
        )
    }
}

/// A provider that is asked has answered.
pub fn of_answer(name: &str, lines: Vec<String>) -> Flash {
    let lines = lines.into_iter().map(|text| FlashLine {
        status: None,
        subject: String::new(),
        text,
    });
    Flash {
        lines: lines.collect(),
        ..Flash::new(Tone::Good, format!("{name} answers."))
    }
}

/// What came of sending a notice again.
pub fn of_resend(planned: &Planned) -> Flash {
    match planned.plan.planned.len() as u64 {
        0 => Flash::new(
            Tone::Warning,
            "Nothing was planned: nobody wants it now. The card says why.",
        ),
        count => {
            let deliveries = counted(count, "delivery is", "deliveries are");
            Flash::new(Tone::Good, format!("Sending again: {deliveries} planned."))
        }
    }
}
