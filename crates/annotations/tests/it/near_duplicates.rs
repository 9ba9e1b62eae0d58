//! Documents with overlapping texts, and the splits they get.

use std::collections::BTreeSet;

use annotations::Split;
use annotations::near_duplicates::{LEAST_CONTAINMENT, Shingles, explain, index_missing, sketch_missing};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{contents, count, import, with_database};
use crate::export::{file, task};
use crate::prose::{Random, prose, words};

/// A task with this text.
fn with_text(id: u64, text: &str) -> Value {
    let mut task = task(id);
    task["data"]["text"] = json!(text);
    task
}

/// Current split of a task: split, reason, group.
async fn placed(pool: &PgPool, task: u64) -> (String, String, String) {
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
async fn all_placed(pool: &PgPool) -> Vec<(String, String, String, String)> {
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
    let texts: Vec<String> = (1..=40).map(|id| prose(id, 200)).collect();
    let tasks: Vec<Value> = texts.iter().zip(1..).map(|(text, id)| with_text(id, text)).collect();
    import(pool, file(&tasks)).await.unwrap();
    let of = async |split: &str| {
        for (text, id) in texts.iter().zip(1..) {
            if placed(pool, id).await.0 == split {
                return (id, text.clone());
            }
        }
        panic!("40 documents and none in {split}");
    };
    (of("train").await, of("test").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_takes_group_and_split_of_what_it_contains_or_is_contained_in() {
    with_database(|pool| async move {
        for (id, original) in (1..=6).map(|id| (id, prose(id, 400))) {
            import(&pool, file(&[with_text(id, &original)])).await.unwrap();
            let (split, _, group) = placed(&pool, id).await;
            let larger = format!("{}\n\n{original} {}", prose(100 + id, 900), prose(200 + id, 900));
            let smaller = words(&original, 100..200).to_uppercase().replace(' ', ", ");
            let edited = format!("{} {}", words(&original, 0..260), prose(300 + id, 140));
            let newcomers: Vec<Value> = [larger, smaller, edited].iter().zip(1000 * id..).map(|(text, id)| with_text(id, text)).collect();
            import(&pool, file(&newcomers)).await.unwrap();
            for newcomer in 1000 * id..1000 * id + 3 {
                assert_eq!(placed(&pool, newcomer).await, (split.clone(), "inherited".to_owned(), group.clone()), "task {newcomer}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn less_than_half_is_no_near_duplicate() {
    with_database(|pool| async move {
        let original = prose(1, 400);
        // 151 of 393 shingles
        let other = format!("{} {}", words(&original, 0..158), prose(2, 242));
        assert!(Shingles::of(&original).containment(&Shingles::of(&other)) < LEAST_CONTAINMENT);
        import(&pool, file(&[with_text(1, &original), with_text(2, &other)])).await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM near_duplicates").await, 0);
        assert_ne!(placed(&pool, 1).await.2, placed(&pool, 2).await.2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_texts_of_fewer_than_eight_words_only_equal_ones_belong_together() {
    with_database(|pool| async move {
        let tasks = [
            with_text(1, "only seven words are in this one"),
            with_text(2, "Only  seven words are in this one"),
            with_text(3, "only seven words are in that one"),
        ];
        import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(placed(&pool, 1).await.2, placed(&pool, 2).await.2);
        assert_ne!(placed(&pool, 1).await.2, placed(&pool, 3).await.2);
        assert_eq!(placed(&pool, 2).await.1, "inherited");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_is_excluded_and_ties_nothing_together() {
    with_database(|pool| async move {
        let ((_, train), (_, test)) = two_in_different_splits(&pool).await;
        let own = prose(900, 300);
        let bridge = format!("{} {own} {}", words(&train, 20..160), words(&test, 20..160));
        import(&pool, file(&[with_text(900, &bridge)])).await.unwrap();
        let (split, reason, group) = placed(&pool, 900).await;
        assert_eq!((split.as_str(), reason.as_str()), ("excluded", "bridge"));

        // a copy of it is one as well; what only the bridge contains goes by its own hash
        import(&pool, file(&[with_text(901, &bridge.to_uppercase()), with_text(902, &own)])).await.unwrap();
        assert_eq!(placed(&pool, 901).await, (split, reason, group.clone()));
        let (split, reason, own_group) = placed(&pool, 902).await;
        assert_ne!(split, "excluded");
        assert_eq!(reason, "hash");
        assert_ne!(own_group, group);

        let mut conn = pool.acquire().await.unwrap();
        let id: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '900'").fetch_one(&pool).await.unwrap();
        let explanation = explain(&mut conn, id).await.unwrap().unwrap();
        let found: BTreeSet<_> = explanation.near_duplicates.iter().map(|near| near.split.unwrap()).collect();
        assert!(found.contains(&Split::Train) && found.contains(&Split::Test), "{explanation:?}");
        assert_eq!(explanation.near_duplicates_total, 4, "{explanation:?}");
        assert!(explanation.in_words.join(" ").contains("is excluded since"), "{explanation:?}");
        assert!(explain(&mut conn, Uuid::from_u128(1)).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_becomes_a_near_duplicate_of_another_split_is_excluded() {
    with_database(|pool| async move {
        let ((changed, train), (kept, test)) = two_in_different_splits(&pool).await;
        let text = format!("{} {}", words(&test, 0..150), prose(901, 60));
        import(&pool, file(&[with_text(changed, &text)])).await.unwrap();
        let (split, reason, _) = placed(&pool, changed).await;
        assert_eq!((split.as_str(), reason.as_str()), ("excluded", "bridge"));
        assert_eq!(placed(&pool, kept).await.0, "test");
        // its old text is nobody's now: a newcomer with it belongs to the group that it founded
        import(&pool, file(&[with_text(903, &train)])).await.unwrap();
        assert_eq!(placed(&pool, 903).await.0, "train");
        // and it stays excluded, whatever becomes of its text
        import(&pool, file(&[with_text(changed, &train)])).await.unwrap();
        assert_eq!(placed(&pool, changed).await.0, "excluded");
    })
    .await;
}

/// Documents of which many overlap with others, some of them with several.
fn tangle(seed: u64, documents: u64) -> Vec<Value> {
    let mut random = Random::new(seed);
    let mut texts: Vec<String> = Vec::new();
    for number in 0..documents {
        let mut text = prose(10_000 * seed + number, 80 + random.below(300));
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
async fn splits_depend_on_the_order_of_tasks_and_not_on_how_they_come() {
    with_database(|one| async move {
        with_database(|other| async move {
            let tasks = tangle(3, 90);
            import(&one, file(&tasks)).await.unwrap();
            for part in tasks.chunks(7) {
                import(&other, file(part)).await.unwrap();
            }
            let placed = all_placed(&one).await;
            assert_eq!(placed, all_placed(&other).await);
            let with_reason = |reason: &str| placed.iter().filter(|(_, _, because, _)| because == reason).count();
            assert!(with_reason("inherited") > 5 && with_reason("bridge") > 0, "{} {}", with_reason("inherited"), with_reason("bridge"));
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_that_brute_force_finds_is_found_and_no_split_is_crossed() {
    with_database(|pool| async move {
        let tasks = tangle(4, 150);
        import(&pool, file(&tasks)).await.unwrap();
        let shingles: Vec<Shingles> = tasks.iter().map(|task| Shingles::of(task["data"]["text"].as_str().unwrap())).collect();
        let splits = all_placed(&pool).await;
        let mut pairs = 0;
        for one in 0..shingles.len() {
            for other in 0..one {
                if shingles[one].containment(&shingles[other]) >= LEAST_CONTAINMENT {
                    pairs += 1;
                    let (a, b) = (&splits[one].1, &splits[other].1);
                    let share = shingles[one].containment(&shingles[other]);
                    assert!(a == b || a == "excluded" || b == "excluded", "tasks {} and {} share {share}: {a} {b}", one + 1, other + 1);
                }
            }
        }
        assert!(pairs > 20, "{pairs}");
        assert_eq!(count(&pool, "SELECT count(*) FROM near_duplicates").await, 2 * pairs);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_form_find_each_other_although_all_of_it_is_common() {
    with_database(|pool| async move {
        // the same 300 words, of which each copy has another forty replaced, in places
        let form = prose(1, 300);
        let copies: Vec<Value> = (1..=60)
            .map(|id| {
                let mut words: Vec<String> = form.split(' ').map(ToOwned::to_owned).collect();
                let mut random = Random::new(id);
                for blank in 0..4 {
                    let from = random.below(280);
                    for (place, word) in words[from..from + 10].iter_mut().enumerate() {
                        *word = format!("filled{id}x{blank}x{place}");
                    }
                }
                with_text(id, &words.join(" "))
            })
            .collect();
        // and documents that share a standard clause of 60 words, which is less than half of them
        let clause = prose(2, 60);
        let strangers: Vec<Value> = (101..=160).map(|id| with_text(id, &format!("{clause} {}", prose(id, 200)))).collect();
        import(&pool, file(&[copies, strangers].concat())).await.unwrap();
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
async fn the_same_overlapping_file_twice_changes_nothing() {
    with_database(|pool| async move {
        let export = file(&tangle(5, 60));
        import(&pool, export.clone()).await.unwrap();
        let sketches = "SELECT (SELECT count(*) FROM text_sketches) + (SELECT count(*) FROM sketch_hashes) + (SELECT count(*) FROM document_sketches) + (SELECT count(*) FROM near_duplicates)";
        let (before, rows) = (contents(&pool).await, count(&pool, sketches).await);
        import(&pool, export).await.unwrap();
        assert_eq!((contents(&pool).await, count(&pool, sketches).await), (before, rows));
        let mut conn = pool.acquire().await.unwrap();
        let report = index_missing(&mut conn).await.unwrap();
        assert_eq!((report.texts_indexed, report.documents_excluded), (0, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_at_once_into_different_projects_see_each_other() {
    with_database(|pool| async move {
        let originals: Vec<String> = (1..=12).map(|id| prose(id, 300)).collect();
        let imports: Vec<_> = (1..=4_u64)
            .map(|project| {
                let tasks: Vec<Value> = originals
                    .iter()
                    .zip(1..)
                    .map(|(text, id)| {
                        let mut task =
                            with_text(100 * project + id, &format!("{} {}", words(text, 0..240), prose(1_000 * project + id, 50)));
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

/// A document as it was imported before there were sketches.
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
async fn documents_from_before_are_indexed_and_the_later_of_two_that_cross_is_excluded() {
    with_database(|pool| async move {
        let text = prose(1, 300);
        old_document(&pool, 1, "train", &text).await;
        old_document(&pool, 2, "test", &words(&text, 0..200)).await;
        old_document(&pool, 3, "train", &words(&text, 50..250)).await;
        old_document(&pool, 4, "test", &prose(4, 300)).await;
        // a build sketches them and moves none
        let mut conn = pool.acquire().await.unwrap();
        assert_eq!(sketch_missing(&mut conn).await.unwrap(), 4);
        assert_eq!(sketch_missing(&mut conn).await.unwrap(), 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM document_splits").await, 4);
        // an import of anything does the rest
        let newcomer = format!("{} {}", words(&text, 0..250), prose(5, 30));
        import(&pool, file(&[with_text(5, &newcomer)])).await.unwrap();
        let splits: Vec<_> = all_placed(&pool).await.into_iter().map(|(_, split, ..)| split).collect();
        assert_eq!(splits, ["train", "excluded", "train", "test", "train"]);
        assert_eq!(placed(&pool, 5).await, ("train".to_owned(), "inherited".to_owned(), "group 3".to_owned()));
        assert_eq!(index_missing(&mut conn).await.unwrap().texts_indexed, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn indexing_by_hand_excludes_as_well() {
    with_database(|pool| async move {
        old_document(&pool, 1, "test", &prose(1, 100)).await;
        old_document(&pool, 2, "validation", &format!("{} and more", prose(1, 100))).await;
        let mut conn = pool.acquire().await.unwrap();
        let report = index_missing(&mut conn).await.unwrap();
        assert_eq!((report.texts_indexed, report.documents_excluded), (2, 1));
        assert_eq!(placed(&pool, 2).await.0, "excluded");
        assert_eq!(index_missing(&mut conn).await.unwrap().documents_excluded, 0);
    })
    .await;
}
