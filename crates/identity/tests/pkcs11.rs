//! Keys in a PKCS#11 module: SoftHSM.
#![cfg(feature = "pkcs11")]
#![allow(clippy::disallowed_methods, reason = "SoftHSM finds its tokens by a variable of the process")]

mod softhsm {
    use std::path::Path;
    use std::process::Command;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use rcgen::{CertificateParams, KeyPair};
    use unattended_core::{BoxFuture, ClientId, HttpClient, HttpError, ResponseBody, Scope, Secret};
    use unattended_identity::{
        Authority, ClientCertificate, ConfidentialClient, Error, Freshness, Pkcs11Signer, SigningAlgorithm,
    };

    const CONFIGURATION: &str = "SOFTHSM2_CONF";
    const TOKEN: &str = "nightly";
    const PIN: &str = "834712";

    fn module() -> &'static Path {
        let places = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"];
        places
            .map(Path::new)
            .into_iter()
            .find(|path| path.exists())
            .expect("SoftHSM is missing: `apt-get install softhsm2`, or run `cargo xtask test`, which does")
    }

    /// The certificates of an RSA key and of an elliptic-curve key that are in the token, beside two keys of one name.
    fn fill_token(folder: &Path) {
        let configuration = folder.join("softhsm2.conf");
        std::fs::create_dir(folder.join("tokens")).unwrap();
        let tokens = folder.join("tokens");
        std::fs::write(&configuration, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        let softhsm = |arguments: &[&str]| {
            let mut command = Command::new("softhsm2-util");
            command.args(arguments).args(["--pin", PIN]).env(CONFIGURATION, &configuration);
            let output = command.current_dir(folder).output().expect("softhsm2-util is installed");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        softhsm(&["--init-token", "--free", "--label", TOKEN, "--so-pin", "5678"]);
        for (name, algorithm, ids) in [
            ("rsa", &rcgen::PKCS_RSA_SHA256, &["01"][..]),
            ("elliptic", &rcgen::PKCS_ECDSA_P256_SHA256, &["02"]),
            ("twice", &rcgen::PKCS_ECDSA_P256_SHA256, &["03", "04"]),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
            std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
            for id in ids {
                softhsm(&["--import", "key.pem", "--token", TOKEN, "--label", name, "--id", id]);
            }
        }
    }

    /// Accepts every assertion and keeps the last one.
    #[derive(Clone, Debug, Default)]
    struct Server(Arc<Mutex<Vec<String>>>);

    impl HttpClient for Server {
        fn send(
            &self,
            request: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
            let form = form_urlencoded::parse(request.body());
            let assertion = form.into_owned().find(|(name, _)| name == "client_assertion").unwrap().1;
            self.0.lock().unwrap().push(assertion);
            let body = r#"{"token_type":"Bearer","expires_in":3600,"access_token":"t"}"#;
            Box::pin(async move { Ok(http::Response::new(ResponseBody::full(body))) })
        }
    }

    /// Asks a server that is not Microsoft's for a token, twice; the `alg` of the assertion.
    async fn acquire(
        certificate: &Path,
        signer: Pkcs11Signer,
        algorithm: SigningAlgorithm,
    ) -> Result<serde_json::Value, Error> {
        let pem = Secret::new(std::fs::read(certificate).unwrap());
        let credential = ClientCertificate::with_signer(&pem, Arc::new(signer))
            .unwrap()
            .with_algorithm(algorithm)
            .unwrap();
        let server = Server::default();
        let authority = Authority::adfs("https://adfs.example/adfs").unwrap();
        let client = ConfidentialClient::builder(authority, ClientId::parse("nightly").unwrap())
            .credential(credential)
            .http(Arc::new(server.clone()))
            .build()
            .unwrap();
        let tokens = client.for_scope(Scope::default_of("https://api.example").unwrap()).unwrap();
        for _ in 0..2 {
            tokens.acquire(Freshness::Forced).await?;
        }
        let assertions = server.0.lock().unwrap().clone();
        assert_eq!(assertions.len(), 2);
        let header = jsonwebtoken::decode_header(&assertions[1]).unwrap();
        Ok(serde_json::to_value(header.alg).unwrap())
    }

    fn signer(key: &str, pin: &str) -> Pkcs11Signer {
        Pkcs11Signer::new(module(), TOKEN, key, Secret::from(pin)).unwrap()
    }

    /// Why there is no token, to the last cause.
    async fn refusal(certificate: &Path, signer: Pkcs11Signer) -> String {
        let error = acquire(certificate, signer, SigningAlgorithm::Es256).await.unwrap_err();
        assert!(error.is_credential(), "{error}");
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {cause}")
    }

    /// The same test in a process whose variable points to a token of its own.
    fn with_token_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        module();
        fill_token(folder.path());
        let name = "softhsm::a_token_signs_assertions_with_every_algorithm_and_never_gives_its_key_away";
        let output = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(CONFIGURATION, folder.path().join("softhsm2.conf"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("1 passed"), "{text}");
        assert!(!text.contains(PIN));
    }

    // Every signature is checked with the key of the certificate before it is sent, so a token means that it fits.
    #[test]
    fn a_token_signs_assertions_with_every_algorithm_and_never_gives_its_key_away() {
        if std::env::var_os(CONFIGURATION).is_none() {
            return with_token_of_its_own();
        }
        let (rsa, elliptic) = (Path::new("rsa.crt"), Path::new("elliptic.crt"));
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let of_rsa = signer("rsa", PIN);
            for (algorithm, name) in [(SigningAlgorithm::Ps256, "PS256"), (SigningAlgorithm::Rs256, "RS256")]
            {
                assert_eq!(acquire(rsa, of_rsa.clone(), algorithm).await.unwrap(), name);
            }
            // A wrong PIN is tried before another session is open, with which it would not be asked for.
            drop(of_rsa);
            let wrong = signer("elliptic", "000000");
            assert!(refusal(elliptic, wrong.clone()).await.contains("PIN"), "refused");
            let again = refusal(elliptic, wrong).await;
            assert!(again.contains("was refused before"), "{again}");

            let algorithm = SigningAlgorithm::Es256;
            assert_eq!(acquire(elliptic, signer("elliptic", PIN), algorithm).await.unwrap(), "ES256");
            for (key, complaint) in [
                ("nothing", "the token has no private key `nothing`"),
                ("twice", "the token has more than one private key `twice`"),
                ("rsa", "gave no signature"),
            ] {
                let refusal = refusal(elliptic, signer(key, PIN)).await;
                assert!(refusal.contains(complaint), "{refusal}");
                assert!(refusal.starts_with(&format!("the key `{key}` of the token `nightly`")), "{refusal}");
            }
            let secret = Secret::from(PIN);
            let absent = Pkcs11Signer::new(module(), "elsewhere", "rsa", secret.clone()).unwrap();
            assert!(refusal(elliptic, absent).await.contains("no token `elsewhere`"));
            let absent = Pkcs11Signer::new("/nowhere/module.so", TOKEN, "rsa", secret).unwrap();
            assert!(!format!("{absent:?}").contains(PIN));
            assert!(refusal(elliptic, absent).await.contains("/nowhere/module.so"));
        });
    }
}
