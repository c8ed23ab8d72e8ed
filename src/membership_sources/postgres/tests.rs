//! Rows without a server: what each type says, and what is no row. The end-to-end tests do the rest with a real one.

use tokio_postgres::types::Type;

use super::cell::{Cells, Form};
use super::load::TableLoader;
use super::rows::{MemberColumns, UserColumns, Words};
use crate::domain::ids::UserId;
use crate::domain::membership::{AccessStatus, Flags, Roles};

impl Cells for Vec<Option<&'static [u8]>> {
    fn cell(&self, column: usize) -> Option<&[u8]> {
        self.get(column).copied().flatten()
    }
}

fn words() -> Words {
    let roles = Roles::new(&["member", "admin"].map(str::to_owned)).unwrap();
    Words {
        roles,
        flags: Flags::new(["is_admin", "beta"]).unwrap(),
    }
}

fn users(columns: &[(&'static str, Type)]) -> Result<UserColumns, Vec<String>> {
    UserColumns::of(columns.iter().map(|(name, kind)| (*name, kind)))
}

fn members(columns: &[(&'static str, Type)]) -> Result<MemberColumns, Vec<String>> {
    MemberColumns::of(columns.iter().map(|(name, kind)| (*name, kind)))
}

#[test]
fn an_id_of_any_usual_type_has_one_spelling() {
    for (kind, raw, expected) in [
        (Type::TEXT, b"a-1".as_slice(), "a-1"),
        (Type::INT2, &[0, 7], "7"),
        (Type::INT4, &[0xff, 0xff, 0xff, 0xff], "-1"),
        (Type::INT8, &[0, 0, 0, 1, 0, 0, 0, 0], "4294967296"),
        (
            Type::UUID,
            &[0x4f; 16],
            "4f4f4f4f-4f4f-4f4f-4f4f-4f4f4f4f4f4f",
        ),
    ] {
        let columns = users(&[("user", Type::TEXT), ("id", kind.clone())]).unwrap();
        let (_, user) = columns
            .user(&vec![Some(b"user_a".as_slice()), Some(raw)], &words())
            .unwrap();
        assert_eq!(user.id.unwrap().as_str(), expected, "{kind}");
    }
    for kind in [
        Type::FLOAT8,
        Type::TIMESTAMPTZ,
        Type::BYTEA,
        Type::BOOL,
        Type::TEXT_ARRAY,
        Type::JSON,
    ] {
        let faults = users(&[("user", Type::TEXT), ("id", kind.clone())]).unwrap_err();
        assert_eq!(faults.len(), 1, "{kind}: {faults:?}");
    }
}

#[test]
fn columns_are_found_by_name_in_any_order_and_every_wrong_one_is_said() {
    let columns = members(&[
        ("role", Type::VARCHAR),
        ("user", Type::TEXT),
        ("workspace", Type::INT4),
    ])
    .unwrap();
    let row: Vec<Option<&'static [u8]>> =
        vec![Some(b"org:admin"), Some(b"user_a"), Some(&[0, 0, 0, 9])];
    let member = columns.member(&row, &words()).unwrap();
    assert_eq!(
        (member.workspace.as_str(), member.org, Some(member.role)),
        ("9", None, words().roles.find("admin"))
    );

    let faults = users(&[
        ("usr", Type::TEXT),
        ("founder", Type::TEXT),
        ("name", Type::TEXT),
        ("name", Type::TEXT),
    ]);
    assert_eq!(
        faults.unwrap_err(),
        [
            "unknown column `usr`; there are `user`, `id`, `email`, `name`, `access`, `founder`, `flags`, `activated_at`, `attributes`",
            "the column `founder` is of the type text, and should be boolean",
            "the column `name` comes twice",
            "the column `user` is missing",
        ]
    );
    assert_eq!(Form::of(&Type::NUMERIC), None);
}

#[test]
fn a_null_is_nobody_and_gives_nobody_anything() {
    let all = users(&[
        ("user", Type::TEXT),
        ("id", Type::UUID),
        ("email", Type::TEXT),
        ("access", Type::TEXT),
        ("founder", Type::BOOL),
        ("flags", Type::TEXT),
        ("attributes", Type::JSONB),
    ])
    .unwrap();
    let row = |access: Option<&'static str>| -> Vec<Option<&'static [u8]>> {
        vec![
            Some(b"user_a"),
            None,
            None,
            access.map(str::as_bytes),
            None,
            None,
            None,
        ]
    };
    let (_, user) = all.user(&row(Some("pending")), &words()).unwrap();
    assert_eq!(
        (user.id, user.email, user.access, user.founder),
        (None, None, AccessStatus::Pending, false)
    );
    assert_eq!((user.flags, user.details), (Flags::NONE, None));
    let bad = all.user(&row(None), &words()).unwrap_err();
    assert_eq!(
        (bad.user.unwrap().as_str(), bad.why.as_str()),
        ("user_a", "`access` is NULL")
    );
    // Where the query says nothing of access at all, who is listed is in.
    let bare = users(&[("user", Type::TEXT)]).unwrap();
    let (_, user) = bare.user(&row(None), &words()).unwrap();
    assert_eq!(user.access, AccessStatus::Active);
}

#[test]
fn lists_and_attributes_are_read_and_what_has_two_readings_is_not() {
    let columns = users(&[
        ("user", Type::TEXT),
        ("flags", Type::TEXT),
        ("attributes", Type::JSON),
    ])
    .unwrap();
    let read = |flags: &'static str, attributes: &'static str| {
        let row = vec![
            Some(b"user_a".as_slice()),
            Some(flags.as_bytes()),
            Some(attributes.as_bytes()),
        ];
        columns
            .user(&row, &words())
            .map(|(_, user)| user)
            .map_err(|bad| bad.why)
    };
    let user = read(" beta, is_admin,", r#"{"plan": "pro"}"#).unwrap();
    assert_eq!(user.flags.names().collect::<Vec<_>>(), ["beta", "is_admin"]);
    assert_eq!(
        user.details
            .unwrap()
            .attributes
            .get("plan")
            .map(|text| &**text),
        Some("pro")
    );
    assert_eq!(read("", "{}").unwrap().details, None);
    for (flags, attributes, expected) in [
        (
            "is_amin",
            "{}",
            "`flags` has `is_amin`, which is none of `membership.flags`",
        ),
        (
            "beta",
            r#"{"plan": 7}"#,
            "`attributes` is not a JSON object whose values are texts",
        ),
        (
            "beta",
            "[]",
            "`attributes` is not a JSON object whose values are texts",
        ),
        (
            "beta",
            "{",
            "`attributes` is not a JSON object whose values are texts",
        ),
    ] {
        assert_eq!(read(flags, attributes).unwrap_err(), expected);
    }
    let array = users(&[("user", Type::TEXT), ("flags", Type::VARCHAR_ARRAY)]).unwrap();
    // One dimension, no NULL, of text (oid 25), two items from 1 on.
    const HEAD: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1];
    let raw: &'static [u8] = [HEAD, &[0, 0, 0, 4], b"beta"].concat().leak();
    let (_, user) = array
        .user(&vec![Some(b"user_a".as_slice()), Some(raw)], &words())
        .unwrap();
    assert!(user.flags.has("beta"));
    for torn in [&raw[..raw.len() - 1], &raw[..7], &[]] {
        assert!(
            array
                .user(&vec![Some(b"user_a".as_slice()), Some(torn)], &words())
                .is_err(),
            "{torn:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_a_fault_and_no_panic() {
    let columns = users(&[
        ("user", Type::TEXT),
        ("id", Type::INT8),
        ("name", Type::TEXT),
        ("founder", Type::BOOL),
    ]);
    let columns = columns.unwrap();
    for row in [
        vec![Some(b"user_\xff".as_slice()), None, None, None],
        vec![
            Some(b"user_a".as_slice()),
            Some(b"123".as_slice()),
            None,
            None,
        ],
        vec![
            Some(b"user_a".as_slice()),
            None,
            Some(b"\xc3".as_slice()),
            None,
        ],
        vec![
            Some(b"user_a".as_slice()),
            None,
            None,
            Some(b"\x02".as_slice()),
        ],
        vec![Some(b"user_a".as_slice()), None, None, Some(b"".as_slice())],
        vec![],
    ] {
        assert!(columns.user(&row, &words()).is_err(), "{row:?}");
    }
}

#[test]
fn what_was_asked_of_one_user_is_answered_about_no_other() {
    let columns = users(&[("user", Type::TEXT)]).unwrap();
    let build = |user: &'static str| {
        let mut builder = TableLoader::of_one(UserId::parse("user_a").unwrap(), words());
        builder.user(&columns, 1, &vec![Some(user.as_bytes())], 1);
        builder
            .end(|| ())
            .map(|(table, _)| table.size())
            .map_err(|faults| faults.to_string())
    };
    assert_eq!(build("user_a"), Ok((1, 0, 0)));
    assert_eq!(
        build("user_A").unwrap_err(),
        "users, row 1 (user_A): the query was asked for user_a"
    );
}

#[test]
fn a_table_is_known_again_in_any_order_and_not_with_one_row_changed() {
    let keys = super::PrintKeys::default();
    let columns = members(&[
        ("workspace", Type::TEXT),
        ("user", Type::TEXT),
        ("role", Type::TEXT),
    ])
    .unwrap();
    let print = |rows: &[[&'static str; 3]]| {
        let mut builder = TableLoader::new(words(), keys.clone());
        for row in rows {
            builder.member(
                &columns,
                1,
                &row.iter()
                    .map(|cell| Some(cell.as_bytes()))
                    .collect::<Vec<_>>(),
                3,
            );
        }
        builder.end(|| ()).unwrap().1
    };
    let (a, b) = (["w", "user_a", "member"], ["w", "user_b", "admin"]);
    assert_eq!(print(&[a, b]), print(&[b, a]));
    for other in [
        vec![a],
        vec![a, ["w", "user_b", "member"]],
        vec![a, b, ["v", "user_b", "admin"]],
        vec![],
    ] {
        assert_ne!(print(&[a, b]), print(&other), "{other:?}");
    }
}
