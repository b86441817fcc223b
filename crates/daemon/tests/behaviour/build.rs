use std::error::Error as _;

use unattended_daemon::{Daemon, ExitClass, MapEnvironment};
use unattended_identity::{Freshness, TokenOrigin};

use crate::world::{Answer, SECRET, TENANT, World, is_private};

#[tokio::test]
async fn one_file_becomes_tokens_clients_and_jobs() {
    let world = World::new();
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    assert_eq!(world.network.asked(""), 0, "nothing is sent before it is needed");
    let token = daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached).await.unwrap();
    assert!(token.expose().starts_with("eyJ"));
    assert_eq!(daemon.client("graph").unwrap().base_url(), "https://graph.microsoft.com/v1.0");
    let jobs = daemon.jobs().unwrap();
    assert_eq!((jobs[0].name.as_str(), jobs[0].schedule.as_ref().unwrap().as_str()), ("people", "0 2 * * *"));
}

#[test]
fn a_name_that_does_not_exist_comes_with_the_one_that_was_meant() {
    let world = World::new();
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let error = daemon.job("peeple").unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.remedy()),
        ("there is no job `peeple`", Some("did you mean `people`?"))
    );
    let error = daemon.client("sharepoint").unwrap_err();
    assert_eq!(
        (error.exit_class(), error.remedy()),
        (ExitClass::Configuration, Some("the configuration has graph"))
    );
}

#[test]
fn the_state_is_opened_at_first_use_and_is_the_owners_alone() {
    let world = World::new();
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    assert!(!daemon.state_file().exists());
    daemon.engine().unwrap();
    assert!(is_private(&daemon.state_file()) && is_private(daemon.state_file().parent().unwrap()));
}

#[test]
fn without_any_readable_credential_nothing_is_built() {
    let world = World::new();
    world.set_mode("client-secret", 0o644);
    let error = Daemon::build(world.config(), world.ports()).unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Configuration);
    assert!(error.remedy().unwrap().starts_with("chmod 600 "), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("mode 0644"), "{error:?}");
    assert!(!format!("{error:?}").contains(SECRET));
}

#[test]
fn a_second_credential_stands_in_for_one_that_cannot_be_read() {
    let world = World::new();
    world.change_configuration(
        "[[application.credentials]]",
        "[[application.credentials]]\ncertificate = \"file:gone.pem\"\n\n[[application.credentials]]",
    );
    Daemon::build(world.config(), world.ports()).unwrap();
}

#[test]
fn an_extra_certificate_authority_that_is_none_is_refused() {
    let world = World::new();
    world.change_configuration("tenant =", "ca-file = \"ca.pem\"\ntenant =");
    let mut ports = world.ports();
    ports.http = None;
    let error = Daemon::build(world.config(), ports.clone()).unwrap_err();
    assert_eq!(error.exit_class(), ExitClass::Configuration);
    assert!(error.to_string().ends_with("ca.pem cannot be read"), "{error}");
    world.write("ca.pem", "no certificate", 0o644);
    let error = Daemon::build(world.config(), ports.clone()).unwrap_err();
    assert!(error.to_string().ends_with("ca.pem cannot be used"), "{error}");
    world.write("ca.pem", &"#\n".repeat(5 << 20), 0o644);
    let error = Daemon::build(world.config(), ports).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it is longer than 8 MiB", "what has no end is not read to its end");
}

// OP-7
#[tokio::test]
async fn each_way_to_fail_has_its_class_of_exit_code() {
    for (answer, class) in [
        (Answer::refusal(7_000_215, "invalid_client", "Invalid client secret."), ExitClass::Refused),
        (Answer::refusal(7_000_229, "unauthorized_client", "No service principal."), ExitClass::Refused),
        (Answer::refusal(90002, "invalid_request", "No such tenant."), ExitClass::Configuration),
        (Answer::json(429, &serde_json::json!({ "error": "temporarily_unavailable" })), ExitClass::Temporary),
        (Answer::Unreachable("connection refused"), ExitClass::Unavailable),
    ] {
        let world = World::new();
        world.network.on("/token", answer);
        let daemon = Daemon::build(world.config(), world.ports()).unwrap();
        let acquire = daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached);
        let error = world.while_time_passes(acquire).await.unwrap_err();
        assert_eq!(ExitClass::from(&error), class, "{error}");
    }
}

// Case 64 of the peers' suites.
#[tokio::test]
async fn the_authority_may_be_a_region_or_a_farm_of_ad_fs() {
    for (line, endpoint) in [
        (
            format!("region = \"westeurope\"\ntenant = \"{TENANT}\""),
            format!("https://westeurope.login.microsoft.com/{TENANT}/oauth2/v2.0/token"),
        ),
        (
            "authority = \"https://adfs.contoso.com/adfs\"".to_owned(),
            "https://adfs.contoso.com/adfs/oauth2/token".to_owned(),
        ),
    ] {
        let world = World::new();
        world.change_configuration(&format!("tenant = \"{TENANT}\""), &line);
        world.network.on("/token", Answer::token(&[]));
        let daemon = Daemon::build(world.config(), world.ports()).unwrap();
        daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached).await.unwrap();
        assert_eq!((world.network.asked(&endpoint), world.network.asked("")), (1, 1), "{endpoint}");
    }
}

