//! Several processes of one application, which are charged for one quota.

use std::fs;
use std::os::unix::net::UnixStream;

use crate::support::{Api, Sandbox, Workplace, end, mode, wait_until};

// RL-7, RL-1
#[test]
fn what_one_process_was_told_holds_back_the_next_one() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let api = Api::by(|path| match path {
        "/refused" => ("429 Too Many Requests\r\nretry-after: 3600", String::new()),
        _ => ("200 OK", "{}".to_owned()),
    });
    api.configure("orders", &place);
    let call = |path: &str| place.run(&["call", "orders", "GET", path]);
    call("/1").expect(0);
    call("/refused").expect(75);
    let file = place.path(".unattended/state/throttled.json");
    assert_eq!(mode(&file), 0o600);
    call("/2").expect(75).says(&["asked for no more requests"]);
    assert_eq!(api.seen(), ["/1", "/refused"]);

    fs::remove_file(&file).unwrap();
    call("/3").expect(0);
}

// RL-7
#[test]
fn the_doctor_tells_of_a_process_that_keeps_its_state_elsewhere() {
    let sandbox = Sandbox::in_memory();
    let place = Workplace::registered(&sandbox);
    let text = fs::read_to_string(place.path("unattended.toml")).unwrap();
    let elsewhere = text.replace("[application]\n", "[application]\nstate-directory = \"elsewhere\"\n");
    fs::write(place.path("other.toml"), elsewhere).unwrap();
    let doctor = || place.run(&["doctor"]).expect(0);
    doctor().says(&["throttling", "shared by all processes"]);

    let socket = place.path("other.sock");
    for (config, is_apart) in [("other.toml", true), ("unattended.toml", false)] {
        let arguments = ["--config", config, "sidecar", "--socket", socket.to_str().unwrap()];
        let mut process = place.command(&arguments).spawn().unwrap();
        wait_until(|| UnixStream::connect(&socket).is_ok());
        let told = doctor();
        let number = format!("process {}", process.id());
        end(&mut process);
        fs::remove_file(&socket).unwrap();
        match is_apart {
            true => told.says(&[&number, "state in", "elsewhere", "write the same `state-directory`"]),
            false => told.says(&["shared by all processes"]),
        };
        assert_eq!(told.stdout.contains(&number), is_apart, "{told}");
    }
}
