//! Plausible, varied people, the same for the same seed.
//!
//! They are there to break what only ever saw `Adele Vance`: family names that come first, names without Latin letters,
//! apostrophes, hyphens, commas and quotes, names of 40 letters, two people of one name, and fields that are not known.

mod names;
mod random;

use std::collections::HashMap;
use std::io::{self, Write};

use self::names::{CULTURES, Culture, OFFICES, WORK};
use self::random::Random;

/// One person, as a row of a staff list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// Sign-in name: an ASCII local part at the tenant's domain; unique.
    pub user_principal_name: String,
    /// Name as shown.
    pub display_name: String,
    /// First name.
    pub given_name: Option<String>,
    /// Family name.
    pub surname: Option<String>,
    /// Mail alias: the local part of the sign-in name.
    pub mail_nickname: String,
    /// Position.
    pub job_title: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Office.
    pub office_location: Option<String>,
    /// Mobile phone with country code.
    pub mobile_phone: Option<String>,
    /// Language tag such as `ko-KR`.
    pub preferred_language: Option<String>,
}

impl Person {
    /// The names of [`fields`](Self::fields), as the directory API calls them.
    pub const COLUMNS: [&'static str; 10] = [
        "userPrincipalName",
        "displayName",
        "givenName",
        "surname",
        "mailNickname",
        "jobTitle",
        "department",
        "officeLocation",
        "mobilePhone",
        "preferredLanguage",
    ];

    /// The values in the order of [`COLUMNS`](Self::COLUMNS); what is not known is empty.
    #[must_use]
    pub fn fields(&self) -> [&str; 10] {
        fn known(value: &Option<String>) -> &str {
            value.as_deref().unwrap_or_default()
        }
        [
            &self.user_principal_name,
            &self.display_name,
            known(&self.given_name),
            known(&self.surname),
            &self.mail_nickname,
            known(&self.job_title),
            known(&self.department),
            known(&self.office_location),
            known(&self.mobile_phone),
            known(&self.preferred_language),
        ]
    }
}

/// Writes the first `count` people of a seed as CSV (RFC 4180, UTF-8, a header line, lines end in LF).
///
/// # Errors
/// The writer fails.
pub fn write_csv(seed: u64, count: u32, domain: &str, mut writer: impl Write) -> io::Result<()> {
    writeln!(writer, "{}", Person::COLUMNS.join(","))?;
    for person in People::new(seed, domain).take(count as usize) {
        writeln!(writer, "{}", person.fields().map(quoted).join(","))?;
    }
    writer.flush()
}

/// An endless line of people.
#[derive(Clone, Debug)]
pub struct People {
    domain: String,
    random: Random,
    cultures: Vec<Names>,
    /// How often each local part was given out.
    taken: HashMap<String, u32>,
}

