//! The queue of documents: each has one worker at a time, and a worker that dies leaves its document to the next one.

use std::collections::HashSet;
use std::time::Duration;

use store::{DocumentStatus, StoreError};
use tokio::task::JoinSet;

use crate::support::{Database, HOUR, axis, new_document, passage};

impl Database {
    /// Lets the claims and pauses of all documents run out.
    async fn age_claims(&self) {
        self.run("UPDATE documents SET claimed_until = claimed_until - interval '1 day'")
            .await;
    }
}

#[tokio::test]
async fn workers_do_not_get_in_each_others_way() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    for number in 0..6 {
        database
            .store
            .enqueue_document(organisation, &new_document(&format!("Document {number}")))
            .await
            .unwrap();
    }
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let store = database.store.clone();
        workers.spawn(async move { store.claim_document(HOUR).await.unwrap() });
    }
    let claimed: Vec<_> = workers
        .join_all()
        .await
        .into_iter()
        .flatten()
        .map(|claimed| claimed.id)
        .collect();
    assert_eq!(claimed.len(), 6);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 6);
}

#[tokio::test]
async fn a_locked_document_is_passed_over() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let first = database
        .store
        .enqueue_document(organisation, &new_document("First"))
        .await
        .unwrap();
    let second = database
        .store
        .enqueue_document(organisation, &new_document("Second"))
        .await
        .unwrap();
    let mut other = database.connection().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("SELECT FROM documents WHERE id = $1 FOR UPDATE")
        .bind(first.id)
        .execute(&mut other)
        .await
        .unwrap();
    let claimed = database.store.claim_document(HOUR).await.unwrap().unwrap();
    assert_eq!(claimed.id, second.id);
    assert_eq!(claimed.content, b"Second");
}

#[tokio::test]
async fn a_claim_that_ran_out_is_taken_again_and_the_slow_worker_is_refused() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    database
        .store
        .enqueue_document(organisation, &new_document("Slow"))
        .await
        .unwrap();
    let slow = database.store.claim_document(HOUR).await.unwrap().unwrap();
    assert!(database.store.claim_document(HOUR).await.unwrap().is_none());
    database.age_claims().await;
    let next = database.store.claim_document(HOUR).await.unwrap().unwrap();
    assert_eq!((next.id, next.attempts), (slow.id, 2));

    let late = database
        .store
        .finish_document(&slow, &[passage(0, "late", axis(0))], &[])
        .await;
    assert!(matches!(late, Err(StoreError::NotFound { .. })), "{late:?}");
    database.store.fail_document(&slow, "late", false).await.unwrap();
    let document = database.store.document(organisation, slow.id).await.unwrap();
    assert_eq!(
        (document.status, document.passages),
        (DocumentStatus::Processing, 0)
    );
    database
        .store
        .finish_document(&next, &[passage(0, "in time", axis(0))], &[])
        .await
        .unwrap();
    let document = database.store.document(organisation, slow.id).await.unwrap();
    assert_eq!((document.status, document.passages), (DocumentStatus::Ready, 1));
}

#[tokio::test]
async fn a_failed_try_waits_and_the_third_is_the_last() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let id = database
        .store
        .enqueue_document(organisation, &new_document("Unlucky"))
        .await
        .unwrap()
        .id;
    for attempt in 1..=3 {
        let claimed = database.store.claim_document(HOUR).await.unwrap().unwrap();
        assert_eq!(claimed.attempts, attempt);
        database
            .store
            .fail_document(&claimed, "the model was busy", true)
            .await
            .unwrap();
        assert!(database.store.claim_document(HOUR).await.unwrap().is_none());
        database.age_claims().await;
    }
    let document = database.store.document(organisation, id).await.unwrap();
    assert_eq!(document.status, DocumentStatus::Failed);
    assert_eq!(document.error.as_deref(), Some("the model was busy"));
}

#[tokio::test]
async fn a_document_that_kills_its_workers_is_given_up() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let id = database
        .store
        .enqueue_document(organisation, &new_document("Deadly"))
        .await
        .unwrap()
        .id;
    for _ in 0..3 {
        assert!(
            database
                .store
                .claim_document(Duration::from_secs(1))
                .await
                .unwrap()
                .is_some()
        );
        database.age_claims().await;
    }
    assert!(database.store.claim_document(HOUR).await.unwrap().is_none());
    let document = database.store.document(organisation, id).await.unwrap();
    assert_eq!(document.status.as_str(), "failed");
    assert!(document.error.is_some());
}
