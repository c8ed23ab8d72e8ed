//! Long computations on a thread of low priority.
//!
//! Reading a million rows takes seconds. On a small machine no processor is free for that, and the reader competes with the threads
//! that serve requests. So it works on a thread of its own, at a low priority. Such a thread still keeps its processor for a slice
//! of milliseconds, also when a request wakes up, so long work rests as well: see [`Throttle`].
//!
//! Under full load, a low priority gets little processor time but never none, so the work ends.

pub(crate) mod deferred_drop;
mod throttle;

use tokio::sync::oneshot;

pub use throttle::Throttle;

/// The niceness of the thread, with which it gets a tenth of another thread's share. At 19, a change of the membership could take
/// minutes.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackgroundError {
    #[error("there is no thread for it")]
    NoThread,
    #[error("it ended abnormally")]
    Panicked,
}

/// Does `work` on a low-priority thread of its own and waits for the result. Dropping the future does not stop the work, so the
/// work must end by itself.
///
/// # Errors
/// When no thread can be started, or the work panics.
pub async fn background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BackgroundError> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("background".to_owned());
    let started = thread.spawn(move || {
        lower_priority();
        // The caller may have stopped waiting.
        drop(done.send(work()));
    });
    started.map_err(|_| BackgroundError::NoThread)?;
    result.await.map_err(|_| BackgroundError::Panicked)
}

/// Lowers the priority of this thread alone. Linux has a niceness per thread; on other systems this would slow down the whole
/// process.
fn lower_priority() {
    // If the system refuses, the work is done all the same.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    fn niceness() -> i32 {
        rustix::process::getpriority_process(None).expect("a number")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn work_steps_back_and_the_threads_of_requests_do_not() {
        let before = niceness();
        assert_eq!(background(niceness).await, Ok(before.max(NICE)));
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn work_that_panics_is_no_result() {
        let panics = || {
            if true {
                panic!("on purpose")
            }
        };
        assert_eq!(background(panics).await, Err(BackgroundError::Panicked));
    }
}
