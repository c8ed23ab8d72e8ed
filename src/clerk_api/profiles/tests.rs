use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::domain::event::{Change, EventTime, UserChange};
use crate::domain::ids::text_header;

const SECOND: Duration = Duration::from_secs(1);

/// What the directory answers.
#[derive(Clone, Copy, Debug)]
enum FetchedResponse {
    Described,
    NotFound,
    Down,
    Limited,
    Panic,
}

/// A directory that answers when it is told to.
struct Slow {
    answer: Mutex<FetchedResponse>,
    takes: Duration,
    asked: AtomicU64,
    begun: Notify,
}

#[async_trait]
impl ProfileDirectory for Slow {
    async fn user(&self, user: &ClerkUserId) -> Result<MembershipEvent, BackendError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        tokio::time::sleep(self.takes).await;
        let base = "https://api.test".to_owned();
        match *self.answer.lock() {
            FetchedResponse::Described => Ok(event(user)),
            FetchedResponse::NotFound => Err(BackendError::NotFound {
                base,
                user: user.clone(),
            }),
            FetchedResponse::Down => Err(BackendError::Down { base, status: 503 }),
            FetchedResponse::Limited => Err(BackendError::Limited { base, wait: SECOND }),
            FetchedResponse::Panic => panic!("a mistake in a directory"),
        }
    }
}

fn event(user: &ClerkUserId) -> MembershipEvent {
    let change = UserChange::Described {
        banned: false,
        email: text_header("a@example.com"),
        name: None,
    };
    Change::User(user.clone().into(), change).at(EventTime(7))
}

/// Profiles over such a directory, and what they have applied.
struct Scene {
    profiles: Profiles,
    directory: Arc<Slow>,
    applied: Arc<Mutex<Vec<MembershipEvent>>>,
    metrics: Arc<Metrics>,
}

impl Scene {
    fn new(answer: FetchedResponse, takes: Duration) -> Self {
        let directory = Arc::new(Slow {
            answer: Mutex::new(answer),
            takes,
            asked: AtomicU64::new(0),
            begun: Notify::new(),
        });
        let (metrics, applied) = (Metrics::new(), Arc::new(Mutex::new(Vec::new())));
        let kept = applied.clone();
        let apply: Apply = Box::new(move |event| kept.lock().push(event));
        // The time that tests move.
        let now = || tokio::time::Instant::now().into_std();
        let profiles = Profiles::with_clock(directory.clone(), apply, metrics.clone(), now);
        Self {
            profiles,
            directory,
            applied,
            metrics,
        }
    }

    async fn fetch(&self, user: &str) -> ProfileOutcome {
        self.profiles
            .fetch(&ClerkUserId::parse(user).unwrap(), SECOND)
            .await
    }

    fn answers(&self, answer: FetchedResponse) {
        *self.directory.answer.lock() = answer;
    }

    fn asked(&self) -> u64 {
        self.directory.asked.load(Ordering::SeqCst)
    }

    fn applied(&self) -> usize {
        self.applied.lock().len()
    }

