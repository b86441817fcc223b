//! A port for a server of others that cannot be told to choose one.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of the loopback address that nobody is given by chance while this lives, and on which nobody listens but who
/// is told its number: two sockets may be bound to one address as long as one of them does not listen.
pub(crate) struct ReservedPort {
    pub(crate) number: u16,
    _socket: TcpSocket,
}

impl ReservedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self { number: socket.local_addr().unwrap().port(), _socket: socket }
    }
}
