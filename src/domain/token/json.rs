//! A JSON object without duplicate members.
//!
//! RFC 7519, 4 leaves duplicate claims to the parser. Two parsers that choose differently would read two identities from one
//! token. So the whole object is refused. `serde_json` limits the nesting (128), and the caller limits the bytes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object, checked for duplicate members at its top level.
#[derive(Clone, Debug, PartialEq)]
pub struct UniqueMembers(pub Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = UniqueMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut access: A,
            ) -> Result<UniqueMembers, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member stands twice"));
                    }
                }
                Ok(UniqueMembers(map))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// Parses `bytes` as one JSON object without duplicate members. `None` for anything else.
#[must_use]
pub fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<UniqueMembers>(bytes)
        .ok()
        .map(|UniqueMembers(map)| map)
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn only_one_object_without_duplicates_is_accepted() {
        assert!(object(br#"{"a":1,"b":{"c":[null]}}"#).is_some());
        for bad in [
            &br#"{"a":1,"a":1}"#[..],
            br#"{"a":1,"\u0061":2}"#,
            b"[]",
            b"1",
            b"",
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{",
        ] {
            assert!(object(bad).is_none(), "{:?}", String::from_utf8_lossy(bad));
        }
        assert!(
            object(format!("{{\"a\":{}1{}}}", "[".repeat(500), "]".repeat(500)).as_bytes())
                .is_none()
        );
    }
}
