//! What the kernel has to say about a UDP socket: how large its buffer is, and what it dropped.
//!
//! Nothing here receives. Systems other than Linux do not say what they dropped.

use std::os::fd::AsFd;

/// How many bytes of packets the kernel is asked to keep while we are busy.
const BUFFER: usize = 16 << 20;

/// Asks for a large buffer, and says how large it became: beyond the system's own bound
/// (`net.core.rmem_max`) only a privileged process gets more.
pub(super) fn enlarge_buffer(socket: impl AsFd) -> std::io::Result<usize> {
    use rustix::net::sockopt;
    #[cfg(target_os = "linux")]
    let forced = sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER).is_ok();
    #[cfg(not(target_os = "linux"))]
    let forced = false;
    if !forced {
        sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
    }
    Ok(sockopt::socket_recv_buffer_size(&socket)?)
}

/// How many packets to `socket` were dropped since it was bound, because its buffer was full.
pub(super) fn drops(socket: impl AsFd) -> Option<u64> {
    let inode = rustix::fs::fstat(socket).ok()?.st_ino;
    let tables = ["/proc/self/net/udp", "/proc/self/net/udp6"];
    tables.iter().find_map(|table| drops_in(&std::fs::read_to_string(table).ok()?, inode))
}

/// The last column of the line of a socket (`Documentation/networking/proc_net_tcp.rst`, and
/// `udp4_format_sock` of the kernel).
fn drops_in(table: &str, inode: u64) -> Option<u64> {
    let inode = inode.to_string();
    let line = table.lines().skip(1).find(|line| line.split_whitespace().nth(9) == Some(&inode))?;
    line.split_whitespace().nth(12)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_by_the_socket() {
        let table = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  462: 0100007F:1FBE 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21853 2 0000000000000000 17
  463: 0100007F:1FBF 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 21854 2 0000000000000000 0
";
        assert_eq!(drops_in(table, 21_853), Some(17));
        assert_eq!(drops_in(table, 1), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_full_buffer_drops_is_told() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 1).expect("a small buffer");
        assert_eq!(drops(&socket), Some(0));
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let to = socket.local_addr().expect("an address");
        for _ in 0..100 {
            sender.send_to(&[0; 1000], to).expect("it is sent");
        }
        assert!(drops(&socket) > Some(50), "{:?}", drops(&socket));
        assert!(enlarge_buffer(&socket).expect("a larger buffer") > 100_000);
    }
}
