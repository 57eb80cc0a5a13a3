//! The program: how its pieces start, what they share, and how they stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use notify_store::{DecodeError, Log, OpenError, Options, ReadError, Reader, snapshot};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::address::AddressPolicy;
use super::client::SystemLookup;
use super::client::{Client, is_this_machine};
use super::clock::Clock;
use super::dispatcher::Dispatch;
use super::entropy::{Entropy, SystemEntropy};
use super::holds::Holds;
use super::http::Entrance;
use super::http::flash::Flashes;
use super::http::front::{self, Front, Phase};
use super::http::hooks::BodyRoom;
use super::http::{door, encoding};
use super::keyring::{KeyError, Keyring, sealed_with};
use super::ledger::{Causes, Ledger, LedgerError, LedgerThread, Priority};
use super::options::{ServeOptions, host_of};
use super::passwords::Passwords;
use super::pollers::Pollers;
use super::sources::Sources;
use super::steps::Steps;
use super::vault::Vault;
use crate::domain::command::Command;
use crate::domain::decide;
use crate::domain::event::Event;
use crate::domain::state::{At, Rows, State};
use crate::wire;

/// Free bytes below which nothing at all is written any more. Intake stops earlier, at
/// [`INTAKE_FREE_BYTES_MIN`], so that what came of deliveries can still be recorded.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
/// Free bytes below which intake answers 503.
pub const INTAKE_FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// How often free space is looked at.
const DISK_LOOK: Duration = Duration::from_secs(5);
/// How long stopping waits for requests that are being answered.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(3);
/// Snapshots kept.
const SNAPSHOTS_KEPT: usize = 3;
/// Decoded events between the reading and the folding thread, in pages.
const REBUILD_PAGES_MAX: usize = 8;

/// Name and version, as the store records who wrote it.
pub const PROGRAM: &str = concat!("notify-bridge ", env!("CARGO_PKG_VERSION"));

/// What handlers and tasks share.
pub struct App {
    pub data: PathBuf,
    pub ledger: Ledger,
    pub vault: Arc<Vault>,
    pub sources: Sources,
    pub pollers: Arc<Pollers>,
    pub client: Arc<Client>,
    pub clock: Arc<dyn Clock>,
    pub bodies: BodyRoom,
    pub passwords: Passwords,
    pub flashes: Flashes,
    /// Microseconds since 1970.
    pub started_at: i64,
}

impl App {
    /// The host of the public address that is configured in the store.
    pub fn public_host(&self) -> Option<String> {
        self.ledger
            .state()
            .configuration
            .settings
            .public_url
            .as_deref()
            .and_then(host_of)
    }
}

/// Why the program did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error(
        "cannot listen on {address}; another program may, or the address is not this machine's"
    )]
    Listen {
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("position {position} of the log cannot be decoded")]
    Decode { position: u64, source: DecodeError },
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error("the network client cannot be made")]
    Client(#[source] super::client::ClientError),
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("the store cannot be written")]
    Ledger(#[from] LedgerError),
}

/// A program that runs.
pub struct Running {
    pub app: Arc<App>,
    pub address: std::net::SocketAddr,
    front: Arc<Front>,
    ledger: LedgerThread,
    stop_sending: watch::Sender<bool>,
    stop_listening: watch::Sender<bool>,
    dispatcher: JoinHandle<()>,
    listener: JoinHandle<()>,
    watches: Vec<JoinHandle<()>>,
}

/// Opens a data folder: the log, the state folded from it, and the key.
pub struct Opened {
    pub log: Log<Event>,
    pub state: State,
    pub keyring: Keyring,
}

