//! The program as it runs for people, in a child process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use notify_bridge::config::Source;
use notify_bridge::domain::command::Command;
use notify_bridge::shell::app;
use notify_bridge::shell::clock::SystemClock;
use notify_bridge::shell::configure::{OwnSurroundings, apply};
use notify_bridge::shell::http::{api, door, pages};
use notify_bridge::shell::ledger::Priority;
use notify_bridge::shell::options::{HttpOptions, ServeOptions};

use super::child;

/// redb's page cache, as the program has it.
pub use notify_store::CACHE_BYTES;

/// Serves a data folder, configured by the file `bench.toml` in it, until the bench ends. These
/// commands are done before it is said where.
pub fn serve(data: &Path, commands: Vec<Command>) {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let options = ServeOptions {
            data: data.to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            http: HttpOptions::default(),
            secret_key_file: None,
            private_networks: None,
            roots: notify_bridge::shell::client::Roots::default(),
            cache_bytes: CACHE_BYTES,
        };
        let routes = |routes| door::routes(pages::routes(api::routes(routes)));
        let running = app::start(options, Arc::new(SystemClock::new()), None, routes)
            .await
            .expect("the program starts");
        let text = std::fs::read_to_string(data.join("bench.toml")).expect("a configuration");
        let file = Source {
            file: "bench.toml",
            text: &text,
        };
        let app = &running.app;
        let outside = Some(&OwnSurroundings as &dyn notify_bridge::config::Outside);
        apply(
            &app.ledger,
            &app.vault,
            &[file],
            outside,
            false,
            false,
            "bench",
        )
        .await
        .expect("the configuration is taken");
        for command in commands {
            let done = app.ledger.command(Priority::People, command).await;
            done.expect("the command is done");
        }
        child::listening(running.address);
        let end = tokio::task::spawn_blocking(child::wait_for_the_end);
        end.await.expect("the end is waited for");
        // Nothing is drained: what was measured is over, and the folder goes.
        std::process::exit(0);
    });
}