fn keep_tokens(world: &World, place: &str) {
    world.write("token-store.key", &"k".repeat(32), 0o600);
    let table =
        format!("[application.token-store]\n{place}\nkeys = [\"file:token-store.key\"]\n\n[apis.graph]");
    world.change_configuration("[apis.graph]", &table);
}

// D5
#[tokio::test]
async fn a_token_store_serves_the_next_process_and_holds_nothing_readable() {
    let world = World::new();
    keep_tokens(&world, "directory = \"tokens\"");
    let acquire = async || {
        let daemon = Daemon::build(world.config(), world.ports()).unwrap();
        let token = daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached).await.unwrap();
        daemon.application().store_settled().await;
        token
    };
    let first = acquire().await;
    assert_eq!(first.origin(), TokenOrigin::Server);
    let mut entries = std::fs::read_dir(world.path("tokens")).unwrap().map(|file| file.unwrap().path());
    let entry = entries.next().unwrap();
    assert!(is_private(&entry) && is_private(&world.path("tokens")));
    let sealed = std::fs::read(entry).unwrap();
    assert!(!sealed.windows(16).any(|window| window == &first.expose().as_bytes()[..16]));

    let second = acquire().await;
    assert_eq!((second.origin(), second.expose()), (TokenOrigin::Store, first.expose()));
    assert_eq!(world.network.asked("/token"), 1);
}

#[tokio::test]
async fn a_token_store_may_be_a_database_or_a_server_that_is_not_there() {
    for place in ["sqlite = \"tokens/tokens.db\"", "redis = \"redis://127.0.0.1:1\""] {
        let world = World::new();
        keep_tokens(&world, place);
        let daemon = Daemon::build(world.config(), world.ports()).unwrap();
        daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached).await.unwrap();
        assert_eq!(world.path("tokens/tokens.db").exists(), place.starts_with("sqlite"));
        let asked = daemon.application().store_statistics().unwrap();
        assert_eq!((asked.misses, asked.failures), if place.starts_with("sqlite") { (1, 0) } else { (0, 1) });
    }
}

#[test]
fn a_token_store_without_a_usable_key_stops_the_start_and_says_what_mends_it() {
    let world = World::new();
    let table = "[application.token-store]\ndirectory = \"tokens\"\nkeys = [\"file:token-store.key\"]\n\n[apis.graph]";
    world.change_configuration("[apis.graph]", table);
    let remedy = || {
        let error = Daemon::build(world.config(), world.ports()).unwrap_err();
        assert_eq!(error.exit_class(), ExitClass::Configuration);
        error.remedy().unwrap().to_owned()
    };
    assert!(remedy().contains("put it there"));
    world.write("token-store.key", "hunter2", 0o600);
    assert!(remedy().contains("openssl rand -base64 32"));
    world.write("token-store.key", &"k".repeat(32), 0o644);
    assert!(remedy().starts_with("chmod 600 "));
}

// 85, 86: of the peers' suites: a store that is not what it should be leaves the client with its memory.
#[tokio::test]
async fn a_database_of_tokens_that_is_damaged_or_a_directory_keeps_no_daemon_from_starting() {
    for place in ["sqlite = \"tokens.db\"", "sqlite = \".\""] {
        let world = World::new();
        world.write("tokens.db", "not a database, whatever it once was", 0o600);
        keep_tokens(&world, place);
        let daemon = Daemon::build(world.config(), world.ports()).unwrap();
        let token = daemon.scoped_token("graph").unwrap().acquire(Freshness::Cached).await.unwrap();
        assert_eq!(token.origin(), TokenOrigin::Server);
        assert_eq!(daemon.application().store_statistics().unwrap().failures, 1);
    }
}

// D17: every credential has an epoch; a file that is exchanged costs no restart and no failed call.
#[tokio::test]
async fn a_running_daemon_goes_over_to_a_new_secret_without_one_failed_call() {
    let world = World::new();
    world.network.accept_only(SECRET);
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let tokens = daemon.scoped_token("graph").unwrap();
    for secret in [SECRET, "second~Q", "third~Q"] {
        // The administrator exchanges the file, and the old secret is withdrawn.
        world.write("client-secret", secret, 0o600);
        world.network.accept_only(secret);
        for _ in 0..3 {
            tokens.acquire(Freshness::Forced).await.unwrap();
        }
    }
    assert_eq!(world.network.asked("/token"), 9, "no request was refused");
    // Withdrawn before the file was exchanged: the live token goes on being served.
    world.network.accept_only("fourth~Q");
    world.clock.advance(std::time::Duration::from_secs(1_900));
    assert!(tokens.cached().is_some());
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    world.write("client-secret", "fourth~Q", 0o600);
    world.clock.advance(std::time::Duration::from_secs(60));
    tokens.acquire(Freshness::Cached).await.unwrap();
    tokens.acquire(Freshness::Forced).await.unwrap();
}

