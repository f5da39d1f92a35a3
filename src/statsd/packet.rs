//! Lines packed into one UDP packet.
//!
//! Pure. A packet never exceeds [`MAX`] and never tears an entry apart.

/// The most bytes of a packet: what fits an Ethernet frame of 1500 bytes after the headers of
/// IPv6, UDP and a tunnel's. A packet in fragments is lost as a whole when one of them is.
pub(super) const MAX: usize = 1432;

/// A packet being filled.
#[derive(Debug)]
pub(super) struct Packet(String);

/// Why an entry was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It fits an empty packet, not this one.
    Full,
    /// It fits no packet.
    TooLong,
}

impl Packet {
    /// An empty packet.
    pub(super) fn new() -> Self {
        Self(String::with_capacity(MAX))
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an entry, or says why not.
    pub(super) fn push(&mut self, entry: &str) -> Result<(), Refusal> {
        if entry.len() > MAX {
            return Err(Refusal::TooLong);
        }
        let separator = usize::from(!self.is_empty());
        if self.0.len() + separator + entry.len() > MAX {
            return Err(Refusal::Full);
        }
        if separator > 0 {
            self.0.push('\n');
        }
        self.0.push_str(entry);
        Ok(())
    }

    /// The packet as it is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Empties it; the room is kept.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_fits_to_the_last_byte() {
        let mut packet = Packet::new();
        assert_eq!(packet.push(&"x".repeat(MAX + 1)), Err(Refusal::TooLong));
        assert_eq!(packet.push(&"x".repeat(MAX)), Ok(()));
        assert_eq!(packet.push("y"), Err(Refusal::Full));
        packet.clear();
        assert_eq!(packet.push(&"x".repeat(MAX - 2)), Ok(()));
        assert_eq!(packet.push("y"), Ok(()));
        assert_eq!((packet.bytes().len(), packet.push("")), (MAX, Err(Refusal::Full)));
    }

    proptest! {
        #[test]
        fn packets_are_bounded_and_lose_nothing(lengths in prop::collection::vec(1..2000usize, 0..40)) {
            let mut packet = Packet::new();
            let (mut taken, mut arrived) = (0, 0);
            let mut count = |packet: &Packet| {
                assert!(packet.bytes().len() <= MAX);
                arrived += packet.bytes().split(|byte| *byte == b'\n').count();
            };
            for length in lengths {
                let entry = "x".repeat(length);
                if packet.push(&entry) == Err(Refusal::Full) {
                    count(&packet);
                    packet.clear();
                    packet.push(&entry).expect("an empty packet takes what is not too long");
                }
                taken += usize::from(length <= MAX);
            }
            if !packet.is_empty() {
                count(&packet);
            }
            prop_assert_eq!(taken, arrived);
        }
    }
}
