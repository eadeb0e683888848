//! A client that speaks to the server byte by byte, or not at all.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Longer than anything here takes that goes well.
pub const DEADLINE: Duration = Duration::from_secs(20);
/// Of what the server sends before it is read, in bytes. Little, so that a server soon has to wait.
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

    /// GET as the holder of `key`.
    pub async fn get(&mut self, path: &str, key: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\napikey: {key}\r\n\r\n")).await;
    }

    /// Some of what there is to read; nothing once the server has closed the connection.
    pub async fn some(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 16 * 1024];
        let length =
            tokio::time::timeout(DEADLINE, self.0.read(&mut bytes)).await.expect("the server is silent");
        bytes.truncate(length.unwrap_or(0));
        bytes
    }

    /// Everything until the server closes the connection.
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

/// Asks until it is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, waiting).await.is_ok(), "never came true: {what}");
}
