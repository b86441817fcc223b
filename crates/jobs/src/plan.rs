//! What has to change so that a directory is what the source says.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::reject::Reject;
use crate::row::{Desired, Kind, fold};
use crate::users;

/// The objects of a directory, as far as the source speaks of them.
#[derive(Clone, Debug)]
pub(crate) struct Actual {
    match_on: String,
    /// The attributes that are compared; the values of each object stand in the same order.
    attributes: Vec<String>,
    objects: HashMap<String, Object>,
}

#[derive(Clone, Debug)]
struct Object {
    id: String,
    values: Box<[Value]>,
    /// Another object has the same key: no row may decide between them.
    is_ambiguous: bool,
}

impl Actual {
    /// Nothing yet. `attributes` are those of the source, in any order.
    pub(crate) fn new(match_on: &str, attributes: &[String]) -> Self {
        let mut attributes = attributes.to_vec();
        // It can be written and never read.
        attributes.retain(|name| name != "passwordProfile");
        Self { match_on: match_on.to_owned(), attributes, objects: HashMap::new() }
    }

    /// The attributes to read.
    pub(crate) fn select(&self) -> impl Iterator<Item = &str> {
        let more = self.attributes.iter().map(String::as_str).filter(|name| *name != self.match_on);
        ["id", self.match_on.as_str()].into_iter().chain(more)
    }

    /// Takes an object as the API wrote it; one without id or key can match no row.
    pub(crate) fn insert(&mut self, mut object: Map<String, Value>) {
        let Some(Value::String(id)) = object.remove("id") else { return };
        let key = match object.get(&self.match_on) {
            Some(Value::String(key)) => fold(key),
            Some(Value::Number(number)) => number.to_string(),
            _ => return,
        };
        let values = self.attributes.iter().map(|name| object.remove(name).unwrap_or(Value::Null)).collect();
        let is_ambiguous = self.objects.get(&key).is_some_and(|known| known.id != id || known.is_ambiguous);
        self.objects.insert(key, Object { id, values, is_ambiguous });
    }

    pub(crate) fn len(&self) -> u64 {
        self.objects.len() as u64
    }

    fn value(&self, object: &Object, name: &str) -> Value {
        let index = self.attributes.iter().position(|known| known == name);
        index.and_then(|index| object.values.get(index)).cloned().unwrap_or(Value::Null)
    }
}

/// What has to be done, without having done any of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Objects to make.
    pub create: Vec<Create>,
    /// Objects to change.
    pub update: Vec<Update>,
    /// How many are as they should be.
    pub unchanged: u64,
    /// Rows that cannot be provisioned.
    pub rejected: Vec<Reject>,
}

/// An object to make.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Create {
    /// The line of the source.
    pub line: u64,
    /// The value of the match attribute.
    pub key: String,
    /// What it will be made of; the initial password of a user comes on top and is never shown.
    pub attributes: Map<String, Value>,
}

/// An object to change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Update {
    /// The line of the source.
    pub line: u64,
    /// The value of the match attribute.
    pub key: String,
    /// The object's id.
    pub id: String,
    /// The attributes that differ.
    pub changes: BTreeMap<String, Change>,
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What it is.
    pub from: Value,
    /// What it is to be.
    pub to: Value,
}

impl Plan {
    /// Whether there is nothing to do and nothing was rejected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.is_empty() && self.update.is_empty() && self.rejected.is_empty()
    }

    /// Plans every row; pure.
    #[cfg(test)]
    fn of(kind: Kind, rows: impl IntoIterator<Item = Desired>, actual: &Actual) -> Self {
        let mut plan = Self::default();
        rows.into_iter().for_each(|row| plan.add(step(kind, row, actual)));
        plan
    }

    pub(crate) fn add(&mut self, step: Step) {
        match step {
            Step::Create(create) => self.create.push(create),
            Step::Update(update) => self.update.push(update),
            Step::Keep { .. } => self.unchanged += 1,
            Step::Reject(reject) => self.rejected.push(reject),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for create in &self.create {
            writeln!(f, "+ {} (line {})", create.key, create.line)?;
        }
        for update in &self.update {
            writeln!(f, "~ {} (line {})", update.key, update.line)?;
            for (name, change) in &update.changes {
                writeln!(f, "    {name}: {} -> {}", change.from, change.to)?;
            }
        }
        for reject in &self.rejected {
            writeln!(f, "! line {}: {}", reject.line, reject.reason)?;
        }
        let (create, update, rejected) = (self.create.len(), self.update.len(), self.rejected.len());
        write!(f, "{create} to create, {update} to update, {} unchanged, {rejected} rejected", self.unchanged)
    }
}

