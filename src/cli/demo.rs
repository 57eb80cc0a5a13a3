//! `demo`: the program on a temporary store, fed with recorded webhooks through its own intake.
//!
//! **Invariant:** no address is called but the demo's own two listeners on this machine.

mod receiver;
mod show;
mod story;

use std::sync::Arc;
use std::time::Duration;

use notify_store::CACHE_BYTES;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::{DemoArgs, Level, LogFormat, LoggingArgs, Pace};
use super::failure::Failure;
use super::printer::Printer;
use super::remote::Remote;
use super::serve::{self, Signals};
use super::{configuration, logging, secret};
use crate::config::Source;
use crate::domain::command::{Command, PutToken, PutUser, UserCondition};
use crate::domain::event::{Role, TokenScope};
use crate::shell::app::{self, App, StartError};
use crate::shell::client::Roots;
use crate::shell::clock::{Clock, SystemClock};
use crate::shell::http::auth::new_token;
use crate::shell::ledger::Priority;
use crate::shell::options::{HttpOptions, ServeOptions};
use crate::shell::{configure, views};
use receiver::Receiver;
use story::{STORY, Scene, Secrets};

/// The account a browser on this machine is logged in with.
const ACCOUNT: &str = "demo";
const CONFIGURATION: &str = include_str!("../../fixtures/demo/bridge.toml");
/// Longest wait for a delivery to settle; the pager recovers at its third attempt.
const SETTLE_WAIT_MAX: Duration = Duration::from_secs(60);

impl Pace {
    /// Between two scenes.
    fn pause(self) -> Duration {
        match self {
            Pace::Calm => Duration::from_secs(7),
            Pace::Fast => Duration::ZERO,
        }
    }

    /// Between a request and what was made of it.
    fn breath(self) -> Duration {
        match self {
            Pace::Calm => Duration::from_millis(700),
            Pace::Fast => Duration::ZERO,
        }
    }
}

pub async fn run(args: DemoArgs) -> Result<(), Failure> {
    let printer = Printer::new(false);
    logging::start(&LoggingArgs {
        // The failing pager is part of the story and is told there.
        log_level: Level::Error,
        log: Vec::new(),
        log_format: LogFormat::Text,
    })?;
    let mut signals = Signals::new()?;
    let data = tempfile::Builder::new()
        .prefix("notify-bridge-demo-")
        .tempdir()
        .map_err(|error| Failure::caused("no temporary folder can be made", error))?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: args.listen,
            source,
        })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::caused("the listener has no address", error))?;
    printer.line(&format!("listening on http://{address}"))?;
    if address.ip().is_loopback() {
        printer.line(&format!(
            "The pages are at http://{address}/; a browser on this machine is logged in by itself."
        ))?;
    }
    show::welcome(&printer)?;
    let receiver = Receiver::start().await?;
    let secrets = Secrets::new(format!("http://{}/pager", receiver.address));
    let options = ServeOptions {
        data: data.path().to_owned(),
        listen: args.listen,
        http: HttpOptions {
            auto_login: Some(ACCOUNT.to_owned()),
            ..HttpOptions::default()
        },
        secret_key_file: None,
        private_networks: None,
        roots: Roots::default(),
        cache_bytes: CACHE_BYTES,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let running = app::start(options, Arc::clone(&clock), Some(listener), super::routes).await?;
    make_account(&running.app).await?;
    let told = {
        let demo = Demo {
            app: &running.app,
            clock: &clock,
            printer: &printer,
            remote: Remote::open(&format!("http://{address}"), &[])?,
            secrets,
            pace: args.pace,
        };
        tokio::select! {
            told = demo.tell(args.once) => told,
            () = signals.any() => Ok(()),
        }
    };
    serve::stop(running, &clock, &mut signals).await?;
    drop(receiver);
    told
}

/// The demo's own account. Nobody knows its password: the way in is being on this machine.
async fn make_account(app: &App) -> Result<(), Failure> {
    let (password, _) = new_token();
    let put = PutUser {
        name: ACCOUNT.to_owned(),
        role: Some(Role::Owner),
        password_hash: Some(secret::hashed(&password)?),
        only_if: UserCondition::NoAdmin,
        by: ACCOUNT.to_owned(),
    };
    let command = Command::PutUser(Box::new(put));
    app.ledger.command(Priority::People, command).await?;
    Ok(())
}

