//! Comparisons of a challenger with the champion: counts, disagreements, later reviews, retention.

use aprendiz_runs::{
    CHALLENGER, CHAMPION, Promotion, ShadowAnswer, ShadowComparison, ShadowDrop, ShadowFilter, ShadowPair, count_shadow,
    count_shadow_drops, judge_shadow, list_shadow_disagreements, list_shadow_pairs, promote, prune_shadow, record_shadow,
    record_shadow_drops, retire_version,
};

use crate::fixture::Fixture;

/// A hash that is different for each number.
fn hash(number: usize) -> String {
    format!("{number:064x}")
}

fn comparison(number: usize, champion: Option<&str>, challenger: Option<&str>) -> ShadowComparison {
    let answer = |value: Option<&str>, confidence| ShadowAnswer { value: value.map(str::to_owned), confidence, answered: true };
    ShadowComparison {
        input_sha256: hash(number),
        field: "law".to_owned(),
        champion: answer(champion, 0.9),
        challenger: answer(challenger, 0.6),
    }
}

const FILTER: ShadowFilter<'static> = ShadowFilter { model: "contracts", champion: 1, challenger: 2, field: None };

/// Two published versions: version 1 is champion, version 2 challenger.
async fn two_versions() -> Fixture {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        let attempt = fixture.running().await;
        fixture.publish(attempt).await;
    }
    set_alias(&fixture, CHALLENGER, 2, 0).await;
    fixture
}

async fn set_alias(fixture: &Fixture, alias: &str, number: i32, revision: i64) {
    let promotion = Promotion { model: "contracts", alias, number, revision, actor: "ana", reason: None, gate: None, overridden: false };
    promote(&mut *fixture.conn().await, &promotion).await.unwrap();
}

