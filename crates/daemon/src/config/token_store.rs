//! `[application.token-store]`: where tokens are kept beside the memory.

use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;
use url::Url;

use super::diagnostic::{Mistake, Mistakes};
use super::model::{TokenStore, TokenStorePlace};
use super::reader::{Section, Text, list};
use super::referred::{reference, references};

const PLACES: [&str; 3] = ["directory", "sqlite", "redis"];
const KEYS: &[&str] = &["directory", "sqlite", "redis", "password", "keys"];

pub(super) fn token_store(
    span: Range<usize>,
    table: &DeTable<'_>,
    directory: &Path,
    mistakes: &mut Mistakes,
) -> Option<TokenStore> {
    let section = Section::open("[application.token-store]", span, table, KEYS, mistakes);
    let place = place(&section, directory, mistakes);
    let keys = references(&section, "keys", directory, mistakes);
    if !section.has("keys")
        || (section.is_array("keys") && section.texts("keys", &mut Mistakes::default()).is_empty())
    {
        mistakes.add(section.missing(
            "keys",
            "tokens leave the memory encrypted only",
            "keys = [\"file:token-store.key\"]`, and make the key with `openssl rand -base64 32",
        ));
    }
    let password = reference(&section, "password", directory, mistakes);
    let place = match (place?, password) {
        (TokenStorePlace::Redis { url, .. }, password) => TokenStorePlace::Redis { url, password },
        (place, None) => place,
        (_, Some(_)) => {
            mistakes.add(Mistake::at(
                section.key_span("password"),
                "`password` stands without `redis`",
                "nobody asks for a password where tokens are kept in files",
                "remove `password`",
            ));
            return None;
        }
    };
    (!keys.is_empty()).then_some(TokenStore { place, keys })
}

fn place(section: &Section<'_>, directory: &Path, mistakes: &mut Mistakes) -> Option<TokenStorePlace> {
    let named: Vec<&str> = PLACES.into_iter().filter(|place| section.has(place)).collect();
    let [place] = named[..] else {
        let what = match named.is_empty() {
            true => "[application.token-store] names no place".to_owned(),
            false => format!("[application.token-store] names {}", list(&named)),
        };
        mistakes.add(Mistake::at(
            section.span.clone(),
            what,
            "tokens are kept in one place",
            "write one of `directory = \"tokens\"`, `sqlite = \"tokens.db\"` and `redis = \"redis://host:6379\"`",
        ));
        return None;
    };
    let text = section.text(place, mistakes)?;
    match place {
        "directory" => Some(TokenStorePlace::Directory(directory.join(text.value))),
        "sqlite" => Some(TokenStorePlace::Sqlite(directory.join(text.value))),
        _ => redis(&text, mistakes).map(|url| TokenStorePlace::Redis { url, password: None }),
    }
}

fn redis(text: &Text<'_>, mistakes: &mut Mistakes) -> Option<Url> {
    let url = Url::parse(text.value).ok();
    if url.as_ref().is_some_and(|url| url.password().is_some()) {
        mistakes.conceal(text.span.clone());
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`redis` contains a password",
            "configurations are copied, compared and committed, and what stands in them is no secret for long",
            "remove it from the URL, and write `password = \"file:redis-password\"`",
        ));
        return None;
    }
    if url.as_ref().is_some_and(|url| url.scheme() == "rediss") {
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`redis` wants TLS",
            "this version speaks to Redis without it: tokens are encrypted by themselves, a password is not",
            "write `redis://`, and reach the server through a tunnel (such as stunnel) if it has a password",
        ));
        return None;
    }
    let url = url.filter(|url| url.scheme() == "redis" && url.has_host());
    if url.is_none() {
        mistakes.add(Mistake::at(
            text.span.clone(),
            "`redis` is no URL of a Redis server",
            "it begins with `redis://` and a host",
            "write `redis = \"redis://host:6379/0\"`",
        ));
    }
    url
}
