use serde_json::json;
use unattended_daemon::doctor::{self, Finding, Verdict};
use unattended_daemon::{Config, MapEnvironment};

use crate::world::{Answer, NOW, SECRET, TENANT, World, certificate};

async fn examined(world: &World) -> Vec<Finding> {
    let findings = doctor::examine(&world.config(), &world.ports()).await;
    let everything = format!("{findings:?}{}", serde_json::to_string(&findings).unwrap());
    assert!(!everything.contains(SECRET) && !everything.contains("eyJ"), "a secret is shown: {everything}");
    findings
}

/// What is not right, as a person reads it.
fn complaints(world: &World, findings: &[Finding]) -> String {
    let bad: Vec<Finding> =
        findings.iter().filter(|finding| finding.verdict != Verdict::Ok).cloned().collect();
    text(world, &bad)
}

fn text(world: &World, findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let subject = finding.subject.as_deref().unwrap_or("-");
        let mut text = format!("{:?} {} {subject}: {}", finding.verdict, finding.check, finding.detail);
        for (name, part) in [("why", &finding.why), ("fix", &finding.fix)] {
            if let Some(part) = part {
                text.push_str(&format!("\n    {name}: {part}"));
            }
        }
        text
    });
    world.without_paths(&lines.collect::<Vec<_>>().join("\n"))
}

