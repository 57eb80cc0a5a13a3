//! What is being made or checked of the store: one thing at a time, with how far it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::MakeError;
use crate::shell::verify::Report;

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// `a backup`, `a verification`.
    pub what: &'static str,
    /// The name of the file, or the part that is looked at.
    pub at: String,
    pub done: u64,
    pub of: u64,
}

/// How the last one of a sort ended.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The last verification, or why it could not be made.
    pub verified: Option<Result<Report, String>>,
    /// The last backup's name, or why it failed.
    pub backup: Option<Result<String, String>>,
}

#[derive(Default)]
struct Inner {
    running: Option<Running>,
    ended: Ended,
}

/// Shared by whoever begins one and whoever asks about it. What removes frames has to begin one too: a
/// backup would copy a family in part.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Inner>>);

/// One that runs; it ends when this is dropped.
pub struct Job {
    jobs: Jobs,
}

impl Jobs {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, unless another runs.
    pub fn begin(&self, what: &'static str, at: impl Into<String>) -> Result<Job, MakeError> {
        let mut inner = self.inner();
        if let Some(running) = &inner.running {
            return Err(MakeError::Busy { what: running.what });
        }
        inner.running = Some(Running {
            what,
            at: at.into(),
            done: 0,
            of: 0,
        });
        Ok(Job { jobs: self.clone() })
    }

    pub fn running(&self) -> Option<Running> {
        self.inner().running.clone()
    }

    pub fn ended(&self) -> Ended {
        self.inner().ended.clone()
    }
}

impl Job {
    pub fn progress(&self, done: u64, of: u64) {
        if let Some(running) = &mut self.jobs.inner().running {
            (running.done, running.of) = (done, of);
        }
    }

    pub fn part(&self, at: &str, done: u64, of: u64) {
        if let Some(running) = &mut self.jobs.inner().running {
            if running.at != at {
                running.at = at.to_owned();
            }
            (running.done, running.of) = (done, of);
        }
    }

    pub fn verified(self, report: Result<Report, String>) {
        self.jobs.inner().ended.verified = Some(report);
    }

    pub fn backed_up(self, name: Result<String, String>) {
        self.jobs.inner().ended.backup = Some(name);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.jobs.inner().running = None;
    }
}

impl Running {
    pub fn json(&self) -> Value {
        json!({"what": self.what, "at": self.at, "done": self.done, "of": self.of})
    }
}
