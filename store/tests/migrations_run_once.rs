//! Several processes that start at once bring the schema up to date together.

use store::{Store, StoreError};
use tokio::task::JoinSet;

use crate::support::Database;

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_at_once() {
    let database = Database::empty().await;
    let mut processes = JoinSet::new();
    for _ in 0..4 {
        let store = Store::connect(&database.url, 1).await.unwrap();
        processes.spawn(async move {
            store.migrate().await.unwrap();
            store.close().await;
        });
    }
    processes.join_all().await;
    let applied = database
        .number("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .await;
    let files = std::fs::read_dir("../migrations").unwrap();
    let written = files
        .filter(|file| file.as_ref().unwrap().path().extension() == Some("sql".as_ref()))
        .count();
    assert_eq!(applied, i64::try_from(written).unwrap());
    database.organisation().await;
}

#[tokio::test]
async fn an_altered_schema_is_noticed() {
    let database = Database::new().await;
    database
        .run("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 1")
        .await;
    let altered = database.store.migrate().await;
    assert!(matches!(altered, Err(StoreError::Migration(_))), "{altered:?}");
}
