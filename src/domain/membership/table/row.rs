//! The row of a person, and the row of a workspace, as bytes.

use std::fmt;

use http::HeaderValue;

use super::super::{AccessStatus, Details, Flags, User};
use super::text::{PackedText, push_number, push_text, take_number};
use crate::domain::ids::AppUserId;

/// The lowest bits of the first byte of a row: this, when nothing is said but the name; else the access, in the row of a person.
const BRIEF: u8 = 3;
const FOUNDER: u8 = 1 << 2;
const HAS_ID: u8 = 1 << 3;
const HAS_EMAIL: u8 = 1 << 4;
const HAS_NAME: u8 = 1 << 5;
const HAS_FLAGS: u8 = 1 << 6;
const HAS_DETAILS: u8 = 1 << 7;

/// In the first byte of a workspace's row.
const HAS_ORG: u8 = 1 << 2;

static NO_FLAGS: Flags = Flags::NONE;

/// A seat: where the row of the workspace is, and the role in it.
pub const SEAT: usize = 5;
pub type Seat = [u8; SEAT];

/// A seat in the workspace whose row is at `place`, in the role of this height.
pub fn membership(place: u32, role: u8) -> Seat {
    let [a, b, c, d] = place.to_le_bytes();
    [a, b, c, d, role]
}

/// Where the row of the workspace is.
pub fn place_of(membership: &Seat) -> u32 {
    let [a, b, c, d, _] = *membership;
    u32::from_le_bytes([a, b, c, d])
}

/// The height of the role.
pub fn height_in(membership: &Seat) -> u8 {
    let [.., role] = *membership;
    role
}

/// What every row begins with: a byte, the name, and seats, sorted by place. Only people have these, and only in a finished table.
struct Opened<'t> {
    head: u8,
    name: PackedText<'t>,
    seats: &'t [Seat],
    /// What follows.
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

/// Writes the row of a person or workspace of which nothing is said but the name.
pub fn write_brief(name: PackedText<'_>, row: &mut Vec<u8>) {
    begin(BRIEF, name, row);
}

fn begin(head: u8, name: PackedText<'_>, row: &mut Vec<u8>) {
    row.push(head);
    name.push_to(row);
    push_number(0, row);
}

/// Writes the row of a person once more, with these seats and without what follows it.
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

/// Writes the row of a workspace once more, without what follows it.
pub fn write_again(row: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(row.get(..length_of_workspace(row)).unwrap_or_default());
}

/// How long the row of a person is.
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

/// How long the row of a workspace is.
pub fn length_of_workspace(row: &[u8]) -> usize {
    let Some(Opened { head, mut rest, .. }) = open(row) else {
        return 0;
    };
    if head & HAS_ORG != 0 {
        let _org = PackedText::take(&mut rest);
    }
    row.len() - rest.len()
}

/// Whose row it is.
pub fn name_of(row: &[u8]) -> Option<PackedText<'_>> {
    PackedText::take(&mut row.get(1..)?)
}

/// Where a person is a member.
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

/// Whether more is said than the name.
pub fn is_described(row: &[u8]) -> bool {
    row.first().is_some_and(|head| head & BRIEF != BRIEF)
}

/// What the source says of a user. Texts are unpacked when they are asked for.
#[derive(Clone, Copy)]
pub struct Row<'t> {
    head: u8,
    flags: &'t Flags,
    /// What follows the flags.
    texts: &'t [u8],
}

/// The texts of a row.
struct Parts<'t> {
    id: Option<PackedText<'t>>,
    email: Option<PackedText<'t>>,
    name: Option<PackedText<'t>>,
    activated_at: Option<PackedText<'t>>,
    /// How many attributes there are, and where they begin.
    attributes: (usize, &'t [u8]),
}

impl<'t> Row<'t> {
    /// Reads the row of a person, whose flags are one of `sets`. `None` when nothing is said but the name.
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

    /// How much access the row of a user gives: none, some while pending, that of an active user, that of a founder.
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

    /// The row as whoever made it wrote it.
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

/// By what they say: two tables have two ways to write down the same flags.
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
