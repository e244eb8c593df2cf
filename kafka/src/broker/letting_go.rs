//! The end of a client, in bounded time.
//!
//! Always holds: who lets go of a client goes on after [`CLOSE_TIMEOUT`] at the latest. Does not know: what the client did.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::log::LogError;

/// How long closing may take before the client is left behind.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Drops a client on a thread of its own, since librdkafka waits without a deadline for what a broker owes it.
///
/// # Errors
/// If the client is not gone in time; its thread goes on trying.
pub(super) fn let_go<T: Send + 'static>(what: &str, client: T) -> Result<(), LogError> {
    let (closed, wait) = mpsc::channel();
    let close = move || {
        drop(client);
        closed.send(()).ok();
    };
    let thread = thread::Builder::new().name("kafka-close".to_owned()).spawn(close);
    let thread = thread.map_err(|error| LogError::fatal(format!("cannot close {what}: {error}")))?;
    match wait.recv_timeout(CLOSE_TIMEOUT) {
        Ok(()) => thread.join().map_err(|_| LogError::fatal(format!("closing {what} panicked"))),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(LogError::fatal(format!("closing {what} panicked"))),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            let waited_s = CLOSE_TIMEOUT.as_secs();
            Err(LogError::retriable(format!("{what} has not closed after {waited_s} s and is left behind")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::ErrorClass;

    /// Its end waits for what never comes.
    struct Stuck(mpsc::Receiver<()>);

    impl Drop for Stuck {
        fn drop(&mut self) {
            self.0.recv().ok();
        }
    }

    #[test]
    fn a_client_that_does_not_end_is_left_behind() {
        let (end, never) = mpsc::channel();
        let error = let_go("the reader", Stuck(never)).expect_err("left behind");
        assert_eq!(error.class, ErrorClass::Retriable);
        assert!(error.message.contains("the reader has not closed after 10 s"), "{}", error.message);
        drop(end);
        assert!(let_go("the reader", ()).is_ok());
    }
}
