use std::path::PathBuf;

use unattended_daemon::config::{SecretReference, TokenStorePlace};
use unattended_daemon::{Config, MapEnvironment};

use crate::{GOOD, report};

fn with_store(lines: &str) -> String {
    GOOD.replacen("[apis.graph]", &format!("[application.token-store]\n{lines}\n\n[apis.graph]"), 1)
}

fn read(lines: &str) -> unattended_daemon::config::TokenStore {
    let config =
        Config::parse("/srv/unattended.toml".as_ref(), &with_store(lines), &MapEnvironment::default());
    config.unwrap_or_else(|error| panic!("{}", error.render(false))).application.token_store.unwrap()
}

#[test]
fn tokens_are_kept_in_a_directory_a_database_or_a_redis_server() {
    let store = read("directory = \"tokens\"\nkeys = [\"file:new.key\", \"env:OLD_KEY\"]");
    assert_eq!(store.place, TokenStorePlace::Directory(PathBuf::from("/srv/tokens")));
    let keys = [SecretReference::File("/srv/new.key".into()), SecretReference::Environment("OLD_KEY".into())];
    assert_eq!(store.keys, keys);
    let store = read("sqlite = \"/var/lib/tokens.db\"\nkeys = [\"file:k\"]");
    assert_eq!(store.place, TokenStorePlace::Sqlite(PathBuf::from("/var/lib/tokens.db")));
    let store = read("redis = \"redis://cache:6379/1\"\npassword = \"env:P\"\nkeys = [\"file:k\"]");
    let TokenStorePlace::Redis { url, password } = &store.place else { panic!("{:?}", store.place) };
    assert_eq!(
        (url.as_str(), password.as_ref().unwrap().to_string().as_str()),
        ("redis://cache:6379/1", "env:P")
    );
    assert_eq!(store.references().len(), 2);
}

#[test]
fn a_store_has_one_place() {
    for (lines, what) in [
        ("keys = [\"file:k\"]", "names no place"),
        ("directory = \"a\"\nsqlite = \"b\"\nkeys = [\"file:k\"]", "names `directory` and `sqlite`"),
    ] {
        let report = report(&with_store(lines));
        assert!(report.contains(what) && report.contains("write one of `directory = "), "{report}");
    }
}

#[test]
fn tokens_are_not_kept_without_a_key() {
    for lines in ["directory = \"a\"", "directory = \"a\"\nkeys = []"] {
        let report = report(&with_store(lines));
        assert!(
            report.contains("`keys` is missing") && report.contains("openssl rand -base64 32"),
            "{report}"
        );
    }
}

#[test]
fn a_key_or_a_password_in_the_file_is_refused_and_not_shown() {
    let inline = report(&with_store("directory = \"a\"\nkeys = [\"hunter2\"]"));
    assert!(
        inline.contains("`keys` holds a value") && inline.contains("keys = [\"file:token-store.key\"]"),
        "{inline}"
    );
    let url = report(&with_store("redis = \"redis://:hunter2@cache:6379\"\nkeys = [\"file:k\"]"));
    assert!(url.contains("`redis` contains a password"), "{url}");
}

#[test]
fn what_is_no_redis_server_is_refused() {
    for url in ["cache:6379", "https://cache", "redis:///0", "redis+unix:///run/redis.sock"] {
        let report = report(&with_store(&format!("redis = \"{url}\"\nkeys = [\"file:k\"]")));
        assert!(report.contains("`redis` is no URL of a Redis server"), "{report}");
    }
    let report = report(&with_store("redis = \"rediss://cache\"\nkeys = [\"file:k\"]"));
    assert!(report.contains("`redis` wants TLS") && report.contains("write `redis://`"), "{report}");
    let report = crate::report(&with_store("sqlite = \"a\"\npassword = \"env:P\"\nkeys = [\"file:k\"]"));
    assert!(report.contains("`password` stands without `redis`"), "{report}");
}