/// Opens the store of a data folder for writing.
pub fn open(
    data: &Path,
    key_file: Option<&Path>,
    cache_bytes: usize,
    progress: &(dyn Fn(Phase, u64, u64) + Sync),
) -> Result<Opened, StartError> {
    let options = Options {
        cache_bytes,
        min_free_bytes: FREE_BYTES_MIN,
        program: PROGRAM.to_owned(),
        ..Options::default()
    };
    let log = Log::<Event>::open(data, &options, &|repair| {
        progress(Phase::Repairing, (repair.done * 100.0) as u64, 100);
    })?;
    let state = rebuild(data, &log.reader(), progress)?;
    let has_sealed = state.configuration.names.keys().any(|(kind, name)| {
        let id = state.configuration.id(*kind, name);
        id.and_then(|id| state.configuration.secrets(*kind, id))
            .is_some_and(|marks| !marks.is_empty())
    });
    let path = key_file.map_or_else(|| data.join("secret.key"), Path::to_owned);
    let keyring = match Keyring::open_or_create(&path, has_sealed) {
        // The program starts all the same: intake and pages work, and what needs a secret is held.
        Err(error @ (KeyError::Missing { .. } | KeyError::Malformed { .. })) if has_sealed => {
            tracing::error!(error = %Causes(&error), "starting without the store's key");
            Keyring::stand_in()
        }
        opened => opened?,
    };
    name_what_is_locked(&state, &log.reader(), &keyring);
    Ok(Opened {
        log,
        state,
        keyring,
    })
}

/// Names every entity whose secrets this key does not open.
fn name_what_is_locked(state: &State, reader: &Reader<Event>, keyring: &Keyring) {
    let configuration = &state.configuration;
    for ((kind, name), id) in &configuration.names {
        for (field, mark) in configuration.secrets(*kind, *id).into_iter().flatten() {
            let sealed = reader.secret(mark.position, mark.slot).ok().flatten();
            if sealed.as_deref().and_then(sealed_with) != Some(keyring.id()) {
                tracing::error!(
                    entity.kind = kind.as_str(),
                    entity.name = name,
                    field,
                    "the key at hand does not open this secret; what needs it is held until the key is back or the secret is set anew"
                );
            }
        }
    }
}

/// The state as the log says: the newest snapshot, and the tail folded onto it. Reading and decoding
/// run on a thread of their own.
pub fn rebuild(
    data: &Path,
    reader: &Reader<Event>,
    progress: &(dyn Fn(Phase, u64, u64) + Sync),
) -> Result<State, StartError> {
    let end = reader.next_position();
    let mut state = snapshot::newest_through(data, wire::SNAPSHOT_FORMAT, end.saturating_sub(1))
        .and_then(|(position, bytes)| {
            wire::decode_state(&bytes)
                .ok()
                .filter(|state| state.position == position)
        })
        .unwrap_or_default();
    let first = state.position + 1;
    let (send, receive) = sync_channel::<Result<Vec<(At, Event)>, StartError>>(REBUILD_PAGES_MAX);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("rebuild".into());
        thread
            .spawn_scoped(scope, move || read_pages(reader, first, &send))
            .map_err(StartError::Thread)?;
        let mut rows: Rows = Vec::new();
        for page in receive {
            for (at, event) in page? {
                state.evolve(at, &event, &mut rows);
                rows.clear();
            }
            progress(Phase::Rebuilding, state.position, end.saturating_sub(1));
        }
        Ok(state)
    })
}

fn read_pages(
    reader: &Reader<Event>,
    mut from: u64,
    send: &std::sync::mpsc::SyncSender<Result<Vec<(At, Event)>, StartError>>,
) {
    loop {
        let mut page = Vec::with_capacity(notify_store::PAGE_FRAMES_MAX);
        let mut fault = None;
        let read = reader.for_each_frame(from, notify_store::PAGE_FRAMES_MAX, |header, payload| {
            if fault.is_some() {
                return;
            }
            match wire::decode_for_state(header.kind, header.revision, payload) {
                Ok(event) => {
                    page.push((
                        At {
                            position: header.position,
                            recorded_at: header.recorded_at,
                        },
                        event,
                    ));
                }
                Err(source) => {
                    fault = Some(StartError::Decode {
                        position: header.position,
                        source,
                    })
                }
            }
        });
        let last = page.last().map(|(at, _)| at.position);
        let failed = match (read, fault) {
            (Err(error), _) => Some(StartError::Read(error)),
            (Ok(_), fault) => fault,
        };
        if let Some(last) = last
            && send.send(Ok(page)).is_ok()
        {
            from = last + 1;
        }
        if let Some(failed) = failed {
            // The folding side is gone only when it has failed itself.
            let _gone = send.send(Err(failed));
            return;
        }
        if last.is_none() {
            return;
        }
    }
}

