//! The row of a person, and the row of a workspace, as bytes.

use std::fmt;

use http::HeaderValue;

use super::super::{AccessStatus, Details, Flags, User};
use super::text::{PackedText, push_number, push_text, take_number};
use crate::domain::ids::AppUserId;

/// The lowest two bits of the first byte of a row. This value marks a row with only a name; others are the access of a person.
const BRIEF: u8 = 3;
const FOUNDER: u8 = 1 << 2;
const HAS_ID: u8 = 1 << 3;
const HAS_EMAIL: u8 = 1 << 4;
const HAS_NAME: u8 = 1 << 5;
const HAS_FLAGS: u8 = 1 << 6;
const HAS_DETAILS: u8 = 1 << 7;

/// A bit in the first byte of a workspace's row.
const HAS_ORG: u8 = 1 << 2;

static NO_FLAGS: Flags = Flags::NONE;

/// A seat in bytes: the place of the workspace's row, and the height of the role in it.
pub const SEAT: usize = 5;
pub type Seat = [u8; SEAT];

/// A seat in the workspace whose row is at `place`, with the role of this height.
pub fn membership(place: u32, role: u8) -> Seat {
    let [a, b, c, d] = place.to_le_bytes();
    [a, b, c, d, role]
}

/// The place of the workspace's row.
pub fn place_of(membership: &Seat) -> u32 {
    let [a, b, c, d, _] = *membership;
    u32::from_le_bytes([a, b, c, d])
}

/// The height of the role.
pub fn height_in(membership: &Seat) -> u8 {
    let [.., role] = *membership;
    role
}

/// The start of every row: a byte, the name, and seats, sorted by place. Only people have seats, and only in a finished table.
struct Opened<'t> {
    head: u8,
    name: PackedText<'t>,
    seats: &'t [Seat],
    /// The bytes after the seats.
    rest: &'t [u8],
}

fn open(row: &[u8]) -> Option<Opened<'_>> {
    let (&head, mut rest) = row.split_first()?;
    let name = PackedText::take(&mut rest)?;
    let seats = take_number(&mut rest)?;
    let (seats, rest) = rest.split_at_checked(seats.checked_mul(SEAT)?)?;
    Some(Opened {
        head,
        name,
        seats: seats.as_chunks().0,
        rest,
    })
}

/// Writes the row of a user whose flags are set number `flags`.
pub fn write_user(id: PackedText<'_>, user: &User, flags: Option<usize>, row: &mut Vec<u8>) {
    let access = match user.access {
        AccessStatus::Pending => 0,
        AccessStatus::Active => 1,
        AccessStatus::Suspended => 2,
    };
    let has = |bit: u8, is: bool| if is { bit } else { 0 };
    let head = access
        | has(FOUNDER, user.founder)
        | has(HAS_ID, user.id.is_some())
        | has(HAS_EMAIL, user.email.is_some())
        | has(HAS_NAME, user.name.is_some())
        | has(HAS_FLAGS, flags.is_some())
        | has(HAS_DETAILS, user.details.is_some());
    begin(head, id, row);
    flags.into_iter().for_each(|flags| push_number(flags, row));
    user.id
        .iter()
        .for_each(|id| push_text(id.as_str().as_bytes(), row));
    user.email
        .iter()
        .chain(&user.name)
        .for_each(|text| push_text(text.as_bytes(), row));
    let Some(details) = &user.details else { return };
    push_number(
        details.attributes.len() * 2 + usize::from(details.activated_at.is_some()),
        row,
    );
    details
        .activated_at
        .iter()
        .for_each(|text| push_text(text.as_bytes(), row));
    for (name, value) in &details.attributes {
        push_text(name.as_bytes(), row);
        push_text(value.as_bytes(), row);
    }
}

/// Writes the row of a workspace.
pub fn write_workspace(id: PackedText<'_>, org: Option<PackedText<'_>>, row: &mut Vec<u8>) {
    begin(if org.is_some() { HAS_ORG } else { 0 }, id, row);
    org.into_iter().for_each(|org| org.push_to(row));
}

/// Writes the row of a person or workspace of which only the name is known.
pub fn write_brief(name: PackedText<'_>, row: &mut Vec<u8>) {
    begin(BRIEF, name, row);
}

fn begin(head: u8, name: PackedText<'_>, row: &mut Vec<u8>) {
    row.push(head);
    name.push_to(row);
    push_number(0, row);
}

/// Copies the row of a person, with these seats and without the bytes after the row.
pub fn write_seated(row: &[u8], seats: &[Seat], out: &mut Vec<u8>) {
    let Some(Opened {
        head, name, rest, ..
    }) = open(row)
    else {
        return;
    };
    out.push(head);
    name.push_to(out);
    push_number(seats.len(), out);
    out.extend(seats.as_flattened());
    out.extend_from_slice(
        rest.get(..length_of_person(row) - (row.len() - rest.len()))
            .unwrap_or_default(),
    );
}

/// Copies the row of a workspace, without the bytes after the row.
pub fn write_again(row: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(row.get(..length_of_workspace(row)).unwrap_or_default());
}

/// The length of the row of a person.
pub fn length_of_person(row: &[u8]) -> usize {
    let Some(Opened { head, rest, .. }) = open(row) else {
        return 0;
    };
    let end = if head & BRIEF == BRIEF {
        Some(rest)
    } else {
        end_of_user(head, rest)
    };
    end.map_or(0, |end| row.len() - end.len())
}

