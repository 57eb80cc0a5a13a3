//! The command line: one verb a file.
//!
//! **Invariant:** exit code 0 when it was done, 1 when it failed, 2 for wrong usage or invalid input.
//! What was asked for goes to stdout, everything about it to stderr.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;

mod access;
pub mod args;
mod compact;
mod configuration;
mod demo;
mod discover;
mod explain;
mod failure;
mod health;
mod inline;
mod logging;
mod operate;
mod place;
mod printer;
mod quiet;
mod read;
mod remote;
mod render;
mod replay;
mod search;
mod secret;
mod sentences;
mod serve;
mod snapshot;
mod stopped;
mod storage;
mod trust;
mod version;

use crate::domain::event::Action;
use args::{
    Cli, KeyVerb, Level, LogFormat, LoggingArgs, Place, SnapshotVerb, TokenVerb, UserVerb, Verb,
};
use failure::Failure;

/// Runs the program with its arguments.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match args::command().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to stdout with 0, wrong usage to stderr with 2.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _closed = error.print();
            return ExitCode::from(code);
        }
    };
    let done = Cli::from_arg_matches(&matches)
        .map_err(|error| Failure::Input(error.to_string()))
        .and_then(|mut cli| {
            if let Some(place) = cli.verb.place() {
                place::settle(place, innermost(&matches))?;
            }
            run(cli.verb)
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(line) = failure.line() {
                printer::complain(&format!("notify-bridge: {line}"));
            }
            ExitCode::from(failure.code())
        }
    }
}

/// The matches of the verb itself: `user add` and not `user`.
fn innermost(matches: &clap::ArgMatches) -> &clap::ArgMatches {
    let mut inner = matches;
    while let Some((_, next)) = inner.subcommand() {
        inner = next;
    }
    inner
}

fn run(verb: Verb) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused("the runtime cannot be started", error))?;
    if !matches!(verb, Verb::Serve(_) | Verb::Demo(_)) {
        // What goes wrong beside a verb is heard as well.
        logging::start(&LoggingArgs {
            log_level: Level::Warn,
            log: Vec::new(),
            log_format: LogFormat::Text,
        })?;
    }
    runtime.block_on(perform(verb))
}

async fn perform(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Serve(args) => serve::run(args).await,
        Verb::Check(args) => configuration::check(&args),
        Verb::Apply(args) => configuration::apply(&args).await,
        Verb::Export(args) => configuration::export(&args).await,
        Verb::User(verb) => access::user(verb).await,
        Verb::Token(verb) => access::token(verb).await,
        Verb::SetupLink => Err(access::setup_link()),
        Verb::Demo(args) => demo::run(args).await,
        Verb::Send(args) => operate::send(&args).await,
        Verb::Notices(args) => read::notices(&args).await,
        Verb::Deliveries(args) => read::deliveries(&args).await,
        Verb::Held(args) => read::held(&args).await,
        Verb::Parked(args) => read::parked(&args).await,
        Verb::Search(args) => search::run(&args).await,
        Verb::Log(args) => read::log(&args).await,
        Verb::Tail(args) => read::tail(&args).await,
        Verb::Explain(args) => explain::run(&args).await,
        Verb::Retry(args) => operate::deliveries(&args, operate::Wish::Act(Action::Retry)).await,
        Verb::Drop(args) => operate::deliveries(&args, operate::Wish::Act(Action::Drop)).await,
        Verb::Confirm(args) => {
            operate::deliveries(&args, operate::Wish::Act(Action::Confirm)).await
        }
        Verb::Release(args) => operate::deliveries(&args, operate::Wish::Release).await,
        Verb::Move(args) => operate::put_off(args).await,
        Verb::Resend(args) => operate::resend(&args).await,
        Verb::Ack(args) => quiet::acknowledge(&args).await,
        Verb::Snooze(args) => quiet::snooze(&args).await,
        Verb::Snoozes(args) => quiet::snoozes(&args).await,
        Verb::Snapshot(verb) => snapshot::run(verb).await,
        Verb::Replay(args) => replay::run(&args),
        Verb::Pause(place) => operate::set_paused(&place, true).await,
        Verb::Resume(place) => operate::set_paused(&place, false).await,
        Verb::Compact(place) => compact::run(&place).await,
        Verb::Test(args) => operate::test(&args).await,
        Verb::Discover(args) => discover::run(&args).await,
        Verb::Render(args) => render::run(&args),
        Verb::Backup(args) => storage::backup(&args).await,
        Verb::Restore(args) => storage::restore(&args).await,
        Verb::Verify(place) => storage::verify(&place).await,
        Verb::Rebuild(args) => storage::rebuild(&args),
        Verb::Key(KeyVerb::Rotate(place)) => storage::rotate(&place).await,
        Verb::Healthcheck(args) => health::run(&args).await,
        Verb::Completions { shell } => {
            let mut completions = Vec::new();
            clap_complete::generate(
                shell,
                &mut args::command(),
                "notify-bridge",
                &mut completions,
            );
            let text = String::from_utf8_lossy(&completions);
            printer::Printer::new(false).line(text.trim_end())
        }
    }
}

