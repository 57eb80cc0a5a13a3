//! The same counts as the predecessor makes them: a GROUP BY over every event, in SQLite, with its
//! columns, indexes and settings.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

use super::median::median;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA temp_store = MEMORY;
    CREATE TABLE event_log (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL,
        tracker_id INTEGER,
        tracker_name TEXT NOT NULL,
        provider_id INTEGER,
        provider_name TEXT NOT NULL,
        event_type TEXT NOT NULL,
        collection_id TEXT NOT NULL,
        collection_name TEXT NOT NULL,
        action_id INTEGER,
        action_name TEXT NOT NULL,
        command_tracker_id INTEGER,
        command_name TEXT NOT NULL,
        bot_id INTEGER,
        assets_count INTEGER NOT NULL,
        status TEXT NOT NULL,
        deferred_until TEXT,
        deferred_for_seconds INTEGER,
        details TEXT NOT NULL,
        dispatch_id TEXT NOT NULL,
        created_at TEXT NOT NULL
    );
    CREATE INDEX ix_user_created ON event_log (user_id, created_at);
    CREATE INDEX ix_user_type_created ON event_log (user_id, event_type, created_at);
";
const INSERT: &str = "INSERT INTO event_log VALUES (
    NULL, 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, '', NULL, '', NULL, ?8, 'sent', NULL, NULL, ?9, ?10, ?11
)";
const COUNTS: &str = "SELECT provider_id, provider_name, COUNT(*), SUM(assets_count)
    FROM event_log WHERE user_id = 1 GROUP BY provider_id, provider_name";
const RUNS: usize = 5;
const TYPES: [&str; 4] = ["push", "issue_opened", "release_published", "assets_added"];

/// Microseconds that the counts take over so many events.
pub fn counts(path: &Path, events: u64, providers: u32) -> f64 {
    let mut connection = Connection::open(path).expect("a database");
    connection.execute_batch(SCHEMA).expect("a schema");
    let transaction = connection.transaction().expect("a transaction");
    // SQLite's integers have a sign.
    let events = i64::try_from(events).expect("so many fit");
    {
        let mut insert = transaction.prepare(INSERT).expect("a statement");
        for number in 0..events {
            let provider = number % i64::from(providers) + 1;
            let details = format!(
                r#"{{"dispatch_summary":{{"targets":1,"sent":1,"failed":0}},"actor":"mira","title":"mira pushed 2 commits to build-{number:016} of atlas/engine","url":"https://git.example/atlas/engine/compare/{number:012x}...c07e55a1b2d9"}}"#
            );
            insert
                .execute(params![
                    provider,
                    format!("tracker-{provider}"),
                    provider,
                    format!("forge-{provider}"),
                    TYPES[number as usize % TYPES.len()],
                    format!("{}", number % 50),
                    format!("atlas/engine-{}", number % 50),
                    number % 7,
                    details,
                    format!("{:032x}", i128::from(number) * 0x9E37_79B9_7F4A_7C15),
                    format!(
                        "2026-03-{:02} {:02}:{:02}:{:02}.{:06}",
                        number / 86_400 % 28 + 1,
                        number / 3_600 % 24,
                        number / 60 % 60,
                        number % 60,
                        number % 1_000_000
                    ),
                ])
                .expect("a row");
        }
    }
    transaction.commit().expect("it is written");
    let runs = (0..RUNS).map(|_| {
        let start = Instant::now();
        let mut statement = connection.prepare(COUNTS).expect("a statement");
        let rows = statement
            .query_map([], |row| row.get::<_, i64>(2))
            .expect("it is asked");
        let total: i64 = rows.map(|count| count.expect("a count")).sum();
        assert_eq!(total, events);
        start.elapsed().as_secs_f64() * 1e6
    });
    median(&runs.collect::<Vec<_>>()).0
}
