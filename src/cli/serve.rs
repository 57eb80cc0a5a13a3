//! `serve`: the program itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use notify_store::CACHE_BYTES;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ServeArgs;
use super::configuration::{Texts, refused};
use super::failure::Failure;
use super::printer::{Printer, complain, escaped};
use super::stopped::BY;
use super::{logging, secret, trust};
use crate::domain::command::{Command, PutUser, Refusal, UserCondition};
use crate::domain::event::Role;
use crate::shell::app::{self, App, Running};
use crate::shell::clock::{Clock, SystemClock};
use crate::shell::configure::{self, OwnSurroundings};
use crate::shell::ledger::{Causes, LedgerError, Priority};
use crate::shell::options::{HttpOptions, ServeOptions};
use crate::shell::salvage;
use crate::shell::upkeep::Upkeep;

/// How long stopping may take before the process ends all the same.
const STOP_MAX: Duration = Duration::from_secs(10);

pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    logging::start(&args.logging)?;
    let mut signals = Signals::new()?;
    // Files and secrets are read before anything is opened: a fault in them changes nothing.
    let texts = Texts::read(&args.apply)?;
    let admin = match (&args.admin, &args.admin_password_file) {
        (Some(name), Some(file)) => Some((
            name.clone(),
            secret::of_file("--admin-password-file", file)?,
        )),
        (_, None) | (None, _) => None,
    };
    let roots = trust::roots(&args.ca_file)?;
    let options = ServeOptions {
        data: args.data.clone(),
        listen: args.listen,
        http: HttpOptions {
            public_url: args.public_url.clone(),
            hosts: args.host.clone(),
            trusted_proxies: args.trusted_proxy.clone(),
            body_max: None,
            auto_login: None,
        },
        secret_key_file: args.secret_key_file.clone(),
        private_networks: args.private_networks.clone(),
        roots,
        cache_bytes: CACHE_BYTES,
    };
    if args.accept_loss {
        accept_loss(&options).await?;
    }
    let listener = listen(&options).await?;
    let printer = Printer::new(false);
    let address = listener
        .local_addr()
        .map_err(|error| Failure::caused("the listener has no address", error))?;
    say(&printer, &format!("listening on http://{address}"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let starting = app::start_closed(options, Arc::clone(&clock), Some(listener), super::routes);
    let running = tokio::select! {
        running = starting => running.map_err(|error| lossy(&args.data, error))?,
        // Nothing was written yet that the next start does not find.
        () = signals.any() => return Ok(()),
    };
    let prepared = prepare(&running, &args, &texts, admin, &printer).await;
    let upkeep = match Upkeep::start(Arc::clone(&running.app)).await {
        Ok(upkeep) => Some(upkeep),
        Err(error) => {
            tracing::error!(%error, "daily upkeep cannot be scheduled; `compact` does by hand what it would");
            None
        }
    };
    match prepared {
        Ok(()) => signals.any().await,
        Err(_) => tracing::error!("the start is given up; what was there before is unchanged"),
    }
    if let Some(upkeep) = upkeep {
        upkeep.stop().await;
    }
    stop(running, &clock, &mut signals).await?;
    prepared
}

/// Says what a damaged store has lost, and what can be done.
fn lossy(data: &Path, error: app::StartError) -> Failure {
    if salvage::is_damage(&error) {
        complain(&format!("the store in {} is damaged", data.display()));
        for loss in salvage::losses(data) {
            complain(&format!("  {}", escaped(&loss)));
        }
        complain(
            "  restore a backup; or start with --accept-loss to go on with what is whole: the damaged file is kept",
        );
    }
    error.into()
}

/// Goes on with what is whole, when the store does not open otherwise.
async fn accept_loss(options: &ServeOptions) -> Result<(), Failure> {
    let (data, key_file) = (options.data.clone(), options.secret_key_file.clone());
    let cache_bytes = options.cache_bytes;
    let opened = tokio::task::spawn_blocking(move || {
        app::open(&data, key_file.as_deref(), cache_bytes, &|_, _, _| {}).map(drop)
    })
    .await
    .map_err(|error| Failure::caused("the store cannot be looked at", error))?;
    match opened {
        Err(error) if salvage::is_damage(&error) => {
            tracing::error!(error = %Causes(&error), "the store is damaged; going on with what is whole");
        }
        // What else is wrong is told when the program starts.
        Ok(()) | Err(_) => return Ok(()),
    }
    let accepted = salvage::accept(&options.data, SystemClock::new().now(), BY)
        .await
        .map_err(|error| Failure::Failed(Causes(&error).to_string()))?;
    for lost in &accepted.lost {
        tracing::error!("lost: {lost}");
    }
    tracing::warn!(kept_as = %accepted.kept_as.display(), "the damaged store is kept");
    Ok(())
}

async fn prepare(
    running: &Running,
    args: &ServeArgs,
    texts: &Texts,
    admin: Option<(String, zeroize::Zeroizing<String>)>,
    printer: &Printer,
) -> Result<(), Failure> {
    let app = &running.app;
    if let Some((name, password)) = admin {
        make_admin(app, name, &password).await?;
    }
    let differs = configure::differs(&app.ledger.state(), &texts.sources());
    if !texts.is_empty() && (differs || args.apply_always) {
        let outside = OwnSurroundings;
        let applied = configure::apply(
            &app.ledger,
            &app.vault,
            &texts.sources(),
            Some(&outside),
            false,
            false,
            "serve --apply",
        )
        .await
        .map_err(refused)?;
        for change in &applied.plan.changes {
            tracing::info!(change = %change, "applied");
        }
    }
    running.open();
    let (line, has_admin) = {
        let state = app.ledger.state();
        let configuration = &state.configuration;
        let line = format!(
            "ready: {}, {}, {}, {}; {} waiting, {} parked",
            counted(configuration.providers.len(), "provider"),
            counted(configuration.trackers.len(), "tracker"),
            counted(configuration.targets.len(), "target"),
            counted(configuration.templates.len(), "template"),
            state.outbox.deliveries.len() - state.outbox.parked.len(),
            state.outbox.parked.len(),
        );
        (line, state.access.has_admin())
    };
    if !has_admin && !running.address.ip().is_loopback() {
        tracing::warn!(
            listen = %running.address,
            "this listens beyond this machine and has no admin yet; make one with --admin NAME --admin-password-file FILE"
        );
    }
    if let Some(link) = running.setup_link() {
        let base = base(running, args);
        say(
            printer,
            &format!(
                "no admin yet: make the account at {base}{}\nthe link is good for 24 h and for one account; --admin NAME --admin-password-file FILE makes one without it",
                *link
            ),
        )?;
    }
    say(printer, &line)
}

/// The address at which a browser finds the program.
fn base(running: &Running, args: &ServeArgs) -> String {
    let configured = || {
        let state = running.app.ledger.state();
        state.configuration.settings.public_url.clone()
    };
    if let Some(url) = args.public_url.clone().or_else(configured) {
        return url.trim_end_matches('/').to_owned();
    }
    let port = running.address.port();
    if running.address.ip().is_unspecified() {
        return format!("http://localhost:{port}");
    }
    format!("http://{}", running.address)
}

/// What is said at the start. The program goes on when nobody reads it.
fn say(printer: &Printer, text: &str) -> Result<(), Failure> {
    match printer.line(text) {
        Err(Failure::OutputClosed) => Ok(()),
        said => said,
    }
}

pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first admin. One that exists already is left as it is.
async fn make_admin(app: &App, name: String, password: &str) -> Result<(), Failure> {
    if app.ledger.state().access.has_admin() {
        tracing::debug!("an admin exists already; --admin changes nothing");
        return Ok(());
    }
    let put = PutUser {
        name,
        role: Some(Role::Owner),
        password_hash: Some(secret::hashed(password)?),
        only_if: UserCondition::NoAdmin,
        by: BY.to_owned(),
    };
    let command = Command::PutUser(Box::new(put));
    match app.ledger.command(Priority::People, command).await {
        Ok(_) | Err(LedgerError::Refused(Refusal::Conflict(_))) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The socket systemd hands over, or one of our own.
async fn listen(options: &ServeOptions) -> Result<TcpListener, Failure> {
    let handed = ListenFd::from_env()
        .take_tcp_listener(0)
        .map_err(|error| Failure::caused("the socket that was handed over is not usable", error))?;
    if let Some(handed) = handed {
        return handed
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(handed))
            .map_err(|error| {
                Failure::caused("the socket that was handed over is not usable", error)
            });
    }
    TcpListener::bind(options.listen).await.map_err(|source| {
        app::StartError::Listen {
            address: options.listen,
            source,
        }
        .into()
    })
}

/// Drains and ends. A second signal ends at once.
pub async fn stop(
    running: Running,
    clock: &Arc<dyn Clock>,
    signals: &mut Signals,
) -> Result<(), Failure> {
    tokio::select! {
        () = running.stop() => Ok(()),
        () = clock.sleep(STOP_MAX) => {
            complain("stopping took too long; what is written is safe");
            Err(Failure::Said(1))
        }
        () = signals.any() => {
            complain("stopped at once; what is written is safe");
            Err(Failure::Said(1))
        }
    }
}

/// What tells a process to end.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::caused("signals cannot be heard", error));
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Returns when any of them came.
    pub async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
