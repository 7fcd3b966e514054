//! A document is stored once, its passages appear all at once, and they go with it.

use store::{DocumentStatus, NewPassage, StoreError};

use crate::support::{Database, HOUR, axis, between, new_document, passage};

#[tokio::test]
async fn the_same_content_is_the_same_document_until_it_fails() {
    let database = Database::new().await;
    let (store, organisation) = (&database.store, database.organisation().await);
    let first = store
        .enqueue_document(organisation, &new_document("Contract"))
        .await
        .unwrap();
    let mut renamed = new_document("Contract");
    renamed.title = "Contract (copy)".into();
    assert_eq!(
        store.enqueue_document(organisation, &renamed).await.unwrap(),
        first
    );
    let elsewhere = database.organisation().await;
    assert_ne!(
        store.enqueue_document(elsewhere, &renamed).await.unwrap().id,
        first.id
    );

    let claimed = store.claim_document(HOUR).await.unwrap().unwrap();
    store.fail_document(&claimed, "encrypted", false).await.unwrap();
    let again = store.enqueue_document(organisation, &renamed).await.unwrap();
    assert_ne!(again.id, first.id);
    assert_eq!(
        (again.status, again.title.as_str()),
        (DocumentStatus::Queued, "Contract (copy)")
    );
    let titles: Vec<_> = store
        .documents(organisation, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.id)
        .collect();
    assert_eq!(titles, [again.id, first.id]);
    assert_eq!(store.documents(organisation, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn more_passages_than_one_statement_takes() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let passages: Vec<NewPassage> = (0..1_203)
        .map(|ordinal| NewPassage {
            ordinal,
            heading: format!("Part {ordinal}"),
            page: (ordinal % 2 == 0).then_some(ordinal / 2 + 1),
            text: format!("Text number {ordinal}."),
            embedding: between(0, 1, ordinal as f32 / 1_203.0),
        })
        .collect();
    let id = database.ready_document(organisation, "Long", &passages).await;
    let document = database.store.document(organisation, id).await.unwrap();
    assert_eq!(
        (document.status, document.passages, document.error),
        (DocumentStatus::Ready, 1_203, None)
    );
    let found = database
        .store
        .search(organisation, "", &between(0, 1, 700.0 / 1_203.0), 1)
        .await
        .unwrap();
    assert_eq!(
        (found[0].heading.as_str(), found[0].page),
        ("Part 700", Some(351))
    );
    assert_eq!(
        (found[0].text.as_str(), found[0].document_id),
        ("Text number 700.", id)
    );

    database.store.delete_document(organisation, id).await.unwrap();
    assert!(
        database
            .store
            .search(organisation, "text", &axis(0), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let twice = database.store.delete_document(organisation, id).await;
    assert!(
        matches!(twice, Err(StoreError::NotFound { what: "document" })),
        "{twice:?}"
    );
}

#[tokio::test]
async fn one_bad_embedding_keeps_the_whole_document_out() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    database
        .store
        .enqueue_document(organisation, &new_document("Broken"))
        .await
        .unwrap();
    let claimed = database.store.claim_document(HOUR).await.unwrap().unwrap();
    let mut not_a_number = axis(0);
    not_a_number[7] = f32::NAN;
    for bad in [vec![1.0; 3], vec![0.0; 384], not_a_number] {
        let passages = [passage(0, "good", axis(0)), passage(1, "bad", bad)];
        let refused = database.store.finish_document(&claimed, &passages, &[]).await;
        assert!(
            matches!(
                refused,
                Err(StoreError::Invalid {
                    field: "embedding",
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    assert_eq!(database.number("SELECT count(*) FROM passages").await, 0);
    database.store.finish_document(&claimed, &[], &[]).await.unwrap();
}

#[tokio::test]
async fn a_document_deleted_while_it_is_read_stays_deleted() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let id = database
        .store
        .enqueue_document(organisation, &new_document("Gone"))
        .await
        .unwrap()
        .id;
    let claimed = database.store.claim_document(HOUR).await.unwrap().unwrap();
    database.store.delete_document(organisation, id).await.unwrap();
    let late = database
        .store
        .finish_document(&claimed, &[passage(0, "late", axis(0))], &[])
        .await;
    assert!(
        matches!(late, Err(StoreError::NotFound { what: "document" })),
        "{late:?}"
    );
    database
        .store
        .fail_document(&claimed, "late", true)
        .await
        .unwrap();
    assert!(
        database
            .store
            .documents(organisation, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
