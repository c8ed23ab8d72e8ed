use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::domain::membership::{AccessStatus, Members, Policy, TableBuilder, User, UserState};

/// Knows everybody but `user_nobody`, and counts who asks.
#[derive(Clone, Default)]
struct Source(Arc<Inside>);

#[derive(Default)]
struct Inside {
    asked: AtomicUsize,
    down: AtomicBool,
    /// While set, nobody is answered before `go`.
    held: AtomicBool,
    go: Notify,
}

#[async_trait]
impl MemberDirectory for Source {
    async fn rows(&self, user: &UserId) -> Result<Option<Table>, LookupError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.held.load(Ordering::SeqCst) {
            self.0.go.notified().await;
        }
        if self.0.down.load(Ordering::SeqCst) {
            return Err(LookupError::Failed("down".into()));
        }
        if user.as_str() == "user_nobody" {
            return Ok(None);
        }
        let mut table = TableBuilder::new();
        table
            .user(
                user,
                &User::new(None, None, None, AccessStatus::Active, false),
            )
            .unwrap();
        Ok(Some(table.build()))
    }
}

impl Source {
    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

const TIMES: LookupTimes = LookupTimes {
    ttl: Duration::from_secs(3600),
    negative_ttl: Duration::from_secs(3600),
    max_age: Duration::from_secs(3600),
};

fn lookups(times: LookupTimes) -> (Source, Lookups) {
    let source = Source::default();
    (source.clone(), Lookups::new(source, times, Metrics::new()))
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

/// What is known of the user, or why nothing is.
async fn user_state(lookups: &Lookups, id: &str) -> String {
    let answer = match lookups.answer(&user(id)).await {
        Ok(answer) => answer,
        Err(why) => return why.to_string(),
    };
    let members = Members::by_lookup(Policy::default());
    assert!(members.must_ask(&user(id)));
    let members = members.answered(user(id), answer.rows, answer.at);
    assert!(!members.must_ask(&user(id)) && members.must_ask(&user("user_other")));
    match members.user_state(&user(id)) {
        UserState::Known(known) => known.access.name().to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_is_asked_about_once_and_so_is_one_whom_the_source_does_not_know() {
    let (source, lookups) = lookups(TIMES);
    for _ in 0..3 {
        assert_eq!(user_state(&lookups, "user_a").await, "active");
        assert_eq!(user_state(&lookups, "user_nobody").await, "Unknown");
    }
    assert_eq!(source.asked(), 2);
}

#[tokio::test]
async fn all_who_wait_for_one_user_share_one_question() {
    let (source, lookups) = lookups(TIMES);
    source.0.held.store(true, Ordering::SeqCst);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let l = lookups.clone();
            tokio::spawn(async move { user_state(&l, "user_a").await })
        })
        .collect();
    while source.asked() == 0 {
        tokio::task::yield_now().await;
    }
    source.0.held.store(false, Ordering::SeqCst);
    source.0.go.notify_one();
    for one in waiting {
        assert_eq!(one.await.unwrap(), "active");
    }
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn while_the_source_fails_the_last_answer_counts_and_nobody_new_gets_in() {
    let (source, lookups) = lookups(TIMES);
    assert_eq!(user_state(&lookups, "user_a").await, "active");
    source.0.down.store(true, Ordering::SeqCst);
    lookups.forget_all();
    assert_eq!(user_state(&lookups, "user_a").await, "active");
    assert_eq!(user_state(&lookups, "user_b").await, "down");
    // Failures are not remembered: the first question after the end of the outage is answered.
    source.0.down.store(false, Ordering::SeqCst);
    assert_eq!(user_state(&lookups, "user_b").await, "active");
}

#[tokio::test]
async fn the_last_answer_does_not_count_for_ever() {
    let (source, lookups) = lookups(LookupTimes {
        max_age: Duration::ZERO,
        ..TIMES
    });
    assert_eq!(user_state(&lookups, "user_a").await, "active");
    source.0.down.store(true, Ordering::SeqCst);
    lookups.forget_all();
    assert_eq!(user_state(&lookups, "user_a").await, "down");
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_a_slow_source_and_a_later_one_finds_its_answer() {
    let (source, lookups) = lookups(TIMES);
    source.0.held.store(true, Ordering::SeqCst);
    assert_eq!(user_state(&lookups, "user_a").await, "no answer within 2 s");
    source.0.go.notify_one();
    while lookups.0.fresh.get(&(0, user("user_a"))).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(user_state(&lookups, "user_a").await, "active");
    assert_eq!(source.asked(), 1);
}

#[tokio::test]
async fn answers_are_kept_within_a_bound_of_rows_and_not_of_users() {
    let source = Source::default();
    let lookups = Lookups::keeping(12, source.clone(), TIMES, Metrics::new());
    for n in 0..20 {
        assert_eq!(user_state(&lookups, &format!("user_{n}")).await, "active");
    }
    let Inner { fresh, last, .. } = &*lookups.0;
    fresh.run_pending_tasks().await;
    last.run_pending_tasks().await;
    for (kept, rows) in [
        (fresh.entry_count(), fresh.weighted_size()),
        (last.entry_count(), last.weighted_size()),
    ] {
        assert_eq!((kept, rows), (3, 12), "a row and three for what keeps it");
    }
}
