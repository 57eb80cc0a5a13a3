//! The verbs and their options.
//!
//! **Invariant:** every option is also the environment variable `NOTIFY_BRIDGE_<OPTION>`; that is
//! done once, in [`command`], for all of them.

mod history;
mod quiet;
mod storage;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::domain::event::{Role, TokenScope};
use crate::domain::notice::Severity;
use values::{duration, module_level, network, role, scope, severity, since, until, web_address};

pub use history::{ReplayArgs, SnapshotVerb};
pub use quiet::{AckArgs, SnoozeArgs, SnoozesArgs};
pub use storage::{BackupArgs, KeyVerb, RebuildArgs, RestoreArgs};
pub use values::Since;

/// Decides who hears what, when and in which words, and never loses a notice it accepted.
#[derive(Debug, Parser)]
#[command(name = "notify-bridge", version, long_version = super::version::LONG, propagate_version = false)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the program
    Serve(ServeArgs),
    /// Show what it does, with a temporary store and recorded webhooks; calls no address but its own
    Demo(DemoArgs),
    /// Validate declarative files: all problems at once
    Check(CheckArgs),
    /// Make the store match files: print the plan, then apply all of it or nothing
    Apply(ApplyArgs),
    /// Print the configuration as a file that `apply` accepts
    Export(ExportArgs),
    /// Accounts
    #[command(subcommand)]
    User(UserVerb),
    /// API tokens
    #[command(subcommand)]
    Token(TokenVerb),
    /// Say how the first admin is made
    SetupLink,
    /// Send a one-off message, recorded like any other
    Send(SendArgs),
    /// List notices, newest first
    Notices(NoticesArgs),
    /// List deliveries, newest first
    Deliveries(DeliveriesArgs),
    /// List held deliveries, with why and until when
    Held(HeldArgs),
    /// List deliveries that were given up for now
    Parked(ParkedArgs),
    /// Search notices, deliveries and changes
    Search(SearchArgs),
    /// Print events of the log
    Log(LogArgs),
    /// Print new events of a running program as they happen
    Tail(TailArgs),
    /// Say why a notice was or was not sent, or how a provider is
    Explain(ExplainArgs),
    /// Try deliveries again now
    Retry(OperateArgs),
    /// Give deliveries up for good
    Drop(OperateArgs),
    /// Settle deliveries as sent, whose outcome is unknown or that are parked
    Confirm(OperateArgs),
    /// Send held deliveries now, whatever holds them
    Release(OperateArgs),
    /// Hold deliveries until another moment
    Move(MoveArgs),
    /// Route a notice anew and send it again
    Resend(ResendArgs),
    /// Say that somebody knows of what a notice is about: it is not told again
    Ack(AckArgs),
    /// Mute a tracker, target, collection or subject for a time
    Snooze(SnoozeArgs),
    /// List what is muted, or end it
    Snoozes(SnoozesArgs),
    /// Snapshots of the state, from which a start is quick
    #[command(subcommand)]
    Snapshot(SnapshotVerb),
    /// Read the log once more and print what each event changed, or decide everything again
    Replay(ReplayArgs),
    /// Stop sending; intake goes on
    Pause(Place),
    /// Send again
    Resume(Place),
    /// Remove what is not kept any more now, and give file space back
    Compact(Place),
    /// Test the connection of a provider, target or bot
    Test(TestArgs),
    /// List the collections that a provider has, or the chats of a bot, by asking
    Discover(DiscoverArgs),
    /// Show what a template says, per format, with its length against the limit
    Render(RenderArgs),
    /// Write a backup, while the program serves or of a stopped one
    Backup(BackupArgs),
    /// Make a store of a backup, in an empty folder; it comes up paused
    Restore(RestoreArgs),
    /// Compare everything in the store with everything else
    Verify(Place),
    /// Drop what is only a cache, and make it anew from the log
    Rebuild(RebuildArgs),
    /// The key that seals secrets
    #[command(subcommand)]
    Key(KeyVerb),
    /// Exit with 0 when the program is ready
    Healthcheck(HealthArgs),
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
}

