//! A hub on this machine, with the troubles that hubs have.

use serde_json::{Value as Json, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    /// The listing is answered with this status and error code.
    pub(crate) listing: Option<(u16, &'static str)>,
    /// Files are answered with this status.
    pub(crate) files: Option<u16>,
    /// The next answers end after so many bytes of content.
    pub(crate) cuts: Vec<usize>,
    /// Content stops coming after so many bytes, and the connection stays.
    pub(crate) stall: Option<usize>,
    /// A byte of the content is another.
    pub(crate) damage: bool,
    /// Ranges are not heeded.
    pub(crate) no_ranges: bool,
    /// Bytes too many.
    pub(crate) excess: usize,
    /// Files are elsewhere, at this address.
    pub(crate) moved_to: Option<String>,
    /// The listing says so.
    pub(crate) answer: Option<String>,
    /// A file that the listing calls so large.
    pub(crate) sized: Option<(&'static str, u64)>,
}

struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    trouble: Mutex<Trouble>,
    asked: Mutex<Vec<Asked>>,
    is_over: AtomicBool,
}

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Server {
    pub(crate) fn start(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let shared =
            Shared { files, trouble: Mutex::default(), asked: Mutex::default(), is_over: AtomicBool::new(false) };
        let shared = Arc::new(shared);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if own.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&own);
                thread::spawn(move || shared.serve(connection));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        *self.shared.trouble.lock().unwrap() = trouble;
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

fn git_sha1(content: &[u8]) -> String {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", content.len()));
    hasher.update(content);
    hex(&hasher.finalize())
}

impl Shared {
    /// Answers one request a connection.
    fn serve(&self, mut connection: TcpStream) {
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let headers: BTreeMap<String, String> = lines
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
            .collect();
        let header = |name: &str| headers.get(name).cloned();
        let token = header("authorization").map(|value| value.trim_start_matches("Bearer ").to_owned());
        let asked = Asked { path: path.clone(), range: header("range"), token };
        self.asked.lock().unwrap().push(asked.clone());
        // A reader that left is no fault of the hub.
        let _ = match path.starts_with("/api/") {
            true => self.list(&mut connection),
            false => self.send_file(&mut connection, &asked),
        };
    }

    fn list(&self, connection: &mut TcpStream) -> std::io::Result<()> {
        let trouble = self.trouble.lock().unwrap().clone();
        if let Some((status, code)) = trouble.listing {
            return respond(connection, status, &format!("X-Error-Code: {code}\r\n"), b"{}");
        }
        let file = |(name, bytes): (&String, &Vec<u8>)| -> Json {
            let size = trouble.sized.filter(|(sized, _)| sized == name).map_or(bytes.len() as u64, |(_, size)| size);
            let mut file = json!({"rfilename": name, "size": size, "blobId": git_sha1(bytes)});
            if name.ends_with("safetensors") || name.ends_with("gguf") {
                file["lfs"] = json!({"sha256": sha256(bytes), "size": size, "pointerSize": 135});
            }
            file
        };
        let listing = json!({"sha": COMMIT, "siblings": self.files.iter().map(file).collect::<Vec<_>>()});
        respond(connection, 200, "", trouble.answer.unwrap_or_else(|| listing.to_string()).as_bytes())
    }

    fn send_file(&self, connection: &mut TcpStream, asked: &Asked) -> std::io::Result<()> {
        let (cut, trouble) = {
            let mut trouble = self.trouble.lock().unwrap();
            let cut = if trouble.cuts.is_empty() { None } else { Some(trouble.cuts.remove(0)) };
            (cut, trouble.clone())
        };
        if let (Some(elsewhere), false) = (&trouble.moved_to, asked.path.starts_with("/elsewhere")) {
            let location = format!("Location: {elsewhere}/elsewhere{}\r\n", asked.path);
            return respond(connection, 302, &location, b"");
        }
        if let Some(status) = trouble.files {
            return respond(connection, status, "", b"no");
        }
        let name = asked.path.split(&format!("/resolve/{COMMIT}/")).nth(1).unwrap_or_default();
        let Some(content) = self.files.get(&name.replace("%20", " ")) else {
            return respond(connection, 404, "X-Error-Code: EntryNotFound\r\n", b"");
        };
        let mut content = content.clone();
        if trouble.damage {
            let middle = content.len() / 2;
            content[middle] ^= 1;
        }
        let all = content.len();
        content.extend(vec![0; trouble.excess]);
        let range = asked.range.as_ref().filter(|_| !trouble.no_ranges);
        let start: usize = range.map_or(0, |range| range.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap());
        let head = match range {
            Some(_) => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{all}\r\n", all - 1),
            None => "HTTP/1.1 200 OK\r\n".to_owned(),
        };
        let rest = &content[start.min(content.len())..];
        write!(connection, "{head}Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
        let sent = cut.or(trouble.stall).unwrap_or(rest.len()).min(rest.len());
        connection.write_all(&rest[..sent])?;
        if trouble.stall.is_some() && sent < rest.len() {
            while !self.is_over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }
}

fn respond(connection: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 {status} Something\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    connection.write_all(body)
}
