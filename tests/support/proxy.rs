//! A connection to a server that a test can silence: like a firewall that has forgotten it, or a machine that hangs. Nothing is
//! closed and nothing is answered.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A proxy on the loopback, which runs as long as the runtime.
pub struct Proxy {
    address: SocketAddr,
    is_silent: watch::Sender<bool>,
}

impl Proxy {
    /// In front of the server of a database URL.
    pub async fn before(url: &str) -> Self {
        let server = url::Url::parse(url).unwrap();
        let server = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_silent, silence) = watch::channel(false);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(relay(client, server.clone(), silence.clone()));
            }
        });
        Self { address, is_silent }
    }

    /// `url` with the address of the proxy.
    pub fn url(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.to_string()
    }

    /// Accepts from now on and never answers, in new connections and in those that are open.
    pub fn silence(&self) {
        self.is_silent.send_replace(true);
    }

    /// Serves new connections again. Those of before stay silent for the client, and are ended at the server, as its keepalives
    /// would end them.
    pub fn serve_again(&self) {
        self.is_silent.send_replace(false);
    }
}

async fn relay(mut client: TcpStream, server: String, mut silence: watch::Receiver<bool>) {
    if !*silence.borrow_and_update() {
        let Ok(mut server) = TcpStream::connect(server).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            silent = silence.wait_for(|silent| *silent) => drop(silent),
        }
        drop(silence.wait_for(|silent| !silent).await);
    }
    // The client is neither answered nor disconnected.
    std::future::pending::<()>().await;
    drop(client);
}
