//! An API of one's own on this machine, without TLS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Workplace;

/// It answers by path until the test process ends.
pub(crate) struct Api {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

/// Status line and headers, without those that the server adds, and the body.
pub(crate) type Answer = (&'static str, String);

impl Api {
    /// Answers each request with what `answer` makes of its path.
    pub(crate) fn by(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let api = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (answer, seen) = (Arc::new(answer), Arc::clone(&api.seen));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
                // A client that goes away is no failure of the server.
                thread::spawn(move || serve(&connection, &*answer, &seen).ok());
            }
        });
        api
    }

    /// The paths that were asked for.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Adds it to a configuration.
    pub(crate) fn configure(&self, name: &str, place: &Workplace) {
        let scope = place.config()["apis"]["graph"]["scope"].as_str().unwrap().to_owned();
        place.edit_config("[application]\n", "[application]\nallow-insecure-loopback = true\n");
        let base = format!("http://{}", self.address);
        place.append_config(&format!("\n[apis.{name}]\nbase-url = \"{base}\"\nscope = \"{scope}\"\n"));
    }
}

fn serve(
    mut connection: &TcpStream,
    answer: &dyn Fn(&str) -> Answer,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection).lines();
    while let Some(first) = lines.next() {
        let path = first?.split(' ').nth(1).unwrap_or_default().to_owned();
        // A request without a body ends with its head.
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        seen.lock().unwrap().push(path.clone());
        let (head, body) = answer(&path);
        write!(connection, "HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}