/// The routes of the program beside intake and health.
fn routes(
    routes: axum::Router<std::sync::Arc<crate::shell::http::front::Front>>,
) -> axum::Router<std::sync::Arc<crate::shell::http::front::Front>> {
    use crate::shell::http::{api, door, pages};
    door::routes(pages::routes(api::routes(routes)))
        .layer(axum::middleware::from_fn(logging::requests))
}

impl Verb {
    /// Where the verb works, when it has a choice.
    fn place(&mut self) -> Option<&mut Place> {
        match self {
            Verb::Apply(args) => Some(&mut args.place),
            Verb::Export(args) => Some(&mut args.place),
            Verb::User(
                UserVerb::Add { place, .. }
                | UserVerb::Passwd { place, .. }
                | UserVerb::Role { place, .. }
                | UserVerb::Remove { place, .. }
                | UserVerb::List(place),
            ) => Some(place),
            Verb::Token(
                TokenVerb::Create { place, .. }
                | TokenVerb::Revoke { place, .. }
                | TokenVerb::List(place),
            ) => Some(place),
            Verb::Send(args) => Some(&mut args.place),
            Verb::Notices(args) => Some(&mut args.place),
            Verb::Deliveries(args) => Some(&mut args.place),
            Verb::Held(args) => Some(&mut args.place),
            Verb::Parked(args) => Some(&mut args.place),
            Verb::Search(args) => Some(&mut args.place),
            Verb::Log(args) => Some(&mut args.place),
            Verb::Tail(args) => Some(&mut args.place),
            Verb::Explain(args) => Some(&mut args.place),
            Verb::Retry(args) | Verb::Drop(args) | Verb::Confirm(args) | Verb::Release(args) => {
                Some(&mut args.place)
            }
            Verb::Move(args) => Some(&mut args.place),
            Verb::Resend(args) => Some(&mut args.place),
            Verb::Ack(args) => Some(&mut args.place),
            Verb::Snooze(args) => Some(&mut args.place),
            Verb::Snoozes(args) => Some(&mut args.place),
            Verb::Snapshot(SnapshotVerb::Create(place) | SnapshotVerb::List(place))
            | Verb::Pause(place)
            | Verb::Resume(place)
            | Verb::Compact(place) => Some(place),
            Verb::Test(args) => Some(&mut args.place),
            Verb::Discover(args) => Some(&mut args.place),
            Verb::Backup(args) => Some(&mut args.place),
            Verb::Verify(place) | Verb::Key(KeyVerb::Rotate(place)) => Some(place),
            Verb::Restore(_)
            | Verb::Rebuild(_)
            | Verb::Serve(_)
            | Verb::Demo(_)
            | Verb::Check(_)
            | Verb::SetupLink
            | Verb::Render(_)
            | Verb::Replay(_)
            | Verb::Healthcheck(_)
            | Verb::Completions { .. } => None,
        }
    }
}