/// Starts the program and lets everyone in.
pub async fn start(
    options: ServeOptions,
    clock: Arc<dyn Clock>,
    listener: Option<TcpListener>,
    extend: impl FnOnce(Router<Arc<Front>>) -> Router<Arc<Front>>,
) -> Result<Running, StartError> {
    let running = start_closed(options, clock, listener, extend).await?;
    running.open();
    Ok(running)
}

/// Starts the program. The listener is up before the store is opened, and who comes waits, or is told
/// to come back, until [`Running::open`]: nobody meets a configuration that is about to be replaced.
pub async fn start_closed(
    options: ServeOptions,
    clock: Arc<dyn Clock>,
    listener: Option<TcpListener>,
    extend: impl FnOnce(Router<Arc<Front>>) -> Router<Arc<Front>>,
) -> Result<Running, StartError> {
    let listen = options.listen;
    let listener = match listener {
        Some(listener) => listener,
        None => TcpListener::bind(listen)
            .await
            .map_err(|source| StartError::Listen {
                address: listen,
                source,
            })?,
    };
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: listen,
        source,
    })?;
    let front = Front::new(options.http.clone());
    let routes = Router::new()
        .route("/api/health", get(front::health))
        .route("/api/ready", get(front::ready));
    let router = extend(routes)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&front),
            door::welcome,
        ))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&front),
            front::known_host,
        ))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&front),
            door::paged,
        ))
        .layer(axum::middleware::from_fn(encoding::compressed))
        .with_state(Arc::clone(&front));
    let (stop_listening, stop) = watch::channel(false);
    let listener = tokio::spawn(super::http::serve(
        listener,
        Entrance {
            front: Arc::clone(&front),
            router,
        },
        Arc::clone(&clock),
        stop,
    ));

    let opening = {
        let (front, options) = (Arc::clone(&front), options.clone());
        tokio::task::spawn_blocking(move || {
            let progress = |phase, done, of| front.progress(phase, done, of);
            open(
                &options.data,
                options.secret_key_file.as_deref(),
                options.cache_bytes,
                &progress,
            )
        })
    };
    let opened = opening
        .await
        .map_err(|error| StartError::Thread(std::io::Error::other(error)))??;
    let keyring = Arc::new(opened.keyring);
    let unfounded = opened.state.founding.is_none();
    let (ledger, ledger_thread) = Ledger::start(
        opened.log,
        opened.state,
        Arc::clone(&keyring),
        Arc::clone(&clock),
    )
    .map_err(StartError::Thread)?;
    if unfounded {
        ledger.command(Priority::People, found()).await?;
    }
    ledger.command(Priority::Outcome, Command::Recover).await?;

    let policy = AddressPolicy {
        own_listeners: vec![address],
        local: is_this_machine,
        ..options
            .private_networks
            .clone()
            .map_or_else(AddressPolicy::default, |private_networks| AddressPolicy {
                private_networks,
                ..AddressPolicy::default()
            })
    };
    let client = Arc::new(
        Client::new(
            policy,
            Arc::new(SystemLookup::default()),
            &options.roots,
            Arc::clone(&clock),
        )
        .map_err(StartError::Client)?,
    );
    let vault = Arc::new(Vault::new(ledger.clone(), keyring));
    let pollers = Arc::new(Pollers::new(
        ledger.clone(),
        Arc::clone(&vault),
        Arc::clone(&client),
        Arc::clone(&clock),
    ));
    let app = Arc::new(App {
        data: options.data.clone(),
        sources: Sources::new(ledger.clone(), Arc::clone(&vault)),
        pollers: Arc::clone(&pollers),
        vault: Arc::clone(&vault),
        client: Arc::clone(&client),
        bodies: BodyRoom::default(),
        passwords: Passwords::default(),
        flashes: Flashes::default(),
        started_at: clock.now(),
        ledger: ledger.clone(),
        clock: Arc::clone(&clock),
    });
    let (stop_sending, stop) = watch::channel(false);
    let steps = Steps::new(ledger.clone(), Arc::clone(&clock));
    let holds = Holds {
        ledger: ledger.clone(),
        clock: Arc::clone(&clock),
        steps: steps.clone(),
    };
    let dispatch = Dispatch {
        ledger,
        vault,
        client,
        clock,
        steps: steps.clone(),
    };
    let holds = tokio::spawn(holds.run(stop.clone()));
    let pollers = tokio::spawn(pollers.run(stop.clone()));
    let dispatcher = tokio::spawn(dispatch.run(stop));
    let watches = vec![
        holds,
        pollers,
        tokio::spawn(watch_disk(Arc::clone(&app))),
        tokio::spawn(steps.watch()),
    ];
    Ok(Running {
        app,
        address,
        front,
        ledger: ledger_thread,
        stop_sending,
        stop_listening,
        dispatcher,
        listener,
        watches,
    })
}

