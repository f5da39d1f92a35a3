//! IPv4 addresses that travel inside IPv6 ones.

use std::net::{IpAddr, Ipv4Addr};

/// The most addresses that one can hide: Teredo carries its server and its client.
const MOST: usize = 2;

/// The IPv4 addresses to which a packet for `address` may be carried: IPv4-mapped and -compatible
/// (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214).
pub(super) fn addresses_within(address: IpAddr) -> [Option<IpAddr>; MOST] {
    let IpAddr::V6(address) = address else { return [None; MOST] };
    let own = |address: Ipv4Addr| Some(IpAddr::V4(address));
    let [.., low_high, low_low] = address.segments();
    let low = pair(low_high, low_low);
    match address.segments() {
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None; MOST],
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0, 0, 0, 0, _, _]
        | [0x64, 0xff9b, 1, _, _, _, _, _]
        | [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => [own(low), None],
        [0x2002, high, mid, ..] => [own(pair(high, mid)), None],
        [0x2001, 0, high, mid, ..] => [own(pair(high, mid)), own(!low)],
        _ => [None; MOST],
    }
}

fn pair(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}
