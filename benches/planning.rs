//! What does planning a notice to many receivers cost: deciding it, and folding it in?
//!
//! One tracker, one target with 50 or 1 000 receivers.
//!
//! Budget: linear; under 100 µs for 50 and under 2 ms for 1 000.

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
#[path = "shared/verdict.rs"]
mod verdict;
#[path = "shared/world.rs"]
mod world;

use std::time::{Duration, Instant};

use criterion::Criterion;
use serde_json::{Value, json};
use world::World;

/// Receivers, and the bar in microseconds.
const CASES: [(usize, f64); 2] = [(50, 100.0), (1_000, 2_000.0)];
/// Notices planned onto one state before a fresh one is taken.
const CHUNK: u64 = 64;
/// How much dearer a receiver may be among 1 000 than among 50 and still count as linear: caches are
/// felt, and what grows with the square would be 20 times as dear.
const DEARER_MAX: f64 = 4.0;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut each = Vec::new();
    for (receivers, bar) in CASES {
        let fresh = world(receivers);
        let provider = fresh.provider("forge-0");
        let mut micros = Vec::new();
        criterion.bench_function(&format!("planning for {receivers} receivers"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut took = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let mut world = fresh.clone();
                    let count = left.min(CHUNK);
                    let commands: Vec<_> = (0..count)
                        .map(|n| world::accept(provider, n, world::notice(n)))
                        .collect();
                    let mut decided = Vec::with_capacity(commands.len());
                    let start = Instant::now();
                    for command in commands {
                        decided.push(world.run(command));
                    }
                    took += start.elapsed();
                    left -= count;
                }
                micros.push(took.as_secs_f64() * 1e6 / iterations as f64);
                took
            });
        });
        let (micros, spread) = median::median(&micros);
        println!("spread: {:.0} %", spread * 100.0);
        verdict::judge(
            &format!("planning for {receivers} receivers"),
            micros,
            ..bar,
            "µs",
        );
        each.push(micros / receivers as f64);
    }
    verdict::judge(
        "a receiver among 1 000 costs, of one among 50,",
        each[1] / each[0],
        ..DEARER_MAX,
        "times",
    );
}

fn world(receivers: usize) -> World {
    let receivers: Vec<Value> = (0..receivers)
        .map(|n| json!({"name": format!("chat-{n}"), "to": format!("-100{n:07}")}))
        .collect();
    World::of(vec![
        world::provider("forge-0"),
        json!({"entity": "target", "name": "everyone", "kind": "telegram", "receivers": receivers}),
        json!({
            "entity": "tracker",
            "name": "pushes",
            "provider": "forge-0",
            "links": [{"target": "everyone"}],
        }),
    ])
    .0
}
