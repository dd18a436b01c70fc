//! NETCONF message framing over SSH (RFC 6242 §4): end-of-message and chunked, as a pure decoder and encoder.
//!
//! Where it stands: bytes of the channel go in by [`Decoder::push`], whole messages come out by [`Decoder::next`].
//! Nothing here knows XML or time.
//!
//! Guarantees
//! * Any split of the input gives the same messages.
//! * Bytes behind the hello's `]]>]]>` stay in the buffer and are read with the framing that is chosen next.
//! * A message, a chunk and the number of chunks are limited; a length is checked before anything is stored for it.
//! * After an error the decoder yields nothing but that error: a broken frame never resynchronises.

use bytes::{Buf, BytesMut};

/// Which framing is in use (RFC 6242 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `]]>]]>` behind each message (base:1.0, RFC 6242 §4.3).
    EndOfMessage,
    /// Chunks with their length in front (base:1.1, RFC 6242 §4.2).
    Chunked,
}

/// Limits against a hostile or broken element.
#[derive(Clone, Copy, Debug)]
pub struct FrameLimits {
    /// Bytes of one message.
    pub max_message: usize,
    /// Bytes of one chunk.
    pub max_chunk: usize,
    /// Chunks of one message.
    pub max_chunks: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        FrameLimits { max_message: 256 << 20, max_chunk: 256 << 20, max_chunks: 1 << 20 }
    }
}

/// What is wrong with the bytes of an element, or with ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// Something else than `\n#` where a chunk has to begin or end.
    #[error("expected a chunk header, found {found:?}")]
    Header {
        /// the bytes found, at most 16
        found: String,
    },
    /// A chunk length that RFC 6242 does not allow.
    #[error("chunk length {length:?} is not a number from 1 to 4294967295 without leading zero")]
    ChunkLength {
        /// the bytes found, at most 16
        length: String,
    },
    /// `\n##\n` without a chunk before it.
    #[error("a message without any chunk")]
    Empty,
    /// A chunk above the limit.
    #[error("chunk of {size} bytes, the limit is {limit}")]
    ChunkTooLarge {
        /// announced
        size: u64,
        /// allowed
        limit: usize,
    },
    /// A message above the limit.
    #[error("message longer than {limit} bytes")]
    MessageTooLarge {
        /// allowed
        limit: usize,
    },
    /// More chunks than the limit.
    #[error("message in more than {limit} chunks")]
    TooManyChunks {
        /// allowed
        limit: usize,
    },
    /// Our own message contains the delimiter of end-of-message framing.
    #[error("the message contains \"]]>]]>\" and cannot be sent to an element that speaks base:1.0 only")]
    Delimiter,
    /// Our own message is empty.
    #[error("an empty message cannot be sent")]
    Nothing,
}

/// Puts one message into a frame. Chunked: one chunk, so that the payload stays in one piece on the wire.
pub fn encode(framing: Framing, message: &[u8]) -> Result<Vec<u8>, FramingError> {
    if message.is_empty() {
        return Err(FramingError::Nothing);
    }
    let mut frame = Vec::with_capacity(message.len() + 24);
    match framing {
        Framing::EndOfMessage => {
            if find(message, DELIMITER).is_some() {
                return Err(FramingError::Delimiter);
            }
            frame.extend_from_slice(message);
            frame.extend_from_slice(DELIMITER);
        }
        Framing::Chunked => {
            for chunk in message.chunks(u32::MAX as usize) {
                frame.extend_from_slice(format!("\n#{}\n", chunk.len()).as_bytes());
                frame.extend_from_slice(chunk);
            }
            frame.extend_from_slice(b"\n##\n");
        }
    }
    Ok(frame)
}

/// Takes bytes, gives messages.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    limits: FrameLimits,
    buffer: BytesMut,
    /// End-of-message: how much of the buffer holds no delimiter for certain.
    scanned: usize,
    /// Chunked: what is complete of the present message.
    message: Vec<u8>,
    chunks: usize,
    /// Chunked: bytes of the present chunk still to come.
    missing: usize,
    broken: Option<FramingError>,
}

