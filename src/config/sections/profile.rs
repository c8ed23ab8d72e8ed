//! `profile:`: the shape of what `answer: profile` gives.

use crate::domain::profile::{MAX_KEY, MAX_KEYS, Profile, Word};

use crate::config::reader::{Code, Fault, Faulty, Field, Fields, Reading, all, quoted};

/// Reads the shape of profiles.
pub(crate) fn profile(root: &mut Fields<'_>) -> Reading<Profile> {
    let field = root.opt("profile");
    let Some(members) = field.maybe(Field::members)? else {
        return Ok(Profile::default());
    };
    if !(1..=MAX_KEYS).contains(&members.len()) {
        let what = format_args!("has {} keys", members.len());
        return Err(field.wrongly(Code::Bound, what, &format!("1 to {MAX_KEYS} keys")));
    }
    let read = members.iter().map(|member| {
        if member.key.len() > MAX_KEY {
            let fault = Fault::error(Code::Bound, "a key of the profile is too long");
            return Err(member.reject(fault.expected(format!("at most {MAX_KEY} bytes"))));
        }
        Ok((Box::<str>::from(member.key), word(member.value)?))
    });
    let keys: Vec<_> = all(read)?;
    Profile::new(keys).ok_or(Faulty)
}

fn word(field: Field<'_>) -> Reading<Word> {
    let text = field.str()?;
    Word::parse(&text).ok_or_else(|| {
        let what = format!("{} has an unknown word for its value", field.name);
        let words: Vec<_> = Word::names().map(quoted).collect();
        let expected = format!(
            "one of {}, `attributes.NAME` or `claims.NAME`",
            words.join(", ")
        );
        field.unknown_word(
            Fault::error(Code::WrongValue, what),
            &text,
            Word::names(),
            expected,
        )
    })
}