/// Where a verb works: on a running program, or on the store of a stopped one.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Address of the running program
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8780",
        help_heading = "Where"
    )]
    pub url: String,
    /// API token for it
    #[arg(long, value_name = "TOKEN", help_heading = "Where")]
    pub token: Option<String>,
    /// File with the API token
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "token",
        help_heading = "Where"
    )]
    pub token_file: Option<PathBuf>,
    /// PEM file of a CA that https is trusted with beside the public ones; may be repeated
    #[arg(
        long,
        value_name = "FILE",
        value_delimiter = ',',
        help_heading = "Where"
    )]
    pub ca_file: Vec<PathBuf>,
    /// Data folder of a stopped program, instead of --url
    #[arg(long, value_name = "DIR", help_heading = "Where")]
    pub data: Option<PathBuf>,
    /// Where the key is, when not in the data folder
    #[arg(long, value_name = "FILE", help_heading = "Where")]
    pub secret_key_file: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Folder of the store
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data: PathBuf,
    /// Address to listen on; a socket that systemd hands over is taken instead
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8780")]
    pub listen: SocketAddr,
    /// The address people and senders use
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub public_url: Option<String>,
    /// Declarative file, applied when it differs from what was last applied; may be repeated
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub apply: Vec<PathBuf>,
    /// Apply the files even when they are as last applied
    #[arg(long)]
    pub apply_always: bool,
    /// A further host name the program may be asked under; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub host: Vec<String>,
    /// Networks of proxies whose forwarded headers are believed; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,
    /// Networks that targets and providers with allow_private may reach; not given: all private ones
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', value_parser = network)]
    pub private_networks: Option<Vec<IpNet>>,
    /// PEM file of a CA that outgoing calls trust beside the public ones; may be repeated
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub ca_file: Vec<PathBuf>,
    /// Where the key is, when not in the data folder
    #[arg(long, value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Name of the first admin, made when there is none
    #[arg(long, value_name = "NAME", requires = "admin_password_file")]
    pub admin: Option<String>,
    /// File with the first admin's password
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_password_file: Option<PathBuf>,
    /// Go on with what is whole of a damaged store; the damaged file is kept beside it
    #[arg(long)]
    pub accept_loss: bool,
    #[command(flatten)]
    pub logging: LoggingArgs,
}

#[derive(Debug, Clone, Args)]
pub struct LoggingArgs {
    /// What is logged to stderr
    #[arg(long, value_name = "L", default_value = "info")]
    pub log_level: Level,
    /// Another level for a part of the program, for instance shell::dispatcher=debug; may be repeated
    #[arg(long, value_name = "MODULE=LEVEL", value_delimiter = ',', value_parser = module_level)]
    pub log: Vec<(String, Level)>,
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// End after the story
    #[arg(long)]
    pub once: bool,
    /// How quickly the story is told
    #[arg(long, value_name = "PACE", default_value = "calm")]
    pub pace: Pace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// To watch
    Calm,
    /// As quick as it goes
    Fast,
}

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// One JSON object a problem
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Only print the plan
    #[arg(long)]
    pub dry_run: bool,
    /// Remove what these files managed and no longer name
    #[arg(long)]
    pub prune: bool,
    /// Do not ask before removing
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// What is done with secrets: `omit` leaves them out (applying the file keeps those that are
    /// set), `plain` writes them in the clear
    #[arg(long, value_name = "HOW", default_value = "omit")]
    pub secrets: ExportSecrets,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportSecrets {
    Omit,
    Plain,
}

