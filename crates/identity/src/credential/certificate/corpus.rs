//! Certificate files as OpenSSL, Windows and people make them: each loads, or says exactly what is wrong with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unattended_core::Secret;

use super::{ClientCertificate, SigningAlgorithm};

/// A directory with the keys and certificates that the files of the corpus are made of.
struct Workshop(tempfile::TempDir);

static WORKSHOP: LazyLock<Workshop> = LazyLock::new(|| {
    let workshop = Workshop(tempfile::tempdir().unwrap());
    let request = "req -new -x509 -days 365 -subj /CN=nightly-report";
    let signed = "x509 -req -days 365 -set_serial 7";
    for arguments in [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key".to_owned(),
        format!("{request} -key rsa.key -out rsa.crt"),
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out small.key".to_owned(),
        format!("{request} -key small.key -out small.crt"),
        "ecparam -name prime256v1 -genkey -out ec.key".to_owned(),
        format!("{request} -key ec.key -out ec.crt"),
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key".to_owned(),
        format!("{request} -key p384.key -out p384.crt"),
        "genpkey -algorithm ED25519 -out ed25519.key".to_owned(),
        format!("{request} -key ed25519.key -out ed25519.crt"),
        "genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out pss.key".to_owned(),
        format!("{request} -key pss.key -out pss.crt"),
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out other.key".to_owned(),
        format!("{request} -key other.key -out other.crt"),
        // other is the root, small the intermediate, and rsa the leaf.
        "req -new -key small.key -subj /CN=issuing -out issuing.csr".to_owned(),
        format!("{signed} -in issuing.csr -CA other.crt -CAkey other.key -out issuing.crt"),
        "req -new -key rsa.key -subj /CN=leaf -out leaf.csr".to_owned(),
        format!("{signed} -in leaf.csr -CA issuing.crt -CAkey small.key -out leaf.crt"),
    ] {
        workshop.openssl(&arguments);
    }
    workshop
});

