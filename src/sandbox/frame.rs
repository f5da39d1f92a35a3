//! Frames: a `u32` length in little endian, then that many bytes of postcard.
//!
//! Pure; it reads and writes nothing but the buffers it is given, and believes no length.

use bytes::{Buf as _, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes before the message: its length.
pub(super) const HEADER: usize = 4;

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadFrame {
    /// It is longer than the receiver takes.
    #[error("a message of {length} bytes, where {most} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The longest that is taken.
        most: usize,
    },
    /// It is no message.
    #[error("a message that cannot be read: {0}")]
    Garbled(String),
}

/// The frame of a message.
pub(super) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, BadFrame> {
    let frame = postcard::to_extend(message, vec![0; HEADER])
        .map_err(|error| BadFrame::Garbled(error.to_string()));
    let mut frame = frame?;
    let length = frame.len() - HEADER;
    let header =
        u32::try_from(length).map_err(|_| BadFrame::TooLong { length, most: u32::MAX as usize })?;
    frame[..HEADER].copy_from_slice(&header.to_le_bytes());
    Ok(frame)
}

/// The message of a frame without its header; it must be used up to its last byte.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadFrame> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(BadFrame::Garbled(format!("{} bytes too many", rest.len()))),
        Err(error) => Err(BadFrame::Garbled(error.to_string())),
    }
}

/// The length that a header announces.
pub(super) fn announced(header: [u8; HEADER], most: usize) -> Result<usize, BadFrame> {
    let length = u32::from_le_bytes(header) as usize;
    check_length(length, most).map(|()| length)
}

/// Whether a length is within what the receiver takes.
pub(super) fn check_length(length: usize, most: usize) -> Result<(), BadFrame> {
    if length > most { Err(BadFrame::TooLong { length, most }) } else { Ok(()) }
}

/// Takes the first whole message off the front of `buffer`, if there is one.
pub(super) fn take<T: DeserializeOwned>(
    buffer: &mut BytesMut,
    most: usize,
) -> Result<Option<(T, usize)>, BadFrame> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let length = announced(*header, most)?;
    if buffer.len() < HEADER + length {
        return Ok(None);
    }
    let message = decode(&buffer[HEADER..HEADER + length])?;
    buffer.advance(HEADER + length);
    Ok(Some((message, HEADER + length)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::protocol::{Event, FromChild, Level};
    use super::*;

    fn line(text: &str) -> FromChild {
        FromChild::Event {
            at: std::time::Duration::from_millis(5),
            event: Event::Log { level: Level::Warn, text: text.to_owned() },
        }
    }

    #[test]
    fn messages_come_out_one_by_one_as_their_bytes_arrive() {
        let (first, second) = (line("one"), line("two"));
        let mut bytes = encode(&first).expect("encodes");
        bytes.extend(encode(&second).expect("encodes"));
        let (mut buffer, mut seen) = (BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.extend([byte]);
            while let Some((message, _)) = take::<FromChild>(&mut buffer, 100).expect("fits") {
                seen.push(message);
            }
        }
        assert_eq!(seen, [first, second]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&9u32.to_le_bytes()[..]);
        let taken = take::<FromChild>(&mut buffer, 8);
        assert_eq!(taken, Err(BadFrame::TooLong { length: 9, most: 8 }));
    }

    #[test]
    fn a_message_followed_by_other_bytes_is_none() {
        let frame = encode(&line("x")).expect("encodes");
        let body = [&frame[HEADER..], &[0]].concat();
        assert!(matches!(decode::<FromChild>(&body), Err(BadFrame::Garbled(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = take::<FromChild>(&mut buffer, 64) {}
        }
    }
}
