//! Long computations beside the threads that serve requests.
//!
//! To read a million rows takes seconds, and on a small machine there is no processor left for that: whoever reads competes with
//! those who answer. So it is done on a thread of its own, which the system lets wait whenever anybody else has something to do.
//! It still goes on under full load, as a niceness of ten leaves it a tenth of what another thread gets; at nineteen a change of the
//! membership could wait for minutes.

use tokio::sync::oneshot;

/// The niceness of such a thread.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("there is no thread for it")]
    NoThread,
    #[error("it ended abnormally")]
    Abnormally,
}

/// Does `work` on a thread of its own and waits for the result. Whoever stops waiting does not stop the work, so it must end by itself.
///
/// # Errors
/// When there is no thread to be had, or the work panics.
pub async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Ended> {
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(move || {
        step_back();
        // Nobody may wait any more.
        drop(done.send(work()));
    });
    started.map_err(|_| Ended::NoThread)?;
    result.await.map_err(|_| Ended::Abnormally)
}

/// Linux counts niceness by thread; elsewhere it would slow down the whole process.
fn step_back() {
    #[cfg(target_os = "linux")]
    // Without the right to do it the work is done all the same.
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
        assert_eq!(aside("test", niceness).await, Ok(before.max(NICE)));
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn work_that_panics_is_no_result() {
        assert_eq!(
            aside("test", || if true {
                panic!("on purpose")
            })
            .await,
            Err(Ended::Abnormally)
        );
    }
}