// Cases 29, 30 and 43 of the peers' suites.
#[tokio::test]
async fn what_the_configuration_adds_to_token_requests_is_sent_for_its_api_alone() {
    let world = World::new();
    world.change_configuration("tenant =", "capabilities = [\"cp1\"]\ntenant =");
    let plain =
        "base-url = \"https://graph.microsoft.com/v1.0\"\nscope = \"https://graph.microsoft.com/.default\"";
    let agent =
        format!("[apis.agent]\n{plain}\ntoken-parameters = {{ fmi_path = \"nightly/1\", dc = \"x y\" }}");
    world.change_configuration("[jobs.people]", &format!("{agent}\n\n[jobs.people]"));
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let capabilities = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    for (api, expected) in [
        ("graph", &[("claims", capabilities)][..]),
        ("agent", &[("claims", capabilities), ("dc", "x y"), ("fmi_path", "nightly/1")]),
    ] {
        daemon.scoped_token(api).unwrap().acquire(Freshness::Cached).await.unwrap();
        let form = world.network.form();
        let own = ["grant_type", "client_id", "client_secret", "scope"];
        let mut added: Vec<_> = form.iter().filter(|(name, _)| !own.contains(&name.as_str())).collect();
        added.sort();
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        assert_eq!(added, expected.iter().collect::<Vec<_>>());
    }
    assert_eq!(world.network.asked("/token"), 2, "the same scope with other parameters is another token");
}

// Case 59 of the peers' suites.
#[tokio::test]
async fn in_a_pod_with_a_workload_identity_its_variables_are_all_that_is_needed() {
    let mut world = World::new();
    let token = world.path("azure-identity-token").display().to_string();
    world.environment = MapEnvironment::new([
        ("AZURE_CLIENT_ID", "5a0e2f3c-1111-4222-8333-444455556666"),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ("AZURE_FEDERATED_TOKEN_FILE", &token),
    ]);
    world.change_configuration("secret = \"file:client-secret\"", "workload-identity = true");
    world.change_configuration("\"5a0e2f3c-1111-4222-8333-444455556666\"", "\"env:AZURE_CLIENT_ID\"");
    world.change_configuration(
        &format!("tenant = \"{}\"", TENANT),
        "tenant = \"env:AZURE_TENANT_ID\"\nauthority = \"env:AZURE_AUTHORITY_HOST\"",
    );
    world.write("azure-identity-token", "a.b.one", 0o644);
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let tokens = daemon.scoped_token("graph").unwrap();
    for assertion in ["a.b.one", "a.b.two"] {
        world.write("azure-identity-token", assertion, 0o644);
        tokens.acquire(Freshness::Forced).await.unwrap();
        let form = world.network.form();
        let sent = |name: &str| form.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        assert_eq!(sent("client_assertion"), Some(assertion));
        assert_eq!(sent("client_id"), Some("5a0e2f3c-1111-4222-8333-444455556666"));
    }
    assert_eq!(world.network.asked(&format!("{}/oauth2/v2.0/token", TENANT)), 2);
}

// Case 59 of the peers' suites: a mounted secret is a link below a link, which is renamed over as a whole.
#[cfg(unix)]
#[tokio::test]
async fn a_mounted_secret_that_is_exchanged_is_used_by_the_next_request_without_one_failed_call() {
    let world = World::new();
    let volume = world.path("volume");
    std::fs::create_dir(&volume).unwrap();
    std::os::unix::fs::symlink("..data/client-secret", volume.join("client-secret")).unwrap();
    world.change_configuration("file:client-secret", "file:volume/client-secret");
    let put = |version: usize| {
        let (name, secret) = (format!("..version-{version}"), format!("secret-{version}~Q"));
        std::fs::create_dir(volume.join(&name)).unwrap();
        world.write(&format!("volume/{name}/client-secret"), &secret, 0o600);
        std::os::unix::fs::symlink(&name, volume.join("..data_tmp")).unwrap();
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        if version > 0 {
            std::fs::remove_dir_all(volume.join(format!("..version-{}", version - 1))).unwrap();
        }
        world.network.accept_only(&secret);
    };
    put(0);
    let daemon = Daemon::build(world.config(), world.ports()).unwrap();
    let tokens = daemon.scoped_token("graph").unwrap();
    for version in 1..=20 {
        tokens.acquire(Freshness::Forced).await.unwrap();
        put(version);
        tokens.acquire(Freshness::Forced).await.unwrap();
    }
    assert_eq!(world.network.asked("/token"), 40, "no request was refused");
}
