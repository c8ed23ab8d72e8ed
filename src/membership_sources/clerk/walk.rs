//! A list that is read in pages while it changes.
//!
//! Paging by offset gives no consistent view. A row that is deleted on an earlier page moves all later rows forward, and one of
//! them is skipped between two pages. So each page begins with the last row of the one before. If another row is there, the list
//! has moved or a page came twice, and the walk is discarded. Rows that are added come at the end, and do no harm.

use std::fmt;

use crate::clerk_api::{List, PAGE};

/// Why a walk gave no list. Another walk may succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Torn {
    /// A page did not begin where the one before ended.
    Moved { list: List },
    /// Rows were deleted during the walk.
    Shrunk { list: List, from: u64, to: u64 },
    /// The walk found fewer rows than the list had at the beginning.
    Missing { list: List, said: u64, found: u64 },
    /// A row came twice.
    Twice { list: List, row: String },
    /// A membership whose user or organization is in no list.
    Stranger { row: String },
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { list } => {
                write!(
                    f,
                    "a page of {} did not begin where the one before ended",
                    list.name()
                )
            }
            Self::Shrunk { list, from, to } => {
                write!(f, "{} had {from} rows and then {to}", list.name())
            }
            Self::Missing { list, said, found } => {
                write!(
                    f,
                    "{} has {said} rows, and only {found} were given",
                    list.name()
                )
            }
            Self::Twice { list, row } => write!(f, "{} gave {row} twice", list.name()),
            Self::Stranger { row } => write!(f, "{row}, which is in no list"),
        }
    }
}

/// The progress of a walk.
#[derive(Debug)]
pub(crate) struct Walk {
    list: List,
    /// The length of the list at the beginning.
    said: Option<u64>,
    found: u64,
    last: Option<String>,
}

impl Walk {
    /// `said`: the number of rows, where the pages do not contain it.
    pub(crate) fn new(list: List, said: Option<u64>) -> Self {
        Self {
            list,
            said,
            found: 0,
            last: None,
        }
    }

    /// The offset of the next page.
    pub(crate) fn offset(&self) -> u64 {
        self.found.saturating_sub(1)
    }

    /// Takes a page: the ids of its rows and the total it contains. Returns how many rows at its beginning are known already, and
    /// whether more pages may follow.
    pub(crate) fn page(&mut self, ids: &[&str], total: Option<u64>) -> Result<(usize, bool), Torn> {
        let list = self.list;
        let said = *self.said.get_or_insert(total.unwrap_or_default());
        if let Some(to) = total
            && to < said
        {
            return Err(Torn::Shrunk {
                list,
                from: said,
                to,
            });
        }
        let known = match (&self.last, ids.first()) {
            (None, _) => 0,
            (Some(last), Some(first)) if last == first => 1,
            (Some(_), _) => return Err(Torn::Moved { list }),
        };
        self.found += u64::try_from(ids.len() - known).unwrap_or(u64::MAX);
        if let Some(last) = ids.last() {
            self.last = Some((*last).to_owned());
        }
        let more = ids.len() >= PAGE;
        if !more && self.found < said {
            return Err(Torn::Missing {
                list,
                said,
                found: self.found,
            });
        }
        Ok((known, more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: List = List::Users;

    /// Walks over a list of `count` rows whose n-th page is what `served` makes of the true rows.
    fn walk(
        count: usize,
        served: impl Fn(usize, &[String]) -> (Vec<String>, u64),
    ) -> Result<u64, Torn> {
        let rows: Vec<String> = (0..count).map(|number| format!("user_{number}")).collect();
        let mut walk = Walk::new(LIST, None);
        for number in 0..100 {
            let from = usize::try_from(walk.offset()).unwrap();
            let (page, total) = served(number, rows.get(from..).unwrap_or_default());
            let ids: Vec<&str> = page.iter().take(PAGE).map(String::as_str).collect();
            if !walk.page(&ids, Some(total))?.1 {
                return Ok(walk.found);
            }
        }
        panic!("it never ends");
    }

    #[test]
    fn every_row_is_read_once_whatever_the_length() {
        for count in [
            0,
            1,
            PAGE - 1,
            PAGE,
            PAGE + 1,
            2 * PAGE - 1,
            2 * PAGE,
            3 * PAGE + 7,
        ] {
            let found = walk(count, |_, rest| (rest.to_vec(), count as u64));
            assert_eq!(found, Ok(count as u64), "of {count}");
        }
    }

    #[test]
    fn a_page_that_repeats_or_moves_is_no_list() {
        let repeats = walk(1200, |_, _| {
            ((0..PAGE).map(|n| format!("user_{n}")).collect(), 1200)
        });
        assert_eq!(repeats, Err(Torn::Moved { list: LIST }));
        // One row of the first page was deleted, and another row was added: the total says nothing.
        let moves = walk(1200, |number, rest| {
            (
                rest.iter()
                    .skip(usize::from(number == 1))
                    .cloned()
                    .collect(),
                1200,
            )
        });
        assert_eq!(moves, Err(Torn::Moved { list: LIST }));
        let empty = walk(1200, |number, rest| {
            (if number == 1 { vec![] } else { rest.to_vec() }, 1200)
        });
        assert_eq!(empty, Err(Torn::Moved { list: LIST }));
    }

    #[test]
    fn a_list_that_shrinks_or_lacks_rows_is_none_and_one_that_grows_is() {
        let shrinks = walk(1200, |number, rest| {
            (rest.to_vec(), if number == 1 { 1199 } else { 1200 })
        });
        assert_eq!(
            shrinks,
            Err(Torn::Shrunk {
                list: LIST,
                from: 1200,
                to: 1199
            })
        );
        let short = walk(1200, |_, rest| {
            (rest.iter().take(PAGE - 1).cloned().collect(), 1200)
        });
        assert_eq!(
            short,
            Err(Torn::Missing {
                list: LIST,
                said: 1200,
                found: 499
            })
        );
        let grows = walk(1200, |number, rest| (rest.to_vec(), 1200 + number as u64));
        assert_eq!(grows, Ok(1200));
    }
}