impl Decoder {
    /// A decoder as every session begins: end-of-message framing.
    pub fn new(limits: FrameLimits) -> Self {
        Decoder {
            framing: Framing::EndOfMessage,
            limits,
            buffer: BytesMut::new(),
            scanned: 0,
            message: Vec::new(),
            chunks: 0,
            missing: 0,
            broken: None,
        }
    }

    /// Changes the framing for everything that has not been given out yet. Called between two messages only, after
    /// both hellos (RFC 6242 §4.1).
    pub fn set_framing(&mut self, framing: Framing) {
        self.framing = framing;
        self.scanned = 0;
    }

    /// The framing in use.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Adds bytes from the element.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Where the next bytes from the element go: room for at least so many. What is written there counts as pushed.
    pub fn room(&mut self, bytes: usize) -> &mut BytesMut {
        self.buffer.reserve(bytes);
        &mut self.buffer
    }

    /// The next whole message, or `None` when more bytes are needed.
    #[allow(clippy::should_implement_trait)] // it is no iterator: `None` is not the end
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let result = match self.framing {
            Framing::EndOfMessage => self.next_delimited(),
            Framing::Chunked => self.next_chunked(),
        };
        if let Err(error) = &result {
            self.broken = Some(error.clone());
            self.buffer = BytesMut::new();
            self.message = Vec::new();
        }
        result
    }

    /// Whether the stream may end here without cutting a message.
    pub fn at_boundary(&self) -> bool {
        self.message.is_empty()
            && self.chunks == 0
            && self.missing == 0
            && self.buffer.iter().all(u8::is_ascii_whitespace)
    }

    fn next_delimited(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        let limit = self.limits.max_message;
        match find(&self.buffer[self.scanned..], DELIMITER) {
            Some(at) => {
                let end = self.scanned + at;
                if end > limit {
                    return Err(FramingError::MessageTooLarge { limit });
                }
                let message = self.buffer.split_to(end).to_vec();
                self.buffer.advance(DELIMITER.len());
                self.scanned = 0;
                Ok(Some(message))
            }
            None if self.buffer.len() > limit.saturating_add(DELIMITER.len()) => {
                Err(FramingError::MessageTooLarge { limit })
            }
            None => {
                self.scanned = self.buffer.len().saturating_sub(DELIMITER.len() - 1);
                Ok(None)
            }
        }
    }

    fn next_chunked(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        loop {
            if self.missing > 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                let part = self.buffer.split_to(self.missing.min(self.buffer.len()));
                self.missing -= part.len();
                self.message.extend_from_slice(&part);
                continue;
            }
            match self.chunk_header()? {
                Header::Incomplete => return Ok(None),
                Header::End if self.chunks == 0 => return Err(FramingError::Empty),
                Header::End => {
                    self.chunks = 0;
                    return Ok(Some(std::mem::take(&mut self.message)));
                }
                Header::Chunk(size) => {
                    let FrameLimits { max_message, max_chunk, max_chunks } = self.limits;
                    let length = usize::try_from(size).unwrap_or(usize::MAX);
                    if length > max_chunk {
                        return Err(FramingError::ChunkTooLarge { size, limit: max_chunk });
                    }
                    if self.message.len().saturating_add(length) > max_message {
                        return Err(FramingError::MessageTooLarge { limit: max_message });
                    }
                    if self.chunks >= max_chunks {
                        return Err(FramingError::TooManyChunks { limit: max_chunks });
                    }
                    self.chunks += 1;
                    self.missing = length;
                    self.message.reserve(length.min(AT_ONCE));
                }
            }
        }
    }

    /// Reads `\n#<length>\n` or `\n##\n` from the front of the buffer.
    fn chunk_header(&mut self) -> Result<Header, FramingError> {
        let head = &self.buffer[..self.buffer.len().min(MAX_HEADER)];
        let begins = |prefix: &[u8]| head.iter().zip(prefix).all(|(a, b)| a == b);
        if !begins(b"\n#") {
            return Err(FramingError::Header { found: shown(head) });
        }
        let Some(rest) = head.get(2..).filter(|r| !r.is_empty()) else { return Ok(Header::Incomplete) };
        if rest[0] == b'#' {
            return match rest.get(1) {
                None => Ok(Header::Incomplete),
                Some(b'\n') => {
                    self.buffer.advance(4);
                    Ok(Header::End)
                }
                Some(_) => Err(FramingError::Header { found: shown(head) }),
            };
        }
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let bad = || FramingError::ChunkLength { length: shown(rest) };
        if digits == 0 || rest[0] == b'0' || digits > MAX_DIGITS {
            return Err(bad());
        }
        match rest.get(digits) {
            None => Ok(Header::Incomplete),
            Some(b'\n') => {
                // At most ten digits: a u64 holds them.
                let size = rest[..digits].iter().fold(0_u64, |n, d| n * 10 + u64::from(d - b'0'));
                if size > u64::from(u32::MAX) {
                    return Err(bad());
                }
                self.buffer.advance(2 + digits + 1);
                Ok(Header::Chunk(size))
            }
            Some(_) => Err(bad()),
        }
    }
}

