//! Texts in few bytes. A million users have three million texts, and most of these are ids in well-known forms.
//!
//! A packed text is a number (its length in bytes and its form) followed by the bytes. So a reader knows where it ends. Each text
//! has only one packed form: two texts are equal when their forms and bytes are.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use http::HeaderValue;

/// A text in packed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedText<'t> {
    form: Form,
    bytes: &'t [u8],
}

/// How to get the text from the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The bytes are the text.
    Plain,
    /// A UUID as it is usually written: lower case, with hyphens.
    Uuid,
    /// The text is `user_` and the bytes.
    User,
    /// The text is `org_` and the bytes.
    Org,
}

const USER: &[u8] = b"user_";
const ORG: &[u8] = b"org_";
/// The length of a packed UUID in bytes, the length of its text, and the places of the hyphens.
const UUID: usize = 16;
const UUID_TEXT: usize = 36;
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A buffer for the bytes of a UUID during a look-up.
pub type UuidBuffer = [u8; UUID];

impl Hash for PackedText<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.bytes);
        state.write_u8(self.form as u8);
    }
}

impl<'t> PackedText<'t> {
    /// Packs `text`. `room` gets the bytes of a UUID.
    pub fn of(text: &'t [u8], room: &'t mut UuidBuffer) -> Self {
        if pack_uuid(text, room) {
            return Self {
                form: Form::Uuid,
                bytes: room,
            };
        }
        match (text.strip_prefix(USER), text.strip_prefix(ORG)) {
            (Some(rest), _) => Self {
                form: Form::User,
                bytes: rest,
            },
            (None, Some(rest)) => Self {
                form: Form::Org,
                bytes: rest,
            },
            (None, None) => Self {
                form: Form::Plain,
                bytes: text,
            },
        }
    }

    /// Takes a packed text from the front of `packed`. `None` if there is none; then this module has not written the bytes.
    pub fn take(packed: &mut &'t [u8]) -> Option<Self> {
        let head = take_number(packed)?;
        let form = match head % 4 {
            0 => Form::Plain,
            1 => Form::Uuid,
            2 => Form::User,
            _ => Form::Org,
        };
        let (bytes, rest) = packed.split_at_checked(head / 4)?;
        *packed = rest;
        Some(Self { form, bytes })
    }

    /// Adds the packed text.
    pub fn push_to(self, packed: &mut Vec<u8>) {
        push_number(self.bytes.len() * 4 + self.form as usize, packed);
        packed.extend_from_slice(self.bytes);
    }

    /// The text itself.
    pub fn unpack(self) -> Cow<'t, [u8]> {
        match self.form {
            Form::Plain => Cow::Borrowed(self.bytes),
            Form::Uuid => Cow::Owned(uuid_text(self.bytes)),
            Form::User => Cow::Owned([USER, self.bytes].concat()),
            Form::Org => Cow::Owned([ORG, self.bytes].concat()),
        }
    }

    /// The text, parsed by `parse`.
    pub fn parse<T, E>(self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(std::str::from_utf8(&self.unpack()).ok()?).ok()
    }

    /// The text as a header value, with a copy of the bytes. Sharing the bytes of the table has two costs: all cores would count
    /// references in one place for all requests, and an answer that streams for hours would keep a whole old table in memory.
    pub fn to_header(self) -> Option<HeaderValue> {
        match self.unpack() {
            Cow::Borrowed(text) => HeaderValue::from_bytes(text).ok(),
            Cow::Owned(text) => HeaderValue::from_maybe_shared(Bytes::from(text)).ok(),
        }
    }
}

/// Adds a text.
pub fn push_text(text: &[u8], packed: &mut Vec<u8>) {
    PackedText::of(text, &mut UuidBuffer::default()).push_to(packed);
}

/// Adds a number: seven bits a byte, the lowest first; all but the last byte have the highest bit set.
pub fn push_number(mut number: usize, packed: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(number % 128).unwrap_or(0);
        number /= 128;
        if number == 0 {
            packed.push(low);
            return;
        }
        packed.push(low | 128);
    }
}

/// Takes a number from the front.
pub fn take_number(packed: &mut &[u8]) -> Option<usize> {
    let mut number = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (first, rest) = packed.split_first()?;
        *packed = rest;
        number |= usize::from(first % 128) << shift;
        if *first < 128 {
            return Some(number);
        }
    }
    None
}

/// Whether `text` is a UUID as it is usually written; then `room` has its bytes.
fn pack_uuid(text: &[u8], room: &mut UuidBuffer) -> bool {
    if text.len() != UUID_TEXT {
        return false;
    }
    let placed = text
        .iter()
        .enumerate()
        .all(|(at, byte)| (*byte == b'-') == HYPHENS.contains(&at));
    let mut digits = text
        .iter()
        .filter(|byte| **byte != b'-')
        .map(|byte| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        });
    placed
        && room.iter_mut().all(
            |byte| match (digits.next().flatten(), digits.next().flatten()) {
                (Some(high), Some(low)) => {
                    *byte = high << 4 | low;
                    true
                }
                _ => false,
            },
        )
}

fn uuid_text(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| {
        if value < 10 {
            b'0' + value
        } else {
            b'a' + (value - 10)
        }
    };
    let mut text = Vec::with_capacity(UUID_TEXT);
    for byte in bytes {
        if HYPHENS.contains(&text.len()) {
            text.push(b'-');
        }
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut packed = vec![];
        push_text(text.as_bytes(), &mut packed);
        packed
    }

    #[test]
    fn ids_of_well_known_forms_take_few_bytes_and_what_only_looks_like_one_stays_as_it_is() {
        let uuid = "4f6c0a51-6a0e-4c1f-9b1e-0123456789ab";
        for (text, bytes) in [
            (uuid.to_owned(), 17),
            (uuid.to_uppercase(), 38),
            (uuid.replace('f', "g"), 38),
            (uuid.replacen('-', "0", 1), 38),
            (uuid.replace("6c0a51-", "-6c0a51"), 38),
            (format!("{uuid}0"), 39),
            ("user_2abcdefghijklmnopqrstuvwxyz".to_owned(), 28),
            ("org_".to_owned(), 1),
            (String::new(), 1),
        ] {
            assert_eq!(packed(&text).len(), bytes, "{text}");
        }
    }

    #[test]
    fn bytes_that_were_never_packed_are_no_text() {
        for mut bytes in [&[][..], &[0x80], &[8], &[9, 1], &[0xff; 20]] {
            assert_eq!(PackedText::take(&mut bytes), None);
        }
    }

    proptest! {
        #[test]
        fn any_texts_come_back_whole_and_in_order(texts in proptest::collection::vec(
            prop_oneof![".{0,40}", "(user_|org_)[a-z]{0,4}", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-fA-F]{12}"],
            0..6,
        )) {
            let all: Vec<u8> = texts.iter().flat_map(|text| packed(text)).collect();
            let mut rest = &all[..];
            for text in &texts {
                let taken = PackedText::take(&mut rest).expect("a text");
                let mut room = UuidBuffer::default();
                prop_assert_eq!(taken, PackedText::of(text.as_bytes(), &mut room));
                prop_assert_eq!(taken.unpack().into_owned(), text.as_bytes());
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_number_comes_back(number in prop_oneof![0_usize..300, any::<usize>()]) {
            let mut packed = vec![];
            push_number(number, &mut packed);
            prop_assert_eq!(take_number(&mut &packed[..]), Some(number));
        }
    }
}