    fn counted(&self) -> [u64; 4] {
        [
            ProfileResult::Ok,
            ProfileResult::NotFound,
            ProfileResult::Failed,
            ProfileResult::Limited,
        ]
        .map(|result| self.metrics.profile_fetches.counted(result))
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_at_the_same_time_share_one_fetch_and_it_is_applied_once() {
    let scene = Arc::new(Scene::new(FetchedResponse::Described, SECOND / 2));
    let all: Vec<_> = (0..100)
        .map(|_| {
            let scene = scene.clone();
            tokio::spawn(async move { (scene.fetch("user_a").await, scene.applied()) })
        })
        .collect();
    for one in all {
        let (outcome, applied) = one.await.unwrap();
        assert_eq!(
            (outcome, applied),
            (ProfileOutcome::Fetched, 1),
            "whoever looks again finds it"
        );
    }
    assert_eq!(scene.asked(), 1);
    let user = ClerkUserId::parse("user_a").unwrap();
    assert_eq!(*scene.applied.lock(), [event(&user)]);
    assert_eq!(scene.counted(), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn two_users_do_not_wait_for_each_other() {
    let scene = Scene::new(FetchedResponse::Described, SECOND / 2);
    let begun = tokio::time::Instant::now();
    let both = tokio::join!(scene.fetch("user_a"), scene.fetch("user_b"));
    assert_eq!(both, (ProfileOutcome::Fetched, ProfileOutcome::Fetched));
    assert_eq!((scene.asked(), begun.elapsed()), (2, SECOND / 2));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_does_not_take_the_fetch_along() {
    let scene = Scene::new(FetchedResponse::Described, 5 * SECOND / 2);
    let begun = tokio::time::Instant::now();
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::Late);
    assert_eq!(
        begun.elapsed(),
        SECOND,
        "no longer than it was told to wait"
    );
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::Late);
    assert_eq!(
        scene.fetch("user_a").await,
        ProfileOutcome::Fetched,
        "the same fetch, in its third second"
    );
    assert_eq!((scene.asked(), scene.applied()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_for_which_nobody_waits_any_more_is_applied_all_the_same() {
    let scene = Scene::new(FetchedResponse::Described, 3 * SECOND);
    {
        let user = ClerkUserId::parse("user_a").unwrap();
        let fetching = scene.profiles.fetch(&user, 10 * SECOND);
        tokio::select! {
            outcome = fetching => panic!("it cannot have ended: {outcome:?}"),
            () = scene.directory.begun.notified() => {}
        }
        // The client has gone, and its request with it.
    }
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!((scene.asked(), scene.applied()), (1, 1));
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::NotNow);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_about_again_too_soon() {
    for (answer, outcome, pause) in [
        (
            FetchedResponse::Described,
            ProfileOutcome::Fetched,
            3600 * SECOND,
        ),
        (
            FetchedResponse::NotFound,
            ProfileOutcome::Failed,
            60 * SECOND,
        ),
        (FetchedResponse::Down, ProfileOutcome::Failed, 60 * SECOND),
    ] {
        let scene = Scene::new(answer, Duration::ZERO);
        assert_eq!(scene.fetch("user_a").await, outcome, "given: {answer:?}");
        for _ in 0..10 {
            assert_eq!(
                scene.fetch("user_a").await,
                ProfileOutcome::NotNow,
                "given: {answer:?}"
            );
        }
        tokio::time::advance(pause - SECOND).await;
        assert_eq!(
            scene.fetch("user_a").await,
            ProfileOutcome::NotNow,
            "given: {answer:?}"
        );
        assert_eq!(scene.asked(), 1);
        tokio::time::advance(SECOND).await;
        assert_eq!(scene.fetch("user_a").await, outcome, "given: {answer:?}");
        assert_eq!(scene.asked(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn over_the_rate_limit_nobody_waits_and_the_user_is_asked_about_when_it_is_over() {
    let scene = Scene::new(FetchedResponse::Limited, Duration::ZERO);
    let begun = tokio::time::Instant::now();
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::NotNow);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scene.answers(FetchedResponse::Described);
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::Fetched);
    assert_eq!(scene.counted(), [1, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn every_result_is_counted_from_zero() {
    let scene = Scene::new(FetchedResponse::NotFound, Duration::ZERO);
    assert_eq!(scene.counted(), [0; 4]);
    scene.fetch("user_a").await;
    scene.answers(FetchedResponse::Down);
    scene.fetch("user_b").await;
    scene.answers(FetchedResponse::Described);
    scene.fetch("user_c").await;
    assert_eq!(scene.counted(), [1, 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_ends_abnormally_lets_all_go_on_and_blocks_nobody() {
    let scene = Scene::new(FetchedResponse::Panic, Duration::ZERO);
    let begun = tokio::time::Instant::now();
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::Failed);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scene.answers(FetchedResponse::Described);
    assert_eq!(scene.fetch("user_a").await, ProfileOutcome::Fetched);
    assert!(scene.profiles.0.flights.lock().is_empty());
}
