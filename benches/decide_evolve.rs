//! How many intake commands a second can be decided and folded, leaving out the disk?
//!
//! Ten providers, fifty trackers, five of them on the provider that speaks: one takes everything,
//! one a collection, one has a filter that says yes to every other notice, two want other kinds.
//!
//! Budget: at least 100 000 a second.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and connects to this machine only"
)]

// As the program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "shared/hook.rs"]
mod hook;
#[path = "shared/median.rs"]
mod median;
#[path = "shared/processor.rs"]
mod processor;
#[path = "shared/send.rs"]
mod send;
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/world.rs"]
mod world;

use std::time::{Duration, Instant};

use criterion::Criterion;
use notify_bridge::domain::command::Command;
use serde_json::{Value, json};
use world::World;

const PROVIDERS: usize = 10;
const TRACKERS_EACH: usize = 5;
/// Commands folded before their deliveries are settled, which is not measured.
const CHUNK: u64 = 1_024;
const PER_SECOND_MIN: f64 = 100_000.0;

fn main() {
    let mut world = world();
    let mut number = 0;
    let mut seconds_each = Vec::new();
    let mut busy = 0.0;
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    criterion.bench_function("decide and evolve of one intake command", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut took = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(CHUNK);
                took += chunk(&mut world, &mut number, count, &mut busy);
                left -= count;
            }
            seconds_each.push(took.as_secs_f64() / iterations as f64);
            took
        });
    });
    let (seconds, spread) = median::median(&seconds_each);
    println!("spread: {:.0} %", spread * 100.0);
    println!(
        "in processor time: {} commands/s",
        verdict::figure(number as f64 / busy)
    );
    verdict::judge(
        "decide and evolve of intake",
        1.0 / seconds,
        PER_SECOND_MIN..,
        "commands/s",
    );
}

/// Decides and folds so many commands; then sends what they planned, unmeasured, so that the state
/// stays as small as that of a bridge that keeps up.
fn chunk(world: &mut World, number: &mut u64, count: u64, busy: &mut f64) -> Duration {
    let provider = world.provider("forge-0");
    let commands: Vec<Command> = (0..count)
        .map(|_| {
            *number += 1;
            world::accept(provider, *number, world::notice(*number))
        })
        .collect();
    let mut decided = Vec::with_capacity(commands.len());
    let before = processor::thread_seconds();
    let start = Instant::now();
    for command in commands {
        decided.push(world.run(command));
    }
    let took = start.elapsed();
    *busy += processor::thread_seconds() - before;
    drop(decided);
    send::everything(world);
    world.rows.clear();
    took
}

fn world() -> World {
    let mut entities: Vec<Value> = Vec::new();
    for n in 0..PROVIDERS {
        entities.push(world::provider(&format!("forge-{n}")));
        let name = format!("place-{n}");
        entities.push(json!({"entity": "target", "name": name, "kind": "webhook"}));
    }
    for provider in 0..PROVIDERS {
        for tracker in 0..TRACKERS_EACH {
            let mut spec = json!({
                "entity": "tracker",
                "name": format!("tracker-{provider}-{tracker}"),
                "provider": format!("forge-{provider}"),
                "links": [{"target": format!("place-{tracker}")}],
            });
            let (field, value) = match tracker {
                0 => ("description", json!("everything")),
                1 => ("collections", json!(["atlas/*", "!atlas/archive-*"])),
                2 => (
                    "where",
                    json!(
                        "notice.labels.branch.endswith(('0', '2', '4', '6', '8', 'a', 'c', 'e'))"
                    ),
                ),
                3 => ("kinds", json!(["issue_*", "released"])),
                _ => ("kinds", json!(["pull_*", "!pull_commented"])),
            };
            spec[field] = value;
            entities.push(spec);
        }
    }
    World::of(entities).0
}
