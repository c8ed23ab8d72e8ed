use proptest::prelude::*;

use super::*;

const HEAD: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/// A frame as an app may send it, right or wrong.
#[derive(Clone, Debug)]
struct Frame {
    first: u8,
    masked: bool,
    /// 0, 2 or 8 bytes for the length; a longer form than is needed is wrong, and has a length all the same.
    long: usize,
    payload: usize,
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let mask = if self.masked { MASKED } else { 0 };
        let length = (self.payload as u64).to_be_bytes();
        let mut bytes = vec![self.first];
        match self.long {
            0 => bytes.push(mask | length[7]),
            2 => bytes.extend([&[mask | 126], &length[6..]].concat()),
            _ => bytes.extend([&[mask | 127], &length[..]].concat()),
        }
        // What looks like the head of a frame is none in there.
        bytes.extend(std::iter::repeat_n(
            0x88,
            self.payload + if self.masked { 4 } else { 0 },
        ));
        bytes
    }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let first = any::<u8>().prop_filter("closing is the end", |first| first & 0xF != CLOSE);
    let size = prop_oneof![
        (Just(0), 0_usize..126),
        (
            Just(2),
            prop_oneof![Just(0), Just(1), 126_usize..300, Just(65_535)]
        ),
        (
            Just(8),
            prop_oneof![Just(0), 126_usize..300, Just(65_536), Just(70_000)]
        ),
    ];
    let frame = (first, any::<bool>(), size).prop_map(|(first, masked, (long, payload))| Frame {
        first,
        masked,
        long,
        payload,
    });
    prop::collection::vec(frame, 0..6)
}

/// Where a frame may be put, by how frames are made: the offsets behind the head and behind each of them.
fn ends(frames: &[Frame]) -> Vec<usize> {
    let mut ends = vec![HEAD.len()];
    for frame in frames {
        ends.push(ends.last().unwrap() + frame.bytes().len());
    }
    ends
}

fn wire(frames: &[Frame]) -> Vec<u8> {
    [HEAD]
        .into_iter()
        .map(<[u8]>::to_vec)
        .chain(frames.iter().map(Frame::bytes))
        .flatten()
        .collect()
}

fn after(bytes: &[u8]) -> Sent {
    let mut sent = Sent::default();
    sent.follow(bytes);
    sent
}

proptest! {
    #[test]
    fn frames_end_where_they_were_made_to_end_however_the_bytes_are_cut(
        frames in frames(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (bytes, ends) = (wire(&frames), ends(&frames));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([bytes.len()]).collect();
        cuts.sort_unstable();
        let (mut sent, mut from) = (Sent::default(), 0);
        for to in cuts {
            // What is left of the frame, as seen from everywhere in it.
            let next = ends.iter().find(|end| **end >= from).copied().unwrap_or(bytes.len());
            prop_assert_eq!(sent.rest(&bytes[from..]), next - from);
            sent.follow(&bytes[from..to]);
            from = to;
            let expected = if ends.contains(&to) { FrameBoundary::Between } else { FrameBoundary::Within };
            prop_assert_eq!(sent.gap(), expected, "behind {} of {} bytes", to, bytes.len());
        }
    }

    #[test]
    fn one_byte_at_a_time_is_as_good_as_all_at_once(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let bytes = [HEAD, &bytes].concat();
        let mut single = Sent::default();
        for byte in &bytes {
            single.follow(&[*byte]);
        }
        prop_assert_eq!(single, after(&bytes));
    }

    #[test]
    fn no_bytes_and_no_cut_of_them_are_too_much(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let sent = after(&bytes);
        prop_assert!(sent.rest(&bytes) <= bytes.len());
        prop_assert_eq!(sent.rest(&[]), 0);
    }
}

#[test]
fn a_head_in_between_is_not_the_one_that_frames_come_behind() {
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n";
    assert_eq!(after(early).gap(), FrameBoundary::Within);
    assert_eq!(after(&[early, HEAD].concat()).gap(), FrameBoundary::Between);
    assert_eq!(
        after(&[early, HEAD, b"\x81\x05ab"].concat()).gap(),
        FrameBoundary::Within
    );
    let tricky = b"HTTP/1.1 101 S\r\nX: \r\r\n\r\r\n\r\n";
    assert_eq!(
        after(&tricky[..tricky.len() - 2]).gap(),
        FrameBoundary::Within
    );
    assert_eq!(after(tricky).gap(), FrameBoundary::Between);
}

#[test]
fn nothing_is_said_behind_the_last_word_of_the_app() {
    let closed = after(&[HEAD, b"\x81\x01a\x88\x02\x03\xe8"].concat());
    assert_eq!(
        (closed.gap(), closed.rest(b"\x81")),
        (FrameBoundary::Gone, 0)
    );
    assert_eq!(
        after(&[HEAD, b"\x88\x02\x03"].concat()).gap(),
        FrameBoundary::Within
    );
    assert_eq!(
        after(&[HEAD, b"\x88\x00\x81\x00"].concat()).gap(),
        FrameBoundary::Gone,
        "also when the app goes on"
    );
}

#[test]
fn a_length_that_no_frame_can_have_ends_all_hope() {
    let sent = after(&[HEAD, b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"].concat());
    assert_eq!((sent.gap(), sent.rest(b"abc")), (FrameBoundary::Gone, 0));
    let longest = after(&[HEAD, b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"].concat());
    assert_eq!(
        (longest.gap(), longest.rest(b"abc")),
        (FrameBoundary::Within, 3)
    );
}
