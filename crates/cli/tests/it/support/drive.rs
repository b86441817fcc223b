//! A drive with upload sessions, as strict as the real one about slices, on a port of its own.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// What is part of every address of a session, so that a test can look for it.
pub(crate) const CANARY: &str = "tempauth-canary-5f1c";
const UNIT: usize = 320 << 10;

/// What arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) sessions: u32,
    pub(crate) slices: usize,
    pub(crate) file: Option<Vec<u8>>,
    received: Option<Vec<u8>>,
    /// How many slices may arrive.
    allowed: usize,
}

/// Serves until the test ends.
pub(crate) struct Drive {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Arrived>,
    more_allowed: Condvar,
}

struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Drive {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let drive = Self { address, shared: Arc::default() };
        let shared = Arc::clone(&drive.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, address, &shared));
            }
        });
        drive
    }

    /// Lets so many slices arrive, all in all. Whoever sends another one waits for its answer until more are allowed.
    pub(crate) fn allow(&self, slices: usize) {
        self.arrived().allowed = slices;
        self.shared.more_allowed.notify_all();
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1.0", self.address)
    }

    pub(crate) fn arrived(&self) -> MutexGuard<'_, Arrived> {
        self.shared.arrived.lock().unwrap()
    }
}

/// One request; a connection that breaks off before its end brought nothing.
fn serve(mut stream: &TcpStream, address: SocketAddr, shared: &Shared) {
    let Some(request) = read(stream) else { return };
    let is_slice = request.headers.contains_key("content-range");
    let arrived = shared.arrived.lock().unwrap();
    let is_held = |arrived: &mut Arrived| is_slice && arrived.slices >= arrived.allowed;
    let mut arrived = shared.more_allowed.wait_while(arrived, is_held).unwrap();
    let (status, body) = answer(&request, address, &mut arrived);
    drop(arrived);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Who was killed does not read it.
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body })
}

fn answer(request: &Request, address: SocketAddr, arrived: &mut Arrived) -> (u16, String) {
    let has_token = request.headers.contains_key("authorization");
    if request.path.starts_with("/v1.0/") {
        return match (has_token, request.method.as_str()) {
            (false, _) => (401, String::new()),
            (true, "PUT") => {
                arrived.file = Some(request.body.clone());
                (201, r#"{"id":"item-1"}"#.to_owned())
            }
            (true, _) => {
                arrived.sessions += 1;
                arrived.received = Some(Vec::new());
                let url = format!("http://{address}/up/{CANARY}-{}?tempauth={CANARY}", arrived.sessions);
                (200, format!(r#"{{"uploadUrl":"{url}","nextExpectedRanges":["0-"]}}"#))
            }
        };
    }
    if has_token {
        return (401, String::new());
    }
    let is_current = request.path.starts_with(&format!("/up/{CANARY}-{}?", arrived.sessions));
    match (&mut arrived.received, request.method.as_str()) {
        (Some(received), "PUT") if is_current => match take(request, received) {
            (201, body) => {
                arrived.slices += 1;
                arrived.file = arrived.received.take();
                (201, body)
            }
            (status, body) => {
                arrived.slices += usize::from(status == 202);
                (status, body)
            }
        },
        (Some(received), "GET") if is_current => (200, wanted(received)),
        _ => (404, String::new()),
    }
}

fn wanted(received: &[u8]) -> String {
    format!(r#"{{"nextExpectedRanges":["{}-"]}}"#, received.len())
}

fn take(request: &Request, received: &mut Vec<u8>) -> (u16, String) {
    let numbers = request.headers.get("content-range").and_then(|range| {
        let (bytes, total) = range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = bytes.split_once('-')?;
        Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?, total.parse::<usize>().ok()?))
    });
    let Some((first, last, total)) = numbers else { return (400, String::new()) };
    let is_last = last + 1 == total;
    if last + 1 - first != request.body.len() || (!is_last && !request.body.len().is_multiple_of(UNIT)) {
        return (400, r#"{"error":{"code":"invalidRange"}}"#.to_owned());
    }
    if first != received.len() {
        return (416, r#"{"error":{"code":"invalidRange"}}"#.to_owned());
    }
    received.extend_from_slice(&request.body);
    if is_last { (201, r#"{"id":"item-1"}"#.to_owned()) } else { (202, wanted(received)) }
}