/// What one row comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Create(Create),
    Update(Update),
    Keep { key: String },
    Reject(Reject),
}

/// Compares one row with the directory: only the attributes that the row has, the key without regard to case.
pub(crate) fn step(kind: Kind, desired: Desired, actual: &Actual) -> Step {
    let Desired { line, key, attributes } = desired;
    let Some(object) = actual.objects.get(&fold(&key)) else {
        let complete = match kind {
            Kind::User => users::complete(&attributes),
            Kind::Other => Ok(attributes.clone()),
        };
        return match complete {
            Ok(attributes) => Step::Create(Create { line, key, attributes }),
            Err(reason) => Step::Reject(Reject::row(line, reason, Some(&key), attributes)),
        };
    };
    if object.is_ambiguous {
        let reason = format!("several objects of the directory have this {}", actual.match_on);
        return Step::Reject(Reject::row(line, reason, Some(&key), attributes));
    }
    let mut changes = BTreeMap::new();
    for (name, to) in attributes {
        if name == actual.match_on || name == "passwordProfile" {
            continue;
        }
        let from = actual.value(object, &name);
        if !is_same(&from, &to) {
            changes.insert(name, Change { from, to });
        }
    }
    if changes.is_empty() {
        return Step::Keep { key };
    }
    Step::Update(Update { line, key, id: object.id.clone(), changes })
}

/// Whether a directory that was told `to` and shows `from` did what it was told.
fn is_same(from: &Value, to: &Value) -> bool {
    let is_nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if from == to || (is_nothing(from) && is_nothing(to)) {
        return true;
    }
    // A directory answers `2026-03-01` with `2026-03-01T00:00:00Z`.
    let (Some(from), Some(to)) = (from.as_str(), to.as_str()) else { return false };
    matches!((instant(from), instant(to)), (Some(from), Some(to)) if from == to)
}

