//! Above ten thousand passages the graph index is used. A small organisation in the same table is searched exactly.

use sqlx::Row as _;
use store::StoreError;
use uuid::Uuid;

use crate::support::{Database, axis, between, passage};

#[tokio::test]
async fn large_and_small_organisations_find_their_passages() {
    let database = Database::new().await;
    let (large, small) = (database.organisation().await, database.organisation().await);
    let document = database
        .ready_document(large, "Large", &[passage(0, "The needle.", between(0, 1, 0.02))])
        .await;
    // Directions in a space of few dimensions, as meanings lie: a graph finds its way in it, and none comes as near.
    database
        .run(&format!(
            "SELECT setseed(0.5);
             INSERT INTO passages (id, organisation_id, document_id, ordinal, text, embedding)
             SELECT gen_random_uuid(), '{large}', '{document}', n, 'hay ' || n,
                    (SELECT array_agg(CASE WHEN a > 12 THEN 0 ELSE random() - 0.5 + 0 * n END) FROM generate_series(1, 384) a)::vector
             FROM generate_series(1, 10000) n;
             ANALYZE passages;"
        ))
        .await;
    let words = [
        passage(0, "A small pin.", between(0, 1, 0.5)),
        passage(1, "Another.", axis(9)),
    ];
    database.ready_document(small, "Small", &words).await;

    let found = database.store.search(large, "", &axis(0), 5).await.unwrap();
    assert_eq!((found.len(), found[0].text.as_str()), (5, "The needle."));
    assert!(found[0].distance < 0.01);
    let found = database
        .store
        .search(large, "hay 4711", &axis(0), 5)
        .await
        .unwrap();
    let texts: Vec<_> = found.iter().map(|found| found.text.as_str()).collect();
    assert!(
        texts.contains(&"The needle.") && texts.contains(&"hay 4711"),
        "{texts:?}"
    );
    let found = database.store.search(small, "", &axis(0), 5).await.unwrap();
    let texts: Vec<_> = found.iter().map(|found| found.text.as_str()).collect();
    assert_eq!(texts, ["A small pin.", "Another."]);

    assert!(
        uses_the_graph(&database, "embedding <=> $1", large).await,
        "the statement above the limit"
    );
    assert!(
        !uses_the_graph(&database, "(embedding <=> $1) + 0", large).await,
        "the statement below the limit"
    );
}

async fn uses_the_graph(database: &Database, order: &str, organisation: Uuid) -> bool {
    let mut connection = database.connection().await;
    let statement = format!(
        "EXPLAIN SELECT id FROM passages WHERE organisation_id = '{organisation}' ORDER BY {order} LIMIT 40"
    )
    .replace("$1", &format!("'{:?}'::vector", axis(0)));
    let plan = sqlx::query(sqlx::AssertSqlSafe(statement))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    plan.iter()
        .any(|line| line.get::<String, _>(0).contains("passages_by_embedding"))
}

#[tokio::test]
async fn a_question_needs_a_direction() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    for bad in [vec![], vec![0.0; 384], vec![f32::INFINITY; 384], vec![1.0; 768]] {
        let refused = database.store.search(organisation, "question", &bad, 5).await;
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
}
