//! What people put into files, and what is read from it.

use std::path::PathBuf;

use serde_json::{Value, json};
use unattended_jobs::source::{Fault, Records, Survey};

struct Source {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn source(name: &str, content: impl AsRef<[u8]>) -> Source {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    Source { path, _directory: directory }
}

/// Line and attributes of each row, or the reason why there are none.
fn rows(source: &Source) -> Vec<(u64, Value)> {
    let row = |row| match row {
        Ok(record) => {
            let unattended_jobs::source::Record { line, attributes } = record;
            (line, Value::from(attributes))
        }
        Err(Fault::Row(reject)) => (reject.line, Value::from(reject.reason)),
        Err(Fault::File(error)) => panic!("{error}"),
    };
    Records::open(&source.path).unwrap().map(row).collect()
}

fn refusal(source: &Source) -> (String, String) {
    let error = Survey::of(&source.path, "userPrincipalName").unwrap_err();
    (error.to_string(), error.remedy().to_owned())
}

#[test]
fn csv_of_every_origin_reads_the_same() {
    let expected = vec![
        (
            2,
            json!({"userPrincipalName": "ana@contoso.com", "displayName": "Ana, née \"Kim\"", "city": "서울"}),
        ),
        (3, json!({"userPrincipalName": "omar@contoso.com", "displayName": "عمر"})),
    ];
    let text = "userPrincipalName,displayName,city\n\
                ana@contoso.com,\"Ana, née \"\"Kim\"\"\",서울\n\
                omar@contoso.com, عمر ,\n";
    for (what, text) in [
        ("plain", text.to_owned()),
        ("with a byte order mark", format!("\u{feff}{text}")),
        ("with CRLF", text.replace('\n', "\r\n")),
        ("without a last line end", text.trim_end().to_owned()),
        ("with empty lines and rows of commas", format!("{text}\n,,\n  ,\t,\n\n")),
        ("with the last cell quoted and CRLF", text.replace("서울", "\"서울\"").replace('\n', "\r\n")),
        ("with surplus empty cells", text.replace("서울", "서울,,")),
        ("with missing last cells", text.replace(" عمر ,", "عمر")),
    ] {
        assert_eq!(rows(&source("people.csv", &text)), expected, "{what}");
        let survey = Survey::of(&source("people.CSV", &text).path, "userPrincipalName").unwrap();
        assert_eq!(
            (survey.attributes, survey.rows),
            (vec!["userPrincipalName".to_owned(), "displayName".to_owned(), "city".to_owned()], 2)
        );
    }
}

#[test]
fn a_row_over_several_lines_counts_from_its_first() {
    let text = "a,b\n1,\"two\nlines\"\n3,4\n";
    assert_eq!(
        rows(&source("x.csv", text)),
        [(2, json!({"a": "1", "b": "two\nlines"})), (4, json!({"a": "3", "b": "4"}))]
    );
}

#[test]
fn a_row_that_cannot_be_read_is_rejected_and_the_rest_goes_on() {
    let latin1 = b"userPrincipalName,displayName\nana@contoso.com,Jos\xe9\nbo@contoso.com,Bo\n";
    assert_eq!(
        rows(&source("x.csv", latin1)),
        [
            (2, json!("column 2 (displayName) is not UTF-8 (byte 0xE9); save the file as UTF-8")),
            (3, json!({"userPrincipalName": "bo@contoso.com", "displayName": "Bo"})),
        ]
    );
    let comma = "userPrincipalName,displayName\nana@contoso.com,Kim, Ana\nbo@contoso.com,Bo\n";
    assert_eq!(
        rows(&source("x.csv", comma))[0],
        (2, json!("it has a value in column 3, but the header names 2 columns; is a comma not quoted?"))
    );
    let mut lines = b"{\"a\": 1}\n\nnot json\n[1]\n{\"a\": \"\xff\"}\n{\"a b\": 1}\n".to_vec();
    lines.extend(format!("{{\"a\": \"{}\"}}\n{{\"a\": null}}", "x".repeat(2 << 20)).bytes());
    let rows = rows(&source("x.ndjson", lines));
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8]);
    assert_eq!(rows[0].1, json!({"a": 1}));
    assert!(rows[1].1.as_str().unwrap().contains("at character 2"), "{}", rows[1].1);
    assert!(rows[2].1.as_str().unwrap().contains("not a JSON object"), "{}", rows[2].1);
    assert!(rows[3].1.as_str().unwrap().contains("character 8 of the line is not UTF-8"), "{}", rows[3].1);
    assert!(rows[4].1.as_str().unwrap().contains("`a b` is not the name"), "{}", rows[4].1);
    assert!(rows[5].1.as_str().unwrap().contains("longer than"), "{}", rows[5].1);
    assert_eq!(rows[6].1, json!({"a": null}));
}

#[test]
fn an_exported_file_can_be_provisioned_as_it_is() {
    let text = r#"{"@odata.type":"user","id":"1","userPrincipalName":"a@b.c","businessPhones":["+82"]}"#;
    assert_eq!(
        rows(&source("x.jsonl", text)),
        [(1, json!({"userPrincipalName": "a@b.c", "businessPhones": ["+82"]}))]
    );
    assert_eq!(rows(&source("x.csv", "id,@odata.etag,a\n1,2,3\n")), [(2, json!({"a": "3"}))]);
}

#[test]
fn a_file_that_is_unusable_says_why_and_what_to_do() {
    for (name, content, reason, remedy) in [
        ("x.csv", &b""[..], "it has no header", "name the attributes in the first line"),
        (
            "x.csv",
            b"userPrincipalName;displayName\na;b\n",
            "no attribute userPrincipalName",
            "separate its columns by commas",
        ),
        (
            "x.csv",
            b"UserPrincipalName,city\na,b\n",
            "it has UserPrincipalName, city",
            "write userPrincipalName and not UserPrincipalName",
        ),
        ("x.csv", b"userPrincipalName,city,city\n", "two columns are named city", "remove one"),
        (
            "x.csv",
            b"userPrincipalName,Job Title\n",
            "`Job Title` is not the name of an attribute",
            "name the columns",
        ),
        (
            "x.csv",
            b"userPrincipalName,caf\xe9\n",
            "the name of column 2 is not UTF-8",
            "save the file as UTF-8",
        ),
        ("x.csv", b"\xff\xfeu\0", "it is UTF-16", "save it as UTF-8"),
        ("x.xlsx", b"PK", "neither CSV nor NDJSON", "name it .csv or .ndjson"),
        ("x.ndjson", b"{\"mail\": \"a@b.c\"}", "no attribute userPrincipalName", "or set `match`"),
    ] {
        let (error, help) = refusal(&source(name, content));
        assert!(error.contains(reason), "{error}");
        assert!(help.contains(remedy), "{help}");
    }
    let missing =
        Source { path: PathBuf::from("no/such/people.csv"), _directory: tempfile::tempdir().unwrap() };
    assert!(refusal(&missing).0.contains("people.csv cannot be used: it cannot be read"));
}