impl Workshop {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs `openssl` and returns what it writes to its standard output.
    fn openssl(&self, arguments: &str) -> Vec<u8> {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir::<&Path>(self.0.path())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn together(&self, names: &[&str]) -> Vec<u8> {
        names.iter().flat_map(|name| self.read(name)).collect()
    }
}

/// What a file holds, the password that is given with it, and what comes of it.
type Case = (&'static str, Vec<u8>, Option<&'static str>, Result<SigningAlgorithm, &'static str>);

const PS256: Result<SigningAlgorithm, &str> = Ok(SigningAlgorithm::Ps256);
const ES256: Result<SigningAlgorithm, &str> = Ok(SigningAlgorithm::Es256);
const NO_PASSWORD: Result<SigningAlgorithm, &str> =
    Err("the private key is protected by a password, and none is given");
const WRONG_PASSWORD: Result<SigningAlgorithm, &str> = Err("the password is wrong");
const DAMAGED_PEM: Result<SigningAlgorithm, &str> =
    Err("the file is not well-formed PEM (a damaged BEGIN/END block)");

fn corpus() -> Vec<Case> {
    let w = &*WORKSHOP;
    let with_certificate = |key: Vec<u8>| [key, w.read("rsa.crt")].concat();
    let converted = |arguments: &str| with_certificate(w.openssl(arguments));
    let pkcs8 =
        |options: &str| converted(&format!("pkcs8 -topk8 -in rsa.key -passout pass:opensesame {options}"));
    let pkcs12 = |options: &str| w.openssl(&format!("pkcs12 -export {options}"));
    let mine = "-inkey rsa.key -in rsa.crt -passout pass:opensesame";
    let pem = w.together(&["rsa.key", "rsa.crt"]);
    let text = String::from_utf8(pem.clone()).unwrap();
    let secret = Some("opensesame");
    vec![
        ("pem, pkcs#8", pem.clone(), None, PS256),
        ("pem, pkcs#1", converted("rsa -in rsa.key -traditional"), None, PS256),
        ("pem, the certificate first", w.together(&["rsa.crt", "rsa.key"]), None, PS256),
        ("pem, a foreign certificate before", w.together(&["other.crt", "rsa.key", "rsa.crt"]), None, PS256),
        (
            "pem, a chain upside down",
            w.together(&["other.crt", "issuing.crt", "leaf.crt", "rsa.key"]),
            None,
            PS256,
        ),
        ("pem, windows line ends", text.replace('\n', "\r\n").into_bytes(), None, PS256),
        ("pem, with a byte order mark", [b"\xEF\xBB\xBF".to_vec(), pem.clone()].concat(), None, PS256),
        (
            "pem, as pkcs12 writes it, with attributes",
            {
                std::fs::write(w.path("bag.p12"), pkcs12(mine)).unwrap();
                w.openssl("pkcs12 -in bag.p12 -nodes -passin pass:opensesame")
            },
            None,
            PS256,
        ),
        ("pem, elliptic curve, sec 1 with parameters", w.together(&["ec.key", "ec.crt"]), None, ES256),
        (
            "pem, elliptic curve, pkcs#8",
            [w.openssl("pkcs8 -topk8 -nocrypt -in ec.key"), w.read("ec.crt")].concat(),
            None,
            ES256,
        ),
        ("pem, aes-256", pkcs8("-v2 aes-256-cbc"), secret, PS256),
        ("pem, triple des", pkcs8("-v2 des3"), secret, PS256),
        ("pem, aes-128 with hmac-sha1", pkcs8("-v2 aes-128-cbc -v2prf hmacWithSHA1"), secret, PS256),
        ("pem, scrypt", pkcs8("-scrypt"), secret, PS256),
        ("pem, encrypted, without a password", pkcs8("-v2 aes-256-cbc"), None, NO_PASSWORD),
        ("pem, encrypted, another password", pkcs8("-v2 aes-256-cbc"), Some("opensesami"), WRONG_PASSWORD),
        (
            "pem, pbes1",
            pkcs8("-v1 PBE-SHA1-3DES"),
            secret,
            Err("the private key is encrypted by an old scheme (PBES1)"),
        ),
        (
            "pem, dek-info",
            converted("rsa -in rsa.key -traditional -aes128 -passout pass:opensesame"),
            secret,
            Err("the private key is encrypted in OpenSSL's old format (DEK-Info)"),
        ),
        ("pkcs#12, aes-256", pkcs12(mine), secret, PS256),
        (
            "pkcs#12, triple des",
            pkcs12(&format!("{mine} -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1")),
            secret,
            PS256,
        ),
        ("pkcs#12, legacy rc2", pkcs12(&format!("{mine} -legacy")), secret, PS256),
        (
            "pkcs#12, with a chain",
            pkcs12("-inkey rsa.key -in leaf.crt -certfile issuing.crt -passout pass:opensesame"),
            secret,
            PS256,
        ),
        (
            "pkcs#12, elliptic curve",
            pkcs12("-inkey ec.key -in ec.crt -passout pass:opensesame"),
            secret,
            ES256,
        ),
        ("pkcs#12, an empty password", pkcs12("-inkey rsa.key -in rsa.crt -passout pass:"), None, PS256),
        (
            "pkcs#12, neither encrypted nor authenticated",
            pkcs12("-inkey rsa.key -in rsa.crt -passout pass: -keypbe NONE -certpbe NONE -nomac"),
            None,
            PS256,
        ),
        (
            "pkcs#12, a password with an umlaut",
            pkcs12("-inkey rsa.key -in rsa.crt -passout pass:s\u{e4}same"),
            Some("s\u{e4}same"),
            PS256,
        ),
        (
            "pkcs#12, a password with an emoji",
            pkcs12("-inkey rsa.key -in rsa.crt -passout pass:open\u{1f512}"),
            Some("open\u{1f512}"),
            Err("the password has a character, such as an emoji, that no PKCS#12 file is opened with"),
        ),
        ("pkcs#12, without a password", pkcs12(mine), None, NO_PASSWORD),
        ("pkcs#12, another password", pkcs12(mine), Some("opensesami"), WRONG_PASSWORD),
        (
            "pkcs#12, certificates alone",
            pkcs12("-nokeys -in rsa.crt -passout pass:opensesame"),
            secret,
            Err("the file has no private key"),
        ),
        (
            "pkcs#12, a key alone",
            pkcs12("-nocerts -inkey rsa.key -passout pass:opensesame"),
            secret,
            Err("the file has a private key but no certificate"),
        ),
        (
            "pkcs#12, cut short",
            {
                let mut file = pkcs12(mine);
                file.truncate(900);
                file
            },
            secret,
            Err("the file is a damaged PKCS#12 file"),
        ),
        ("a certificate alone", w.read("rsa.crt"), None, Err("the file has no private key")),
        ("a key alone", w.read("rsa.key"), None, Err("the file has a private key but no certificate")),
        ("a public key", w.openssl("pkey -in rsa.key -pubout"), None, Err("the file has no private key")),
        (
            "the key of another certificate",
            w.together(&["rsa.key", "other.crt"]),
            None,
            Err("the private key does not belong to the certificate"),
        ),
        (
            "the key of none of two certificates",
            w.together(&["rsa.key", "other.crt", "small.crt"]),
            None,
            Err("the private key belongs to none of the certificates in the file"),
        ),
        (
            "two keys",
            w.together(&["rsa.key", "other.key", "rsa.crt"]),
            None,
            Err("the file has more than one private key"),
        ),
        (
            "a key of 1024 bits",
            w.together(&["small.key", "small.crt"]),
            None,
            Err("the private key is an RSA key of less than 2048 bits"),
        ),
        (
            "a key on p-384",
            w.together(&["p384.key", "p384.crt"]),
            None,
            Err("the private key is an elliptic-curve key of another curve than P-256, or damaged"),
        ),
        (
            "an ed25519 key",
            w.together(&["ed25519.key", "ed25519.crt"]),
            None,
            Err("the private key is an Ed25519 key; an RSA key or a P-256 key is needed"),
        ),
        (
            "a key for pss alone",
            w.together(&["pss.key", "pss.crt"]),
            None,
            Err("the private key is an RSA key for PSS alone; an RSA key or a P-256 key is needed"),
        ),
        (
            "an openssh key",
            with_certificate(
                b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n".to_vec(),
            ),
            None,
            Err("the private key is in OpenSSH's own format; PKCS#8 is needed"),
        ),
        ("pem, cut short", pem[..pem.len() - 40].to_vec(), None, DAMAGED_PEM),
        ("pem, a wrong character", text.replacen("MII", "M*I", 1).into_bytes(), None, DAMAGED_PEM),
        (
            "a certificate in der",
            w.openssl("x509 -in rsa.crt -outform DER"),
            None,
            Err("the file is one certificate in DER; it has no private key"),
        ),
        (
            "a key in der",
            w.openssl("pkcs8 -topk8 -nocrypt -in rsa.key -outform DER"),
            None,
            Err("the file is a bare key in DER, or damaged"),
        ),
        (
            "utf-16",
            text.encode_utf16().flat_map(u16::to_le_bytes).fold(vec![0xFF, 0xFE], |mut all, byte| {
                all.push(byte);
                all
            }),
            None,
            Err("the file is UTF-16 text"),
        ),
        (
            "a java key store",
            vec![0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2],
            None,
            Err("the file is a Java key store (JKS)"),
        ),
        ("bytes without a meaning", vec![0x80, 0x81, 0x82], None, Err("the file is neither PEM nor PKCS#12")),
        ("nothing", Vec::new(), None, Err("the file is empty")),
    ]
}

// 49 (section 3.4)
#[test]
fn every_file_loads_or_says_exactly_what_is_wrong_with_it() {
    for (name, content, password, expected) in corpus() {
        let password = password.map(Secret::from);
        let loaded = ClientCertificate::from_file(&Secret::new(content), password.as_ref());
        if let Err(error) = &loaded {
            assert!(error.remedy().is_some(), "{name}: nobody knows what to do");
        }
        let found = loaded.map(|certificate| certificate.algorithm()).map_err(|error| error.to_string());
        assert_eq!(found.as_ref().map_err(String::as_str), expected.as_ref().map_err(|text| *text), "{name}");
    }
}

/// What OpenSSL no longer writes and this program does not read, it can still convert.
#[test]
fn a_key_in_an_old_encryption_loads_once_it_was_rewritten_as_the_remedy_says() {
    let w = &*WORKSHOP;
    let old = w.openssl("rsa -in rsa.key -traditional -aes128 -passout pass:opensesame");
    std::fs::write(w.path("old.pem"), &old).unwrap();
    let password = Secret::from("opensesame");
    let refused = ClientCertificate::from_file(&Secret::new(old), Some(&password)).unwrap_err();
    let remedy = refused.remedy().unwrap();
    let command = remedy.split('`').nth(1).unwrap().strip_prefix("openssl ").unwrap();
    let command = command.replace("FILE", "old.pem").replace("NEW", "new.pem");
    w.openssl(&format!("{command} -passin pass:opensesame -passout pass:opensesame"));
    let new = Secret::new(w.together(&["new.pem", "rsa.crt"]));
    assert!(ClientCertificate::from_file(&new, Some(&password)).is_ok());
}

// D15
#[test]
fn the_chain_is_der_with_the_certificate_of_the_key_first_and_no_root() {
    let w = &*WORKSHOP;
    let expected: Vec<String> = ["leaf.crt", "issuing.crt"]
        .map(|name| STANDARD.encode(w.openssl(&format!("x509 -in {name} -outform DER"))))
        .into();
    let upside_down = w.together(&["other.crt", "issuing.crt", "leaf.crt", "rsa.key"]);
    let certificate = ClientCertificate::from_pem(&Secret::new(upside_down)).unwrap();
    assert_eq!(certificate.chain().x5c, expected);
}

#[test]
fn a_certificate_renewed_for_the_same_key_counts_wherever_it_stands_in_the_file() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let [old, new] = [2025, 2045].map(|year| {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 1, 2);
        parameters.self_signed(&key).unwrap().pem()
    });
    for certificates in [[&old, &new], [&new, &old]] {
        let pem = key.serialize_pem() + certificates[0] + certificates[1];
        let certificate = ClientCertificate::from_pem(&Secret::from(pem.as_str())).unwrap();
        assert_eq!(certificate.not_after(), UNIX_EPOCH + Duration::from_secs(2_366_928_000));
    }
}

