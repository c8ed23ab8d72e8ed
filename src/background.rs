//! Long computations beside the threads that serve requests.
//!
//! To read a million rows takes seconds, and on a small machine there is no processor left for that: whoever reads competes with
//! those who answer. So it is done on a thread of its own, which steps back.

pub(crate) mod retired;
mod turns;

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;

pub use turns::Turns;

/// How far such a thread steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Behind everybody: whoever serves requests has the processor at the moment in which they want it. But while others want it
    /// all the time, this gets next to nothing, and then it is given up: see [`Ended::Starved`]. So it must hold no lock for
    /// which others wait.
    WhenIdle,
    /// It gets a tenth of what another thread gets, also under full load. Others may have to wait for some milliseconds until it makes room.
    Slowly,
}

/// The niceness of [`Pace::Slowly`]. At nineteen a change of the membership could wait for minutes.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Starved is who has waited for so long, and had less than one part of so many.
const WAITED: Duration = Duration::from_secs(10);
const PARTS: u32 = 20;
/// Between two looks at that.
const LOOK: Duration = Duration::from_secs(1);

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("there is no thread for it")]
    NoThread,
    #[error("it ended abnormally")]
    Abnormally,
    #[error("others wanted the processors all the time")]
    Starved,
}

/// Does `work` on a thread of its own and waits for the result. Whoever stops waiting does not stop the work, so it must end by itself.
///
/// # Errors
/// When there is no thread to be had, the work panics, or starves.
pub async fn aside<T: Send + 'static>(
    pace: Pace,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Ended> {
    let (stepped, books) = oneshot::channel();
    let (done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("aside".to_owned());
    let started = thread.spawn(move || {
        // Nobody may wait any more, for this or that.
        drop(stepped.send(step_back(pace)));
        drop(done.send(work()));
    });
    started.map_err(|_| Ended::NoThread)?;
    tokio::select! {
        result = result => result.map_err(|_| Ended::Abnormally),
        () = starved(books) => Err(Ended::Starved),
    }
}

/// Waits until the thread is starved by its `books`; for ever, if it keeps none.
async fn starved(books: oneshot::Receiver<Option<PathBuf>>) {
    let Ok(Some(books)) = books.await else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(LOOK).await;
        if times(&books).is_some_and(is_starved) {
            return;
        }
    }
}

fn is_starved((ran, waited): (Duration, Duration)) -> bool {
    waited > WAITED && ran * PARTS < waited
}

/// How long a thread has run, and how long it has waited for a processor. `None` where the system does not say.
fn times(books: &std::path::Path) -> Option<(Duration, Duration)> {
    let text = std::fs::read_to_string(books).ok()?;
    let mut numbers = text
        .split_ascii_whitespace()
        .map(|number| number.parse().map(Duration::from_nanos));
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Steps back as far as that can be done; gives the file from which to see whether it starves. Linux counts niceness by thread;
/// elsewhere it would slow down the whole process.
fn step_back(pace: Pace) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        if pace == Pace::WhenIdle {
            let books = std::fs::read_link("/proc/thread-self")
                .ok()
                .map(|own| PathBuf::from("/proc").join(own).join("schedstat"));
            // Without books nobody would see that it starves.
            if let Some(books) = books.filter(|books| times(books).is_some())
                && run_when_idle()
            {
                return Some(books);
            }
        }
        // Without the right to do it the work is done all the same.
        let _ = rustix::process::setpriority_process(None, NICE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = pace;
    None
}

#[cfg(target_os = "linux")]
fn run_when_idle() -> bool {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_ok()
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
        use thread_priority::{
            NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy,
        };
        let before = niceness();
        assert_eq!(aside(Pace::Slowly, niceness).await, Ok(before.max(NICE)));
        let policy = aside(Pace::WhenIdle, thread_schedule_policy)
            .await
            .expect("it ends");
        assert_eq!(
            policy,
            Ok(ThreadSchedulePolicy::Normal(
                NormalThreadSchedulePolicy::Idle
            ))
        );
        assert_eq!(niceness(), before);
        assert_ne!(thread_schedule_policy(), policy);
    }

    #[tokio::test]
    async fn work_that_panics_is_no_result() {
        let panics = || {
            if true {
                panic!("on purpose")
            }
        };
        assert_eq!(aside(Pace::Slowly, panics).await, Err(Ended::Abnormally));
    }

    #[test]
    fn starved_is_who_waits_long_and_gets_next_to_nothing() {
        let seconds = Duration::from_secs_f64;
        for (ran, waited, starved) in [
            (0.0, 9.0, false),
            (0.04, 11.0, true),
            (1.0, 11.0, false),
            (1.0, 19.0, false),
            (1.0, 21.0, true),
        ] {
            assert_eq!(
                is_starved((seconds(ran), seconds(waited))),
                starved,
                "{ran} {waited}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_starves_is_given_up_and_work_without_books_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let books = folder.path().join("schedstat");
        for (text, starves) in [
            ("40000000 11000000000 7\n", true),
            ("4000000000 11000000000 7\n", false),
            ("", false),
        ] {
            std::fs::write(&books, text).unwrap();
            let (sender, receiver) = oneshot::channel();
            sender.send(Some(books.clone())).unwrap();
            let given_up = tokio::time::timeout(LOOK * 10, starved(receiver))
                .await
                .is_ok();
            assert_eq!(given_up, starves, "{text}");
        }
    }
}
