use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use unattended_daemon::{Daemon, ExitClass, Shutdown, run_scheduled};
use unattended_jobs::Unobserved;

use crate::world::{Answer, World};

#[tokio::test]
async fn without_a_scheduled_job_there_is_nothing_to_run() {
    let world = World::new();
    world.change_configuration("schedule = \"0 2 * * *\"\ntime-zone = \"UTC\"\n", "");
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let error = run_scheduled(&daemon, Arc::new(Unobserved), &Shutdown::new()).await.unwrap_err();
    assert_eq!(
        (error.exit_class(), error.to_string().as_str()),
        (ExitClass::Configuration, "no job has a schedule")
    );
}

// OP-2
#[tokio::test]
async fn a_refused_credential_ends_the_start_and_not_the_first_night() {
    let world = World::new();
    world.network.on("/token", Answer::refusal(7_000_215, "invalid_client", "Invalid client secret."));
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let error = run_scheduled(&daemon, Arc::new(Unobserved), &Shutdown::new()).await.unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Refused);
    assert_eq!(error.to_string(), "no token for `graph` can be acquired");
}

// OP-2
#[tokio::test]
async fn an_authority_that_is_away_at_the_start_is_waited_for() {
    let world = World::new();
    world.network.on("/token", Answer::Unreachable("connection refused"));
    let daemon = Arc::new(Daemon::build(world.config(), world.ports()).unwrap());
    let shutdown = Shutdown::new();
    let running = {
        let (daemon, shutdown) = (Arc::clone(&daemon), shutdown.clone());
        tokio::spawn(async move { run_scheduled(&daemon, Arc::new(Unobserved), &shutdown).await })
    };
    until(|| world.clock.sleepers() > 0).await;
    assert!(!running.is_finished());
    world.network.on("/token", Answer::token(&[]));
    until(|| {
        world.clock.advance(Duration::from_secs(15));
        daemon.state_file().exists() && world.network.asked("/token") >= 2
    })
    .await;
    shutdown.ask();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn while_it_waits_for_the_authority_it_can_be_stopped() {
    let world = World::new();
    world.network.on("/token", Answer::Unreachable("connection refused"));
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    let clock = world.clock.clone();
    tokio::spawn(async move {
        until(|| clock.sleepers() > 0).await;
        asked.ask();
    });
    run_scheduled(&daemon, Arc::new(Unobserved), &shutdown).await.unwrap();
}

// OP-6
#[tokio::test]
async fn the_terminate_signal_drains_and_a_second_one_stops() {
    let shutdown = Shutdown::on_signals().unwrap();
    terminate_this_process();
    shutdown.drain.cancelled().await;
    assert!(!shutdown.stop.is_cancelled());
    terminate_this_process();
    shutdown.stop.cancelled().await;
}

fn terminate_this_process() {
    assert!(
        Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status().unwrap().success()
    );
}

const RUNS: &str = "run::it_runs_until_it_is_asked_to_stop_with_or_without_a_service_manager";

// OP-2
#[tokio::test]
async fn it_runs_until_it_is_asked_to_stop_with_or_without_a_service_manager() {
    let world = World::new();
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let shutdown = Shutdown::new();
    let (asked, clock) = (shutdown.clone(), world.clock.clone());
    tokio::spawn(async move {
        until(|| clock.sleepers() > 0).await;
        asked.ask();
    });
    run_scheduled(&daemon, Arc::new(Unobserved), &shutdown).await.unwrap();
}

// OP-2
#[test]
fn systemd_is_told_when_the_service_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // The variable is read from the process, so the service is a process of its own.
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", RUNS])
        .env("NOTIFY_SOCKET", &path)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    socket.set_nonblocking(true).unwrap();
    let mut messages = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length) = socket.recv(&mut buffer) {
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    assert_eq!(
        messages,
        [
            "READY=1\nSTATUS=1 job on schedule\n",
            "STOPPING=1\nSTATUS=draining: runs stop at their next checkpoint\n"
        ]
    );
}

async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}