/// What the story is told with.
struct Demo<'a> {
    app: &'a App,
    clock: &'a Arc<dyn Clock>,
    printer: &'a Printer,
    remote: Remote,
    secrets: Secrets,
    pace: Pace,
}

impl Demo<'_> {
    /// Tells the story. Returns after it only with `once`.
    async fn tell(&self, once: bool) -> Result<(), Failure> {
        let source = Source {
            file: "demo",
            text: CONFIGURATION,
        };
        configure::apply(
            &self.app.ledger,
            &self.app.vault,
            &[source],
            Some(&self.secrets),
            false,
            false,
            "demo",
        )
        .await
        .map_err(configuration::refused)?;
        let summary = show::summary(&self.app.ledger.state().configuration);
        self.printer.line(&summary)?;
        for (index, scene) in STORY.iter().enumerate() {
            self.play(index + 1, scene).await?;
            self.clock.sleep(self.pace.pause()).await;
        }
        if once {
            return self.printer.line("\nThat was the story.");
        }
        show::farewell(self.printer, &self.remote.base(), &self.token().await?)?;
        // Until someone stops it.
        std::future::pending().await
    }

    async fn play(&self, number: usize, scene: &Scene) -> Result<(), Failure> {
        show::request(self.printer, number, scene)?;
        let answer = self
            .remote
            .hook(scene.provider, &scene.headers(&self.secrets), scene.body)
            .await?;
        self.clock.sleep(self.pace.breath()).await;
        show::answer(self.printer, answer.status, &answer.body)?;
        let duplicate = answer.body["duplicate"].as_bool().unwrap_or(false);
        let ids = answer.body["notices"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for id in ids.iter().filter_map(Value::as_str) {
            // What a redelivery is a duplicate of was shown already.
            if !duplicate {
                self.follow(id).await?;
            }
        }
        Ok(())
    }

    /// Shows why and what, then each attempt as it happens until everything is settled.
    async fn follow(&self, id: &str) -> Result<(), Failure> {
        let mut committed = self.app.ledger.committed();
        let notice = self.notice(id)?;
        show::reasons(self.printer, &notice)?;
        show::inbox(self.printer, &notice)?;
        let deadline = self.clock.sleep(SETTLE_WAIT_MAX);
        tokio::pin!(deadline);
        let mut shown = show::Attempts::default();
        loop {
            committed.borrow_and_update();
            let notice = self.notice(id)?;
            shown.show(self.printer, &notice)?;
            if show::is_settled(&notice) {
                return Ok(());
            }
            if !wait(&mut committed, deadline.as_mut()).await {
                return Err(Failure::Failed(
                    "a delivery of the demo was not settled in time".to_owned(),
                ));
            }
        }
    }

    fn notice(&self, id: &str) -> Result<Value, Failure> {
        let cannot = |error: views::ViewError| {
            Failure::caused("the demo's own notice cannot be read", error)
        };
        let family = views::find_notice(self.app.ledger.reader(), id).map_err(cannot)?;
        let ledger = &self.app.ledger;
        let around = views::Around::of(ledger.reader(), ledger, &family).map_err(cannot)?;
        Ok(views::notice(&family, &around))
    }

    /// A token to look around with.
    async fn token(&self) -> Result<String, Failure> {
        let (token, hash) = new_token();
        let put = PutToken {
            name: "demo".to_owned(),
            hash,
            scopes: vec![TokenScope::Admin],
            role: Role::Owner,
            target: None,
            expires_at: None,
            by: "demo".to_owned(),
        };
        let command = Command::PutToken(Box::new(put));
        self.app.ledger.command(Priority::People, command).await?;
        Ok(token.to_string())
    }
}

/// Waits for the next commit; false when the deadline came first.
async fn wait(committed: &mut watch::Receiver<u64>, deadline: impl Future<Output = ()>) -> bool {
    tokio::select! {
        changed = committed.changed() => changed.is_ok(),
        () = deadline => false,
    }
}
