use std::error::Error as _;

use unattended_daemon::{Daemon, ExitClass};
use unattended_identity::Freshness;

use crate::world::{Answer, SECRET, World, is_private};

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
    let error = Daemon::build(world.config(), ports).unwrap_err();
    assert!(error.to_string().ends_with("ca.pem cannot be used"), "{error}");
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
