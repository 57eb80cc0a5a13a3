//! The log on stderr.
//!
//! A line reads alone: message, dotted field names, units in names. No bodies, no secrets, and the
//! pattern of a route instead of its path, which may hold a token.

use std::io;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing_subscriber::EnvFilter;

use super::args::{Level, LogFormat, LoggingArgs};
use super::failure::Failure;
use super::printer::is_colourful;

/// The top modules of this program, which `--log` may name without the program's own name.
const OWN_MODULES: [&str; 9] = [
    "cli",
    "config",
    "domain",
    "projections",
    "providers",
    "shell",
    "targets",
    "templates",
    "wire",
];

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

/// The filter as its library writes it.
fn directives(args: &LoggingArgs) -> String {
    let mut directives = args.log_level.as_str().to_owned();
    for (module, level) in &args.log {
        let first = module.split("::").next().unwrap_or("");
        let prefix = if OWN_MODULES.contains(&first) {
            "notify_bridge::"
        } else {
            ""
        };
        directives.push_str(&format!(",{prefix}{module}={}", level.as_str()));
    }
    directives
}

/// Starts logging. Called once a process.
pub fn start(args: &LoggingArgs) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(directives(args))
        .map_err(|error| Failure::Input(format!("--log: {error}")))?;
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(is_colourful(&io::stderr()))
        .with_env_filter(filter);
    let started = match args.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    started.map_err(|error| Failure::caused("logging cannot be started", error))
}

/// One line a request. The route is its pattern: a path may end in a token.
pub async fn requests(request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", |path| path.as_str())
        .to_owned();
    let method = request.method().clone();
    let response = next.run(request).await;
    tracing::debug!(http.method = %method, http.route = route, http.status = response.status().as_u16(), "answered");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_of_this_program_are_named_short() {
        let args = LoggingArgs {
            log_level: Level::Info,
            log: vec![
                ("shell::dispatcher".to_owned(), Level::Debug),
                ("hyper".to_owned(), Level::Warn),
                ("notify_store".to_owned(), Level::Off),
            ],
            log_format: LogFormat::Text,
        };
        assert_eq!(
            directives(&args),
            "info,notify_bridge::shell::dispatcher=debug,hyper=warn,notify_store=off"
        );
    }
}
