//! How a verb ends when it did not do what it was asked.

use std::error::Error;

use crate::domain::command::Refusal;
use crate::shell::app::StartError;
use crate::shell::ledger::{Causes, LedgerError};

/// Why a verb did not do what it was asked. Says which exit code that is.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Wrong usage, or input that is not valid: exit code 2.
    #[error("{0}")]
    Input(String),
    /// It was asked rightly and did not work: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// As [`Failure::Failed`], with what led to it.
    #[error("{doing}")]
    Caused {
        doing: String,
        source: Box<dyn Error + Send + Sync>,
    },
    /// Everything there is to say was said already.
    #[error("ended with code {0}")]
    Said(u8),
    /// Whoever read the output has seen enough (`… | head`).
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// Something failed while `doing` it.
    pub fn caused(
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Failure::Caused {
            doing: doing.into(),
            source: source.into(),
        }
    }

    pub fn code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Failed(_) | Failure::Caused { .. } => 1,
            Failure::Input(_) => 2,
            Failure::Said(code) => *code,
        }
    }

    /// One line for stderr, with the chain of causes; `None` when nothing is left to say.
    pub fn line(&self) -> Option<String> {
        match self {
            Failure::Said(_) | Failure::OutputClosed => None,
            Failure::Input(_) | Failure::Failed(_) | Failure::Caused { .. } => {
                Some(super::printer::escaped(&Causes(self).to_string()))
            }
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(Refusal::Invalid { field, message }) => {
                Failure::Input(format!("{field}: {message}"))
            }
            LedgerError::Refused(_)
            | LedgerError::Saturated
            | LedgerError::DiskLow
            | LedgerError::Failed
            | LedgerError::Stopping => Failure::Failed(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Failure::Failed(Causes(&error).to_string())
    }
}
