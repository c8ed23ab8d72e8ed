//! `profile:`: the shape of what `answer: profile` gives.

use crate::domain::profile::{MAX_KEY, MAX_KEYS, Profile, Word};

use crate::config::document::faults::{Code, Fault, quoted};
use crate::config::reader::{Field, Fields};
use crate::config::values::suggest::nearest;

/// Reads the shape of profiles.
pub(crate) fn profile(root: &mut Fields<'_>) -> Option<Profile> {
    let field = root.opt("profile");
    let Some(members) = field.maybe(Field::members)? else {
        return Some(Profile::default());
    };
    if !(1..=MAX_KEYS).contains(&members.len()) {
        field.wrongly(
            Code::Bound,
            format_args!("has {} keys", members.len()),
            &format!("1 to {MAX_KEYS} keys"),
        );
        return None;
    }
    let read = members.iter().map(|member| {
        if member.key.len() > MAX_KEY {
            let fault = Fault::error(Code::Bound, "a key of the profile is too long");
            member.reject(fault.expected(format!("at most {MAX_KEY} bytes")));
            return None;
        }
        Some((Box::from(member.key), word(member.value)?))
    });
    let keys: Vec<Option<(Box<str>, Word)>> = read.collect();
    Profile::new(keys.into_iter().collect::<Option<_>>()?)
}

fn word(field: Field<'_>) -> Option<Word> {
    let text = field.str()?;
    let word = Word::parse(&text);
    if word.is_none() {
        let fault = Fault::error(
            Code::WrongValue,
            format!("{} has an unknown word for its value", field.name),
        );
        field.reject(match nearest(&text, Word::names()) {
            Some(near) => fault.near(near),
            None => {
                let words: Vec<_> = Word::names().map(quoted).collect();
                fault.expected(format!(
                    "one of {}, `attributes.NAME` or `claims.NAME`",
                    words.join(", ")
                ))
            }
        });
    }
    word
}