/// The names of one culture: as written, and as in an address.
#[derive(Clone, Debug)]
struct Names {
    culture: &'static Culture,
    given: Vec<(&'static str, String)>,
    family: Vec<(&'static str, String)>,
}

impl People {
    /// People of a domain; the same for the same seed, however many are taken.
    #[must_use]
    pub fn new(seed: u64, domain: &str) -> Self {
        let cultures = CULTURES
            .iter()
            .map(|culture| Names { culture, given: split(culture.given), family: split(culture.family) })
            .collect();
        Self { domain: domain.to_owned(), random: Random::new(seed), cultures, taken: HashMap::new() }
    }

    /// A local part nobody has: the second of a name gets a 2.
    fn local_part(&mut self, given: &str, family: &str) -> String {
        let name = match (given, family) {
            ("", name) | (name, "") => name.to_owned(),
            (given, family) => format!("{given}.{family}"),
        };
        let mut name: String = name.chars().take(LOCAL_PART).collect();
        name.truncate(name.trim_end_matches(['.', '-']).len());
        let times = self.taken.entry(name.clone()).or_default();
        *times += 1;
        if *times > 1 { format!("{name}{times}") } else { name }
    }
}

/// How long a local part is at most, its number aside.
const LOCAL_PART: usize = 52;

impl Iterator for People {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        let Self { random, cultures, .. } = self;
        let names = random.choose(cultures)?;
        let culture = names.culture;
        let (mut given, mut given_ascii) = random.choose(&names.given).cloned().map(owned)?;
        let (mut surname, mut surname_ascii) = random.choose(&names.family).cloned().map(owned)?;
        match random.below(40) {
            // Two given names, or two family names, where the language joins them by a hyphen.
            0 | 1 if culture.family_first.is_none() => {
                let (second, second_ascii) = random.choose(&names.given).cloned().map(owned)?;
                given = format!("{given} {second}");
                given_ascii = format!("{given_ascii}-{second_ascii}");
            }
            2 | 3 if culture.family_first.is_none() => {
                let (second, second_ascii) = random.choose(&names.family).cloned().map(owned)?;
                surname = format!("{surname}-{second}");
                surname_ascii = format!("{surname_ascii}-{second_ascii}");
            }
            // One name only.
            4 => {
                given.clear();
                given_ascii.clear();
            }
            _ => {}
        }
        let display_name = match (culture.family_first, given.as_str()) {
            (_, "") => surname.clone(),
            (Some(between), given) => format!("{surname}{between}{given}"),
            (None, given) => format!("{given} {surname}"),
        };
        let job = random
            .choose(&WORK)
            .and_then(|(department, titles)| Some((*department, *random.choose(titles)?)));
        let known = |random: &mut Random, percent| random.below(100) < percent;
        let job_title = job.filter(|_| known(random, 92)).map(|(_, title)| title.to_owned());
        let department = job.filter(|_| known(random, 95)).map(|(department, _)| department.to_owned());
        let office = random.choose(&OFFICES).copied().filter(|_| known(random, 80)).map(str::to_owned);
        let phone = random.digits(culture.phone);
        let mobile_phone = Some(phone).filter(|_| known(random, 70));
        let language = random.choose(culture.languages).copied().filter(|_| known(random, 85));
        let language = language.map(str::to_owned);
        let local = self.local_part(&given_ascii, &surname_ascii);
        Some(Person {
            user_principal_name: format!("{local}@{}", self.domain),
            display_name,
            given_name: Some(given).filter(|given| !given.is_empty()),
            surname: Some(surname),
            mail_nickname: local,
            job_title,
            department,
            office_location: office,
            mobile_phone,
            preferred_language: language,
        })
    }
}

fn owned((name, ascii): (&str, String)) -> (String, String) {
    (name.to_owned(), ascii)
}

fn split(names: &'static str) -> Vec<(&'static str, String)> {
    let name = |name: &'static str| match name.split_once('=') {
        Some((name, romanised)) => (name, address(romanised)),
        None => (name, address(name)),
    };
    names.split('|').map(name).collect()
}

/// Lower case ASCII letters and hyphens: `Núñez de la Peña` becomes `nunez-de-la-pena`, `O'Brien` `obrien`.
fn address(name: &str) -> String {
    let mut address = String::new();
    for character in name.chars().flat_map(char::to_lowercase) {
        match character {
            'a'..='z' => address.push(character),
            ' ' | '-' if !address.ends_with('-') => address.push('-'),
            _ => address.push_str(ascii(character)),
        }
    }
    address.trim_matches('-').to_owned()
}

