//! Files that are sent, also by processes that are killed.

use std::fs;
use std::process::Stdio;

use crate::support::{CANARY, Drive, Sandbox, Workplace, end, mode, wait_until};

const SESSION: &str = "/drives/d/root:/a.bin:/createUploadSession";
const KILLS: usize = 10;
const SLICES: usize = 60;

/// A daemon whose API `drive` is a drive on a port of its own.
fn workplace(drive: &Drive) -> (Sandbox, Workplace) {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    place.edit_config("[application]\n", "[application]\nallow-insecure-loopback = true\n");
    let scope = place.config()["apis"]["graph"]["scope"].as_str().unwrap().to_owned();
    place.append_config(&format!(
        "\n[apis.drive]\nbase-url = \"{}\"\nscope = \"{scope}\"\n",
        drive.base_url()
    ));
    (sandbox, place)
}

/// No 16 bytes are like others, and the last slice is not whole.
fn content() -> Vec<u8> {
    (0..(SLICES as u64 * 40 * 1024 - 77))
        .flat_map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes())
        .chain(0..9)
        .collect()
}

// UP-1, UP-2: the sandbox's own drives
#[test]
fn the_sandbox_takes_an_upload_without_a_token_and_refuses_the_same_name_again() {
    let sandbox = Sandbox::with_users(1);
    let place = Workplace::new();
    let roles = ["--role", "graph:Files.ReadWrite.All", "--secret", "new", "--grant-admin-consent"];
    place.register(&sandbox, &roles).expect(0);
    let users = place.run(&["call", "graph", "GET", "/users"]).expect(0).json();
    let drive = format!("/users/{}/drive/root:/a.bin:", users["value"][0]["id"].as_str().unwrap());
    let session = format!("{drive}/createUploadSession");
    fs::write(place.path("a.bin"), content()).unwrap();
    let upload = ["call", "graph", "POST", &session, "--upload", "a.bin", "--state", "a.upload"];
    let item = place.run(&upload).expect(0).json();
    assert_eq!((&item["name"], &item["size"]), (&"a.bin".into(), &content().len().into()));
    place.run(&upload).expect(1).says(&["nameAlreadyExists"]);

    let ready_file = sandbox.ready_file();
    let journal = ["sandbox", "journal", "--json", "--sandbox", ready_file.to_str().unwrap()];
    let entries = place.run(&journal).expect(0).ndjson();
    let slices: Vec<_> = entries.iter().filter(|entry| entry["method"] == "PUT").collect();
    assert_eq!(slices.len(), 2);
    assert!(slices.iter().all(|slice| slice["headers"].get("authorization").is_none()), "{slices:?}");
}

// UP-1, UP-2, UP-3
#[test]
fn an_upload_that_is_killed_ten_times_arrives_whole_in_one_session() {
    let drive = Drive::start();
    let (_sandbox, place) = workplace(&drive);
    fs::write(place.path("a.bin"), content()).unwrap();
    let arguments =
        ["call", "drive", "POST", SESSION, "--upload", "a.bin", "--state", "a.upload", "--slice-kib", "320"];
    for kill in 1..=KILLS {
        drive.allow(kill * 4);
        let mut process =
            place.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(|| drive.arrived().slices >= kill * 4);
        assert!(process.try_wait().unwrap().is_none(), "it ended before it was killed");
        end(&mut process);
        assert_eq!(mode(&place.path("a.upload")), 0o600);
        let kept = fs::read(place.path("a.upload")).unwrap();
        assert!(
            !kept.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()),
            "the address is encrypted"
        );
    }
    drive.allow(usize::MAX);
    let run = place.run(&arguments).expect(0);
    run.says(&["going on after", "201 created"]);
    assert_eq!(run.json()["id"], "item-1");
    assert!(!place.path("a.upload").exists());
    let arrived = drive.arrived();
    assert!(arrived.file.as_deref() == Some(&content()[..]));
    assert_eq!((arrived.sessions, arrived.slices), (1, SLICES), "no slice arrived twice");
    drop(arrived);
    assert!(!String::from_utf8_lossy(&place.transcript()).contains(CANARY));
}

// UP-3
#[test]
fn a_file_that_changed_begins_anew_and_a_strange_state_is_refused() {
    let drive = Drive::start();
    drive.allow(2);
    let (_sandbox, place) = workplace(&drive);
    fs::write(place.path("a.bin"), content()).unwrap();
    let arguments = |path| {
        ["call", "drive", "POST", path, "--upload", "a.bin", "--state", "a.upload", "--slice-kib", "960"]
    };
    let mut process =
        place.command(&arguments(SESSION)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| drive.arrived().slices >= 2);
    end(&mut process);

    let elsewhere = "/drives/d/root:/b.bin:/createUploadSession";
    place.run(&arguments(elsewhere)).expect(2).says(&["not the state of this upload", "name another file"]);
    let mut changed = content();
    changed[0] ^= 1;
    fs::write(place.path("a.bin"), &changed).unwrap();
    drive.allow(usize::MAX);
    place.run(&arguments(SESSION)).expect(0);
    let arrived = drive.arrived();
    assert!(arrived.file.as_deref() == Some(&changed[..]) && arrived.sessions == 2);
}

// RT-8
#[test]
fn a_file_goes_in_one_request_with_put() {
    let drive = Drive::start();
    let (_sandbox, place) = workplace(&drive);
    fs::write(place.path("a.bin"), content()).unwrap();
    let put = ["call", "drive", "PUT", "/drives/d/root:/a.bin:/content", "--upload", "a.bin"];
    assert_eq!(place.run(&put).expect(0).json()["id"], "item-1");
    assert!(drive.arrived().file.as_deref() == Some(&content()[..]));
    for (wrong, said) in [
        (vec!["POST", SESSION, "--upload", "a.bin"], "--state"),
        (vec!["GET", "/x", "--upload", "a.bin"], "PUT"),
        (vec!["PUT", "/x", "--upload", "a.bin", "--state", "s"], "no `--state`"),
        (vec!["PUT", "/x", "--upload", "none.bin"], "none.bin"),
        (vec!["POST", SESSION, "--upload", "a.bin", "--state", "s", "--slice-kib", "300"], "320 KiB"),
    ] {
        let arguments: Vec<&str> = ["call", "drive"].into_iter().chain(wrong).collect();
        let run = place.run(&arguments);
        assert!(run.stderr.contains(said), "{run}");
    }
}
