//! `verify`: everything in a store against everything else.
//!
//! The store crate compares the log with segments, streams and bodies. Here the log is folded beside
//! that, on a thread of its own, and what it leads to is compared with rows, snapshots, secrets, the
//! state that is served, and the search index.
//!
//! **Invariant:** nothing is changed, and what is found is named by its place. A program may serve
//! meanwhile; what it appends is folded in before something is called wrong.

mod fold;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::sync_channel;

use notify_store::verify::{self, Checked, PROBLEMS_MAX, Part, Problem, Watch};
use notify_store::{
    Header, OpenError, Options, PAGE_FRAMES_MAX, Payload as _, ReadError, Reader, RepairProgress,
    Stream, open_read_only_with,
};
use serde::Serialize;

use super::keyring::{Aad, Keyring, OpenSealedError};
use super::ledger::{Causes, Ledger};
use super::search::{Search, identity};
use crate::domain::event::Event;
use crate::domain::state::{At, State};
use crate::wire;
use fold::Fold;

/// Pages of decoded events between the reading and the folding thread.
const PAGES_MAX: usize = 8;
/// How often rows that differ are looked at again, while the log grows.
const ROUNDS_MAX: u32 = 5;
/// Positions of differing documents that are told.
const INDEX_POSITIONS_SHOWN: usize = 5;
/// Differing rows that are looked at again; of more, the first are.
const SUSPECTS_MAX: usize = 10_000;

/// Which search index is compared with the log.
pub enum Index<'a> {
    /// The one that a program serves from.
    Served(&'a Search),
    /// The one in the data folder of a stopped program.
    Folder,
}

/// How far a verification is; called from two threads.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// What is compared with the log.
pub struct Beside<'a> {
    pub data: &'a Path,
    /// Opens secrets; without it they are not opened.
    pub keyring: Option<&'a Keyring>,
    /// The program that serves the store.
    pub serving: Option<&'a Ledger>,
    pub index: Index<'a>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The position up to which the log was compared.
    pub through: u64,
    pub frames: u64,
    pub bytes: u64,
    pub segments: u64,
    pub stream_members: u64,
    pub bodies: u64,
    pub rows: u64,
    pub secrets: u64,
    pub snapshots: u64,
    pub index: String,
    /// What a person should know, and is no damage.
    pub notes: Vec<String>,
    /// At most [`PROBLEMS_MAX`] of them.
    pub problems: Vec<String>,
    /// All of them.
    pub problems_total: u64,
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.problems_total == 0
    }

    /// Adds something that is wrong.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems_total += 1;
        if (self.problems.len() as u64) < PROBLEMS_MAX {
            self.problems.push(problem.into());
        }
    }
}

/// Why a store could not be verified; damage is in the [`Report`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    #[error("the store cannot be opened")]
    Open(#[from] OpenError),
    #[error("the store cannot be read")]
    Read(#[from] ReadError),
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("folding the log failed in a way that must not happen")]
    Fold,
}

/// Verifies a store.
pub fn run(
    reader: &Reader<Event>,
    beside: &Beside<'_>,
    progress: Progress<'_>,
) -> Result<Report, VerifyError> {
    let mut fold = Fold::new(beside.data);
    let (send, receive) = sync_channel::<Vec<(At, Event)>>(PAGES_MAX);
    let mut watching = Watching {
        send: Some(send),
        page: Vec::with_capacity(PAGE_FRAMES_MAX),
        report: Report::default(),
        progress,
        log_is_whole: true,
    };
    let (checked, folded) = std::thread::scope(|scope| {
        let folding = std::thread::Builder::new()
            .name("verify-fold".into())
            .spawn_scoped(scope, || {
                for page in receive {
                    fold.take(&page);
                }
            })
            .map_err(VerifyError::Thread)?;
        let checked = verify::verify(reader, &mut watching);
        watching.flush();
        watching.send = None;
        Ok::<_, VerifyError>((checked, folding.join()))
    })?;
    if folded.is_err() {
        return Err(VerifyError::Fold);
    }
    let Watching {
        mut report,
        log_is_whole,
        ..
    } = watching;
    note_checked(&mut report, &checked?);
    if log_is_whole {
        fold.tell_snapshots(&mut report);
        rows(reader, &mut fold, &mut report, progress)?;
        serving(reader, beside.serving, &mut fold, &mut report)?;
    } else {
        report.notes.push(
            "rows and snapshots were not compared, because the log itself is not whole".into(),
        );
    }
    secrets(reader, beside.keyring, &fold.state, &mut report)?;
    index(reader, beside, &fold.state, &mut report, progress)?;
    Ok(report)
}

