//! The content of a file, from a thread of its own, so that a cancel need not wait for the network.

use super::client::{Client, plainly};
use super::error::HubError;
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;
use ureq::Body;
use ureq::http::{Response, StatusCode};

/// Bytes of a piece, and pieces that wait to be written.
const PIECE: usize = 256 << 10;
const WAITING: usize = 8;

/// How often a wait looks for a cancel.
const GLANCE: Duration = Duration::from_millis(50);

/// What arrives, in this order.
enum Part {
    /// The head of the answer.
    Head(Box<Response<()>>),
    /// Some of the content.
    Piece(Vec<u8>),
    /// No more.
    End,
    /// It broke.
    Broken(String),
}

/// Why there is no more content.
pub(super) enum Interrupted {
    /// Trying again may help.
    Broken(String),
    /// It will not.
    Refused(HubError),
}

/// Content on its way.
pub(super) struct Stream {
    parts: Receiver<Part>,
    /// Where in the file it begins.
    pub(super) start: u64,
}

impl Stream {
    /// Asks for a file from a position on; a hub may answer with all of it instead.
    pub(super) fn open(
        client: &Client,
        address: String,
        from: u64,
        path: &str,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, Interrupted> {
        let (sender, parts) = sync_channel(WAITING);
        let (agent, token) = (client.agent.clone(), client.access.token.clone());
        thread::spawn(move || {
            let mut request = agent.get(address);
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let last = match request.call() {
                Ok(response) => send(response, &sender),
                Err(error) => Some(Part::Broken(plainly(&error))),
            };
            // Nobody listens after a cancel.
            last.map(|last| sender.send(last))
        });
        let mut stream = Self { parts, start: 0 };
        let response = match stream.next(is_cancelled)? {
            Part::Head(response) => response,
            Part::Broken(problem) => return Err(Interrupted::Broken(problem)),
            Part::Piece(_) | Part::End => return Err(Interrupted::Broken("an answer without a head".to_owned())),
        };
        stream.start = match (response.status(), begin(&response)) {
            (StatusCode::OK, _) => 0,
            (StatusCode::PARTIAL_CONTENT, Some(start)) if start == from => start,
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                return Err(Interrupted::Broken("another part of the file than was asked for".to_owned()));
            }
            (status, _) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                return Err(Interrupted::Broken(format!("{status}")));
            }
            _ => return Err(Interrupted::Refused(client.refusal(&*response, path))),
        };
        Ok(stream)
    }

    /// The next piece; none at the end.
    pub(super) fn piece(&mut self, is_cancelled: &dyn Fn() -> bool) -> Result<Option<Vec<u8>>, Interrupted> {
        match self.next(is_cancelled)? {
            Part::Piece(piece) => Ok(Some(piece)),
            Part::Broken(problem) => Err(Interrupted::Broken(problem)),
            Part::End | Part::Head(_) => Ok(None),
        }
    }

    fn next(&mut self, is_cancelled: &dyn Fn() -> bool) -> Result<Part, Interrupted> {
        loop {
            match self.parts.recv_timeout(GLANCE) {
                _ if is_cancelled() => return Err(Interrupted::Refused(HubError::Cancelled)),
                Ok(part) => return Ok(part),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Part::Broken("it ended early".to_owned())),
            }
        }
    }
}

/// Sends an answer's head and content; returns what is to be sent last, or nothing where nobody listens any more.
fn send(response: Response<Body>, sender: &SyncSender<Part>) -> Option<Part> {
    let (head, body) = response.into_parts();
    sender.send(Part::Head(Box::new(Response::from_parts(head, ())))).ok()?;
    let mut reader = body.into_reader();
    loop {
        let mut piece = vec![0; PIECE];
        match reader.read(&mut piece) {
            Ok(0) => return Some(Part::End),
            Ok(length) => {
                piece.truncate(length);
                sender.send(Part::Piece(piece)).ok()?;
            }
            Err(error) => return Some(Part::Broken(error.to_string())),
        }
    }
}

/// Where a part of a file begins: `7` of `bytes 7-9/10`.
fn begin(response: &Response<()>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.trim().strip_prefix("bytes")?.trim_start().split('-').next()?.parse().ok()
}
