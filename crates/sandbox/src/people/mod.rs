//! Plausible, varied people, the same for the same seed.

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

/// An endless line of people.
#[derive(Clone, Debug)]
pub struct People {
    domain: String,
    next: u64,
}

impl People {
    /// People of a domain; the same for the same seed.
    #[must_use]
    pub fn new(seed: u64, domain: &str) -> Self {
        Self { domain: domain.to_owned(), next: seed }
    }
}

impl Iterator for People {
    type Item = Person;

    fn next(&mut self) -> Option<Person> {
        self.next += 1;
        let name = format!("person{}", self.next);
        Some(Person {
            user_principal_name: format!("{name}@{}", self.domain),
            display_name: name.clone(),
            given_name: None,
            surname: None,
            mail_nickname: name,
            job_title: None,
            department: None,
            office_location: None,
            mobile_phone: None,
            preferred_language: None,
        })
    }
}
