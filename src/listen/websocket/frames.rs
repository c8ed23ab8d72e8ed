//! Finds the end of each WebSocket frame (RFC 6455, 5.2). It reads only the lengths and keeps no content.

/// Whether the gate may send a frame of its own after the bytes sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameBoundary {
    /// Now: the last frame is complete. A control frame may also stand between the fragments of a message (5.4).
    Between,
    /// After the frame that is being sent.
    Within,
    /// Never: the app has sent its close frame, or its bytes are not valid frames.
    Gone,
}

/// Follows the bytes that the app sends to its client from the `101` on. Its size is constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent(At);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the head of an answer. Interim answers may come before the `101`.
    Head(Head),
    /// Before a frame.
    Between,
    /// After the first byte of a frame.
    Opened { closer: bool },
    /// In the long form of a length, with this many bytes of it to come.
    Length {
        left: u8,
        length: u64,
        masked: bool,
        closer: bool,
    },
    /// In the mask and the payload, with this many bytes of both to come: at least one.
    Payload { left: u64, closer: bool },
    /// After a close frame. Nothing may follow it (5.5.1).
    Closed,
    /// The app broke the protocol. Its client will close the connection for that.
    Lost,
}

impl Default for At {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

/// The position in a head of HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    start: [u8; SWITCHING.len()],
    read: usize,
    /// How many bytes of [`END`] the last bytes match.
    end: usize,
}

/// The beginning of the last head.
const SWITCHING: &[u8; 12] = b"HTTP/1.1 101";
/// The end of every head.
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
    /// Follows `bytes`, which come next.
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

    /// How many of the next `bytes` belong to the frame that is being sent. 0 if no frame is being sent.
    pub(super) fn rest(mut self, bytes: &[u8]) -> usize {
        let mut rest = 0;
        while self.gap() == FrameBoundary::Within && rest < bytes.len() {
            rest += self.step(bytes.get(rest..).unwrap_or_default());
        }
        rest
    }

    /// Takes bytes off the front of `bytes`, at least one if there is any. It never takes bytes of two frames at once.
    fn step(&mut self, bytes: &[u8]) -> usize {
        let Some(&byte) = bytes.first() else { return 0 };
        let mut taken = 1;
        self.0 = match self.0 {
            At::Head(head) => head.step(byte),
            // Extensions define reserved bits and opcodes. All extensions leave the lengths as they are (5.8).
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

/// The state after the second byte of a frame.
fn opened(byte: u8, closer: bool) -> At {
    // A server must not mask its frames (5.1). If one does, this bit shows it, and the mask has a length too.
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
