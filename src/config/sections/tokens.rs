//! Secret tokens that callers show: of services, of the admin listener, of local mode.

use crate::domain::service_token::{MAX_TOKENS, MIN_TOKEN, TokenHash};
use crate::domain::token::bearer::MAX_TOKEN;

use crate::config::reader::{Code, Faulty, Field, Reading, first_repeated};

/// One token, or several while rotating.
pub(crate) fn several<'a, T: PartialEq>(
    field: Field<'a>,
    read: fn(Field<'a>) -> Reading<T>,
) -> Reading<Vec<T>> {
    let items = field.hidden().one_or_more()?;
    let good = items.len() <= MAX_TOKENS;
    if !good {
        let expected = format!("one, or up to {MAX_TOKENS} while rotating");
        field.wrongly(
            Code::WrongValue,
            format_args!("has more than {MAX_TOKENS} tokens"),
            &expected,
        );
    }
    let tokens = Field::each(Ok(items), read)?;
    let twice = first_repeated(&tokens).is_some();
    if twice {
        field.wrongly(
            Code::Contradiction,
            "names the same token twice",
            "different tokens: the new one and the old one",
        );
    }
    (good && !twice).then_some(tokens).ok_or(Faulty)
}

/// Reads a token, of which only the hash is kept.
pub(crate) fn token(field: Field<'_>) -> Reading<TokenHash> {
    let expected =
        format!("at least {MIN_TOKEN} characters of visible ASCII: openssl rand -hex 32");
    field
        .hidden()
        .parse(Code::Secret, &expected, |text| match text {
            text if text.starts_with(['"', '\'']) || text.trim() != text => {
                Err("has quotes or white space around it")
            }
            text if text.len() > MAX_TOKEN => Err("is too long"),
            // No request could show it.
            text if !text.bytes().all(|b| b.is_ascii_graphic() && b != b',') => {
                Err("has a character that a token cannot have")
            }
            text => TokenHash::of(text.as_bytes()).ok_or("is too short"),
        })
}

/// Reads the hash of a token.
pub(crate) fn sha256(field: Field<'_>) -> Reading<TokenHash> {
    let expected = "64 hexadecimal digits: printf %s \"$TOKEN\" | sha256sum";
    field.hidden().parse(Code::Secret, expected, |text| {
        hexadecimal(text).map(TokenHash::from_bytes)
    })
}

fn hexadecimal(text: &str) -> Result<[u8; 32], &'static str> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err("is not the SHA-256 of a token");
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        let pair = std::str::from_utf8(pair)
            .ok()
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        *byte = pair
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or("is not hexadecimal")?;
    }
    Ok(bytes)
}
