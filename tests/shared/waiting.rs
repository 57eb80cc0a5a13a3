//! How tests of a running bridge wait: for a commit after which something is so, never for time to pass.

use std::time::Duration;

use notify_bridge::domain::state::State;
use notify_bridge::shell::ledger::Ledger;

/// How long a test waits for something that must happen. Reached only when it does not.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the durable state satisfies the condition.
pub async fn until(ledger: &Ledger, what: &str, condition: impl Fn(&State) -> bool) {
    let mut committed = ledger.committed();
    let wait = async {
        loop {
            committed.borrow_and_update();
            if condition(&ledger.state()) {
                return;
            }
            committed.changed().await.expect("the ledger runs");
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        let open = format!("{:#?}", ledger.state().outbox.deliveries);
        panic!("waited in vain until {what}; open deliveries: {open}");
    }
}
