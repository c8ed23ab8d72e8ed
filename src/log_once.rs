//! One line in the log for something that lasts or comes again and again, and not one for each time.
//!
//! [`LogOnce`] is for a state: a line when it begins, perhaps one when it changes, one when it ends. [`LogSeldom`] is for events:
//! a topic that was logged is not logged again before a time is over.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem::discriminant;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A trouble that lasts. `T` is what is known of it.
#[derive(Debug)]
pub struct LogOnce<T = ()>(Mutex<Option<T>>);

impl<T> Default for LogOnce<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> LogOnce<T> {
    /// The trouble is there, and `T` is the latest of it. Whether it has begun just now: then it is to be logged.
    pub fn begins(&self, trouble: T) -> bool {
        self.0.lock().replace(trouble).is_none()
    }

    /// The trouble is there. Whether it has begun just now, or was another one before: then it is to be logged.
    pub fn changes(&self, trouble: T) -> bool
    where
        T: PartialEq,
    {
        let mut last = self.0.lock();
        if last.as_ref() == Some(&trouble) {
            return false;
        }
        *last = Some(trouble);
        true
    }

    /// The trouble is not there. Whether it was until now: then its end is to be logged.
    pub fn ends(&self) -> bool {
        self.0.lock().take().is_some()
    }

    /// Whether the trouble is there.
    #[must_use]
    pub fn lasts(&self) -> bool {
        self.0.lock().is_some()
    }

    /// The trouble that is there, if there is one.
    #[must_use]
    pub fn current(&self) -> Option<T>
    where
        T: Clone,
    {
        self.0.lock().clone()
    }
}

/// Topics of events, and until when each is not logged again.
///
/// Topics can have names of strangers in them. A flood of made-up names is a few lines, hides no topic of another kind, and takes no
/// memory (attack A-126): of topics of one variant at most [`LogSeldom::MOST_ALIKE`] are logged within their pause.
#[derive(Debug)]
pub struct LogSeldom<K>(HashMap<K, Instant>);

impl<K> Default for LogSeldom<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> LogSeldom<K> {
    /// Bound: topics of one variant of `K`, until the first of them may be repeated.
    pub const MOST_ALIKE: usize = 8;

    /// Whether `topic` may be logged at `now`. If so it counts as logged, and may be again after `pause`.
    pub fn may_log(&mut self, topic: K, pause: Duration, now: Instant) -> bool {
        self.0.retain(|_, until| now < *until);
        let alike = self
            .0
            .keys()
            .filter(|logged| discriminant(*logged) == discriminant(&topic))
            .count();
        if self.0.contains_key(&topic) || alike >= Self::MOST_ALIKE {
            return false;
        }
        self.0.insert(topic, now + pause);
        true
    }

    /// How many topics wait for the end of their pause.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn a_trouble_is_logged_when_it_begins_and_when_it_ends() {
        let trouble = LogOnce::default();
        assert!(!trouble.ends(), "it never began");
        assert!(trouble.begins("slow") && !trouble.begins("slower"));
        assert_eq!(trouble.current(), Some("slower"));
        assert!(trouble.ends() && !trouble.ends());
        assert_eq!(trouble.current(), None);
        assert!(trouble.begins("slow"));
    }

    #[test]
    fn another_trouble_is_logged_too_and_the_same_one_is_not() {
        let trouble = LogOnce::default();
        assert!(trouble.changes("no route") && !trouble.changes("no route"));
        assert!(trouble.changes("refused") && !trouble.changes("refused"));
        assert!(trouble.changes("no route"));
        assert!(trouble.ends() && trouble.changes("no route"));
    }

    #[test]
    fn a_trouble_that_comes_and_goes_is_two_lines_each_time() {
        let trouble = LogOnce::default();
        let told: Vec<_> = [false, true, true, true, false, false, true]
            .into_iter()
            .map(|bad| {
                if bad {
                    (trouble.begins(()), false)
                } else {
                    (false, trouble.ends())
                }
            })
            .collect();
        let lines = told
            .iter()
            .map(|(begun, over)| usize::from(*begun) + usize::from(*over))
            .collect::<Vec<_>>();
        assert_eq!(lines, [0, 1, 0, 0, 1, 0, 1]);
    }

    #[derive(Debug, PartialEq, Eq, Hash)]
    enum Topic {
        Clock,
        Name(u32),
    }

    #[test]
    fn a_topic_is_logged_once_until_its_pause_is_over() {
        let (mut seldom, start) = (LogSeldom::default(), clock::monotonic());
        let minute = Duration::from_secs(60);
        assert!(seldom.may_log(Topic::Clock, 5 * minute, start));
        assert!(!seldom.may_log(Topic::Clock, 5 * minute, start + 4 * minute));
        assert!(seldom.may_log(Topic::Clock, 5 * minute, start + 5 * minute));
    }

    #[test]
    fn a_flood_of_names_is_a_few_lines_and_hides_no_other_topic() {
        let (mut seldom, start) = (LogSeldom::default(), clock::monotonic());
        let minute = Duration::from_secs(60);
        let logged = |seldom: &mut LogSeldom<Topic>, at| {
            (0..10_000)
                .filter(|name| seldom.may_log(Topic::Name(*name), minute, at))
                .count()
        };
        let most = LogSeldom::<Topic>::MOST_ALIKE;
        assert_eq!(logged(&mut seldom, start), most);
        assert!(seldom.may_log(Topic::Clock, minute, start));
        assert_eq!(logged(&mut seldom, start + minute / 2), 0);
        assert_eq!(seldom.waiting(), most + 1);
        assert_eq!(logged(&mut seldom, start + minute), most);
    }
}
