//! Whole numbers in as few bytes as they need (LEB128), and signed ones with the sign at the end.

/// Writes a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(0x80 | low(number));
        number >>= 7;
    }
    bytes.push(low(number));
}

fn low(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

/// Takes a number from the front; none where there is no whole one.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Writes a number that may be negative.
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put(bytes, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Takes a number that may be negative.
pub(super) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let number = take(bytes)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

/// Writes the bits of a value: how many bytes they need from the front, and these.
pub(super) fn put_value(bytes: &mut Vec<u8>, value: f64) {
    let all = value.to_bits().to_be_bytes();
    let needed = 8 - all.iter().rev().take_while(|byte| **byte == 0).count();
    bytes.push(u8::try_from(needed).unwrap_or(8));
    bytes.extend_from_slice(&all[..needed]);
}

/// Takes a value.
pub(super) fn take_value(bytes: &mut &[u8]) -> Option<f64> {
    let (needed, rest) = bytes.split_first()?;
    let (some, rest) = rest.split_at_checked(usize::from(*needed))?;
    let mut all = [0; 8];
    all.get_mut(..some.len())?.copy_from_slice(some);
    *bytes = rest;
    Some(f64::from_bits(u64::from_be_bytes(all)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(number in any::<u64>(), signed in any::<i64>(), bits in any::<u64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            put_signed(&mut bytes, signed);
            put_value(&mut bytes, f64::from_bits(bits));
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take(&mut rest), Some(number));
            prop_assert_eq!(take_signed(&mut rest), Some(signed));
            prop_assert_eq!(take_value(&mut rest).map(f64::to_bits), Some(bits));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = (take(&mut &*bytes), take_signed(&mut &*bytes), take_value(&mut &*bytes));
        }
    }
}