#[test]
fn a_certificate_that_is_not_in_force_says_since_when_or_from_when_on() {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2024, 1, 2);
    parameters.not_after = rcgen::date_time_ymd(2025, 1, 2);
    let pem = parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let certificate = ClientCertificate::from_pem(&Secret::from(pem.as_str())).unwrap();
    let complaint = |seconds| {
        let now = UNIX_EPOCH + Duration::from_secs(seconds);
        certificate.check_validity(now).map_err(|error| error.to_string())
    };
    assert_eq!(complaint(1_735_819_200), Err("the certificate expired on 2025-01-02".to_owned()));
    assert_eq!(complaint(1_704_000_000), Err("the certificate is valid only from 2024-01-02 on".to_owned()));
    assert_eq!(complaint(1_720_000_000), Ok(()));
}

#[test]
fn a_key_signs_only_as_it_can() {
    let w = &*WORKSHOP;
    let rsa = ClientCertificate::from_pem(&Secret::new(w.together(&["rsa.key", "rsa.crt"]))).unwrap();
    let ec = ClientCertificate::from_pem(&Secret::new(w.together(&["ec.key", "ec.crt"]))).unwrap();
    let refused = rsa.clone().with_algorithm(SigningAlgorithm::Es256).unwrap_err();
    assert_eq!(refused.to_string(), "an RSA key cannot sign with ES256");
    let refused = ec.with_algorithm(SigningAlgorithm::Rs256).unwrap_err();
    assert_eq!(refused.to_string(), "an elliptic-curve key cannot sign with RS256");
    assert_eq!(rsa.with_algorithm(SigningAlgorithm::Rs256).unwrap().algorithm(), SigningAlgorithm::Rs256);
}
