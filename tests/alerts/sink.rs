//! A receiver of HTTP requests, which answers as a test says.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A request as it was received.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Received {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Status(u16),
    /// The request is read and never answered.
    Hang,
}

#[derive(Clone)]
pub struct Sink {
    pub url: String,
    state: Arc<Mutex<(Answer, Vec<Received>)>>,
}

impl Sink {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new((Answer::Status(200), Vec::new())));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
                // A client that goes away is no failure of the sink.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, state }
    }

    pub fn answer_with(&self, answer: Answer) {
        self.state.lock().unwrap().0 = answer;
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().1.clone()
    }

    /// The values of a header, one of each request.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.received().into_iter().map(|request| request.headers[name].clone()).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<(Answer, Vec<Received>)>>,
) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let answer = {
        let mut state = state.lock().unwrap();
        state.1.push(Received { path, headers, body });
        state.0
    };
    match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Status(status) => {
            let body = Full::new(bytes::Bytes::from(format!("the sink says {status}")));
            Ok(Response::builder().status(status).body(body).unwrap())
        }
    }
}
