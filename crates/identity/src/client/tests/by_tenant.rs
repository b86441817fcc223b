//! The token of a tenant, found by the id alone.

use super::*;

#[test]
fn a_live_token_is_served_by_handle_and_by_id_where_no_runtime_could_renew_it() {
    let house = House::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    house.server.token("t1", 3_600);
    runtime.block_on(house.graph().acquire(Freshness::Cached)).unwrap();
    drop(runtime);
    house.clock.advance(Duration::from_secs(1_900));
    let tenant = TenantId::parse("contoso.example").unwrap();
    assert_eq!(house.graph().cached().unwrap().authorization().expose_token(), "t1");
    assert_eq!(house.graph().cached_in(&tenant).unwrap().authorization().expose_token(), "t1");
    assert_eq!(house.server.requests().len(), 1);
}

// D8
#[tokio::test]
async fn a_tenants_token_is_found_by_its_id_alone_and_renewed_when_it_is_due() {
    let house = House::new();
    let tenant = |name: &str| TenantId::parse(name).unwrap();
    let guid = tenant("72f988bf-86f1-41af-91ab-2d7cd011db47");
    let graph = house.graph();
    assert!(graph.cached_in(&guid).is_none() && house.server.requests().is_empty());
    house.server.token("of the guid", 3_600);
    graph.for_tenant(&guid).unwrap().acquire(Freshness::Cached).await.unwrap();
    let read = |tokens: &ScopedToken, tenant: &TenantId| {
        tokens.cached_in(tenant).map(|token| token.authorization().expose_token().to_owned())
    };
    assert_eq!(read(&graph, &guid).as_deref(), Some("of the guid"));
    assert_eq!(read(&graph, &tenant("contoso.example")), None, "another tenant");
    assert_eq!(read(&house.vault(), &guid), None, "another scope");

    house.clock.advance(Duration::from_secs(1_900));
    assert_eq!(read(&graph, &guid).as_deref(), Some("of the guid"), "nobody waits for the renewal");
    house.server.token("renewed", 3_600);
    settle().await;
    assert_eq!(read(&graph, &guid).as_deref(), Some("renewed"));
    assert_eq!(house.server.requests().len(), 2);
}