/// Verifies a store that nobody serves: first every page by the database's own checksums, which cover
/// what lies between the entries, then everything else.
pub fn stopped(
    data: &Path,
    keyring: Option<&Keyring>,
    progress: Progress<'_>,
) -> Result<Report, VerifyError> {
    let repairing = |repair: RepairProgress| progress("pages", (repair.done * 100.0) as u64, 100);
    let checked = Options {
        check_every_page: true,
        ..Options::default()
    };
    let mut pages = None;
    let opened = match open_read_only_with::<Event>(data, &checked, &repairing) {
        Err(OpenError::Damaged { why, .. }) => {
            pages = Some(why);
            open_read_only_with::<Event>(data, &Options::default(), &repairing)
        }
        opened => opened,
    };
    let reader = match opened {
        Ok(reader) => reader,
        Err(error @ OpenError::Damaged { .. }) => {
            let mut report = Report::default();
            report.problem(format!("{}; nothing of it can be read", Causes(&error)));
            return Ok(report);
        }
        Err(error) => return Err(error.into()),
    };
    let beside = Beside {
        data,
        keyring,
        serving: None,
        index: Index::Folder,
    };
    let mut report = run(&reader, &beside, progress)?;
    if let Some(why) = pages {
        let whole = if report.is_clean() {
            "; the log and its tables are whole, so that a backup and `restore` mend it"
        } else {
            ""
        };
        report.problem(format!("pages of the file: {why}{whole}"));
    }
    Ok(report)
}

fn note_checked(report: &mut Report, checked: &Checked) {
    report.through = checked.through;
    report.frames = checked.frames;
    report.bytes = checked.bytes;
    report.segments = checked.segments;
    report.stream_members = checked.members;
    report.bodies = checked.bodies;
    // Those beyond the bound were counted and not told.
    report.problems_total += checked.problems.saturating_sub(PROBLEMS_MAX);
}

/// Decodes what the store crate reads, once for all that is compared.
struct Watching<'a> {
    send: Option<std::sync::mpsc::SyncSender<Vec<(At, Event)>>>,
    page: Vec<(At, Event)>,
    report: Report,
    progress: Progress<'a>,
    /// Nothing that cannot be read or decoded, and nothing missing.
    log_is_whole: bool,
}

impl Watching<'_> {
    fn flush(&mut self) {
        let page = std::mem::replace(&mut self.page, Vec::with_capacity(PAGE_FRAMES_MAX));
        if let Some(send) = &self.send {
            // The folding side is gone only when it has failed, which is seen at the end.
            let _gone = send.send(page);
        }
    }
}

impl Watch for Watching<'_> {
    fn frame(&mut self, header: &Header, payload: &[u8]) -> Stream {
        match wire::decode_for_state(header.kind, header.revision, payload) {
            Ok(event) => {
                let stream = event.stream();
                let at = At {
                    position: header.position,
                    recorded_at: header.recorded_at,
                };
                self.page.push((at, event));
                if self.page.len() >= PAGE_FRAMES_MAX {
                    self.flush();
                }
                stream
            }
            Err(error) => {
                self.log_is_whole = false;
                let position = header.position;
                self.report
                    .problem(format!("position {position} of the log: {error}"));
                Stream::None
            }
        }
    }

    fn problem(&mut self, problem: Problem) {
        match &problem {
            Problem::Frames { .. }
            | Problem::Segment { .. }
            | Problem::End { .. }
            | Problem::Pages { .. } => self.log_is_whole = false,
            Problem::SegmentEntry { .. }
            | Problem::StreamLacks { .. }
            | Problem::StreamExtra { .. }
            | Problem::Table { .. }
            | Problem::Body { .. }
            | Problem::Meta { .. } => {}
        }
        self.report.problem(problem.to_string());
    }

    fn progress(&mut self, part: Part, done: u64, of: u64) {
        (self.progress)(part.as_str(), done, of);
    }
}