/// A document with the text of an input, reviewed an hour after now or before.
async fn review(fixture: &Fixture, number: usize, value: &str, hours: i32) {
    let document = fixture.document().await;
    fixture
        .execute(&format!(
            "INSERT INTO fields (name, kind) VALUES ('law', 'categorical') ON CONFLICT DO NOTHING;
             UPDATE documents SET checksum = '{}' WHERE id = '{document}';
             WITH event AS (
                 INSERT INTO annotation_events (position, document_id, field, value, review_status, source, source_ref, occurred_at)
                 VALUES (next_position(), '{document}', 'law', '{{{value}}}', 'NEW', 'test', '{document}',
                         clock_timestamp() + interval '{hours} hours')
                 RETURNING position, document_id, field, value, occurred_at
             )
             INSERT INTO annotations (document_id, field, accepted_value, review_status, event_position, occurred_at)
             SELECT document_id, field, value, 'NEW', position, occurred_at FROM event",
            hash(number)
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn counts_have_denominators_and_a_repeated_disagreement_is_kept_once() {
    let fixture = two_versions().await;
    let conn = &mut *fixture.conn().await;
    let first = [
        comparison(1, Some("Utah"), Some("Utah")),
        comparison(2, Some("Utah"), Some("Texas")),
        comparison(3, None, Some("Texas")),
        comparison(4, None, None),
    ];
    record_shadow(conn, "contracts", 1, 2, &first).await.unwrap();
    // another server compares an input again
    record_shadow(conn, "contracts", 1, 2, &[comparison(2, Some("Utah"), None), comparison(5, Some("Utah"), None)]).await.unwrap();
    let counts = count_shadow(conn, FILTER).await.unwrap();
    let found: Vec<(&[String], i64, i64)> = counts.iter().map(|row| (row.class.as_slice(), row.compared, row.disagreed)).collect();
    assert_eq!(found, [(&[][..], 2, 1), (&["Utah".to_owned()][..], 4, 3)]);
    let all = list_shadow_disagreements(conn, FILTER, None, 10).await.unwrap();
    let inputs: Vec<&str> = all.iter().map(|row| row.input_sha256.as_str()).collect();
    assert_eq!(inputs, [hash(5), hash(3), hash(2)]);
    assert_eq!((&all[2].challenger_value, all[2].challenger_confidence), (&vec!["Texas".to_owned()], 0.6), "the first one stays");
    let page = list_shadow_disagreements(conn, FILTER, Some(all[1].id), 10).await.unwrap();
    assert_eq!(page, all[2..]);
    assert!(list_shadow_disagreements(conn, ShadowFilter { field: Some("kind"), ..FILTER }, None, 10).await.unwrap().is_empty());
    assert!(count_shadow(conn, ShadowFilter { challenger: 1, ..FILTER }).await.unwrap().is_empty());

    for (reason, dropped) in [(ShadowDrop::QueueFull, 3), (ShadowDrop::Failed, 1), (ShadowDrop::QueueFull, 4)] {
        record_shadow_drops(conn, "contracts", 1, 2, reason, dropped).await.unwrap();
    }
    let drops = count_shadow_drops(conn, FILTER).await.unwrap();
    assert_eq!(drops, [("failed".to_owned(), 1), ("queue_full".to_owned(), 7)]);
}

#[tokio::test]
async fn a_later_review_decides_who_was_right() {
    let fixture = two_versions().await;
    let disagreements: Vec<ShadowComparison> = (1..=6).map(|number| comparison(number, Some("Utah"), Some("Texas"))).collect();
    record_shadow(&mut *fixture.conn().await, "contracts", 1, 2, &disagreements).await.unwrap();
    for (number, value, hours) in [(1, "Utah", 1), (2, "Texas", 1), (3, "Texas", 1), (4, "Ohio", 1), (5, "Texas", -1)] {
        review(&fixture, number, value, hours).await;
    }
    // of two documents with the same text, the latest review counts
    review(&fixture, 1, "Texas", 2).await;
    let conn = &mut *fixture.conn().await;
    let judged = judge_shadow(conn, FILTER).await.unwrap();
    assert_eq!(judged.len(), 1);
    let counts = (judged[0].champion_right, judged[0].challenger_right, judged[0].both_wrong, judged[0].both_right);
    assert_eq!(counts, (0, 3, 1, 0), "an earlier review does not count, and input 6 has none");
    let reviewed: Vec<Option<Vec<String>>> =
        list_shadow_disagreements(conn, FILTER, None, 10).await.unwrap().into_iter().map(|row| row.reviewed).collect();
    let value = |text: &str| Some(vec![text.to_owned()]);
    assert_eq!(reviewed, [None, None, value("Ohio"), value("Texas"), value("Texas"), value("Texas")]);
}

#[tokio::test]
async fn nothing_is_recorded_about_the_text_of_an_erased_document() {
    let fixture = two_versions().await;
    let document = fixture.document().await;
    fixture
        .execute(&format!(
            "INSERT INTO document_texts (document_id, version, text, sha256, position) VALUES ('{document}', 1, '', '{}', next_position());
             INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
             VALUES ('{document}', 'ana', 'request 7', next_position(), 1, 0, 0)",
            hash(1)
        ))
        .await
        .unwrap();
    let conn = &mut *fixture.conn().await;
    let both = [comparison(1, Some("Utah"), None), comparison(2, Some("Utah"), None)];
    record_shadow(conn, "contracts", 1, 2, &both).await.unwrap();
    let kept = list_shadow_disagreements(conn, FILTER, None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.input_sha256.as_str()).collect::<Vec<_>>(), [hash(2)]);
    assert_eq!(count_shadow(conn, FILTER).await.unwrap()[0].compared, 2);
}

#[tokio::test]
async fn retention_is_by_age_and_by_number() {
    let fixture = two_versions().await;
    let conn = &mut *fixture.conn().await;
    let disagreements: Vec<ShadowComparison> = (1..=5).map(|number| comparison(number, Some("Utah"), None)).collect();
    record_shadow(conn, "contracts", 1, 2, &disagreements).await.unwrap();
    record_shadow_drops(conn, "contracts", 1, 2, ShadowDrop::Failed, 1).await.unwrap();
    assert_eq!(prune_shadow(conn, 90, 5).await.unwrap(), 0);
    assert_eq!(prune_shadow(conn, 90, 3).await.unwrap(), 2);
    let kept = list_shadow_disagreements(conn, FILTER, None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|row| row.input_sha256.as_str()).collect::<Vec<_>>(), [hash(5), hash(4), hash(3)], "the newest ones");
    assert_eq!(count_shadow(conn, FILTER).await.unwrap()[0].compared, 5, "the counts keep their denominators");
    fixture
        .execute(
            "UPDATE shadow_disagreements SET at = at - interval '92 days';
             UPDATE shadow_counts SET day = day - 92;
             UPDATE shadow_drops SET day = day - 92",
        )
        .await
        .unwrap();
    assert_eq!(prune_shadow(conn, 90, 5).await.unwrap(), 5);
    assert!(count_shadow(conn, FILTER).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_different_versions_in_use_are_compared() {
    let fixture = two_versions().await;
    let conn = &mut *fixture.conn().await;
    let pair = ShadowPair { model: "contracts".to_owned(), champion: 1, challenger: 2, share: 1.0 };
    assert_eq!(list_shadow_pairs(conn).await.unwrap(), std::slice::from_ref(&pair));
    fixture.execute("UPDATE models SET shadow_share = 0").await.unwrap();
    assert!(list_shadow_pairs(conn).await.unwrap().is_empty());
    fixture.execute("UPDATE models SET shadow_share = 0.25").await.unwrap();
    assert_eq!(list_shadow_pairs(conn).await.unwrap(), [ShadowPair { share: 0.25, ..pair }]);
    let revision = fixture.number("SELECT revision FROM model_aliases WHERE alias = 'champion'").await;
    set_alias(&fixture, CHAMPION, 2, revision).await;
    assert!(list_shadow_pairs(conn).await.unwrap().is_empty(), "the challenger is the champion");
    let revision = fixture.number("SELECT revision FROM model_aliases WHERE alias = 'champion'").await;
    set_alias(&fixture, CHAMPION, 1, revision).await;
    retire_version(conn, "contracts", 2, true, "ana", "a test").await.unwrap();
    assert!(list_shadow_pairs(conn).await.unwrap().is_empty(), "the challenger is retired");
}