#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Add a user; the first admin owns the installation
    Add {
        name: String,
        /// viewer, editor, admin or owner
        #[arg(long, default_value = "viewer", value_parser = role)]
        role: Role,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        place: Place,
    },
    /// Set a user's password
    Passwd {
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
        #[command(flatten)]
        place: Place,
    },
    /// Give a user another role
    Role {
        name: String,
        /// viewer, editor, admin or owner
        #[arg(value_parser = role)]
        role: Role,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user
    Remove {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List users
    List(Place),
}

/// Without a file the password is asked for on the terminal, without echo.
#[derive(Debug, Clone, Args)]
pub struct PasswordArgs {
    /// File with the password
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Make a token and print it, alone, on stdout; it is shown this once
    Create {
        name: String,
        /// read, notify, operate or admin; may be repeated
        #[arg(long, required = true, value_delimiter = ',', value_parser = scope)]
        scope: Vec<TokenScope>,
        /// What its owner may do at most: viewer, editor, admin or owner; not given: what the scopes
        /// need
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// The only target it may send to
        #[arg(long)]
        target: Option<String>,
        /// How long it is valid, for instance 365d; not given: until revoked
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        expires: Option<Duration>,
        #[command(flatten)]
        place: Place,
    },
    /// Make a token worthless
    Revoke {
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// List tokens
    List(Place),
}

#[derive(Debug, Clone, Args)]
pub struct SendArgs {
    pub target: String,
    /// What to say; `-` or nothing: read it from stdin
    pub body: Option<String>,
    #[arg(long)]
    pub title: Option<String>,
    /// info, success, warning or critical
    #[arg(long, default_value = "info", value_parser = severity)]
    pub severity: Severity,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct NoticesArgs {
    #[arg(long)]
    pub provider: Option<String>,
    #[arg(long)]
    pub kind: Option<String>,
    #[arg(long)]
    pub collection: Option<String>,
    #[arg(long)]
    pub tracker: Option<String>,
    #[arg(long, value_parser = severity)]
    pub severity: Option<Severity>,
    /// unrouted, open, sent, partly, parked, dropped or merged
    #[arg(long)]
    pub status: Option<String>,
    /// Not older: a duration (7d) or a moment (2026-01-31T08:00:00Z)
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct DeliveriesArgs {
    /// due, held, sending, retrying, sent, parked, dropped, merged or unknown
    #[arg(long)]
    pub status: Option<String>,
    #[arg(long)]
    pub target: Option<String>,
    #[arg(long)]
    pub tracker: Option<String>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct HeldArgs {
    #[arg(long)]
    pub target: Option<String>,
    #[arg(long)]
    pub tracker: Option<String>,
    /// What holds it, for instance held_quiet_hours or held_digest
    #[arg(long, value_name = "WHY")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct ParkedArgs {
    #[arg(long)]
    pub target: Option<String>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct PageArgs {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

#[derive(Debug, Clone, Args)]
pub struct SearchArgs {
    /// Words, "phrases", begin*, -not, field:value; several are joined
    #[arg(
        required = true,
        value_name = "QUERY",
        allow_hyphen_values = true,
        num_args = 1
    )]
    pub query: String,
    /// time or relevance
    #[arg(long, value_name = "ORDER", default_value = "time", value_parser = ["time", "relevance"])]
    pub sort: String,
    /// How many there are by provider, kind, status, severity and target, instead of what they are
    #[arg(long)]
    pub counts: bool,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// First position
    #[arg(long, value_name = "P")]
    pub from: Option<u64>,
    /// Last position
    #[arg(long, value_name = "P")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub page: PageArgs,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct TailArgs {
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Id of a notice, or name of a provider
    #[arg(value_name = "NOTICE|PROVIDER")]
    pub what: String,
    /// Why this target got it, or did not
    #[arg(long, conflicts_with = "tracker")]
    pub target: Option<String>,
    /// Why this tracker wanted it, or did not
    #[arg(long)]
    pub tracker: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct OperateArgs {
    /// Ids of deliveries
    #[arg(required = true, value_name = "DELIVERY")]
    pub deliveries: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct MoveArgs {
    /// Ids of deliveries
    #[arg(required = true, value_name = "DELIVERY")]
    pub deliveries: Vec<String>,
    /// A span from now (2h), a moment (2026-01-31T08:00:00Z), or `released`: until somebody releases
    /// them
    #[arg(long, value_name = "T", value_parser = until)]
    pub until: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct ResendArgs {
    /// Id of a notice
    pub notice: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct TestArgs {
    /// Name of a provider, target or bot
    #[arg(value_name = "PROVIDER|TARGET|BOT")]
    pub name: String,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct DiscoverArgs {
    /// Name of a provider that is asked, or of a bot
    #[arg(value_name = "PROVIDER|BOT")]
    pub name: String,
    /// Only those with this in their id or name
    #[arg(short, long, value_name = "WORDS")]
    pub query: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// Name of a template; with --template it may be left out
    #[arg(value_name = "TEMPLATE")]
    pub name: Option<String>,
    /// Id of a notice of the store
    #[arg(long, value_name = "ID", conflicts_with_all = ["file", "all"])]
    pub notice: Option<String>,
    /// A notice as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub file: Option<PathBuf>,
    /// Every notice of the store since --since
    #[arg(long, requires = "since")]
    pub all: bool,
    /// How far back --all goes, for instance 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
    /// Declarative file to take templates from, instead of the store
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
    /// Data folder of a stopped program
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// One JSON object a text
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Address of the running program
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8780")]
    pub url: String,
    /// PEM file of a CA that https is trusted with beside the public ones; may be repeated
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub ca_file: Vec<PathBuf>,
}

/// The command line, every option of it with its environment variable.
pub fn command() -> clap::Command {
    with_variables(Cli::command())
}

fn with_variables(command: clap::Command) -> clap::Command {
    command
        .mut_args(|arg| match arg.get_long() {
            None | Some("help" | "version") => arg,
            Some(long) => {
                let name = format!("NOTIFY_BRIDGE_{}", long.replace('-', "_").to_uppercase());
                arg.env(name).hide_env_values(true)
            }
        })
        .mut_subcommands(with_variables)
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_option_has_its_variable() {
        fn look(command: &clap::Command) {
            for arg in command.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                if long == "help" || long == "version" {
                    continue;
                }
                let name = format!("NOTIFY_BRIDGE_{}", long.replace('-', "_").to_uppercase());
                let env = arg.get_env().and_then(|env| env.to_str());
                assert_eq!(env, Some(name.as_str()), "{} --{long}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        look(&command());
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let cases = [
            "serve --listen nowhere",
            "serve --public-url ftp://a",
            "serve --admin root",
            "serve --trusted-proxy 10.0.0.0/33",
            "serve --log dispatcher",
            "serve --log a=loud",
            "token create ci",
            "token create ci --scope everything",
            "token create ci --scope read --expires soon",
            "notices --since yesterday",
            "explain x --target a --tracker b",
            "render short --notice A --file b",
            "render --all",
            "held --limit 0",
            "release",
            "move 01M86B7TW7RWPG000000000R00",
            "move --until 2h",
            "move 01M86B7TW7RWPG000000000R00 --until tomorrow",
            "snooze",
            "snooze --for 2h",
            "snooze --tracker a",
            "snooze --tracker a --target b --for 2h",
            "snooze --tracker a --provider b --for 2h",
            "snoozes --end soon",
            "backup --secrets some",
            "restore",
            "key",
            "ack",
            "snapshot",
            "replay --to x",
            "replay --step --json",
            "replay --step --check",
        ];
        for case in cases {
            let words = std::iter::once("notify-bridge").chain(case.split(' '));
            let parsed = command()
                .try_get_matches_from(words)
                .and_then(|matches| Cli::from_arg_matches(&matches));
            assert!(parsed.is_err(), "{case}");
        }
    }
}