/// The letters that stand for an accented one; nothing for signs.
fn ascii(letter: char) -> &'static str {
    const LETTERS: [(&str, &str); 28] = [
        ("àáâãåăąạảấầẩẫậắằẳẵặ", "a"),
        ("ä", "ae"),
        ("æ", "ae"),
        ("çćč", "c"),
        ("ďđð", "d"),
        ("èéêëęěẹẻẽếềểễệ", "e"),
        ("ğģ", "g"),
        ("ìíîïıịỉĩ", "i"),
        ("łľ", "l"),
        ("ñńňņ", "n"),
        ("òóôõőọỏốồổỗộớờởỡợơ", "o"),
        ("ö", "oe"),
        ("ø", "o"),
        ("œ", "oe"),
        ("řŕ", "r"),
        ("śšşș", "s"),
        ("ß", "ss"),
        ("ťţț", "t"),
        ("þ", "th"),
        ("ùúûũůűụủứừửữựư", "u"),
        ("ü", "ue"),
        ("ýÿỳỵỷỹ", "y"),
        ("źżž", "z"),
        ("ķ", "k"),
        ("ĺ", "l"),
        ("ĝ", "g"),
        ("ŵ", "w"),
        ("ŷ", "y"),
    ];
    LETTERS.iter().find(|(letters, _)| letters.contains(letter)).map_or("", |(_, ascii)| ascii)
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn people(count: usize) -> Vec<Person> {
        People::new(42, "contoso.onmicrosoft.com").take(count).collect()
    }

    #[test]
    fn the_same_seed_makes_the_same_people_and_another_makes_others() {
        assert_eq!(people(300), people(300));
        assert_ne!(people(20), People::new(43, "contoso.onmicrosoft.com").take(20).collect::<Vec<_>>());
    }

    #[test]
    fn addresses_are_ascii_and_nobody_shares_one() {
        let people = people(20_000);
        let mut seen = HashSet::new();
        for person in &people {
            let (local, domain) = person.user_principal_name.split_once('@').unwrap();
            assert_eq!((local, domain), (person.mail_nickname.as_str(), "contoso.onmicrosoft.com"));
            let is_plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-';
            assert!(local.len() <= 64 && local.bytes().all(is_plain), "{local}");
            assert!(local.starts_with(|first: char| first.is_ascii_lowercase()), "{person:?}");
            assert!(!local.ends_with(['.', '-']), "{local}");
            assert!(seen.insert(person.user_principal_name.to_ascii_lowercase()), "{local} twice");
        }
        assert!(people.iter().any(|person| person.mail_nickname.ends_with('2')), "nobody shares a name");
    }

    #[test]
    fn every_name_has_letters_for_its_address() {
        for names in People::new(0, "a.b").cultures {
            for (name, ascii) in names.given.iter().chain(&names.family) {
                assert!(!ascii.is_empty(), "{name}");
                assert!(name.chars().count() <= 40, "{name}");
                let letters = name.chars().filter(|letter| letter.is_alphabetic()).count();
                let is_latin = name.starts_with(|first: char| first.is_ascii());
                assert!(!is_latin || ascii.replace('-', "").len() >= letters, "{name} lost letters: {ascii}");
            }
        }
        assert_eq!(address("Ibáñez de la Torre"), "ibanez-de-la-torre");
        assert_eq!(address("D'Aubigné"), "daubigne");
        assert_eq!(address("Größl"), "groessl");
    }

    // Fields fit the limits of the directory's user type.
    #[test]
    fn people_are_varied_and_fit_the_directory() {
        let people = people(1_000);
        for person in &people {
            let length = |value: &Option<String>| value.as_ref().map_or(0, |value| value.chars().count());
            assert!(length(&person.given_name) <= 64 && length(&person.surname) <= 64, "{person:?}");
            assert!(length(&person.job_title) <= 128 && length(&person.department) <= 64);
            assert!(length(&person.mobile_phone) <= 64 && length(&person.preferred_language) <= 16);
        }
        let has = |test: &dyn Fn(&Person) -> bool| people.iter().any(test);
        assert!(has(&|person| person.display_name.contains('김')), "no Korean");
        assert!(has(&|person| person.display_name.contains("ال")), "no Arabic");
        assert!(has(&|person| person.display_name.contains('é')), "no accents");
        assert!(has(&|person| person.display_name.contains('\'')), "no apostrophe");
        assert!(has(&|person| person.display_name.chars().count() > 45), "no long name");
        assert!(has(&|person| person.given_name.is_none()), "no single name");
        assert!(
            has(&|person| person.job_title.as_ref().is_some_and(|title| title.contains(','))),
            "no comma"
        );
        assert!(
            has(&|person| person.job_title.as_ref().is_some_and(|title| title.contains('"'))),
            "no quote"
        );
        assert!(has(&|person| person.mobile_phone.is_none() && person.preferred_language.is_none()));
    }

    // To write it anew, delete it and run this test.
    #[test]
    fn the_example_file_is_up_to_date() {
        let mut expected = Vec::new();
        write_csv(42, 1_000, "contoso.onmicrosoft.com", &mut expected).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/people.csv");
        let Ok(found) = std::fs::read(path) else {
            std::fs::write(path, expected).unwrap();
            panic!("examples/people.csv was missing and has been written: look at it");
        };
        assert!(found == expected, "examples/people.csv is not what the generator writes for seed 42");
    }

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quoted(r#"Engineer, "Tiger" Team"#), r#""Engineer, ""Tiger"" Team""#);
        assert_eq!(quoted("plain"), "plain");
    }
}
