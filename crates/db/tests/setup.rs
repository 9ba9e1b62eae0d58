//! The rights of a role, against a migrated database.

use aprendiz_db::{SEQUENCES, TABLES, missing_right_to_migrate, missing_rights, unusable_encoding};
use aprendiz_test_support::TestDatabase;

#[tokio::test]
async fn the_lists_of_tables_and_sequences_are_complete() {
    let database = TestDatabase::create().await;
    let names = async |kinds: &str| -> Vec<String> {
        let sql = "SELECT relname::text FROM pg_class c
             WHERE relnamespace = 'public'::regnamespace AND relkind = ANY(string_to_array($1, ',')::\"char\"[]) AND relname <> '_sqlx_migrations'
               -- identity columns need no right on their sequences
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'i')
             ORDER BY relname";
        sqlx::query_scalar(sql).bind(kinds).fetch_all(database.pool()).await.unwrap()
    };
    assert_eq!(names("r,p").await, TABLES);
    assert_eq!(names("S").await, SEQUENCES);
}

#[tokio::test]
async fn the_owner_lacks_nothing() {
    let database = TestDatabase::create().await;
    let conn = &mut *database.pool().acquire().await.unwrap();
    assert_eq!(unusable_encoding(conn).await.unwrap(), None);
    assert_eq!(missing_right_to_migrate(conn).await.unwrap(), None);
    assert!(missing_rights(conn).await.unwrap().is_empty());
}
