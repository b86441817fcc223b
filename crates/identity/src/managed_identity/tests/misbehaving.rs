//! What a managed identity makes of a network that panics, of a server that refuses its token, and of one that drips.

use bytes::Bytes;
use futures_util::stream;
use unattended_core::{BoxFuture, HttpClient, HttpError, ResponseBody};

use super::*;

fn identity(http: impl HttpClient, clock: &ManualClock) -> ManagedIdentity {
    let entropy = Arc::new(SeededEntropy::new(7));
    let host = ManagedIdentityHost::detect(|_| None, false);
    ManagedIdentity::new(host, ManagedIdentityId::System, Arc::new(http), Arc::new(clock.clone()), entropy)
        .unwrap()
}

fn vault(identity: &ManagedIdentity) -> ManagedIdentityToken {
    identity.for_scope(&Scope::default_of("https://vault.azure.net").unwrap()).unwrap()
}

#[tokio::test]
async fn a_network_that_panics_fails_its_callers_instead_of_being_asked_for_ever() {
    #[derive(Debug)]
    struct Panicking;

    impl HttpClient for Panicking {
        fn send(
            &self,
            _: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
            panic!("on purpose")
        }
    }

    let vault = vault(&identity(Panicking, &ManualClock::at(1_000_000)));
    let (one, other) = tokio::join!(vault.acquire(Freshness::Cached), vault.acquire(Freshness::Cached));
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert!(error.is_transient() && error.to_string().contains("panicked"), "{error}");
    }
}

// D17: an assertion that is kept is not shown twice to who refused it.
#[tokio::test]
async fn an_identity_token_that_the_authority_refuses_is_replaced_before_it_is_shown_again() {
    let jwt = |signature: &str| format!("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtaSJ9.{signature}");
    let house = House::standing();
    house.server.answer(200, &TOKEN.replace("t1", &jwt("b25l")));
    let credential = house.identity.as_credential(TOKEN_EXCHANGE_AUDIENCE);
    let application = crate::credential::tests::House::new([Arc::new(credential) as _]);
    let late =
        r#"{"error":"invalid_client","error_codes":[700024],"error_description":"AADSTS700024: late"}"#;
    application.server.answer(401, late);
    house.server.answer(200, &TOKEN.replace("t1", &jwt("dHdv")));
    application.server.token("app-token", 3_600);
    assert_eq!(application.fresh().await.unwrap(), "app-token");
    let shown: Vec<_> = application
        .server
        .requests()
        .iter()
        .map(|seen| seen.field("client_assertion").unwrap().to_owned())
        .collect();
    assert_eq!(shown, [jwt("b25l"), jwt("dHdv")]);
}

// 92
#[tokio::test]
async fn who_cannot_wait_for_a_host_is_told_what_keeps_it() {
    let (server, clock) = (Arc::new(Server::new()), ManualClock::at(1_000_000));
    let (http, entropy) = (Arc::clone(&server) as _, Arc::new(SeededEntropy::new(7)));
    let identity =
        ManagedIdentity::new(imds(), ManagedIdentityId::System, http, Arc::new(clock.clone()), entropy);
    let credential = identity.unwrap().as_credential(TOKEN_EXCHANGE_AUDIENCE);
    let application =
        Arc::new(crate::credential::tests::House::on(clock.clone(), [Arc::new(credential) as _]));
    let call = tokio::spawn({
        let application = Arc::clone(&application);
        async move { application.fresh().await }
    });
    for second in 0..45 {
        if second % 10 == 0 {
            server.answer(410, "");
        }
        settle().await;
        clock.advance(Duration::from_secs(1));
    }
    settle().await;
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_transient() && application.server.requests().is_empty());
    let told: Vec<String> =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect();
    let told = told.join("; ");
    let expected = "the instance metadata service has not given a token yet, and is asked on; \
                    the instance metadata service answered HTTP 410";
    assert!(told.ends_with(expected), "{told}");
}

// 96
#[tokio::test]
async fn a_host_whose_answer_drips_is_given_up_and_one_that_is_slow_but_in_time_is_heard_to_the_end() {
    #[derive(Debug)]
    struct Dripping(ManualClock, &'static str);

    impl HttpClient for Dripping {
        fn send(
            &self,
            _: http::Request<Bytes>,
        ) -> BoxFuture<'_, Result<http::Response<ResponseBody>, HttpError>> {
            let clock = self.0.clone();
            let drops = stream::unfold(self.1.as_bytes().chunks(16), move |mut left| {
                let clock = clock.clone();
                async move {
                    let drop = left.next()?;
                    clock.sleep(Duration::from_secs(1)).await;
                    Some((Ok(Bytes::from_static(drop)), left))
                }
            });
            Box::pin(std::future::ready(Ok(http::Response::new(ResponseBody::new(drops)))))
        }
    }

    async fn after(clock: &ManualClock, body: &'static str, seconds: u64) -> Result<String, String> {
        let vault = vault(&identity(Dripping(clock.clone(), body), clock));
        let call = tokio::spawn(async move { vault.acquire(Freshness::Cached).await });
        for _ in 0..seconds {
            settle().await;
            clock.advance(Duration::from_secs(1));
        }
        settle().await;
        assert!(call.is_finished());
        call.await.unwrap().map(|token| token.expose().to_owned()).map_err(|error| error.to_string())
    }

    // Six drops, and sixteen.
    assert_eq!(after(&ManualClock::at(1_000_000), TOKEN, 8).await.unwrap(), "t1");
    let long: &'static str = Box::leak(format!("{TOKEN}{}", " ".repeat(170)).into_boxed_str());
    let complaint = after(&ManualClock::at(1_000_000), long, 60).await.unwrap_err();
    assert!(complaint.contains("did not answer within 10 s"), "{complaint}");
}
