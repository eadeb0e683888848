//! A receiver of HTTP requests, which answers as a test says.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Notify};

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
    /// The request is answered with 200 when the sink is released.
    Wait,
    /// Requests that contain this text are answered with 400, others with 200.
    Refuse(&'static str),
}

#[derive(Clone)]
pub struct Sink {
    pub url: String,
    state: Arc<State>,
}

struct State {
    requests: Mutex<(Answer, Vec<Received>)>,
    released: Notify,
}

impl Sink {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let requests = Mutex::new((Answer::Status(200), Vec::new()));
        let state = Arc::new(State { requests, released: Notify::new() });
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
        self.state.requests.lock().unwrap().0 = answer;
    }

    /// Answers the request that waits, or the next one that does.
    pub fn release(&self) {
        self.state.released.notify_one();
    }

    pub fn received(&self) -> Vec<Received> {
        self.state.requests.lock().unwrap().1.clone()
    }

    /// The values of a header, one of each request.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.received().into_iter().map(|request| request.headers[name].clone()).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<bytes::Bytes>>, Infallible> {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let answer = {
        let mut requests = state.requests.lock().unwrap();
        requests.1.push(Received { path, headers, body: body.clone() });
        requests.0
    };
    let status = match answer {
        Answer::Hang => std::future::pending().await,
        Answer::Wait => {
            state.released.notified().await;
            200
        }
        Answer::Refuse(text) if body.contains(text) => 400,
        Answer::Refuse(_) => 200,
        Answer::Status(status) => status,
    };
    let body = Full::new(bytes::Bytes::from(format!("the sink says {status}")));
    Ok(Response::builder().status(status).body(body).unwrap())
}
