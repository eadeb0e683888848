//! A client that sends raw bytes to the server, or nothing.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// How long a test waits for an event before it fails.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// The receive buffer of the socket, in bytes. It is small, so that a server soon has to wait for the client.
const RECEIVE_BUFFER: u32 = 4096;

pub struct RawClient(TcpStream);

impl RawClient {
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Closes the sending half, as `nc -N` does.
    pub async fn close_sending(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Sends a GET with an API key.
    pub async fn get(&mut self, path: &str, key: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\napikey: {key}\r\n\r\n")).await;
    }

    /// Reads up to 16 KiB; returns nothing once the server has closed the connection.
    pub async fn some(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 16 * 1024];
        let length =
            tokio::time::timeout(DEADLINE, self.0.read(&mut bytes)).await.expect("the server is silent");
        bytes.truncate(length.unwrap_or(0));
        bytes
    }

    /// Reads until the server closes the connection.
    pub async fn rest(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let some = self.some().await;
            if some.is_empty() {
                return String::from_utf8_lossy(&all).into_owned();
            }
            all.extend(some);
        }
    }
}

/// Calls `is_so` until it returns true, and fails after [`DEADLINE`].
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never came true: {what}");
}