enum Header {
    Incomplete,
    Chunk(u64),
    End,
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned()
}

/// Room that is made for a chunk before its bytes have come: an announced length costs nothing yet.
const AT_ONCE: usize = 1 << 20;
const DELIMITER: &[u8] = b"]]>]]>";
/// Digits of 4294967295.
const MAX_DIGITS: usize = 10;
/// `\n#`, ten digits and one more, `\n`.
const MAX_HEADER: usize = 2 + MAX_DIGITS + 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunked(limits: FrameLimits) -> Decoder {
        let mut d = Decoder::new(limits);
        d.set_framing(Framing::Chunked);
        d
    }

    fn decode(framing: Framing, pieces: &[&[u8]]) -> Result<Vec<Vec<u8>>, FramingError> {
        let mut d = Decoder::new(FrameLimits { max_message: 1000, max_chunk: 500, max_chunks: 20 });
        d.set_framing(framing);
        let mut out = Vec::new();
        for piece in pieces {
            d.push(piece);
            while let Some(m) = d.next()? {
                out.push(m);
            }
        }
        Ok(out)
    }

    #[test]
    fn example_of_the_rfc() {
        // RFC 6242 §4.2
        let wire = b"\n#4\n<rpc\n#18\n message-id=\"102\"\n\n#79\n     xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\">\n  <close-session/>\n</rpc>\n##\n";
        let got = decode(Framing::Chunked, &[wire]).unwrap();
        assert_eq!(got.len(), 1);
        let text = String::from_utf8(got[0].clone()).unwrap();
        assert!(text.starts_with("<rpc message-id=\"102\"\n"), "{text}");
        assert!(text.ends_with("<close-session/>\n</rpc>"), "{text}");
    }

    #[test]
    fn bytes_behind_the_hello_are_read_with_the_next_framing() {
        let mut d = Decoder::new(FrameLimits::default());
        d.push(b"<hello/>]]>]]>\n#3\nabc\n##\n");
        assert_eq!(d.next().unwrap().unwrap(), b"<hello/>");
        d.set_framing(Framing::Chunked);
        assert_eq!(d.next().unwrap().unwrap(), b"abc");
        assert_eq!(d.next().unwrap(), None);
        assert!(d.at_boundary());
    }

    #[test]
    fn half_a_chunk_waits() {
        let mut d = chunked(FrameLimits::default());
        d.push(b"\n#10\nabc");
        assert_eq!(d.next().unwrap(), None);
        assert!(!d.at_boundary());
        d.push(b"defghij\n#");
        assert_eq!(d.next().unwrap(), None);
        d.push(b"#\n");
        assert_eq!(d.next().unwrap().unwrap(), b"abcdefghij");
        assert!(d.at_boundary());
    }

    #[test]
    fn wrong_chunks_are_refused_and_stay_refused() {
        let bad: &[&[u8]] = &[
            b"\n#0\n",
            b"\n#01\nx",
            b"\n#-1\n",
            b"\n# 4\n",
            b"\n#4 \nabcd",
            b"\n#4294967296\n",
            b"\n#99999999999\n",
            b"\n#\n",
            b"#4\nabcd",
            b"<rpc-reply/>",
            b"\n##\n",
            b"\n#4\nabcdX",
            b"\n#4\nabcd\n##X",
            b"\n#501\n",
        ];
        for wire in bad {
            let mut d = chunked(FrameLimits { max_message: 1000, max_chunk: 500, max_chunks: 20 });
            d.push(wire);
            let error = d.next().expect_err(&format!("{:?}", String::from_utf8_lossy(wire)));
            d.push(b"\n#1\nx\n##\n");
            assert_eq!(d.next(), Err(error), "a broken stream stays broken");
        }
    }

    #[test]
    fn limits_hold_before_anything_is_stored() {
        let mut many = chunked(FrameLimits { max_chunks: 3, ..FrameLimits::default() });
        many.push(b"\n#1\na\n#1\nb\n#1\nc\n#1\nd");
        assert_eq!(many.next(), Err(FramingError::TooManyChunks { limit: 3 }));
        let mut large = chunked(FrameLimits { max_message: 10, ..FrameLimits::default() });
        large.push(b"\n#6\nabcdef\n#5\n");
        assert_eq!(large.next(), Err(FramingError::MessageTooLarge { limit: 10 }));
        let mut endless = Decoder::new(FrameLimits { max_message: 10, ..FrameLimits::default() });
        endless.push(&[b'x'; 17]);
        assert_eq!(endless.next(), Err(FramingError::MessageTooLarge { limit: 10 }));
        let mut exact = Decoder::new(FrameLimits { max_message: 10, ..FrameLimits::default() });
        exact.push(b"0123456789]]>]]>");
        assert_eq!(exact.next().unwrap().unwrap(), b"0123456789");
    }

    #[test]
    fn our_own_frames() {
        assert_eq!(encode(Framing::Chunked, b"<a/>").unwrap(), b"\n#4\n<a/>\n##\n");
        assert_eq!(encode(Framing::EndOfMessage, b"<a/>").unwrap(), b"<a/>]]>]]>");
        assert_eq!(encode(Framing::EndOfMessage, b"<a>]]>]]></a>"), Err(FramingError::Delimiter));
        assert_eq!(encode(Framing::Chunked, b""), Err(FramingError::Nothing));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..120), 1..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            inner in prop::collection::vec(1_usize..50, 1..5),
            delimited in any::<bool>(),
        ) {
            let framing = if delimited { Framing::EndOfMessage } else { Framing::Chunked };
            let mut wire = Vec::new();
            for (i, m) in messages.iter().enumerate() {
                prop_assume!(!delimited || find(&[m.as_slice(), &DELIMITER[..5]].concat(), DELIMITER).is_none());
                if delimited {
                    wire.extend(encode(framing, m).unwrap());
                } else {
                    for part in m.chunks(inner[i % inner.len()].max(m.len() / 15 + 1)) {
                        wire.extend(format!("\n#{}\n", part.len()).into_bytes());
                        wire.extend(part);
                    }
                    wire.extend(b"\n##\n");
                }
            }
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(wire.len())).collect();
            at.extend([0, wire.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &wire[w[0]..w[1]]).collect();
            prop_assert_eq!(decode(framing, &pieces).unwrap(), messages);
        }

        #[test]
        fn hostile_bytes_never_panic_and_never_exceed_the_limit(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'#'), Just(b'1'), Just(b'9'), any::<u8>()], 0..300),
            delimited in any::<bool>(),
        ) {
            let framing = if delimited { Framing::EndOfMessage } else { Framing::Chunked };
            if let Ok(messages) = decode(framing, &[&bytes]) {
                prop_assert!(messages.iter().all(|m| m.len() <= 1000));
            }
        }
    }
}
