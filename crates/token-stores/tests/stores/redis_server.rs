//! A real Redis server, on a socket in a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use unattended_identity::TokenOrigin;
use unattended_token_stores::RedisStore;

use crate::client::{House, keeps_its_promises};

/// Stopped when dropped.
struct Redis(Child);

impl Redis {
    fn start(directory: &Path) -> Self {
        let socket = directory.join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self(child);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::yield_now();
        }
        redis
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn store(house: &House, directory: &Path) -> RedisStore {
    let url = format!("redis+unix://{}", directory.join("redis.sock").display());
    RedisStore::new(&url, Arc::new(house.clock.clone())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_tokens_for_many_machines() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let _redis = Redis::start(directory.path());
    keeps_its_promises(&house, || store(&house, directory.path())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_no_failure_and_is_used_again_when_it_is_back() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    assert_eq!(house.token("a.example", store(&house, directory.path())).await.1, TokenOrigin::Server);
    let shared = store(&house, directory.path());
    let redis = Redis::start(directory.path());
    house.fill("a.example", shared.clone()).await;
    drop(redis);
    assert_eq!(
        house.token("b.example", shared.clone()).await.1,
        TokenOrigin::Server,
        "its connection is gone"
    );
    std::fs::remove_file(directory.path().join("redis.sock")).ok();
    let _redis = Redis::start(directory.path());
    house.fill("b.example", shared.clone()).await;
}

/// What stands between the clients and the server, and can leave every connection that is open without an answer.
struct Middle {
    socket: PathBuf,
    /// Each connection that is not stalled yet listens to it.
    stalls: Arc<watch::Sender<()>>,
}

impl Middle {
    fn start(directory: &Path) -> Self {
        let (socket, server) = (directory.join("middle.sock"), directory.join("redis.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let stalls = Arc::new(watch::Sender::new(()));
        let to_come = Arc::clone(&stalls);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut stalled) = (server.clone(), to_come.subscribe());
                tokio::spawn(async move {
                    let mut server = UnixStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                        _ = stalled.changed() => {}
                    }
                    drop(stalled);
                    // Neither an answer nor the end: as when the machine at the other side is gone.
                    std::future::pending::<()>().await;
                });
            }
        });
        Self { socket, stalls }
    }

    /// From here on nothing passes through the connections that there are.
    async fn stall(&self) {
        self.stalls.send_replace(());
        self.stalls.closed().await;
    }
}

// 85 (section 3.7)
// One thread, so that whoever has to wait for the clock does before it moves.
#[tokio::test]
async fn a_connection_that_stalls_costs_a_moment_and_the_next_one_is_another() {
    let (house, directory) = (House::new(), tempfile::tempdir().unwrap());
    let _redis = Redis::start(directory.path());
    let middle = Middle::start(directory.path());
    let url = format!("redis+unix://{}", middle.socket.display());
    let shared = RedisStore::new(&url, Arc::new(house.clock.clone())).unwrap();
    let kept = house.fill("a.example", shared.clone()).await;

    middle.stall().await;
    let (_, origin) = house.within_a_second(house.token("a.example", shared.clone())).await;
    assert_eq!(origin, TokenOrigin::Server, "nobody waits for a store");

    assert_eq!(house.token("a.example", shared.clone()).await, (kept, TokenOrigin::Store));
    house.fill("b.example", shared).await;
}

#[test]
fn the_password_in_a_url_is_shown_to_nobody() {
    let house = House::new();
    let error = RedisStore::new("redis//:canary@host", Arc::new(house.clock.clone())).unwrap_err();
    let store = RedisStore::new("redis://:canary@host", Arc::new(house.clock)).unwrap();
    assert!(!format!("{error:?} {store:?}").contains("canary"));
}
