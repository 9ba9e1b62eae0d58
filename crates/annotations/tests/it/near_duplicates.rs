//! Documents with overlapping texts, and their splits.

use aprendiz_db::Scope;
use std::collections::BTreeSet;

use aprendiz_annotations::Split;
use aprendiz_annotations::near_duplicates::{MIN_CONTAINMENT, Shingles, backfill_index, backfill_sketches, explain};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{contents, count, import, with_database};
use crate::random_text::{Random, random_text, words};
use crate::task_builders::{file, task};

/// A task with this text.
fn with_text(id: u64, text: &str) -> Value {
    let mut task = task(id);
    task["data"]["text"] = json!(text);
    task
}

/// Current split of a task: split, reason, group.
async fn split_of_task(pool: &PgPool, task: u64) -> (String, String, String) {
    sqlx::query_as(
        "SELECT s.split::text, s.reason, s.group_key
         FROM document_splits s JOIN documents d ON d.id = s.document_id
         WHERE d.task_id = $1 ORDER BY s.version DESC LIMIT 1",
    )
    .bind(task.to_string())
    .fetch_one(pool)
    .await
    .unwrap()
}

/// The same of all tasks, in their order.
async fn all_splits(pool: &PgPool) -> Vec<(String, String, String, String)> {
    sqlx::query_as(
        "SELECT DISTINCT ON (length(d.task_id), d.task_id) d.task_id, s.split::text, s.reason, s.group_key
         FROM document_splits s JOIN documents d ON d.id = s.document_id
         ORDER BY length(d.task_id), d.task_id, s.version DESC",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Imports 40 documents of 200 words each, and returns one of train and one of test.
async fn two_in_different_splits(pool: &PgPool) -> ((u64, String), (u64, String)) {
    let texts: Vec<String> = (1..=40).map(|id| random_text(id, 200)).collect();
    let tasks: Vec<Value> = texts.iter().zip(1..).map(|(text, id)| with_text(id, text)).collect();
    import(pool, file(&tasks)).await.unwrap();
    let of = async |split: &str| {
        for (text, id) in texts.iter().zip(1..) {
            if split_of_task(pool, id).await.0 == split {
                return (id, text.clone());
            }
        }
        panic!("40 documents and none in {split}");
    };
    (of("train").await, of("test").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_document_inherits_group_and_split_of_an_overlapping_one() {
    with_database(|pool| async move {
        for (id, original) in (1..=6).map(|id| (id, random_text(id, 400))) {
            import(&pool, file(&[with_text(id, &original)])).await.unwrap();
            let (split, _, group) = split_of_task(&pool, id).await;
            let larger = format!("{}\n\n{original} {}", random_text(100 + id, 900), random_text(200 + id, 900));
            let smaller = words(&original, 100..200).to_uppercase().replace(' ', ", ");
            let edited = format!("{} {}", words(&original, 0..260), random_text(300 + id, 140));
            let new_documents: Vec<Value> =
                [larger, smaller, edited].iter().zip(1000 * id..).map(|(text, id)| with_text(id, text)).collect();
            import(&pool, file(&new_documents)).await.unwrap();
            for new_document in 1000 * id..1000 * id + 3 {
                assert_eq!(
                    split_of_task(&pool, new_document).await,
                    (split.clone(), "inherited".to_owned(), group.clone()),
                    "task {new_document}"
                );
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_below_half_is_not_a_near_duplicate() {
    with_database(|pool| async move {
        let original = random_text(1, 400);
        // 151 of 393 shingles
        let other = format!("{} {}", words(&original, 0..158), random_text(2, 242));
        assert!(Shingles::of(&original).containment(&Shingles::of(&other)) < MIN_CONTAINMENT);
        import(&pool, file(&[with_text(1, &original), with_text(2, &other)])).await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM near_duplicates").await, 0);
        assert_ne!(split_of_task(&pool, 1).await.2, split_of_task(&pool, 2).await.2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_fewer_than_eight_words_share_a_group_only_if_equal() {
    with_database(|pool| async move {
        let tasks = [
            with_text(1, "only seven words are in this one"),
            with_text(2, "Only  seven words are in this one"),
            with_text(3, "only seven words are in that one"),
        ];
        import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(split_of_task(&pool, 1).await.2, split_of_task(&pool, 2).await.2);
        assert_ne!(split_of_task(&pool, 1).await.2, split_of_task(&pool, 3).await.2);
        assert_eq!(split_of_task(&pool, 2).await.1, "inherited");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_is_excluded_and_connects_nothing() {
    with_database(|pool| async move {
        let ((_, train), (_, test)) = two_in_different_splits(&pool).await;
        let own = random_text(900, 300);
        let bridge = format!("{} {own} {}", words(&train, 20..160), words(&test, 20..160));
        import(&pool, file(&[with_text(900, &bridge)])).await.unwrap();
        let (split, reason, group) = split_of_task(&pool, 900).await;
        assert_eq!((split.as_str(), reason.as_str()), ("excluded", "bridge"));

        // a copy of a bridge is a bridge, too; a text that overlaps only with the bridge is assigned by its own hash
        import(&pool, file(&[with_text(901, &bridge.to_uppercase()), with_text(902, &own)])).await.unwrap();
        assert_eq!(split_of_task(&pool, 901).await, (split, reason, group.clone()));
        let (split, reason, own_group) = split_of_task(&pool, 902).await;
        assert_ne!(split, "excluded");
        assert_eq!(reason, "hash");
        assert_ne!(own_group, group);

        let mut conn = pool.acquire().await.unwrap();
        let id: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '900'").fetch_one(&pool).await.unwrap();
        let explanation = explain(&mut conn, &Scope::All, id).await.unwrap().unwrap();
        let found: BTreeSet<_> = explanation.near_duplicates.iter().map(|near| near.split.unwrap()).collect();
        assert!(found.contains(&Split::Train) && found.contains(&Split::Test), "{explanation:?}");
        assert_eq!(explanation.near_duplicates_total, 4, "{explanation:?}");
        assert!(explanation.in_words.join(" ").contains("is excluded since"), "{explanation:?}");
        assert!(explain(&mut conn, &Scope::All, Uuid::from_u128(1)).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_becomes_a_near_duplicate_of_another_split_is_excluded() {
    with_database(|pool| async move {
        let ((changed, train), (kept, test)) = two_in_different_splits(&pool).await;
        let text = format!("{} {}", words(&test, 0..150), random_text(901, 60));
        import(&pool, file(&[with_text(changed, &text)])).await.unwrap();
        let (split, reason, _) = split_of_task(&pool, changed).await;
        assert_eq!((split.as_str(), reason.as_str()), ("excluded", "bridge"));
        assert_eq!(split_of_task(&pool, kept).await.0, "test");
        // no document has its old text any more: a new document with that text joins the group of the old text
        import(&pool, file(&[with_text(903, &train)])).await.unwrap();
        assert_eq!(split_of_task(&pool, 903).await.0, "train");
        // it stays excluded, even if its text changes again
        import(&pool, file(&[with_text(changed, &train)])).await.unwrap();
        assert_eq!(split_of_task(&pool, changed).await.0, "excluded");
    })
    .await;
}

/// Documents with many overlaps, some with several others.
fn overlapping_tasks(seed: u64, documents: u64) -> Vec<Value> {
    let mut random = Random::new(seed);
    let mut texts: Vec<String> = Vec::new();
    for number in 0..documents {
        let mut text = random_text(10_000 * seed + number, 80 + random.below(300));
        for _ in 0..random.below(3) {
            if let Some(other) = texts.get(random.below(texts.len().max(1))) {
                let length = other.split(' ').count();
                let from = random.below(length);
                text = format!("{text} {}", words(other, from..length.min(from + 250)));
            }
        }
        texts.push(text);
    }
    texts.iter().zip(1..).map(|(text, id)| with_text(id, text)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn splits_depend_on_the_order_of_tasks_and_not_on_the_batches() {
    with_database(|one| async move {
        with_database(|other| async move {
            let tasks = overlapping_tasks(3, 90);
            import(&one, file(&tasks)).await.unwrap();
            for part in tasks.chunks(7) {
                import(&other, file(part)).await.unwrap();
            }
            let placed = all_splits(&one).await;
            assert_eq!(placed, all_splits(&other).await);
            let with_reason = |reason: &str| placed.iter().filter(|(_, _, because, _)| because == reason).count();
            assert!(with_reason("inherited") > 5 && with_reason("bridge") > 0, "{} {}", with_reason("inherited"), with_reason("bridge"));
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pairs_of_a_brute_force_search_are_found_and_share_a_split() {
    with_database(|pool| async move {
        let tasks = overlapping_tasks(4, 150);
        import(&pool, file(&tasks)).await.unwrap();
        let shingles: Vec<Shingles> = tasks.iter().map(|task| Shingles::of(task["data"]["text"].as_str().unwrap())).collect();
        let splits = all_splits(&pool).await;
        let mut pairs = 0;
        for one in 0..shingles.len() {
            for other in 0..one {
                if shingles[one].containment(&shingles[other]) >= MIN_CONTAINMENT {
                    pairs += 1;
                    let (a, b) = (&splits[one].1, &splits[other].1);
                    let containment = shingles[one].containment(&shingles[other]);
                    assert!(
                        a == b || a == "excluded" || b == "excluded",
                        "tasks {} and {} share {containment}: {a} {b}",
                        one + 1,
                        other + 1
                    );
                }
            }
        }
        assert!(pairs > 20, "{pairs}");
        assert_eq!(count(&pool, "SELECT count(*) FROM near_duplicates").await, 2 * pairs);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_form_are_near_duplicates_although_all_their_hashes_are_common() {
    with_database(|pool| async move {
        // the same 300 words; each copy has 40 other words replaced, in 4 places
        let form = random_text(1, 300);
        let copies: Vec<Value> = (1..=60)
            .map(|id| {
                let mut words: Vec<String> = form.split(' ').map(ToOwned::to_owned).collect();
                let mut random = Random::new(id);
                for blank in 0..4 {
                    let from = random.below(280);
                    for (offset, word) in words[from..from + 10].iter_mut().enumerate() {
                        *word = format!("filled{id}x{blank}x{offset}");
                    }
                }
                with_text(id, &words.join(" "))
            })
            .collect();
        // documents that share a standard clause of 60 words, less than half of their text
        let clause = random_text(2, 60);
        let unrelated: Vec<Value> = (101..=160).map(|id| with_text(id, &format!("{clause} {}", random_text(id, 200)))).collect();
        import(&pool, file(&[copies, unrelated].concat())).await.unwrap();
        let splits = "SELECT count(DISTINCT s.group_key) FROM document_splits s JOIN documents d ON d.id = s.document_id WHERE ";
        assert_eq!(
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("{splits} d.task_id::int <= 60"))).fetch_one(&pool).await.unwrap(),
            1
        );
        assert_eq!(
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(format!("{splits} d.task_id::int > 60"))).fetch_one(&pool).await.unwrap(),
            60
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_an_overlapping_file_twice_changes_nothing() {
    with_database(|pool| async move {
        let export = file(&overlapping_tasks(5, 60));
        import(&pool, export.clone()).await.unwrap();
        let sketches = "SELECT (SELECT count(*) FROM text_sketches) + (SELECT count(*) FROM sketch_hashes) + (SELECT count(*) FROM document_sketches) + (SELECT count(*) FROM near_duplicates)";
        let (before, rows) = (contents(&pool).await, count(&pool, sketches).await);
        import(&pool, export).await.unwrap();
        assert_eq!((contents(&pool).await, count(&pool, sketches).await), (before, rows));
        let mut conn = pool.acquire().await.unwrap();
        let report = backfill_index(&mut conn).await.unwrap();
        assert_eq!((report.texts_indexed, report.documents_excluded), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_imports_into_different_projects_see_each_other() {
    with_database(|pool| async move {
        let originals: Vec<String> = (1..=12).map(|id| random_text(id, 300)).collect();
        let imports: Vec<_> = (1..=4_u64)
            .map(|project| {
                let tasks: Vec<Value> = originals
                    .iter()
                    .zip(1..)
                    .map(|(text, id)| {
                        let mut task =
                            with_text(100 * project + id, &format!("{} {}", words(text, 0..240), random_text(1_000 * project + id, 50)));
                        task["project"] = json!(project);
                        task
                    })
                    .collect();
                let pool = pool.clone();
                tokio::spawn(async move { import(&pool, file(&tasks)).await.unwrap() })
            })
            .collect();
        for import in imports {
            import.await.unwrap();
        }
        assert_eq!(count(&pool, "SELECT count(DISTINCT group_key) FROM document_splits").await, 12);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_splits WHERE reason = 'hash'").await, 12);
    })
    .await;
}

/// A document without a sketch, as imported before the index existed.
async fn old_document(pool: &PgPool, task: u64, split: &str, text: &str) {
    let id: Uuid = sqlx::query_scalar(
        "INSERT INTO documents (id, source, project, task_id, checksum) VALUES (gen_random_uuid(), 'label-studio', '1', $1, repeat('0', 64)) RETURNING id",
    )
    .bind(task.to_string())
    .fetch_one(pool)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO document_texts (document_id, version, text, sha256, position) VALUES ($1, 1, $2, repeat('0', 64), next_position())",
    )
    .bind(id)
    .bind(text)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("INSERT INTO document_splits (document_id, version, group_key, split, reason, position) VALUES ($1, 1, $2, $3::split, 'hash', next_position())")
        .bind(id)
        .bind(format!("group {task}"))
        .bind(split)
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn old_documents_are_indexed_and_the_later_of_two_in_different_splits_is_excluded() {
    with_database(|pool| async move {
        let text = random_text(1, 300);
        old_document(&pool, 1, "train", &text).await;
        old_document(&pool, 2, "test", &words(&text, 0..200)).await;
        old_document(&pool, 3, "train", &words(&text, 50..250)).await;
        old_document(&pool, 4, "test", &random_text(4, 300)).await;
        // a build of a snapshot sketches them and changes no split
        let mut conn = pool.acquire().await.unwrap();
        assert_eq!(backfill_sketches(&mut conn).await.unwrap(), 4);
        assert_eq!(backfill_sketches(&mut conn).await.unwrap(), 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_splits").await, 4);
        // any import does the rest
        let new_document = format!("{} {}", words(&text, 0..250), random_text(5, 30));
        import(&pool, file(&[with_text(5, &new_document)])).await.unwrap();
        let splits: Vec<_> = all_splits(&pool).await.into_iter().map(|(_, split, ..)| split).collect();
        assert_eq!(splits, ["train", "excluded", "train", "test", "train"]);
        assert_eq!(split_of_task(&pool, 5).await, ("train".to_owned(), "inherited".to_owned(), "group 3".to_owned()));
        assert_eq!(backfill_index(&mut conn).await.unwrap().texts_indexed, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_backfill_excludes_as_well() {
    with_database(|pool| async move {
        old_document(&pool, 1, "test", &random_text(1, 100)).await;
        old_document(&pool, 2, "validation", &format!("{} and more", random_text(1, 100))).await;
        let mut conn = pool.acquire().await.unwrap();
        let report = backfill_index(&mut conn).await.unwrap();
        assert_eq!((report.texts_indexed, report.documents_excluded), (2, 1));
        assert_eq!(split_of_task(&pool, 2).await.0, "excluded");
        assert_eq!(backfill_index(&mut conn).await.unwrap().documents_excluded, 0);
    })
    .await;
}
