//! The program: how its pieces start, what they share, and how they stop.

mod disk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use notify_store::{DecodeError, Log, OpenError, Options, ReadError, Reader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::address::AddressPolicy;
use super::backup;
use super::backup::folder::Occasion;
use super::backup::jobs::Jobs;
use super::bots::Bots;
use super::client::SystemLookup;
use super::client::{Client, is_this_machine};
use super::clock::{Clock, SystemClock};
use super::compaction::{self, Compaction};
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
use super::media::Media;
use super::options::{ServeOptions, host_of};
use super::passwords::Passwords;
use super::pollers::Pollers;
pub use super::rebuild::rebuild;
use super::search::{self, Search, SearchThread};
use super::sessions::{self, Sessions};
use super::snapshots::Snapshots;
use super::sources::Sources;
use super::steps::Steps;
use super::vault::Vault;
use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::state::State;

/// Free bytes below which nothing at all is written any more. Intake stops earlier, at
/// [`INTAKE_FREE_BYTES_MIN`], so that what came of deliveries can still be recorded.
const FREE_BYTES_MIN: u64 = 32 * 1024 * 1024;
/// Free bytes below which intake answers 503.
pub const INTAKE_FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// How long stopping waits for requests that are being answered.
const ANSWERS_WAIT_MAX: Duration = Duration::from_secs(3);

/// Name and version, as the store records who wrote it.
pub const PROGRAM: &str = concat!("notify-bridge ", env!("CARGO_PKG_VERSION"));

/// What handlers and tasks share.
pub struct App {
    pub data: PathBuf,
    pub ledger: Ledger,
    pub vault: Arc<Vault>,
    pub sources: Sources,
    pub search: Arc<Search>,
    pub pollers: Arc<Pollers>,
    pub bots: Arc<Bots>,
    pub sessions: Arc<Sessions>,
    pub client: Arc<Client>,
    pub media: Arc<Media>,
    pub clock: Arc<dyn Clock>,
    pub bodies: BodyRoom,
    pub passwords: Passwords,
    pub flashes: Flashes,
    /// Backups and verifications.
    pub jobs: Jobs,
    pub snapshots: Arc<Snapshots>,
    pub compaction: Arc<Compaction>,
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
    #[error(
        "the state that was carried over removed events at position {position} is of another version; start the program that wrote it"
    )]
    Carried { position: u64 },
    #[error("the key cannot be used")]
    Key(#[from] KeyError),
    #[error(
        "the store was last written by {by} and cannot be backed up before this version writes to it; make room, or copy the data folder away and remove what is old in backups/"
    )]
    BackupBefore {
        by: String,
        source: Box<backup::MakeError>,
    },
    #[error("the network client cannot be made")]
    Client(#[source] super::client::ClientError),
    #[error("the folder for files of notices cannot be used")]
    Media(#[source] std::io::Error),
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
    search: SearchThread,
    stop_sending: watch::Sender<bool>,
    stop_listening: watch::Sender<bool>,
    dispatcher: JoinHandle<()>,
    sessions: JoinHandle<()>,
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
    let said = std::sync::atomic::AtomicU64::new(0);
    let mut log = Log::<Event>::open(data, &options, &|repair| {
        let percent = (repair.done * 100.0) as u64;
        progress(Phase::Repairing, percent, 100);
        // Once in ten percent: the last program did not end as it should.
        let tenth = percent / 10 + 1;
        if said.fetch_max(tenth, Ordering::Relaxed) < tenth {
            tracing::info!(percent, "the store is looked through after a crash");
        }
    })?;
    let state = match rebuild(data, &log.reader(), progress) {
        Ok(state) => state,
        Err(error) => {
            // What cannot be read may be damaged, and closing would write.
            log.abandon();
            return Err(error);
        }
    };
    if let Some(position) = state.retention.unreadable {
        log.abandon();
        return Err(StartError::Carried { position });
    }
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
    before_another_version(data, &log.reader(), &state, &keyring)?;
    // After what could not be read was found, and after what another version wrote was kept.
    give_space_back(&mut log, progress);
    Ok(Opened {
        log,
        state,
        keyring,
    })
}

/// What another version wrote is backed up before this one writes to it. One such backup of what is
/// there is enough.
fn before_another_version(
    data: &Path,
    reader: &Reader<Event>,
    state: &State,
    keyring: &Keyring,
) -> Result<(), StartError> {
    let by = reader.meta("written_by")?.unwrap_or_default();
    if by == PROGRAM.as_bytes() || state.position == 0 {
        return Ok(());
    }
    let by = String::from_utf8_lossy(&by).into_owned();
    let occasion = Occasion::Before {
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let is_there = backup::folder::list(data)
        .iter()
        .any(|made| made.about.through == state.position && occasion.is_of(&made.path));
    if is_there {
        return Ok(());
    }
    let source = backup::Source {
        reader,
        keyring,
        state: &|look| look(state),
    };
    let now = SystemClock::new().now();
    let wishes = backup::Wishes::default();
    let made = backup::folder::make_in(data, &source, &wishes, &occasion, now, &mut |_, _| true)
        .map_err(|error| StartError::BackupBefore {
            by: by.clone(),
            source: Box::new(error),
        })?;
    tracing::info!(
        backup.file = %made.path.display(),
        "this store was last written by {by}, so it was backed up first"
    );
    Ok(())
}

/// Names every entity whose secrets this key does not open.
fn name_what_is_locked(state: &State, reader: &Reader<Event>, keyring: &Keyring) {
    let configuration = &state.configuration;
    for ((kind, name), id) in &configuration.names {
        for (field, mark) in configuration.secrets(*kind, *id).into_iter().flatten() {
            let sealed = reader.secret(mark.position, mark.slot).ok().flatten();
            let opens = sealed
                .as_deref()
                .and_then(sealed_with)
                .is_some_and(|id| keyring.opens(id));
            if !opens {
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

/// Makes the file smaller when much of it was removed. Everything waits meanwhile, so this is done
/// before anybody is let in; when it fails, the file stays as large as it is.
fn give_space_back(log: &mut Log<Event>, progress: &(dyn Fn(Phase, u64, u64) + Sync)) {
    if !compaction::worth_compacting(&log.reader()).unwrap_or(false) {
        return;
    }
    let before = log.reader().bytes_on_disk();
    progress(Phase::Compacting, 0, before);
    let done = log.compact_file().and_then(|_| {
        compaction::note_file_compacted(log)?;
        Ok(log.reader().bytes_on_disk())
    });
    match done {
        Ok(after) => tracing::info!(
            before_bytes = before,
            after_bytes = after,
            "the file gave back what was removed"
        ),
        Err(error) => {
            tracing::error!(error = %Causes(&error), "the file could not be made smaller");
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
    let store = search::identity(&ledger.state());
    let (search, search_thread) =
        Search::start(&options.data, ledger.reader().clone(), store).map_err(StartError::Thread)?;

    if keyring.is_rotating() {
        go_on_rotating(&ledger, &keyring).await;
    }

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
    let snapshots = Snapshots::new(&options.data, ledger.reader().clone(), Arc::clone(&clock));
    let compaction = Arc::new(Compaction::new(ledger.clone(), Arc::clone(&clock)));
    compaction.tell(Arc::clone(&search) as Arc<dyn compaction::Forgotten>);
    let pollers = Arc::new(Pollers::new(
        ledger.clone(),
        Arc::clone(&vault),
        Arc::clone(&client),
        Arc::clone(&clock),
    ));
    let media = Media::open(options.data.join("media"), Arc::clone(&client));
    let bots = Bots::new(
        ledger.clone(),
        Arc::clone(&vault),
        Arc::clone(&client),
        Arc::clone(&clock),
    );
    let sessions = Arc::new(Sessions::new(
        ledger.clone(),
        Arc::clone(&vault),
        Arc::clone(&client),
        Arc::clone(&clock),
        Box::new(sessions::kinds),
    ));
    let app = Arc::new(App {
        bots: Arc::new(bots),
        data: options.data.clone(),
        sources: Sources::new(ledger.clone(), Arc::clone(&vault)),
        search: Arc::clone(&search),
        pollers: Arc::clone(&pollers),
        sessions: Arc::clone(&sessions),
        vault: Arc::clone(&vault),
        client: Arc::clone(&client),
        media: Arc::new(media.map_err(StartError::Media)?),
        bodies: BodyRoom::default(),
        passwords: Passwords::default(),
        flashes: Flashes::default(),
        jobs: Jobs::default(),
        snapshots: Arc::clone(&snapshots),
        compaction,
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
        media: Arc::clone(&app.media),
        ledger,
        vault,
        client,
        clock,
        steps: steps.clone(),
    };
    let holds = tokio::spawn(holds.run(stop.clone()));
    let backups = tokio::spawn(super::backup::schedule::run(Arc::clone(&app), stop.clone()));
    let pollers = tokio::spawn(pollers.run(stop.clone()));
    let sessions = tokio::spawn(sessions.run(stop.clone()));
    let dispatcher = tokio::spawn(dispatch.run(stop));
    let watches = vec![
        backups,
        holds,
        tokio::spawn(search.watch(app.ledger.committed())),
        pollers,
        tokio::spawn(disk::watch(Arc::clone(&app))),
        tokio::spawn(steps.watch()),
        tokio::spawn(snapshots.watch(app.ledger.committed())),
    ];
    Ok(Running {
        app,
        address,
        front,
        ledger: ledger_thread,
        search: search_thread,
        stop_sending,
        stop_listening,
        dispatcher,
        sessions,
        listener,
        watches,
    })
}

/// A new key that was begun is put through. When that fails both stay in use.
async fn go_on_rotating(ledger: &Ledger, keyring: &Arc<Keyring>) {
    match super::keyring::rotation::rotate(ledger, keyring).await {
        Ok(rotated) => tracing::info!(
            key = %rotated.key,
            secrets = rotated.secrets,
            "a new key that was begun before the stop is in use"
        ),
        Err(error) => tracing::warn!(
            error = %Causes(&error),
            "a new key is in use beside the one before; `key rotate` tries again"
        ),
    }
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
        let recorded = sessions::drained(self.sessions);
        // Who is being answered is answered: a sender that is cut off may never come again.
        let mut listener = self.listener;
        let answered = tokio::time::timeout(ANSWERS_WAIT_MAX, &mut listener);
        let (sent, answered, ()) = tokio::join!(dispatcher, answered, recorded);
        if answered.is_err() {
            listener.abort();
        }
        if sent.is_err() {
            tracing::warn!("the dispatcher did not stop in time");
        }
        for watch in self.watches {
            watch.abort();
        }
        self.app.bots.stop().await;
        // While the log can still be read. What is appended after this is a short tail.
        self.app.snapshots.leave().await;
        drop(self.app);
        let (ledger, search) = (self.ledger, self.search);
        let stopped = tokio::task::spawn_blocking(move || {
            // It reads the log, which goes with the ledger.
            search.stop();
            ledger.stop()
        });
        if let Err(error) = stopped.await {
            tracing::error!(%error, "the ledger did not stop cleanly; the next start reads the log");
        }
    }
}
