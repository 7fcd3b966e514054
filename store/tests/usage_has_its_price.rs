//! Costs: quantity by the price that was valid when it was used, in whole millionths; without a price the cost is unknown,
//! and computing at home costs nothing.

use chrono::{DateTime, TimeDelta, Utc};
use store::{NewUsage, Price, StoreError};
use uuid::Uuid;

use crate::support::Database;

fn price(engine: &str, micros_per_unit: i64, valid_from: DateTime<Utc>) -> Price {
    Price {
        kind: "speech_recognised".into(),
        engine: engine.into(),
        unit: "seconds".into(),
        currency: "EUR".into(),
        micros_per_unit,
        valid_from,
    }
}

fn used(kind: &str, engine: &str, quantity: f64) -> NewUsage {
    NewUsage {
        id: Uuid::new_v4(),
        kind: kind.into(),
        unit: "seconds".into(),
        quantity,
        engine: engine.into(),
    }
}

#[tokio::test]
async fn what_was_used_before_a_price_changed_keeps_its_price() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let now = Utc::now();
    let usage = [
        used("speech_recognised", "deepgram", 100.0),
        used("speech_recognised", "unpriced", 5.0),
        used("recogniser_compute", "whisper:ggml-tiny.en", 7.0),
    ];
    store
        .record_usage(organisation, room.id, 1, &usage)
        .await
        .unwrap();
    // The same line again counts and costs once.
    store
        .record_usage(organisation, room.id, 1, &usage)
        .await
        .unwrap();
    database
        .run("UPDATE usage_events SET at = at - interval '2 days' WHERE engine = 'deepgram'")
        .await;
    let after = used("speech_recognised", "deepgram", 10.5);
    store
        .record_usage(organisation, room.id, 1, &[after])
        .await
        .unwrap();
    for (micros, days) in [(70, 30), (100, 1), (9_999, -1)] {
        store
            .set_price(
                organisation,
                &price("deepgram", micros, now - TimeDelta::days(days)),
            )
            .await
            .unwrap();
    }
    let stranger = database.organisation().await;
    store
        .set_price(stranger, &price("unpriced", 1, now - TimeDelta::days(9)))
        .await
        .unwrap();
    let sums = store.usage(organisation, room.id).await.unwrap();
    let cost = |engine: &str| {
        let of_engine = sums.iter().find(|sum| sum.engine == engine).unwrap();
        (of_engine.cost_micros, of_engine.currency.clone())
    };
    // 100 s at 70 and 10.5 s at 100.
    assert_eq!(cost("deepgram"), (Some(8_050), Some("EUR".to_owned())));
    assert_eq!(cost("unpriced"), (None, None));
    assert_eq!(cost("whisper:ggml-tiny.en").0, Some(0));
    assert_eq!(sums.len(), 3, "{sums:?}");
    assert_eq!(store.prices(organisation, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_price_is_whole_and_has_a_currency() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let good = price("x", 1, Utc::now());
    for (bad, field) in [
        (
            Price {
                micros_per_unit: -1,
                ..good.clone()
            },
            "micros_per_unit",
        ),
        (
            Price {
                currency: "euro".into(),
                ..good.clone()
            },
            "currency",
        ),
        (
            Price {
                kind: String::new(),
                ..good.clone()
            },
            "kind",
        ),
        (
            Price {
                unit: String::new(),
                ..good.clone()
            },
            "unit",
        ),
        (
            Price {
                engine: "x".repeat(201),
                ..good.clone()
            },
            "engine",
        ),
    ] {
        let refused = database.store.set_price(organisation, &bad).await;
        assert!(
            matches!(&refused, Err(StoreError::Invalid { field: named, .. }) if *named == field),
            "{refused:?}"
        );
    }
    let nobody = database.store.set_price(Uuid::new_v4(), &good).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}
