//! Frames: points of many series as they came, in one piece of bytes.
//!
//! A frame is read whole by every hub that shares the store, once. No stored byte can make reading
//! panic.

use super::points::Points;
use super::varint;

/// The form that this version writes.
const FORM: u8 = 1;

/// Points of a series, by its number.
pub(super) type Entry = (i64, Points);

/// The bytes of these entries, which are in the order of their series.
pub(super) fn packed(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + entries.len() * 12);
    bytes.push(FORM);
    varint::put(&mut bytes, u64::try_from(entries.len()).unwrap_or(u64::MAX));
    let (mut number, mut time) = (0_i64, 0_i64);
    for (series, points) in entries {
        varint::put_signed(&mut bytes, series.wrapping_sub(number));
        number = *series;
        varint::put(&mut bytes, u64::try_from(points.len()).unwrap_or(u64::MAX));
        for (at, value) in points.iter() {
            varint::put_signed(&mut bytes, at.wrapping_sub(time));
            time = at;
            varint::put_value(&mut bytes, value);
        }
    }
    bytes
}

/// The entries of a frame; none where it cannot be read.
pub(super) fn unpacked(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let (form, rest) = bytes.split_first()?;
    if *form != FORM {
        return None;
    }
    bytes = rest;
    let count = usize::try_from(varint::take(&mut bytes)?).ok()?;
    // An entry has three bytes at least, whatever the count says.
    let mut entries = Vec::with_capacity(count.min(bytes.len() / 3 + 1));
    let (mut number, mut time) = (0_i64, 0_i64);
    for _ in 0..count {
        number = number.wrapping_add(varint::take_signed(&mut bytes)?);
        let mut points = Points::default();
        for _ in 0..varint::take(&mut bytes)? {
            time = time.wrapping_add(varint::take_signed(&mut bytes)?);
            let value = varint::take_value(&mut bytes)?;
            if points.times.last().is_some_and(|last| *last >= time) {
                return None;
            }
            points.push(time, value);
        }
        entries.push((number, points));
    }
    bytes.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let points = prop::collection::btree_map(any::<i32>(), -1e9..1e9, 1..5);
        (any::<i64>(), points).prop_map(|(series, points)| {
            (series, points.into_iter().map(|(at, value)| (i64::from(at), value)).collect())
        })
    }

    proptest! {
        #[test]
        fn entries_come_back(entries in prop::collection::vec(entry(), 0..50)) {
            let back = unpacked(&packed(&entries)).expect("it was packed");
            prop_assert_eq!(format!("{back:?}"), format!("{entries:?}"));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = unpacked(&[&[FORM][..], &bytes].concat());
        }
    }
}