/// The founding of a new store.
pub fn found() -> Command {
    let mut salt = [0u8; 32];
    SystemEntropy.fill(&mut salt);
    let epoch = SystemEntropy.next_u64() as u16;
    Command::Found {
        epoch,
        salt,
        program: PROGRAM.to_owned(),
    }
}

impl Running {
    /// Lets everyone in.
    pub fn open(&self) {
        self.front.ready(Arc::clone(&self.app));
    }

    /// The path of a new setup link while there is no admin. The one before it opens nothing more.
    pub fn setup_link(&self) -> Option<Zeroizing<String>> {
        if self.app.ledger.state().access.has_admin() {
            return None;
        }
        let secret = self.front.door.setup.issue(self.app.clock.monotonic());
        Some(Zeroizing::new(format!("/setup?secret={}", *secret)))
    }

    /// Drains: no more intake, calls under way end, what is known is written, a snapshot is left.
    pub async fn stop(self) {
        self.front.progress(Phase::Stopping, 0, 0);
        self.stop_sending.send_replace(true);
        self.stop_listening.send_replace(true);
        let dispatcher = tokio::time::timeout(
            super::dispatcher::DRAIN_MAX + Duration::from_secs(1),
            self.dispatcher,
        );
        // Who is being answered is answered: a sender that is cut off may never come again.
        let mut listener = self.listener;
        let answered = tokio::time::timeout(ANSWERS_WAIT_MAX, &mut listener);
        let (sent, answered) = tokio::join!(dispatcher, answered);
        if answered.is_err() {
            listener.abort();
        }
        if sent.is_err() {
            tracing::warn!("the dispatcher did not stop in time");
        }
        for watch in self.watches {
            watch.abort();
        }
        let data = self.app.data.clone();
        drop(self.app);
        let ledger = self.ledger;
        let stopped = tokio::task::spawn_blocking(move || {
            if let Some(state) = ledger.stop() {
                leave_snapshot(&data, &state);
            }
        });
        if let Err(error) = stopped.await {
            tracing::error!(%error, "the ledger did not stop cleanly; the next start reads the log");
        }
    }
}

/// A snapshot makes the next start quick. It is a cache: when it fails, the log is read.
fn leave_snapshot(data: &Path, state: &State) {
    let written = match wire::encode_state(state) {
        Ok(bytes) => snapshot::write(data, state.position, wire::SNAPSHOT_FORMAT, &bytes),
        Err(error) => {
            tracing::warn!(%error, "the state could not be encoded for a snapshot");
            return;
        }
    };
    if let Err(error) = written {
        tracing::warn!(error = %Causes(&error), "no snapshot was left");
    }
    if let Err(error) = snapshot::prune(data, SNAPSHOTS_KEPT) {
        tracing::warn!(%error, "old snapshots could not be removed");
    }
}

/// Stops intake before writes can fail for want of space.
async fn watch_disk(app: Arc<App>) {
    // What the log says may be of a disk that has been made room on since.
    let mut looked = false;
    loop {
        let free = notify_store::free_bytes(&app.data).unwrap_or(u64::MAX);
        let low = free < INTAKE_FREE_BYTES_MIN;
        let changed = low != app.ledger.is_disk_low();
        if changed {
            if low {
                tracing::error!(
                    free_bytes = free,
                    "the disk is nearly full; intake answers 503 until there is room"
                );
            } else {
                tracing::info!(free_bytes = free, "there is room again; intake goes on");
            }
            app.ledger.set_disk_low(low);
        }
        if changed || !looked {
            let say = Command::Tell(Box::new(decide::disk(low, free)));
            if let Err(error) = app.ledger.command(Priority::Outcome, say).await {
                tracing::warn!(%error, "nobody could be told about the disk");
            }
            looked = true;
        }
        app.clock.sleep(DISK_LOOK).await;
    }
}
