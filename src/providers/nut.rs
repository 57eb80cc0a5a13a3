//! Network UPS Tools: `upsd` is asked over its own protocol of lines for every UPS it has.
//!
//! A UPS is a collection. What is kept of it is whether it answers and which of the flags that
//! somebody is told about were set, so that a charge that changes moves no cursor.
//!
//! **Invariant:** nothing is sent that changes anything: only lists are asked for. `LOGIN`, which
//! makes a primary wait for us before it shuts down, is sent by a test alone and ended at once.

mod session;
mod status;

use super::ask::{Ask, AskInput, Known, Look, Observation, Polled};
use super::{KindField, NoticeKind, Provider};
use crate::domain::notice::Severity;

pub struct Nut;

/// Where upsd listens unless it is configured otherwise.
pub const PORT: u16 = 3_493;
/// Most UPSes of one upsd that are looked at; with more the look fails and says so.
pub const UPS_MAX: usize = 64;

static NOTICE_KINDS: &[NoticeKind] = &[
    NoticeKind::new("on_line", Severity::Success),
    NoticeKind::new("on_battery", Severity::Critical),
    NoticeKind::new("low_battery", Severity::Critical),
    NoticeKind::new("battery_restored", Severity::Success),
    NoticeKind::new("comms_lost", Severity::Warning),
    NoticeKind::new("comms_restored", Severity::Success),
    NoticeKind::new("replace_battery", Severity::Warning),
    NoticeKind::new("overload", Severity::Critical),
];

impl Provider for Nut {
    fn kind(&self) -> &'static str {
        "nut"
    }

    fn notice_kinds(&self) -> &'static [NoticeKind] {
        NOTICE_KINDS
    }

    fn traps(&self) -> &'static [&'static str] {
        &[
            "upsd listens on the loopback address alone until upsd.conf has a `LISTEN` line for another, and needs `allow_private = true` here for one at home.",
            "Lists need no user; `username` and `password` are of upsd.users, and are sent in the clear unless `tls = \"starttls\"`.",
            "upsd says a UPS is stale only `MAXAGE` seconds (15) after its driver stopped answering.",
            "With `tls = \"starttls\"` the certificate has to be for the name in `host`; name the CA with --ca-file when it is your own.",
        ]
    }

    fn polled(&self) -> Option<&dyn Polled> {
        Some(self)
    }

    fn fields(&self) -> &'static [KindField] {
        const {
            &[
                KindField::required("host"),
                KindField::optional("port"),
                KindField::optional("username"),
                KindField::optional("tls"),
            ]
        }
    }

    fn secret_fields(&self) -> &'static [KindField] {
        const { &[KindField::optional("password")] }
    }
}

impl Polled for Nut {
    fn collections(&self) -> Option<&'static str> {
        Some("UPSes")
    }

    fn begin(&self, ask: Ask, input: &AskInput<'_>) -> Box<dyn Look> {
        match session::Session::new(ask, input) {
            Some(session) => Box::new(session),
            None => Known::unseen("host: is not configured; name the host of upsd"),
        }
    }

    /// With upsd every UPS of it is out of sight.
    fn unreachable(&self, input: &AskInput<'_>) -> Observation {
        status::all_lost(input.cursors, "upsd cannot be reached")
    }
}

#[cfg(test)]
mod tests;
