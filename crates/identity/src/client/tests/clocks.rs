//! Clocks that jump, and tokens at the edges of their lives.

use super::*;
use crate::token::FetchReason;

// 15 (section 3.1)
#[tokio::test]
async fn the_server_says_when_to_renew_and_half_of_the_life_is_the_latest() {
    let house = House::new();
    let day = |refresh_in: &str| {
        format!(r#"{{"token_type":"Bearer","expires_in":86400,"access_token":"t"{refresh_in}}}"#)
    };
    for (refresh_in, latest) in [
        (r#","refresh_in":43200"#, 43_200),
        (r#","refresh_in":"7200""#, 7_200),
        (r#","refresh_in":80000"#, 43_200),
        ("", 43_200),
    ] {
        house.server.answer(200, &day(refresh_in));
        let token = house.graph().acquire(Freshness::Forced).await.unwrap();
        let after = token.refresh_at().duration_since(house.clock.now()).unwrap().as_secs();
        assert!((latest - 4_320..=latest).contains(&after), "{after} for {refresh_in}");
    }
}

// D5; 8 to 10, 13 (section 3.1)
#[tokio::test]
async fn whatever_a_renewal_ends_in_the_live_token_is_served_and_who_left_meanwhile_heard_of_nothing() {
    type Trouble = fn(&Server);
    let troubles: [(&str, Trouble); 7] = [
        ("unavailable", |server| (0..3).for_each(|_| server.answer(503, ""))),
        ("a page", |server| server.answer(200, "<html>sign in</html>")),
        ("refused", |server| server.answer(401, INVALID_SECRET)),
        ("not installed", |server| server.answer(400, NOT_INSTALLED)),
        ("unreachable", |server| (0..3).for_each(|_| server.fail(HttpErrorKind::Connect))),
        ("throttled", |server| server.answer_with(429, &[("retry-after", "60")], "")),
        ("dead on arrival", |server| server.token("dead", 0)),
    ];
    for (what, trouble) in troubles {
        let house = House::with_clock(ManualClock::self_advancing_at(1_000));
        house.server.token("old", 86_400);
        house.graph().acquire(Freshness::Cached).await.unwrap();
        house.clock.advance(Duration::from_secs(43_201));
        trouble(&house.server);
        let (graph, caller) = (house.graph(), house.graph());
        let caller = tokio::spawn(async move { caller.acquire(Freshness::Cached).await });
        assert_eq!(caller.await.unwrap().unwrap().expose(), "old", "{what}");
        settle().await;
        for _ in 0..3 {
            assert_eq!(graph.acquire(Freshness::Cached).await.unwrap().expose(), "old", "{what}");
        }
        // As soon as the trouble is over, the next caller's look brings a new one, and says why it was fetched.
        house.clock.advance(Duration::from_secs(3_600));
        house.server.token("new", 86_400);
        graph.acquire(Freshness::Cached).await.unwrap();
        settle().await;
        let token = graph.acquire(Freshness::Cached).await.unwrap();
        assert_eq!((token.expose(), token.fetch_reason()), ("new", FetchReason::Due), "{what}");
    }
}

// 17 (section 3.1)
#[tokio::test]
async fn a_server_that_gives_expired_tokens_is_asked_once_for_each_call_and_in_the_background_seldom() {
    let house = House::new();
    for n in 1..=3 {
        house.server.token("dead", 0);
        let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
        assert!(error.to_string().contains("already expired"), "{error}");
        assert_eq!(house.server.requests().len(), n);
    }
    house.server.token("old", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.advance(Duration::from_secs(1_801));
    for _ in 0..60 {
        house.server.token("dead", 0);
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "old");
        settle().await;
        house.clock.advance(Duration::from_secs(1));
    }
    // After 0, 15 and 45 seconds.
    assert_eq!(house.server.requests().len(), 4 + 3);
}

// 18 (section 3.1)
#[tokio::test]
async fn a_token_of_a_minute_is_served_for_most_of_it_and_renewed_in_time() {
    let house = House::new();
    house.server.token("short", 60);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    for _ in 0..29 {
        house.clock.advance(Duration::from_secs(1));
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "short");
    }
    house.clock.advance(Duration::from_secs(1));
    house.graph().acquire(Freshness::Cached).await.unwrap();
    settle().await;
    assert_eq!(house.server.requests().len(), 2);
    house.clock.advance(Duration::from_secs(23));
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "short");
    house.server.token("next", 60);
    settle().await;
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "next");
}

#[tokio::test]
async fn a_wall_clock_that_jumps_forward_costs_a_request_and_jumping_back_costs_nothing() {
    let house = House::new();
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.clock.set_wall(UNIX_EPOCH + Duration::from_secs(10_000));
    house.server.token("t2", 3_600);
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t2");
    house.clock.set_wall(UNIX_EPOCH + Duration::from_secs(1_000));
    for _ in 0..10 {
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t2");
    }
    assert_eq!(house.server.requests().len(), 2);
    // It lives for the hour that it was given, whatever the wall says.
    house.clock.advance(Duration::from_secs(3_600));
    house.server.token("t3", 3_600);
    assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t3");
}

// D20; 73 (section 3.6)
#[tokio::test]
async fn the_patience_that_a_server_asked_for_is_no_longer_after_the_clock_was_set_back() {
    let house = House::new();
    house.server.answer_with(429, &[("retry-after", "600")], "");
    assert!(house.graph().acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    house.clock.set_wall(UNIX_EPOCH);
    house.clock.advance(Duration::from_secs(599));
    assert!(house.graph().acquire(Freshness::Cached).await.unwrap_err().is_throttled());
    house.clock.advance(Duration::from_secs(1));
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    assert_eq!(house.server.requests().len(), 2);
}

// D16; requirement 5 of section 6: the times of an assertion when the machine's clock is off
#[tokio::test]
async fn an_assertion_that_is_refused_for_its_time_is_signed_once_more_by_the_servers_clock() {
    let certificate = ClientCertificate::from_pem(&Secret::from(certificate_pem())).unwrap();
    let house = House::with_credential(ManualClock::at(784_111_777), certificate); // Sun, 06 Nov 1994 08:49:37 GMT
    let outside = r#"{"error":"invalid_client","error_codes":[700024],"error_description":"AADSTS700024: Client assertion is not within its valid time range."}"#;
    house.server.answer_with(401, &[("date", "Sun, 06 Nov 1994 09:49:37 GMT")], outside);
    house.server.token("t1", 3_600);
    house.graph().acquire(Freshness::Cached).await.unwrap();
    house.server.token("t2", 3_600);
    house.graph().acquire(Freshness::Forced).await.unwrap();
    let times: Vec<_> = house
        .server
        .requests()
        .iter()
        .map(|seen| {
            let claims = verified(seen.field("client_assertion").unwrap()).1;
            ["nbf", "iat", "exp"].map(|name| claims[name].as_u64().unwrap() - 784_111_777)
        })
        .collect();
    assert_eq!(times, [[0, 0, 600], [3_540, 3_600, 4_140], [3_540, 3_600, 4_140]]);

    // The clock was put right: what was true of the old one is found out in the same way.
    house.clock.set_wall(house.clock.now() + Duration::from_secs(3_600));
    house.server.answer_with(401, &[("date", "Sun, 06 Nov 1994 09:49:38 GMT")], outside);
    house.server.token("t3", 3_600);
    assert_eq!(house.graph().acquire(Freshness::Forced).await.unwrap().expose(), "t3");
    // A refusal by a clock that agrees is not repeated.
    house.server.answer_with(401, &[("date", "Sun, 06 Nov 1994 09:49:39 GMT")], outside);
    house.graph().acquire(Freshness::Forced).await.unwrap_err();
    assert_eq!(house.server.requests().len(), 6);
}

// D16; requirement 5 of section 6
#[tokio::test]
async fn a_date_that_is_no_time_at_all_is_forgotten_at_the_next_refusal() {
    let certificate = ClientCertificate::from_pem(&Secret::from(certificate_pem())).unwrap();
    let outside = r#"{"error":"invalid_client","error_codes":[700024]}"#;
    for nonsense in ["Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        let house = House::with_credential(ManualClock::at(784_111_777), certificate.clone());
        house.server.answer_with(401, &[("date", nonsense)], outside);
        house.server.answer_with(401, &[("date", nonsense)], outside);
        let error = house.graph().acquire(Freshness::Cached).await.unwrap_err();
        assert_eq!(error.codes(), [700_024], "the server's word, and no complaint about the certificate");

        house.server.answer_with(401, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], outside);
        house.server.token("t1", 3_600);
        assert_eq!(house.graph().acquire(Freshness::Cached).await.unwrap().expose(), "t1", "{nonsense}");
        let claims = verified(house.server.requests()[3].field("client_assertion").unwrap()).1;
        assert_eq!(claims["nbf"], 784_111_777);
    }
}

// 32 (section 3.2)
#[tokio::test]
async fn a_token_with_claims_of_the_application_is_cached_and_renewed_with_them() {
    let house = House::new();
    let claims = r#"{"access_token":{"xms_az":null}}"#;
    let claiming = house.graph().with_claims(claims).unwrap();
    house.server.token("old", 3_600);
    for _ in 0..3 {
        assert_eq!(claiming.acquire(Freshness::Cached).await.unwrap().expose(), "old");
    }
    house.clock.advance(Duration::from_secs(1_801));
    house.server.token("new", 3_600);
    claiming.acquire(Freshness::Cached).await.unwrap();
    settle().await;
    assert_eq!(claiming.acquire(Freshness::Cached).await.unwrap().expose(), "new");
    let requests = house.server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|seen| seen.field("claims") == Some(claims)));
}
