//! Where a WebSocket frame ends (RFC 6455, 5.2): only the lengths are read, nothing is kept of what they are the lengths of.

/// Whether a frame of ours may be put behind what was sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameBoundary {
    /// The last frame is complete. Between the fragments of a message a control frame is in order too (5.4).
    Between,
    /// Once the frame has ended that is being sent.
    Within,
    /// Never again: the app has said its last word, or what it sends has no frames.
    Gone,
}

/// Follows what the app sends to its client from the `101` on. Its size does not depend on what it follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent(At);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the head of an answer; interim ones may come before the `101`.
    Head(Head),
    /// Before a frame.
    Between,
    /// Behind the first byte of a frame.
    Opened { closer: bool },
    /// In the long form of a length, with so many bytes of it to come.
    Length {
        left: u8,
        length: u64,
        masked: bool,
        closer: bool,
    },
    /// In the mask and the payload, with so many bytes of both to come: at least one.
    Payload { left: u64, closer: bool },
    /// Behind a close frame: nothing may follow it (5.5.1).
    Closed,
    /// The app broke the protocol, and its client will close for that.
    Lost,
}

impl Default for At {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

/// A head of HTTP/1.1 up to the byte that comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    start: [u8; SWITCHING.len()],
    read: usize,
    /// How much of [`END`] the last bytes are.
    end: usize,
}

/// What the head begins with that is the last one.
const SWITCHING: &[u8; 12] = b"HTTP/1.1 101";
/// What every head ends with.
const END: &[u8; 4] = b"\r\n\r\n";

impl Head {
    fn step(mut self, byte: u8) -> At {
        if let Some(slot) = self.start.get_mut(self.read) {
            (*slot, self.read) = (byte, self.read + 1);
        }
        self.end = match END.get(self.end) {
            Some(expected) if *expected == byte => self.end + 1,
            _ => usize::from(byte == b'\r'),
        };
        if self.end < END.len() {
            At::Head(self)
        } else if self.start == *SWITCHING {
            At::Between
        } else {
            At::default()
        }
    }
}

const FIN_OR_RESERVED: u8 = 0xF0;
const CLOSE: u8 = 0x8;
const MASKED: u8 = 0x80;
const MASK_BYTES: u64 = 4;

impl Sent {
    /// Goes on behind `bytes`.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = bytes.get(self.step(bytes)..).unwrap_or_default();
        }
    }

    pub(super) fn gap(&self) -> FrameBoundary {
        match self.0 {
            At::Between => FrameBoundary::Between,
            At::Closed | At::Lost => FrameBoundary::Gone,
            At::Head(_) | At::Opened { .. } | At::Length { .. } | At::Payload { .. } => {
                FrameBoundary::Within
            }
        }
    }

    /// How many of `bytes`, which come next, belong to what is being sent: none, where nothing is.
    pub(super) fn rest(mut self, bytes: &[u8]) -> usize {
        let mut rest = 0;
        while self.gap() == FrameBoundary::Within && rest < bytes.len() {
            rest += self.step(bytes.get(rest..).unwrap_or_default());
        }
        rest
    }

    /// Takes some bytes off the front of `bytes`, at least one if there is any, and none of two frames.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        let mut taken = 1;
        self.0 = match self.0 {
            At::Head(head) => head.step(byte),
            // What reserved bits and opcodes mean is agreed upon by extensions; all leave the lengths as they are (5.8).
            At::Between => At::Opened {
                closer: byte & !FIN_OR_RESERVED == CLOSE,
            },
            At::Opened { closer } => opened(byte, closer),
            At::Length {
                left,
                length,
                masked,
                closer,
            } => match (left, length << 8 | u64::from(byte)) {
                (0 | 1, length) => sized(length, masked, closer),
                (left, length) => At::Length {
                    left: left - 1,
                    length,
                    masked,
                    closer,
                },
            },
            At::Payload { left, closer } => {
                taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                payload(left.saturating_sub(taken as u64), closer)
            }
            over @ (At::Closed | At::Lost) => {
                taken = bytes.len();
                over
            }
        };
        taken
    }
}

/// Behind the second byte of a frame.
fn opened(byte: u8, closer: bool) -> At {
    // No server masks what it sends (5.1), but one that does says so here, and the mask has a length too.
    let masked = byte & MASKED != 0;
    match byte & !MASKED {
        126 => At::Length {
            left: 2,
            length: 0,
            masked,
            closer,
        },
        127 => At::Length {
            left: 8,
            length: 0,
            masked,
            closer,
        },
        short => sized(u64::from(short), masked, closer),
    }
}

fn sized(length: u64, masked: bool, closer: bool) -> At {
    // The first bit must be 0 (5.2).
    if length > i64::MAX as u64 {
        return At::Lost;
    }
    payload(length + if masked { MASK_BYTES } else { 0 }, closer)
}

fn payload(left: u64, closer: bool) -> At {
    match (left, closer) {
        (0, true) => At::Closed,
        (0, false) => At::Between,
        _ => At::Payload { left, closer },
    }
}

#[cfg(test)]
mod tests;