// OP-14
#[tokio::test]
async fn when_everything_is_right_every_finding_says_what_was_seen() {
    let world = World::new();
    let findings = examined(&world).await;
    insta::assert_snapshot!(text(&world, &findings), @r"
    Ok configuration -: DIR/unattended.toml with 1 API and 1 job
    Ok files DIR/unattended.toml: the configuration has mode 0640
    Ok files DIR/client-secret: the credential has mode 0600
    Ok files DIR/.unattended/state: the state directory is made at the first run
    Ok network login.microsoftonline.com: reached directly, trusting the system's authorities
    Ok network graph.microsoft.com: reached directly, trusting the system's authorities
    Ok clock -: agrees with the authority's
    Ok authority -: issuer https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0, tokens from https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/oauth2/v2.0/token
    Ok credential file:DIR/client-secret: a secret; only its registration knows when it ends
    Ok token graph: issued for https://graph.microsoft.com, lives 59 min
    Ok roles graph: granted: User.ReadWrite.All
    Ok throttling -: shared by all processes that use DIR/.unattended/state
    Ok job people: runs at 02:00; next at 2026-11-23 02:00 UTC
    ");
}

#[tokio::test]
async fn what_depends_on_a_failure_is_skipped_with_the_reason() {
    let world = World::new();
    world.network.on("", Answer::Unreachable("dns error: failed to lookup address information"));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed network login.microsoftonline.com: not reached
        why: dns error: failed to lookup address information
        fix: check the name, and that this machine resolves it: `getent hosts login.microsoftonline.com`
    Failed network graph.microsoft.com: not reached
        why: dns error: failed to lookup address information
        fix: check the name, and that this machine resolves it: `getent hosts graph.microsoft.com`
    Skipped clock -: the authority cannot be reached
    Skipped authority -: the authority cannot be reached
    Skipped token graph: the authority cannot be reached
    Skipped roles graph: there is no token
    ");
    assert_eq!(world.network.asked("/token"), 0);
}

#[tokio::test]
async fn a_certificate_authority_that_nobody_vouches_for_is_told_from_a_closed_way() {
    let world = World::new();
    world.network.on("login.", Answer::Unreachable("invalid peer certificate: UnknownIssuer"));
    world.network.on("graph.", Answer::Unreachable("tcp connect error: timed out"));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r#"
    Failed network login.microsoftonline.com: not reached
        why: invalid peer certificate: UnknownIssuer
        fix: if a proxy re-signs TLS, or login.microsoftonline.com has a CA of its own, write `ca-file = "ca.pem"` in [application]
    Failed network graph.microsoft.com: not reached
        why: tcp connect error: timed out
        fix: open the way to graph.microsoft.com, or set HTTPS_PROXY for the daemon
    Skipped clock -: the authority cannot be reached
    Skipped authority -: the authority cannot be reached
    Skipped token graph: the authority cannot be reached
    Skipped roles graph: there is no token
    "#);
}

#[tokio::test]
async fn the_proxy_in_the_way_is_named_without_its_password() {
    let mut world = World::new();
    world.environment = MapEnvironment::new([("HTTPS_PROXY", "http://me:hunter2~Q@px01:8080")]);
    world.network.on("graph.", Answer::Unreachable("unsuccessful tunnel"));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed network graph.microsoft.com: not reached
        why: unsuccessful tunnel
        fix: check that http://[redacted]@px01:8080 lets this machine through to graph.microsoft.com
    ");
}

#[tokio::test]
async fn a_clock_that_is_off_is_measured_against_the_authority() {
    for (date, verdict, detail) in [
        (NOW, Verdict::Ok, "agrees with the authority's"),
        (NOW + 45, Verdict::Ok, "45 s behind the authority's"),
        (NOW - 61, Verdict::Warning, "1 min 1 s ahead of the authority's"),
        (NOW - 300, Verdict::Warning, "5 min 0 s ahead of the authority's"),
        (NOW + 301, Verdict::Failed, "5 min 1 s behind the authority's"),
        (NOW + 90_000, Verdict::Failed, "25 h 0 min behind the authority's"),
    ] {
        let world = World::new();
        let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
        let metadata = json!({ "issuer": issuer, "token_endpoint": "https://login.microsoftonline.com/t" });
        world.network.on("/.well-known/", Answer::json(200, &metadata).at(date));
        let findings = examined(&world).await;
        let clock = findings.iter().find(|finding| finding.check == "clock").unwrap();
        assert_eq!((clock.verdict, clock.detail.as_str()), (verdict, detail));
    }
}

#[tokio::test]
async fn a_tenant_that_does_not_exist_is_explained_by_its_code() {
    let world = World::new();
    let answer = Answer::refusal(90002, "invalid_tenant", "Tenant not found.");
    world.network.on("/.well-known/", answer.clone());
    world.network.on("/token", answer);
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed authority -: it answered HTTP 401
        why: AADSTS90002: the tenant does not exist in this cloud
        fix: check `tenant`, and that `authority` is the right cloud
    Failed token graph: AADSTS90002: Tenant not found.
        why: AADSTS90002: the tenant does not exist in this cloud (correlation id 0c6a3c1e-0000-4000-8000-000000000001)
        fix: check `tenant`, and that `authority` is the right cloud
    Skipped roles graph: there is no token
    ");
}

#[tokio::test]
async fn an_authority_that_calls_itself_otherwise_is_refused() {
    let world = World::new();
    let other = "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0";
    let metadata = json!({ "issuer": other, "token_endpoint": "https://login.microsoftonline.com/t" });
    world.network.on("/.well-known/", Answer::json(200, &metadata));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed authority -: it calls itself https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0
        why: the configuration says tenant 72f988bf-86f1-41af-91ab-2d7cd011db47, and an issuer is compared character by character
        fix: correct `issuer` or `tenant`, to the last slash
    ");
}

#[tokio::test]
async fn a_login_page_in_place_of_the_metadata_is_recognised() {
    let world = World::new();
    let page = Answer::Response { status: 200, date: NOW, body: "<html>Sign in to the guest Wi-Fi".into() };
    world.network.on("/.well-known/", page);
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed authority -: its metadata names no issuer and no token endpoint
        why: https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0/.well-known/openid-configuration answered something else
        fix: correct `authority` or `issuer`; a proxy's login page looks like this, too
    ");
}

#[tokio::test]
async fn a_refused_credential_is_explained_by_its_code() {
    let world = World::new();
    world
        .network
        .on("/token", Answer::refusal(7_000_215, "invalid_client", "Invalid client secret provided."));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed token graph: AADSTS7000215: Invalid client secret provided.
        why: AADSTS7000215: the client secret is wrong (correlation id 0c6a3c1e-0000-4000-8000-000000000001)
        fix: set the secret's value, not its id; make a new one if it is lost
    Skipped roles graph: there is no token
    ");
}

#[tokio::test]
async fn a_missing_role_comes_with_the_command_that_grants_it() {
    let world = World::new();
    world.change_configuration(
        r#"["User.ReadWrite.All"]"#,
        r#"["User.ReadWrite.All", "Group.Read.All", "AuditLog.Read.All"]"#,
    );
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed roles graph: not granted: Group.Read.All, AuditLog.Read.All
        why: the token has User.ReadWrite.All; a daemon needs the *application* permission, granted by an administrator, and a grant shows in tokens issued some minutes later
        fix: unattended register NAME --role graph:Group.Read.All --role graph:AuditLog.Read.All --grant-admin-consent --administrator FILE   (in a sandbox: --sandbox READY_FILE; in the portal: App registrations, API permissions, Application permissions, then Grant admin consent)
    ");
    world.network.on("/token", Answer::token(&[]));
    let findings = examined(&world).await;
    let roles = findings.iter().find(|finding| finding.check == "roles").unwrap();
    assert!(roles.why.as_deref().unwrap().starts_with("the token has no role;"), "{roles:?}");
}

// OP-3
#[tokio::test]
async fn loose_modes_are_shown_with_the_command_that_tightens_them() {
    let world = World::new();
    world.set_mode("unattended.toml", 0o666);
    world.set_mode("client-secret", 0o644);
    std::fs::create_dir_all(world.path(".unattended/state")).unwrap();
    world.set_mode(".unattended/state", 0o755);
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed files DIR/unattended.toml: everyone can change it (mode 0666)
        why: whoever changes it decides where the application's tokens are sent
        fix: chmod o-w DIR/unattended.toml
    Failed files DIR/client-secret: others than its owner can read the credential (mode 0644)
        why: whoever reads it can act as the application; a file with this mode is refused
        fix: chmod 600 DIR/client-secret
    Warning files DIR/.unattended/state: others can look into the state directory (mode 0755)
        why: checkpoints hold links and the names of people
        fix: chmod 700 DIR/.unattended/state
    Failed credential file:DIR/client-secret: DIR/client-secret has mode 0644: others than its owner can read it
        why: the application cannot prove with it who it is
        fix: chmod 600 DIR/client-secret
    Skipped token graph: there is no usable credential
    Skipped roles graph: there is no token
    ");
}

#[tokio::test]
async fn a_certificate_shows_its_days_and_warns_before_its_end() {
    let world = World::new();
    world.write("app.pem", &certificate((2026, 1, 1), (2026, 12, 25)), 0o600);
    world.change_configuration(r#"secret = "file:client-secret""#, r#"certificate = "file:app.pem""#);
    let findings = examined(&world).await;
    let credential = findings.into_iter().filter(|finding| finding.check == "credential").collect::<Vec<_>>();
    insta::assert_snapshot!(text(&world, &credential), @r"
    Ok credential file:DIR/app.pem: certificate CN=nightly-report, 32 days left, until 2026-12-25
    ");
    for (from, until) in
        [((2026, 1, 1), (2026, 12, 5)), ((2026, 1, 1), (2026, 11, 1)), ((2027, 1, 1), (2028, 1, 1))]
    {
        world.write("app.pem", &certificate(from, until), 0o600);
        let findings = examined(&world).await;
        let credential = findings.into_iter().filter(|finding| finding.check == "credential");
        let credential = credential.collect::<Vec<_>>();
        let shown = text(&world, &credential);
        match from {
            (2027, ..) => insta::assert_snapshot!(shown, @r"
    Failed credential file:DIR/app.pem: the certificate CN=nightly-report is valid only from 2027-01-01
        why: the authority refuses it until then (AADSTS1000502), and a wrong clock looks the same
        fix: set the clock, or use the certificate that is valid now
    "),
            _ if until == (2026, 12, 5) => insta::assert_snapshot!(shown, @r"
    Warning credential file:DIR/app.pem: certificate CN=nightly-report, 12 days left, until 2026-12-05
        why: from that day on no token is issued and no job runs
        fix: make and register a new one: `unattended register NAME --certificate new`
    "),
            _ => insta::assert_snapshot!(shown, @r"
    Failed credential file:DIR/app.pem: the certificate CN=nightly-report ended on 2026-11-01
        why: the authority refuses it since (AADSTS1000502)
        fix: make and register a new one: `unattended register NAME --certificate new`
    "),
        }
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_loaded_is_no_reason_to_doubt_the_other() {
    let world = World::new();
    world.change_configuration(
        "[[application.credentials]]",
        "[[application.credentials]]\ncertificate = \"file:gone.pem\"\n\n[[application.credentials]]",
    );
    world.write("broken.pem", "-----BEGIN PRIVATE KEY-----\nhunter2~Q\n-----END PRIVATE KEY-----\n", 0o600);
    world.change_configuration(
        "[apis.graph]",
        "[[application.credentials]]\ncertificate = \"file:broken.pem\"\n\n[apis.graph]",
    );
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed credential file:DIR/gone.pem: DIR/gone.pem cannot be read
        why: No such file or directory (os error 2)
        fix: put it there, or correct the path: DIR/gone.pem does not exist
    Failed credential file:DIR/broken.pem: file:DIR/broken.pem holds no usable credential
        why: the file is not well-formed PEM (a damaged BEGIN/END block)
        fix: copy it anew, every line from `-----BEGIN` to `-----END`
    ");
}

#[tokio::test]
async fn nobody_is_told_to_change_the_mode_of_what_is_no_file() {
    for place in ["/dev/zero", "."] {
        let world = World::new();
        world.change_configuration("file:client-secret", &format!("file:{place}"));
        let complaints = complaints(&world, &examined(&world).await);
        assert!(complaints.contains("cannot be read"), "{complaints}");
        assert!(!complaints.contains("chmod"), "{complaints}");
    }
}

// The configuration of a daemon that runs in Azure and elsewhere.
#[tokio::test]
async fn a_managed_identity_that_is_not_there_is_told_while_another_credential_stands_in() {
    let world = World::new();
    world.change_configuration(
        "[[application.credentials]]",
        "[[application.credentials]]\nmanaged-identity = \"system\"\n\n[[application.credentials]]",
    );
    world.network.on("169.254.169.254", Answer::Unreachable("no route to host"));
    let findings = world.while_time_passes(examined(&world)).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Warning credential the assertion of the managed identity of the instance metadata service: it cannot be had; tokens come by another one, and end with it
        why: the instance metadata service has not given a token yet, and is asked on: the instance metadata service cannot be reached; is this machine in Azure?: no connection could be made: no route to host
        fix: leave it out where it never can
    ");
}

#[tokio::test]
async fn a_credential_that_is_refused_is_told_while_another_one_hides_it() {
    let world = World::new();
    let secrets = "secret = \"file:client-secret\"\n[[application.credentials]]\nsecret = \"file:current\"";
    world.change_configuration("secret = \"file:client-secret\"", secrets);
    world.write("current", "current~Q", 0o600);
    world.network.accept_only("current~Q");
    insta::assert_snapshot!(complaints(&world, &examined(&world).await), @r"
    Warning credential client secret of file:DIR/client-secret: the authority refuses it; tokens come by another one, and end with it
        why: AADSTS7000215: the client secret is wrong (correlation id 0c6a3c1e-0000-4000-8000-000000000001)
        fix: set the secret's value, not its id; make a new one if it is lost
    ");
    world.network.accept_only("another~Q");
    insta::assert_snapshot!(complaints(&world, &examined(&world).await), @r"
    Failed token graph: AADSTS7000215: Invalid client secret.
        why: AADSTS7000215: the client secret is wrong (correlation id 0c6a3c1e-0000-4000-8000-000000000001)
        fix: set the secret's value, not its id; make a new one if it is lost
    Skipped roles graph: there is no token
    ");
}

#[tokio::test]
async fn a_token_store_that_does_not_help_is_noticed_here_alone() {
    let world = World::new();
    world.write("token-store.key", &"k".repeat(32), 0o600);
    let table = "[application.token-store]\nredis = \"redis://127.0.0.1:1\"\nkeys = [\"file:token-store.key\"]\n\n[apis.graph]";
    world.change_configuration("[apis.graph]", table);
    insta::assert_snapshot!(complaints(&world, &examined(&world).await), @r"
    Warning token-store redis://127.0.0.1:1: it cannot be used
        why: every process asks the authority for tokens of its own; the log says what the store complained of
        fix: start the server at redis://127.0.0.1:1, or correct `redis` and its `password`
    ");
    world.change_configuration("redis = \"redis://127.0.0.1:1\"", "directory = \"tokens\"");
    // Nothing is found there and nothing can be written.
    std::os::unix::fs::symlink("nowhere/at-all", world.path("tokens")).unwrap();
    insta::assert_snapshot!(complaints(&world, &examined(&world).await), @r"
    Warning token-store DIR/tokens: it cannot be used
        why: every process asks the authority for tokens of its own; the log says what the store complained of
        fix: make DIR/tokens a directory that the daemon's user may write, where there is room
    ");
    std::fs::remove_file(world.path("tokens")).unwrap();
    for told in ["can be used, and is empty", "holds tokens of this application"] {
        let findings = examined(&world).await;
        let store = findings.iter().find(|finding| finding.check == "token-store").unwrap();
        assert_eq!((store.verdict, store.detail.as_str()), (Verdict::Ok, told));
    }
    world.network.accept_only("another~Q");
    let refused = complaints(&world, &examined(&world).await);
    assert!(refused.contains("Failed token graph"), "what is stored hides no refusal: {refused}");
    world.network.accept_only(SECRET);
    world.write("token-store.key", &"l".repeat(32), 0o600);
    insta::assert_snapshot!(complaints(&world, &examined(&world).await), @r"
    Warning token-store DIR/tokens: an entry cannot be opened
        why: an entry was written with another key, and is replaced
        fix: give all processes that share it the same `keys`, the new one first while they change
    ");
}

#[tokio::test]
async fn a_job_without_its_input_or_its_output_directory_is_told_so() {
    let world = World::new();
    std::fs::remove_file(world.path("people.csv")).unwrap();
    let more = "\n[jobs.users]\nexport = { api = \"graph\", read = \"/users\", to = \"out/users.ndjson\" }\n";
    world.change_configuration("[jobs.people]", &format!("{more}\n[jobs.people]"));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed job people: its source DIR/people.csv cannot be read
        why: No such file or directory (os error 2)
        fix: put the file there, or correct `source` in [jobs.people]
    Failed job users: it cannot write into DIR/out
        why: No such file or directory (os error 2)
        fix: mkdir -p DIR/out
    ");
    let left: Vec<_> = std::fs::read_dir(world.directory.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

// DL-5
#[tokio::test]
async fn a_schedule_that_would_lose_the_link_to_later_changes_is_a_finding() {
    let world = World::new();
    let job = |name: &str, schedule: &str, read: &str| {
        format!(
            "\n[jobs.{name}]\nschedule = \"{schedule}\"\n\
             export = {{ api = \"graph\", read = \"{read}\", to = \"{name}.ndjson\" }}\n"
        )
    };
    let more = [
        job("weekly", "0 2 * * 1", "/users/delta?$select=id"),
        job("working-days", "0 2 * * 1-5", "/users/delta?$select=id"),
        job("weekly-list", "0 2 * * 1", "/users?$select=id"),
    ];
    world.change_configuration("[jobs.people]", &format!("{}\n[jobs.people]", more.concat()));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed job weekly: it reads changes, and lets up to 7 days pass between two looks
        why: the link to later changes lasts 7 days, and a run may fail
        fix: run [jobs.weekly] at least every 3 days
    ");
}

// AQ-1
#[tokio::test]
async fn a_query_that_the_directory_would_refuse_is_a_finding() {
    let world = World::new();
    let job = |name: &str, read: &str| {
        format!(
            "\n[jobs.{name}]\nexport = {{ api = \"graph\", read = \"{read}\", to = \"{name}.ndjson\" }}\n"
        )
    };
    let more = [job("advanced", "/users?$filter=mail ne null&$select=id"), job("everything", "/users")];
    world.change_configuration("[jobs.people]", &format!("{}\n[jobs.people]", more.concat()));
    let findings = examined(&world).await;
    insta::assert_snapshot!(complaints(&world, &findings), @r"
    Failed job advanced: its query uses `ne`, which the directory refuses as it is
        why: the directory answers `ne` only with the header `ConsistencyLevel: eventual` and with `$count=true`
        fix: set `advanced-queries = true` in [apis.graph]
    Warning job everything: it reads every property there is
        why: without `$select` each page costs one resource unit more and brings properties nobody asked for
        fix: name the properties in `read`, such as `/users?$select=id,displayName`
    ");
}

#[test]
fn mistakes_in_the_configuration_are_findings_too() {
    let world = World::new();
    world.change_configuration("tenant = ", "tennant = ");
    let error = Config::load(Some(&world.path("unattended.toml")), &MapEnvironment::default()).unwrap_err();
    let findings = doctor::of_mistakes(&error);
    insta::assert_snapshot!(text(&world, &findings), @r"
    Failed configuration DIR/unattended.toml:3:1: unknown key `tennant` in [application]
        why: [application] knows `client-id`, `tenant`, `authority`, `region`, `issuer`, `credentials`, `capabilities`, `token-endpoint-auth-method`, `token-store`, `ca-file`, `state-directory` and `allow-insecure-loopback`
        fix: write `tenant` instead of `tennant`
    Skipped files -: the configuration has mistakes
    Skipped network -: the configuration has mistakes
    Skipped clock -: the configuration has mistakes
    Skipped authority -: the configuration has mistakes
    Skipped credential -: the configuration has mistakes
    Skipped token -: the configuration has mistakes
    Skipped roles -: the configuration has mistakes
    Skipped job -: the configuration has mistakes
    ");
}

#[tokio::test]
async fn a_server_that_is_authority_and_api_at_once_is_reached_once() {
    let world = World::new();
    world.change_configuration(
        "https://graph.microsoft.com/v1.0",
        "https://login.microsoftonline.com/graph/v1.0",
    );
    let findings = examined(&world).await;
    assert_eq!(findings.iter().filter(|finding| finding.check == "network").count(), 1);
}