fn end_of_user(head: u8, mut rest: &[u8]) -> Option<&[u8]> {
    if head & HAS_FLAGS != 0 {
        take_number(&mut rest)?;
    }
    let (mut attributes, mut end) = Row {
        head,
        flags: &NO_FLAGS,
        texts: rest,
    }
    .parts()
    .attributes;
    while attributes > 0 {
        PackedText::take(&mut end)?;
        PackedText::take(&mut end)?;
        attributes -= 1;
    }
    Some(end)
}

/// The length of the row of a workspace.
pub fn length_of_workspace(row: &[u8]) -> usize {
    let Some(Opened { head, mut rest, .. }) = open(row) else {
        return 0;
    };
    if head & HAS_ORG != 0 {
        let _org = PackedText::take(&mut rest);
    }
    row.len() - rest.len()
}

/// The name in the row: an id of a person or workspace.
pub fn name_of(row: &[u8]) -> Option<PackedText<'_>> {
    PackedText::take(&mut row.get(1..)?)
}

/// The seats of a person.
pub fn seats_of(row: &[u8]) -> &[Seat] {
    open(row).map_or(&[], |opened| opened.seats)
}

/// The organization of a workspace's row.
pub fn org_of(row: &[u8]) -> Option<PackedText<'_>> {
    let Opened { head, mut rest, .. } = open(row)?;
    if head & HAS_ORG == 0 {
        None
    } else {
        PackedText::take(&mut rest)
    }
}

/// Whether the row has more than a name.
pub fn is_described(row: &[u8]) -> bool {
    row.first().is_some_and(|head| head & BRIEF != BRIEF)
}

/// The row of a user. Texts are unpacked only when they are asked for.
#[derive(Clone, Copy)]
pub struct Row<'t> {
    head: u8,
    flags: &'t Flags,
    /// The bytes after the flags.
    texts: &'t [u8],
}

/// The texts of a row.
struct Parts<'t> {
    id: Option<PackedText<'t>>,
    email: Option<PackedText<'t>>,
    name: Option<PackedText<'t>>,
    activated_at: Option<PackedText<'t>>,
    /// The number of attributes, and the bytes where they begin.
    attributes: (usize, &'t [u8]),
}

impl<'t> Row<'t> {
    /// Reads the row of a person, whose flags are one of `sets`. `None` when the row has only a name.
    pub fn read(row: &'t [u8], sets: &'t [Flags]) -> Option<Self> {
        if !is_described(row) {
            return None;
        }
        let Opened {
            head,
            rest: mut texts,
            ..
        } = open(row)?;
        let flags = if head & HAS_FLAGS == 0 {
            &NO_FLAGS
        } else {
            sets.get(take_number(&mut texts)?)?
        };
        Some(Self { head, flags, texts })
    }

    pub fn access(self) -> AccessStatus {
        match self.head & BRIEF {
            0 => AccessStatus::Pending,
            1 => AccessStatus::Active,
            _ => AccessStatus::Suspended,
        }
    }

    pub fn founder(self) -> bool {
        self.head & FOUNDER != 0
    }

    pub fn flags(self) -> &'t Flags {
        self.flags
    }

    /// The app's own id, still packed.
    pub fn id(self) -> Option<PackedText<'t>> {
        self.parts().id
    }

    pub fn email(self) -> Option<HeaderValue> {
        self.parts().email?.to_header()
    }

    pub fn name(self) -> Option<HeaderValue> {
        self.parts().name?.to_header()
    }

    pub fn details(self) -> Option<Details> {
        if self.head & HAS_DETAILS == 0 {
            return None;
        }
        let text = |text: PackedText<'_>| text.parse(|text| Ok::<Box<str>, ()>(text.into()));
        let Parts {
            activated_at,
            attributes: (count, mut rest),
            ..
        } = self.parts();
        let pair = |_| {
            Some((
                text(PackedText::take(&mut rest)?)?,
                text(PackedText::take(&mut rest)?)?,
            ))
        };
        Some(Details {
            activated_at: activated_at.and_then(text),
            attributes: (0..count).map_while(pair).collect(),
        })
    }

    /// How much access the row of a user gives, rising: no row or suspended, pending, active, founder.
    pub fn rank(row: Option<Self>) -> u8 {
        match row.map(|row| (row.founder(), row.access())) {
            None | Some((false, AccessStatus::Suspended)) => 0,
            Some((false, AccessStatus::Pending)) => 1,
            Some((false, AccessStatus::Active)) => 2,
            Some((true, _)) => 3,
        }
    }

    fn parts(self) -> Parts<'t> {
        let mut rest = self.texts;
        let mut next = |bit: u8| {
            if self.head & bit == 0 {
                None
            } else {
                PackedText::take(&mut rest)
            }
        };
        let (id, email, name) = (next(HAS_ID), next(HAS_EMAIL), next(HAS_NAME));
        let of_details = if self.head & HAS_DETAILS == 0 {
            None
        } else {
            take_number(&mut rest)
        };
        let of_details = of_details.unwrap_or_default();
        let activated_at = if of_details % 2 == 0 {
            None
        } else {
            PackedText::take(&mut rest)
        };
        Parts {
            id,
            email,
            name,
            activated_at,
            attributes: (of_details / 2, rest),
        }
    }

    /// The user as the source gave them.
    pub fn unpacked(self) -> User {
        User {
            id: self.id().and_then(|id| id.parse(AppUserId::parse)),
            email: self.email(),
            name: self.name(),
            access: self.access(),
            founder: self.founder(),
            flags: self.flags().clone(),
            details: self.details().map(Box::new),
        }
    }
}

/// Compares the values: two tables may number the same set of flags differently.
impl PartialEq for Row<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.unpacked() == other.unpacked()
    }
}

impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.unpacked(), f)
    }
}