fn instant(text: &str) -> Option<jiff::Timestamp> {
    let is_date_like =
        text.len() >= 10 && text.as_bytes()[..10].iter().filter(|byte| **byte == b'-').count() == 2;
    if !is_date_like {
        return None;
    }
    let midnight = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    text.parse().ok().or_else(|| midnight().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const MATCH: &str = "userPrincipalName";

    fn row(line: u64, attributes: &Value) -> Desired {
        let attributes = attributes.as_object().cloned().unwrap();
        Desired { line, key: attributes[MATCH].as_str().unwrap().to_owned(), attributes }
    }

    fn actual(attributes: &[&str], objects: &[Value]) -> Actual {
        let attributes: Vec<String> = attributes.iter().map(|&name| name.to_owned()).collect();
        let mut actual = Actual::new(MATCH, &attributes);
        objects.iter().for_each(|object| actual.insert(object.as_object().cloned().unwrap()));
        actual
    }

    #[test]
    fn only_what_the_source_says_and_the_directory_does_not_is_changed() {
        let actual = actual(
            &["jobTitle", "city", "employeeHireDate", "businessPhones"],
            &[json!({"id": "1", MATCH: "Ana@Contoso.com", "jobTitle": "Nurse", "city": "Seoul",
                     "employeeHireDate": "2026-03-01T00:00:00Z", "businessPhones": []})],
        );
        let same =
            row(2, &json!({MATCH: "ana@contoso.com", "jobTitle": "Nurse", "employeeHireDate": "2026-03-01"}));
        assert_eq!(step(Kind::User, same, &actual), Step::Keep { key: "ana@contoso.com".to_owned() });
        let cleared = row(2, &json!({MATCH: "ana@contoso.com", "city": null, "businessPhones": null}));
        let Step::Update(update) = step(Kind::User, cleared, &actual) else { panic!("an update") };
        assert_eq!(json!(update.changes), json!({"city": {"from": "Seoul", "to": null}}));
        assert_eq!(update.id, "1");
    }

    #[test]
    fn a_key_that_several_objects_have_is_nobodys() {
        let actual = actual(&[], &[json!({"id": "1", MATCH: "a@b.c"}), json!({"id": "2", MATCH: "A@b.c"})]);
        let Step::Reject(reject) = step(Kind::User, row(2, &json!({MATCH: "a@b.c"})), &actual) else {
            panic!()
        };
        assert!(reject.reason.contains("several objects"));
    }

    #[test]
    fn a_plan_reads_as_text() {
        let actual = actual(&["city"], &[json!({"id": "1", MATCH: "b@c.d", "city": "Seoul"})]);
        let rows = [
            row(2, &json!({MATCH: "a@c.d", "displayName": "A"})),
            row(3, &json!({MATCH: "b@c.d", "city": "Busan"})),
            row(4, &json!({MATCH: "e@c.d"})),
        ];
        let text = Plan::of(Kind::User, rows, &actual).to_string();
        assert_eq!(
            text,
            "+ a@c.d (line 2)\n~ b@c.d (line 3)\n    city: \"Seoul\" -> \"Busan\"\n! line 4: displayName is missing, and \
             a new user needs it\n1 to create, 1 to update, 0 unchanged, 1 rejected"
        );
    }

    /// A directory as a plan leaves it.
    fn apply(plan: &Plan, mut objects: Vec<Map<String, Value>>) -> Vec<Map<String, Value>> {
        for update in &plan.update {
            let object = objects.iter_mut().find(|object| object["id"] == json!(update.id)).unwrap();
            object.extend(update.changes.iter().map(|(name, change)| (name.clone(), change.to.clone())));
        }
        for create in &plan.create {
            let mut object = create.attributes.clone();
            object.insert("id".to_owned(), json!(format!("new-{}", create.line)));
            objects.push(object);
        }
        objects
    }

    fn object() -> impl Strategy<Value = (u8, bool, [Option<u8>; 3])> {
        (0..20_u8, any::<bool>(), proptest::array::uniform3(proptest::option::of(0..3_u8)))
    }

    fn attributes((key, upper, values): &(u8, bool, [Option<u8>; 3])) -> Map<String, Value> {
        let name = format!("user{key}@contoso.com");
        let mut attributes = Map::new();
        attributes.insert(MATCH.to_owned(), json!(if *upper { name.to_uppercase() } else { name }));
        attributes.insert("displayName".to_owned(), json!(format!("User {key}")));
        for (name, value) in ["city", "jobTitle", "department"].into_iter().zip(values) {
            if let Some(value) = value {
                attributes.insert(
                    name.to_owned(),
                    if *value == 0 { Value::Null } else { json!(value.to_string()) },
                );
            }
        }
        attributes
    }

    proptest! {
        // Applying a plan yields what was desired, and then there is nothing left to plan.
        #[test]
        fn a_plan_that_was_applied_leaves_nothing_to_plan(
            rows in proptest::collection::vec(object(), 0..30),
            existing in proptest::collection::vec(object(), 0..30),
        ) {
            let mut taken = std::collections::HashSet::new();
            let rows: Vec<Desired> = rows.iter().filter(|row| taken.insert(row.0)).enumerate()
                .map(|(index, object)| row(index as u64 + 2, &Value::from(attributes(object)))).collect();
            taken.clear();
            let existing: Vec<Map<String, Value>> = existing.iter().filter(|object| taken.insert(object.0)).map(|object| {
                let mut attributes = attributes(object);
                attributes.insert("id".to_owned(), json!(format!("old-{}", object.0)));
                attributes
            }).collect();
            let names = ["displayName", "city", "jobTitle", "department"];
            let values = |objects: &[Map<String, Value>]| {
                actual(&names, &objects.iter().cloned().map(Value::from).collect::<Vec<_>>())
            };

            let plan = Plan::of(Kind::User, rows.clone(), &values(&existing));
            let total = plan.create.len() + plan.update.len() + usize::try_from(plan.unchanged).unwrap();
            prop_assert_eq!(total, rows.len());
            let after = apply(&plan, existing.clone());

            let again = Plan::of(Kind::User, rows.clone(), &values(&after));
            prop_assert!(again.is_empty(), "{}", again);
            prop_assert_eq!(again.unchanged, rows.len() as u64);
            for row in &rows {
                let object = after.iter()
                    .find(|object| fold(object[MATCH].as_str().unwrap()) == fold(&row.key)).unwrap();
                for (name, value) in row.attributes.iter().filter(|(name, _)| *name != MATCH) {
                    prop_assert_eq!(object.get(name).unwrap_or(&Value::Null), value);
                }
            }
            // What no row speaks of stays as it was.
            let keys: Vec<String> = rows.iter().map(|row| fold(&row.key)).collect();
            for object in existing.iter().filter(|object| !keys.contains(&fold(object[MATCH].as_str().unwrap()))) {
                prop_assert!(after.contains(object));
            }
        }
    }
}
