//! What a retry may cure says so, and no error carries what people said.

use store::{Store, StoreError};

use crate::support::{Database, new_segment};

#[tokio::test]
async fn a_database_that_is_not_there() {
    let nobody = Store::connect("postgres://nobody@127.0.0.1:1/none", 1)
        .await
        .unwrap_err();
    assert!(nobody.is_transient(), "{nobody:?}");
    let migration = Store::connect_lazy("postgres://nobody@127.0.0.1:1/none", 1)
        .unwrap()
        .migrate()
        .await
        .unwrap_err();
    assert!(migration.is_transient(), "{migration:?}");
    let not_a_url = Store::connect("127.0.0.1:5432", 1).await.unwrap_err();
    assert!(
        matches!(
            not_a_url,
            StoreError::Invalid {
                field: "DATABASE_URL",
                ..
            }
        ),
        "{not_a_url:?}"
    );
}

#[tokio::test]
async fn connections_cut_by_the_server_are_replaced() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let segment = new_segment("Through the storm.");
    for _ in 0..5 {
        database
            .run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        match database
            .store
            .append_segment(room.organisation_id, room.id, 1, &segment)
            .await
        {
            Ok(sequence) => assert_eq!(sequence, 1),
            Err(error) => assert!(error.is_transient(), "{error:?}"),
        }
    }
    assert_eq!(
        database
            .store
            .append_segment(room.organisation_id, room.id, 1, &segment)
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_pool_with_no_free_connection() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let small = Store::connect(&database.url, 1).await.unwrap();
    let mut other = database.connection().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("LOCK TABLE segments")
        .execute(&mut other)
        .await
        .unwrap();
    // The first holds the only connection until the lock times out; the others wait for it.
    let reads =
        futures_util::future::join_all((0..4).map(|_| small.segments(room.organisation_id, room.id, 0, 1)))
            .await;
    for read in reads {
        assert!(read.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn a_refused_row_does_not_reach_the_log() {
    let database = Database::new().await;
    let room = database.held_room().await;
    database
        .run("ALTER TABLE segments ADD CONSTRAINT unknown_check CHECK (char_length(text) < 5)")
        .await;
    let refused = database
        .store
        .append_segment(room.organisation_id, room.id, 1, &new_segment("My PIN is 4711."))
        .await;
    let error = refused.unwrap_err();
    assert!(matches!(error, StoreError::Other(_)), "{error:?}");
    let mut told = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        told += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    assert!(told.contains("unknown_check") && !told.contains("4711"), "{told}");
}
