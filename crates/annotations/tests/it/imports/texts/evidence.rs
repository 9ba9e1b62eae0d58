//! Copies, templates and scripts: which documents are one piece of evidence, and what the import says about them.

use std::path::Path;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::database::{count, import, with_database};
use crate::random_text::random_text;
use crate::task_builders::{file, task};

fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn with_text(id: u64, text: &str) -> Value {
    let mut task = task(id);
    task["data"]["text"] = json!(text);
    task
}

/// Pairs of a task and its successor whose groups or splits differ. Tasks are sorted by id.
async fn twins_in_different_groups(pool: &PgPool) -> Vec<String> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT d.task_id, s.group_key, s.split::text
         FROM documents d
         CROSS JOIN LATERAL (SELECT group_key, split FROM document_splits WHERE document_id = d.id ORDER BY version DESC LIMIT 1) s
         ORDER BY d.task_id::bigint",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let differs = |pair: &&[(String, String, String)]| (&pair[0].1, &pair[0].2) != (&pair[1].1, &pair[1].2);
    rows.chunks_exact(2).filter(differs).map(|pair| format!("{pair:?}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_here_under_other_ids_are_named() {
    with_database(|pool| async move {
        let old = import(&pool, fixture("09-moved-to-another-server/old-server.json")).await.unwrap();
        assert!(!old.warnings.iter().any(|warning| warning.contains("other ids")), "{:?}", old.warnings);
        let new = import(&pool, fixture("09-moved-to-another-server/new-server.json")).await.unwrap();
        assert_eq!(new.documents_created, 12);
        let named = new.warnings.iter().find(|warning| warning.contains("under other ids")).unwrap_or_else(|| panic!("{:?}", new.warnings));
        assert!(named.starts_with("12 texts are here already under other ids, for example label-studio/9/501 is label-studio/"), "{named}");
        assert!(named.contains("count once in thresholds, intervals, n and min_support"), "{named}");
        assert_eq!(count(&pool, "SELECT count(DISTINCT group_key) FROM document_splits").await, 12);
        // the same file again has no new documents
        let again = import(&pool, fixture("09-moved-to-another-server/new-server.json")).await.unwrap();
        assert!(!again.warnings.iter().any(|warning| warning.contains("other ids")), "{:?}", again.warnings);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_a_file_repeats_is_named() {
    with_database(|pool| async move {
        let texts = ["One text of a few words", "one  text of a few WORDS", "another text", "One text of a few words"];
        let tasks: Vec<Value> = texts.iter().zip(1..).map(|(text, id)| with_text(id, text)).collect();
        let report = import(&pool, file(&tasks)).await.unwrap();
        let expected =
            "2 documents repeat the text of another document of the file: they count once in thresholds, intervals, n and min_support";
        assert!(report.warnings.iter().any(|warning| warning == expected), "{:?}", report.warnings);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_template_is_named_with_the_splits_that_stay_empty() {
    with_database(|pool| async move {
        let report = import(&pool, fixture("17-one-template/export.json")).await.unwrap();
        let splits: Vec<String> = sqlx::query_scalar("SELECT DISTINCT split::text FROM document_splits").fetch_all(&pool).await.unwrap();
        let [split] = &splits[..] else { panic!("{splits:?}") };
        let has = |start: &str| report.warnings.iter().any(|warning| warning.starts_with(start));
        assert!(has(&format!("40 of 40 new documents are one group of near-duplicates, all in {split}")), "{:?}", report.warnings);
        for empty in ["train", "validation", "test"].into_iter().filter(|name| name != split) {
            assert!(has(&format!("project label-studio/17 has no documents in {empty}: a model of it alone")), "{:?}", report.warnings);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_without_copies_give_no_warning() {
    with_database(|pool| async move {
        let tasks: Vec<Value> = (1..=60).map(|id| with_text(id, &random_text(id, 100))).collect();
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(report.warnings, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn near_duplicates_in_scripts_without_blanks_share_a_group() {
    with_database(|pool| async move {
        import(&pool, fixture("16-texts-without-blanks/export.json")).await.unwrap();
        assert_eq!(twins_in_different_groups(&pool).await, Vec::<String>::new());
        // texts that are made of the same clauses in another order are no near-duplicates
        let groups = count(&pool, "SELECT count(DISTINCT group_key) FROM document_splits").await;
        assert_eq!(groups, 30);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lao_khmer_and_burmese_are_compared_by_characters() {
    with_database(|pool| async move {
        let texts = [
            "ສັນຍາເຊົ່າສາງສິນຄ້າສະບັບນີ້ເຮັດຂຶ້ນລະຫວ່າງຜູ້ໃຫ້ເຊົ່າແລະຜູ້ເຊົ່າໄລຍະເວລາ{}ເດືອນຄ່າເຊົ່າຊຳລະທຸກທ້າຍເດືອນ",
            "កិច្ចសន្យាជួលឃ្លាំងនេះធ្វើឡើងរវាងភាគីជួលនិងភាគីឱ្យជួលរយៈពេល{}ខែថ្លៃជួលត្រូវបង់រៀងរាល់ចុងខែ",
            "ဤသိုလှောင်ရုံငှားရမ်းခြင်းစာချုပ်ကိုပိုင်ရှင်နှင့်ငှားရမ်းသူတို့ချုပ်ဆိုသည်ကာလ{}လငှားရမ်းခကိုလကုန်တိုင်းပေးရမည်",
        ];
        let tasks: Vec<Value> = texts
            .iter()
            .flat_map(|text| [text.replace("{}", "12"), text.replace("{}", "36")])
            .zip(1..)
            .map(|(text, id)| with_text(id, &text))
            .collect();
        import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(twins_in_different_groups(&pool).await, Vec::<String>::new());
        assert_eq!(count(&pool, "SELECT count(DISTINCT group_key) FROM document_splits").await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn composed_and_decomposed_texts_share_a_group() {
    with_database(|pool| async move {
        import(&pool, fixture("15-nfc-nfd-and-marks/export.json")).await.unwrap();
        // the twin of a document has the next hundred: 24 in the other normal form, 6 Arabic ones without vowel signs
        let twins = "SELECT count(*), count(*) FILTER (WHERE a.group_key = b.group_key AND a.split = b.split)
            FROM documents d
            JOIN documents twin ON twin.task_id::bigint = d.task_id::bigint + 100 AND left(d.task_id, 2) IN ('15', '17')
            JOIN document_splits a ON a.document_id = d.id
            JOIN document_splits b ON b.document_id = twin.id";
        let found: (i64, i64) = sqlx::query_as(twins).fetch_one(&pool).await.unwrap();
        assert_eq!(found, (30, 30));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sketches_of_older_versions_are_computed_again() {
    with_database(|pool| async move {
        let tasks = [with_text(1, &random_text(1, 50)), with_text(2, "本合同一式五十份，自签字盖章之日起生效，乙方负责室内设施的维护")];
        import(&pool, file(&tasks)).await.unwrap();
        let sketches = "SELECT count(*) FROM document_sketches";
        assert_eq!(count(&pool, sketches).await, 2);
        let migration = include_str!("../../../../../../migrations/0021_sketches_without_blanks.up.sql");
        let mut transaction = pool.begin().await.unwrap();
        sqlx::raw_sql(migration).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
        // only the text to which the new rules make a difference
        assert_eq!(count(&pool, sketches).await, 1);
        import(&pool, file(&[with_text(3, &random_text(3, 50))])).await.unwrap();
        assert_eq!(count(&pool, sketches).await, 3);
    })
    .await;
}
