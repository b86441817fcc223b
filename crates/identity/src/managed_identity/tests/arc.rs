//! The file challenge of the agent of Azure Arc.

use super::*;

/// An agent of Arc with its directory.
struct Agent {
    directory: tempfile::TempDir,
    house: House,
}

impl Agent {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tokens_directory = directory.path().join("tokens");
        std::fs::create_dir(&tokens_directory).unwrap();
        let endpoint = "http://127.0.0.1:40342/metadata/identity/oauth2/token".to_owned();
        let host = ManagedIdentityHost::Arc { endpoint, tokens_directory };
        Self { directory, house: House::new(host, ManagedIdentityId::System) }
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn complaint(&self, challenge: Option<&str>) -> String {
        let header = challenge.map(|challenge| ("www-authenticate", challenge));
        self.house.server.answer_with(401, header.as_slice(), "");
        let before = self.house.server.requests().len();
        let error = self.house.token().await.unwrap_err().to_string();
        assert_eq!(self.house.server.requests().len(), before + 1, "nothing is sent in answer");
        error
    }
}

#[tokio::test]
async fn the_arc_agent_is_shown_what_only_its_group_can_read() {
    let agent = Agent::new();
    let path = agent.write("tokens/challenge.key", b"proof-canary\n");
    agent.house.server.answer_with(401, &[("www-authenticate", &format!("Basic realm={path}"))], "");
    agent.house.server.answer(200, TOKEN);
    assert_eq!(agent.house.token().await.unwrap(), "t1");
    let seen = agent.house.server.requests();
    assert!(seen[0].uri.ends_with("?api-version=2020-06-01&resource=https%3A%2F%2Fvault.azure.net"));
    assert!(!seen[0].headers.contains_key("authorization"));
    assert_eq!(seen[1].headers["authorization"], "Basic proof-canary");
}

// 94
#[tokio::test]
async fn a_challenge_can_make_nobody_read_another_file() {
    let agent = Agent::new();
    let outside = agent.write("outside.key", b"canary");
    let long = agent.write("tokens/long.key", &[b'x'; 4_097]);
    let text = agent.write("tokens/challenge.txt", b"canary");
    let link = agent.directory.path().join("tokens/link.key");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let tokens = agent.directory.path().join("tokens");
    let up = format!("{}/../outside.key", tokens.display());
    for (challenge, expected) in [
        (None, "without a challenge".to_owned()),
        (Some("Basic".to_owned()), "names no file".to_owned()),
        (Some("Bearer realm=x".to_owned()), "names no file".to_owned()),
        (Some("Basic realm=".to_owned()), "names no file".to_owned()),
        (Some(format!("Basic realm={outside}")), format!("is not in {}", tokens.display())),
        (Some(format!("Basic realm={up}")), format!("is not in {}", tokens.display())),
        (Some("Basic realm=/etc/shadow".to_owned()), "is no .key file".to_owned()),
        (Some(format!("Basic realm={text}")), "is no .key file".to_owned()),
        (Some(format!("Basic realm={}", link.display())), "is a link to somewhere else".to_owned()),
        (Some(format!("Basic realm={long}")), "is longer than 4096 bytes".to_owned()),
        (Some(format!("Basic realm={}/gone.key", tokens.display())), "cannot be read".to_owned()),
    ] {
        let complaint = agent.complaint(challenge.as_deref()).await;
        assert!(complaint.contains(&expected), "{challenge:?}: {complaint}");
        assert!(!complaint.contains("canary"));
    }
}
