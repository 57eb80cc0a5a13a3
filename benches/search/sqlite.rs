//! The alternative: the predecessor's table of events in SQLite, searched by LIKE, and FTS5 beside it.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::texts;

pub struct Table {
    connection: Connection,
    _folder: tempfile::TempDir,
}

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
    PRAGMA temp_store = MEMORY;
    CREATE TABLE event_log (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, tracker_id INTEGER, tracker_name TEXT,
        action_id INTEGER, action_name TEXT, provider_id INTEGER, provider_name TEXT, bot_id INTEGER,
        bot_name TEXT, command_tracker_id INTEGER, command_tracker_name TEXT, event_type TEXT NOT NULL,
        collection_id TEXT, collection_name TEXT, assets_count INTEGER NOT NULL DEFAULT 0,
        details TEXT, dispatch_id TEXT, deferred_until TEXT, dispatch_status TEXT,
        created_at TEXT NOT NULL);
    CREATE INDEX ix_user_created ON event_log (user_id, created_at);
    CREATE INDEX ix_dispatch ON event_log (dispatch_id);
    CREATE VIRTUAL TABLE event_fts USING fts5 (collection_name, details, content = 'event_log', content_rowid = 'id');
";

const LIKE: &str = "FROM event_log WHERE user_id = 1 AND (collection_name LIKE ?1 OR tracker_name LIKE ?1 \
     OR provider_name LIKE ?1 OR action_name LIKE ?1 OR details LIKE ?1)";
const FTS: &str = "FROM event_fts CROSS JOIN event_log ON event_log.id = event_fts.rowid \
     WHERE event_fts MATCH ?1 AND user_id = 1";

impl Table {
    pub fn fill(rows: u64) -> Table {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = Connection::open(folder.path().join("log.db")).expect("a database");
        connection.execute_batch(SCHEMA).expect("a schema");
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut insert = transaction
                .prepare(
                    "INSERT INTO event_log (id, user_id, tracker_id, tracker_name, provider_id, \
                     provider_name, event_type, collection_id, collection_name, assets_count, details, \
                     dispatch_id, dispatch_status, created_at) \
                     VALUES (?1, 1, 1, 'alone', ?2, 'forge-1', 'push', ?3, ?3, 1, ?4, ?5, 'sent', ?6)",
                )
                .expect("a statement");
            for number in 0..rows {
                let details = format!(
                    "{{\"title\": \"{}\", \"text\": \"{}\"}}",
                    texts::title(number),
                    texts::text(number)
                );
                let repository = format!("kites/{}", texts::word(number % 40));
                insert
                    .execute(params![
                        number as i64 + 1,
                        (number % 8) as i64,
                        repository,
                        details,
                        format!("{number:032x}"),
                        format!("2026-{:010}", number),
                    ])
                    .expect("a row");
            }
        }
        transaction.commit().expect("a commit");
        connection
            .execute_batch("INSERT INTO event_fts (event_fts) VALUES ('rebuild'); ANALYZE;")
            .expect("an index");
        Table {
            connection,
            _folder: folder,
        }
    }

    /// The number of rows and the newest fifty, as the predecessor asked for both.
    fn ask(&mut self, from: &str, argument: &str) -> Duration {
        let start = Instant::now();
        let count: i64 = self
            .connection
            .prepare(&format!("SELECT COUNT(*) {from}"))
            .and_then(|mut count| count.query_row([argument], |row| row.get(0)))
            .expect("a count");
        let page = format!("SELECT event_log.* {from} ORDER BY created_at DESC LIMIT 50");
        let mut page = self.connection.prepare(&page).expect("a statement");
        let mut rows = page.query([argument]).expect("a page");
        let mut seen = 0;
        while let Some(row) = rows.next().expect("a row") {
            let details: String = row.get("details").expect("a text");
            seen += usize::from(!details.is_empty());
        }
        assert!(seen as i64 <= count);
        start.elapsed()
    }

    pub fn like(&mut self, word: &str) -> Duration {
        self.ask(LIKE, &format!("%{word}%"))
    }

    pub fn fts(&mut self, word: &str) -> Duration {
        self.ask(FTS, &format!("\"{word}\""))
    }
}
