//! Start, stop, start again.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde_json::json;
use unattended_core::{Clock, ManualClock, SystemClock};
use unattended_sandbox::Sandbox;

use crate::directory::Directory;
use crate::{administrator_token, builder, clock, start};

#[tokio::test]
async fn the_ready_object_is_what_clients_need_and_nothing_else() {
    let sandbox = start().await;
    let ready = sandbox.ready();
    assert!(ready.authority.starts_with("https://localhost:"));
    assert_eq!(
        serde_json::to_value(ready).unwrap(),
        json!({
            "authority": ready.authority,
            "tenant_id": ready.tenant_id,
            "tenant_domain": "contoso.onmicrosoft.com",
            "graph": format!("{}/graph/v1.0", ready.authority),
            "graph_resource": "https://graph.microsoft.com",
            "vault": format!("{}/vault/contoso", ready.authority),
            "ca_file": ready.ca_file,
            "administrator": {
                "client_id": ready.administrator.client_id,
                "secret_file": ready.administrator.secret_file,
            },
        })
    );
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_sandbox_in_memory_leaves_nothing_behind() {
    let sandbox = start().await;
    let directory = sandbox.ready().ca_file.parent().unwrap().to_owned();
    assert!(directory.exists());
    sandbox.shutdown().await;
    assert!(!directory.exists());

    let dropped = start().await;
    let directory = dropped.ready().ca_file.parent().unwrap().to_owned();
    drop(dropped);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_sandbox_comes_back_as_it_was() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let start = || builder().directory(&path).start();
    let first = start().await.unwrap();
    let (ready, ca) = (first.ready().clone(), fs::read(&first.ready().ca_file).unwrap());
    administrator_token(&ready).await;
    first.shutdown().await;

    let second = start().await.unwrap();
    assert_eq!((second.ready(), fs::read(&ready.ca_file).unwrap()), (&ready, ca));
    administrator_token(&ready).await;
    second.shutdown().await;

    fs::remove_file(&ready.administrator.secret_file).unwrap();
    let third = start().await.unwrap();
    administrator_token(&ready).await;
    third.shutdown().await;

    Sandbox::reset(&path).unwrap();
    let fourth = start().await.unwrap();
    assert_ne!(fourth.ready().tenant_id, ready.tenant_id);
    fourth.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn whatever_a_sandbox_keeps_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let sandbox = builder().directory(&path).start().await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    sandbox.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_others_could_read_is_taken_from_them_at_the_next_start() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    let sandbox = builder().directory(&path).start().await.unwrap();
    sandbox.add_tenant("fabrikam").await.unwrap();
    sandbox.shutdown().await;
    let loosen =
        |mode: u32| move |file: &Path| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.iter().for_each(|file| loosen(0o644)(file));
    let theirs = path.join("notes.txt");
    fs::write(&theirs, "not of the sandbox").unwrap();
    loosen(0o666)(&theirs);

    let sandbox = builder().directory(&path).start().await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(files.iter().any(|file| file.ends_with("administrator.fabrikam.secret")));
    for file in files.iter().filter(|file| file.exists()) {
        let is_lock = file.ends_with("sandbox.lock");
        assert!(is_lock || mode(file) == 0o600, "{}", file.display());
    }
    assert_eq!(mode(&theirs), 0o666);
    administrator_token(sandbox.ready()).await;
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_nothing_but_what_was_made_later() {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemClock.now().duration_since(UNIX_EPOCH).unwrap();
    let start = |days_ago: u64| {
        let clock = ManualClock::at(now.as_secs() - days_ago * 86_400);
        builder().directory(directory.path()).users(250).clock(Arc::new(clock)).start()
    };
    let first = start(0).await.unwrap();
    let late = Directory::of(first.ready()).await;
    let page = late.get("users?$top=100").await;
    let all = late.get("users/delta?$deltatoken=latest").await;
    first.shutdown().await;

    let second = start(20).await.unwrap();
    let refused =
        late.client.get(format!("{}/users", late.base)).bearer_auth(&late.token).send().await.unwrap();
    assert_eq!(refused.status(), 401, "a token of the future");
    let early = Directory::of(second.ready()).await;
    let relative = |link: &serde_json::Value| {
        link.as_str().unwrap().strip_prefix(&format!("{}/", early.base)).unwrap().to_owned()
    };
    let next = early.get(&relative(&page["@odata.nextLink"])).await;
    assert_eq!(next["value"].as_array().unwrap().len(), 100, "{next}");
    let made = early.post("applications", json!({ "displayName": "early" })).await;
    let name = format!("applications/{}", made["id"].as_str().unwrap());
    early.patch(&name, json!({ "notes": "x" })).await;
    early.delete(&name).await;
    early.delete(&format!("directory/deletedItems/{}", made["id"].as_str().unwrap())).await;
    let changes = early.get(&relative(&all["@odata.deltaLink"])).await;
    assert!(changes["value"].as_array().unwrap().is_empty(), "{changes}");
    second.shutdown().await;

    let third = start(0).await.unwrap();
    administrator_token(third.ready()).await;
    third.shutdown().await;
}

#[tokio::test]
async fn a_directory_has_one_sandbox_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = builder().directory(directory.path()).start().await.unwrap();
    let error = builder().directory(directory.path()).start().await.unwrap_err();
    assert!(error.is_held() && error.remedy().is_some(), "{error}");
    assert!(Sandbox::reset(directory.path()).unwrap_err().is_held());
    first.shutdown().await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error_if_it_was_chosen_and_avoided_if_it_was_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let first = builder().directory(directory.path()).start().await.unwrap();
    let authority = first.ready().authority.clone();
    first.shutdown().await;
    let port: u16 = authority.rsplit(':').next().unwrap().parse().unwrap();
    let other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let chosen = builder().directory(directory.path()).listen(other.local_addr().unwrap());
    let error = chosen.start().await.unwrap_err();
    assert!(error.is_address_in_use() && error.to_string().contains(&port.to_string()), "{error}");

    let second = builder().directory(directory.path()).start().await.unwrap();
    assert_ne!(second.ready().authority, authority);
    second.shutdown().await;
}

#[tokio::test]
async fn only_this_machine_may_reach_a_sandbox() {
    let error = builder().listen("0.0.0.0:0".parse().unwrap()).start().await.unwrap_err();
    assert!(error.to_string().contains("0.0.0.0:0") && error.remedy().is_some());
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let error = builder().directory(&file).start().await.unwrap_err();
    assert!(error.to_string().contains("file") && error.remedy().is_some(), "{error}");

    let data = parent.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("sandbox.sqlite3"), "no database".repeat(1000)).unwrap();
    let error = builder().directory(&data).start().await.unwrap_err();
    assert!(error.remedy().unwrap().contains("sandbox reset"), "{error}");
}

#[tokio::test]
async fn a_clock_may_be_given() {
    let sandbox = Sandbox::builder().clock(Arc::new(clock())).start().await.unwrap();
    administrator_token(sandbox.ready()).await;
    sandbox.shutdown().await;
}

// the sandbox binds loopback only unless it is told what that risks
#[tokio::test]
async fn an_address_that_others_reach_is_listened_on_only_when_that_is_wanted() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = builder().listen(everywhere).start().await.unwrap_err();
    assert!(error.is_not_loopback() && error.remedy().unwrap().contains("--expose-to-network"), "{error}");
    let sandbox = builder().listen(everywhere).expose_to_network().start().await.unwrap();
    // What a container publishes on its host's loopback address is still called by that name.
    assert!(sandbox.ready().authority.starts_with("https://localhost:"));
    administrator_token(sandbox.ready()).await;
    sandbox.shutdown().await;
}