/// Compares the search index with the log, as far as it reaches.
fn index(
    reader: &Reader<Event>,
    beside: &Beside<'_>,
    state: &State,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), VerifyError> {
    let of_folder;
    let search = match beside.index {
        Index::Served(search) => search,
        Index::Folder => {
            of_folder = Search::stopped(beside.data, reader.clone(), identity(state));
            &of_folder
        }
    };
    let agreement = search.agreement(&state.retention, &mut |done, of| {
        progress("index", done, of);
    });
    let agreement = match agreement {
        Ok(agreement) => agreement,
        Err(error @ ReadError::Damaged { .. }) => {
            // Where, is among the problems of the log already.
            report.index = format!("not compared: {}", Causes(&error));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let Some(agreement) = agreement else {
        report.index = "not there".into();
        return Ok(());
    };
    let documents = agreement.indexed;
    report.index = match report.through.saturating_sub(agreement.through) {
        0 => format!("{documents} documents"),
        rest => format!("{documents} documents, without the newest {rest} events"),
    };
    if !agreement.is_whole() {
        let positions: Vec<String> = agreement
            .named
            .iter()
            .take(INDEX_POSITIONS_SHOWN)
            .map(u64::to_string)
            .collect();
        report.problem(format!(
            "search index: {} of {} documents differ from the log, first at {}; `rebuild` makes it anew",
            agreement.differing,
            agreement.expected,
            positions.join(", "),
        ));
    }
    Ok(())
}

/// Compares the table of rows with what the log says.
fn rows(
    reader: &Reader<Event>,
    fold: &mut Fold,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), VerifyError> {
    fold.catch_up(reader)?;
    let mut suspects = match row_suspects(reader, fold, report, progress) {
        Ok(suspects) => suspects,
        Err(ReadError::Damaged { why, .. }) => {
            report.problem(format!("rows: {why}; `rebuild` makes them anew"));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    for _ in 0..ROUNDS_MAX {
        if suspects.is_empty() {
            return Ok(());
        }
        fold.catch_up(reader)?;
        let mut still = BTreeMap::new();
        for (position, before) in suspects {
            let there = reader.row(position)?.map(|row| fold::hash(&row));
            let said = fold.rows.get(&position).copied();
            if there == said {
                continue;
            }
            if (there, said) == before {
                report.problem(match (there, said) {
                    (Some(_), Some(_)) => format!(
                        "the row of position {position} differs from what the log says; `rebuild` makes it anew"
                    ),
                    (None, _) => format!(
                        "the row of position {position} is missing; `rebuild` makes it anew"
                    ),
                    (Some(_), None) => format!(
                        "there is a row of position {position}, of which the log says nothing; `rebuild` removes it"
                    ),
                });
            } else {
                still.insert(position, (there, said));
            }
        }
        suspects = still;
    }
    Ok(())
}

type Suspects = BTreeMap<u64, (Option<u64>, Option<u64>)>;

/// Rows that differ at first sight.
fn row_suspects(
    reader: &Reader<Event>,
    fold: &Fold,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<Suspects, ReadError> {
    let mut suspects = Suspects::new();
    let mut said = fold.rows.iter().peekable();
    let mut from = 0;
    loop {
        let page = reader.rows(from, PAGE_FRAMES_MAX)?;
        let Some((newest, _)) = page.last() else {
            break;
        };
        from = newest.saturating_add(1);
        progress("rows", from.min(fold.state.position), fold.state.position);
        for (position, row) in page {
            while let Some((missing, hash)) = said.next_if(|(said, _)| **said < position) {
                suspects.insert(*missing, (None, Some(*hash)));
            }
            report.rows += 1;
            let there = fold::hash(&row);
            let known = said.next_if(|(said, _)| **said == position);
            let known = known.map(|(_, hash)| *hash);
            // What came after the fold is not known yet.
            if known != Some(there) && position <= fold.state.position {
                suspects.insert(position, (Some(there), known));
            }
            if suspects.len() >= SUSPECTS_MAX {
                return Ok(suspects);
            }
        }
    }
    suspects.extend(said.map(|(missing, hash)| (*missing, (None, Some(*hash)))));
    Ok(suspects)
}

/// Compares the state that is served with the one the log leads to.
fn serving(
    reader: &Reader<Event>,
    ledger: Option<&Ledger>,
    fold: &mut Fold,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let Some(ledger) = ledger else { return Ok(()) };
    for _ in 0..ROUNDS_MAX {
        fold.catch_up(reader)?;
        let served = ledger.state();
        if served.position == fold.state.position {
            if *served != fold.state {
                let position = served.position;
                drop(served);
                report.problem(format!(
                    "the state that is served at position {position} is not what the log says; start the program again"
                ));
            }
            return Ok(());
        }
    }
    report.notes.push(
        "the state that is served was not compared, because the log grew all the time".into(),
    );
    Ok(())
}

/// Looks whether each secret is there and opens.
fn secrets(
    reader: &Reader<Event>,
    keyring: Option<&Keyring>,
    state: &State,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let mut known = BTreeMap::new();
    for (id, field, mark) in state.configuration.all_secrets() {
        known.insert((mark.position, mark.slot), (id, field));
    }
    let mut after = None;
    loop {
        let page = match reader.secrets_all(after, PAGE_FRAMES_MAX) {
            Ok(page) => page,
            Err(ReadError::Damaged { why, .. }) => {
                report.problem(format!("secrets: {why}; set them anew"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let Some((position, field, _)) = page.last() else {
            break;
        };
        after = Some((*position, *field));
        for (position, slot, sealed) in page {
            report.secrets += 1;
            let Some((entity, field)) = known.remove(&(position, slot)) else {
                // One that came or went meanwhile is not compared.
                if position <= report.through && reader.secret(position, slot)?.is_some() {
                    report.problem(format!(
                        "a secret lies at position {position}, number {slot}, that no entity has"
                    ));
                }
                continue;
            };
            let Some(keyring) = keyring.filter(|keyring| !keyring.is_stand_in()) else {
                continue;
            };
            let aad = Aad {
                space: 0,
                entity,
                field,
            };
            let whose = || format!("secret {field} of {}", name_of(state, entity));
            match keyring.open(aad, &sealed) {
                Ok(_) => {}
                Err(OpenSealedError::WrongKey { sealed_with, .. }) => report.problem(format!(
                    "{} is sealed with key {sealed_with}, which is not at hand; bring it back, or set the secret anew",
                    whose()
                )),
                Err(OpenSealedError::Damaged) => {
                    report.problem(format!("{} is damaged; set it anew", whose()));
                }
            }
        }
    }
    for (_, (entity, field)) in known {
        report.notes.push(format!(
            "secret {field} of {} is not in the store; set it anew",
            name_of(state, entity)
        ));
    }
    if keyring.is_none_or(Keyring::is_stand_in) && report.secrets > 0 {
        report
            .notes
            .push("secrets were not opened, because the key is not at hand".into());
    }
    Ok(())
}

fn name_of(state: &State, entity: u32) -> String {
    let names = &state.configuration.names;
    names.iter().find(|(_, id)| **id == entity).map_or_else(
        || "an entity".to_owned(),
        |((kind, name), _)| format!("{} {name}", kind.as_str()),
    )
}
