//! A look written as one text from top to bottom, for kinds that ask one thing after another.
//!
//! The compiler makes a state machine of an `async` block; that is all it is used for here. Nothing
//! waits, wakes or runs by itself: [`Script::step`] goes on from answer to answer, and what the block
//! awaits is the next of them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Answer, Body, HttpCall, Look, Seen, Step, Unseen};
use crate::targets::{Call, Reply};

/// What the block wants, and what came of it.
#[derive(Default)]
struct Line {
    wanted: Mutex<Option<HttpCall>>,
    answer: Mutex<Option<Answer>>,
}

/// Asks on behalf of a script.
#[derive(Clone, Default)]
pub struct Asker(Arc<Line>);

impl Asker {
    /// Has a call made and gives its reply, of at most so many bytes.
    pub async fn ask(&self, call: Call, bytes_max: usize) -> Reply {
        *lock(&self.0.wanted) = Some(HttpCall {
            id: 0,
            call,
            body: Body::Whole { bytes_max },
        });
        poll_fn(|_| match lock(&self.0.answer).take() {
            Some(Answer::Http { reply, .. }) => Poll::Ready(reply),
            Some(Answer::Piece { .. } | Answer::Lines(_)) | None => Poll::Pending,
        })
        .await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A look that is such a block.
pub struct Script {
    asker: Asker,
    text: Pin<Box<dyn Future<Output = Result<Seen, Unseen>> + Send>>,
}

impl Script {
    pub fn begin<F>(text: impl FnOnce(Asker) -> F) -> Box<dyn Look>
    where
        F: Future<Output = Result<Seen, Unseen>> + Send + 'static,
    {
        let asker = Asker::default();
        Box::new(Script {
            text: Box::pin(text(asker.clone())),
            asker,
        })
    }
}

impl Look for Script {
    fn step(&mut self, answer: Option<Answer>) -> Step {
        *lock(&self.asker.0.answer) = answer;
        match self
            .text
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => Step::Done(done),
            Poll::Pending => Step::Calls(lock(&self.asker.0.wanted).take().into_iter().collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(url: &str) -> Call {
        Call {
            method: "GET",
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    #[test]
    fn a_script_goes_from_answer_to_answer() {
        let mut look = Script::begin(|asker| async move {
            let mut lines = Vec::new();
            for url in ["a", "b"] {
                let Reply::Answered { status, .. } = asker.ask(call(url), 10).await else {
                    return Err(Unseen::new("no answer"));
                };
                lines.push(format!("{url} {status}"));
            }
            Ok(Seen {
                lines,
                ..Seen::default()
            })
        });
        let mut answer = None;
        let mut asked = Vec::new();
        let seen = loop {
            match look.step(answer.take()) {
                Step::Calls(calls) => {
                    let [wanted] = &calls[..] else {
                        panic!("one at a time: {calls:?}");
                    };
                    asked.push(wanted.call.url.clone());
                    answer = Some(Answer::Http {
                        id: wanted.id,
                        reply: Reply::Answered {
                            status: 200 + asked.len() as u16,
                            headers: Vec::new(),
                            body: Vec::new(),
                        },
                    });
                }
                Step::Exchange(_) => panic!("nothing of that kind is asked"),
                Step::Done(done) => break done,
            }
        };
        assert_eq!(asked, ["a", "b"]);
        assert_eq!(seen.unwrap().lines, ["a 201", "b 202"]);
    }
}
