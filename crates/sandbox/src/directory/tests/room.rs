//! A disk that is full.

use serde_json::json;

use super::*;
use crate::store::StoreError;

impl World {
    /// Lets the database grow by so many pages and no further, as a full disk does.
    fn leave_room(&self, pages: i64) {
        let limited = self.store.write(|transaction| {
            let count: i64 = transaction.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let limit = format!("PRAGMA max_page_count = {}", count + pages);
            transaction.query_row(&limit, [], |_| Ok(()))?;
            Ok::<_, StoreError>(())
        });
        limited.unwrap();
    }
}

#[tokio::test]
async fn what_finds_no_room_is_refused_as_a_whole_and_the_rest_is_read_and_deleted_as_ever() {
    let world = World::with_users(3);
    world.leave_room(12);
    let mut made = 0;
    let refused = loop {
        let mut body = user(&format!("n{made}"));
        body["streetAddress"] = "x".repeat(1_000).into();
        let reply = world.post("/v1.0/users", &body).await;
        if reply.status != 201 {
            break reply;
        }
        made += 1;
        assert!(made < 1_000, "the limit holds");
    };
    assert_eq!((refused.status.as_u16(), refused.code()), (507, "quotaLimitReached"));
    assert!(made > 0);
    world.get(&format!("/v1.0/users/n{made}@contoso.onmicrosoft.com")).await.is(404);
    let count = || async { world.get("/v1.0/users?$top=999").await.is(200).column("id").len() };
    assert_eq!(count().await, made + 3);

    world.leave_room(100);
    world.patch("/v1.0/users/n0@contoso.onmicrosoft.com", &json!({ "city": "Ulm" })).await.is(204);
    world.delete("/v1.0/users/n0@contoso.onmicrosoft.com").await.is(204);
    world.new_user("late").await.is(201);
    assert_eq!(count().await, made + 3);
}
