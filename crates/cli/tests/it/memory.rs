//! How much memory a long read takes.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};

use crate::support::{Api, Sandbox, Workplace};

/// As many as a page of the directory has at most.
const USERS: usize = 999;
const PAGES: usize = 220;

/// The most memory that a process has had, in KiB.
fn most_resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn page(number: usize) -> String {
    let mut page = r#"{"value":["#.to_owned();
    for user in number * USERS..(number + 1) * USERS {
        let comma = if user % USERS == 0 { "" } else { "," };
        write!(
            page,
            r#"{comma}{{"id":"{user:032}","displayName":"Person {user}","mail":"p{user}@x.example"}}"#
        )
        .unwrap();
    }
    page.push(']');
    if number + 1 < PAGES {
        write!(page, r#","@odata.nextLink":"/users?page={}""#, number + 1).unwrap();
    }
    page + "}"
}

// ST-2
#[test]
fn two_hundred_pages_take_as_much_memory_as_twenty() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let (process, peaks) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let api = {
        let (process, peaks) = (Arc::clone(&process), Arc::clone(&peaks));
        Api::by(move |path| {
            let number = path.split("page=").nth(1).map_or(0, |number| number.parse().unwrap());
            if [20, 200].contains(&number) {
                peaks.lock().unwrap().push(most_resident(*process.wait()));
            }
            ("200 OK\r\ncontent-type: application/json", page(number))
        })
    };
    api.configure("large", &place);
    let mut command = place.command(&["call", "large", "GET", "/users", "--all"]);
    let mut reading = command
        .stdout(fs::File::create(place.path("users.ndjson")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    process.set(reading.id()).unwrap();
    assert!(reading.wait().unwrap().success());
    let lines = fs::read(place.path("users.ndjson")).unwrap().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, PAGES * USERS);
    let peaks = peaks.lock().unwrap();
    assert!(peaks.len() == 2 && peaks[1] <= 64 << 10 && peaks[1] - peaks[0] < 1 << 10, "{peaks:?} KiB");
}
