//! Values of options, read once at the edge.

use std::time::Duration;

use clap::ValueEnum as _;
use ipnet::IpNet;

use super::Level;
use crate::config::quantity::duration_ms;
use crate::domain::event::{Role, TokenScope};
use crate::domain::notice::Severity;
use crate::shell::operate;

/// How far back: so long before now, or a moment in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    At(i64),
}

impl Since {
    /// As a moment, in microseconds since 1970.
    pub fn moment(self, now: i64) -> i64 {
        match self {
            Since::Ago(span) => {
                now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
            }
            Since::At(at) => at,
        }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_ms(text)
        .map(Duration::from_millis)
        .map_err(|error| error.to_string())
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Ok(Since::At(at.as_microsecond())),
        Err(_) => duration(text)
            .map(Since::Ago)
            .map_err(|error| format!("{error}; or a moment like `2026-01-31T08:00:00Z`")),
    }
}

/// Checked here, and read where the clock is that it counts from.
pub(super) fn until(text: &str) -> Result<String, String> {
    operate::until(text, 0, &jiff::tz::TimeZone::UTC)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "is one of viewer, editor, admin, owner".to_owned())
}

pub(super) fn scope(text: &str) -> Result<TokenScope, String> {
    TokenScope::parse(text).ok_or_else(|| "is one of read, notify, operate, admin".to_owned())
}

pub(super) fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "is one of info, success, warning, critical".to_owned())
}

pub(super) fn web_address(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("has to begin with http:// or https:// and name a host".to_owned())
    }
}

/// A network, or one address of it.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "write a network like 10.0.0.0/8 or an address".to_owned())
}

pub(super) fn module_level(text: &str) -> Result<(String, Level), String> {
    let help = "write MODULE=LEVEL, for instance shell::dispatcher=debug";
    let (module, level) = text.split_once('=').ok_or(help)?;
    let is_path = !module.is_empty()
        && module
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    if !is_path {
        return Err(help.to_owned());
    }
    let level = Level::from_str(level, true)
        .map_err(|_| "the level is one of off, error, warn, info, debug, trace".to_owned())?;
    Ok((module.to_owned(), level))
}
