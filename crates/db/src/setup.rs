//! Checks of a database before it is used: its encoding, and the rights of the role of this process.

use sqlx::{Error, PgConnection};

/// SQLSTATE of a statement that the role may not execute.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// The database's own words if it refused a statement because the role lacks a right. No repetition helps; `aprendiz doctor` names the
/// GRANT.
#[must_use]
pub fn missing_privilege(error: &Error) -> Option<String> {
    let error = error.as_database_error()?;
    (error.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE)).then(|| {
        format!("the database refuses this to the role of the server: {}; `aprendiz doctor` names the missing GRANT", error.message())
    })
}

/// Why the database cannot be used whatever the rights: `None` if it can.
///
/// # Errors
/// When Postgres does not answer.
pub async fn unusable_encoding(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')").fetch_one(conn).await?;
    Ok((encoding != "UTF8").then(|| {
        format!("the database has the encoding {encoding}, and only UTF8 can store every text: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0")
    }))
}

/// Why the role cannot serve or train with the database: its encoding, else the rights that it lacks, joined. `None` if it can.
///
/// # Errors
/// When Postgres does not answer.
pub async fn unusable_database(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    if let Some(problem) = unusable_encoding(conn).await? {
        return Ok(Some(problem));
    }
    let missing = missing_rights(conn).await?;
    Ok((!missing.is_empty()).then(|| missing.join("; ")))
}

/// What the role needs to create or change the tables: one sentence for each right with the ways out, `None` if nothing is missing. Some
/// migrations use temporary tables.
///
/// # Errors
/// When Postgres does not answer.
pub async fn missing_right_to_migrate(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    let (role, schema, may_create): (String, Option<String>, Option<bool>) =
        sqlx::query_as("SELECT quote_ident(current_user), quote_ident(current_schema()), has_schema_privilege(current_schema(), 'CREATE')")
            .fetch_one(&mut *conn)
            .await?;
    let mut missing: Vec<String> = missing_temporary(conn).await?.into_iter().collect();
    let own_schema =
        format!("give it a schema of its own: CREATE SCHEMA aprendiz AUTHORIZATION {role}; ALTER ROLE {role} SET search_path = aprendiz");
    match (schema, may_create) {
        (Some(_), Some(true)) => {}
        (Some(schema), _) => missing.push(format!(
            "the role {role} may not create tables in the schema {schema}: make it the owner of the database, or GRANT CREATE ON SCHEMA {schema} TO {role}, or {own_schema}"
        )),
        (None, _) => missing.push(format!("the search_path of the role {role} has no schema that it may use: {own_schema}")),
    }
    Ok((!missing.is_empty()).then(|| missing.join("; ")))
}

/// The GRANT without which the role may not create temporary tables, in a sentence. `None` if it may.
async fn missing_temporary(conn: &mut PgConnection) -> Result<Option<String>, Error> {
    let (role, database, temporary): (String, String, bool) = sqlx::query_as(
        "SELECT quote_ident(current_user), quote_ident(current_database()), has_database_privilege(current_database(), 'TEMPORARY')",
    )
    .fetch_one(conn)
    .await?;
    Ok((!temporary).then(|| {
        format!("the role {role} may not create temporary tables, which imports and migrations need: GRANT TEMPORARY ON DATABASE {database} TO {role}")
    }))
}

/// The rights that the role lacks to serve and to train, each as one sentence with the GRANT. Tables that do not exist are left out.
///
/// # Errors
/// When Postgres does not answer.
pub async fn missing_rights(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    let mut missing: Vec<String> = missing_temporary(conn).await?.into_iter().collect();
    let (role, schema): (String, Option<String>) = sqlx::query_as(
        "SELECT quote_ident(current_user),
                (SELECT quote_ident(nspname) FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
                 WHERE c.oid = to_regclass('training_runs'))",
    )
    .fetch_one(&mut *conn)
    .await?;
    let Some(schema) = schema else {
        return Ok(missing);
    };
    // the sequence is advanced by setval() too, which needs UPDATE
    let classes = [
        ("TABLES", "SELECT, INSERT, UPDATE, DELETE", TABLES),
        ("TABLES", "SELECT", MIGRATIONS),
        ("SEQUENCES", "USAGE, SELECT, UPDATE", SEQUENCES),
    ];
    for (class, rights, tables) in classes {
        let lacking: Vec<String> =
            sqlx::query_scalar(LACKING_SQL).bind(tables).bind(rights).bind(class == "SEQUENCES").fetch_all(&mut *conn).await?;
        if let Some(first) = lacking.first() {
            let others = if lacking.len() == 1 { String::new() } else { format!(" and {} more", lacking.len() - 1) };
            missing.push(format!("the role {role} lacks {first}{others}: GRANT {rights} ON ALL {class} IN SCHEMA {schema} TO {role}"));
        }
    }
    Ok(missing)
}

/// Missing rights as "INSERT on `attempts`", in the order of the names.
const LACKING_SQL: &str = "
    SELECT string_agg(r.name, ', ' ORDER BY r.rank) || ' on `' || t.name || '`'
    FROM unnest($1::text[]) AS t (name)
    CROSS JOIN unnest(string_to_array($2, ', ')) WITH ORDINALITY AS r (name, rank)
    WHERE to_regclass(t.name) IS NOT NULL
      AND NOT CASE WHEN $3 THEN has_sequence_privilege(to_regclass(t.name), r.name) ELSE has_table_privilege(to_regclass(t.name), r.name) END
    GROUP BY t.name
    ORDER BY t.name";

/// The table of the applied migrations.
const MIGRATIONS: &[&str] = &["_sqlx_migrations"];

/// The sequences that statements of this product advance.
pub const SEQUENCES: &[&str] = &["positions"];

/// The tables of this product. A test compares the list with a migrated database.
pub const TABLES: &[&str] = &[
    "alias_events",
    "annotation_events",
    "annotations",
    "api_keys",
    "attempts",
    "audit_log",
    "background_tasks",
    "checkpoints",
    "dataset_builds",
    "datasets",
    "document_archivals",
    "document_details",
    "document_sketches",
    "document_splits",
    "document_texts",
    "document_withdrawals",
    "documents",
    "embedding_files",
    "erasures",
    "evaluations",
    "extraction_history",
    "extractions",
    "field_definitions",
    "fields",
    "idempotency_keys",
    "import_documents",
    "import_quarantine",
    "import_requests",
    "import_revert_documents",
    "import_reverts",
    "imports",
    "metrics",
    "model_aliases",
    "model_versions",
    "models",
    "near_duplicates",
    "objects",
    "outbox",
    "promotion_requests",
    "queues",
    "review_leases",
    "run_errors",
    "run_events",
    "shadow_counts",
    "shadow_disagreements",
    "shadow_drops",
    "sketch_hashes",
    "sweep_children",
    "text_sketches",
    "threshold_events",
    "training_run_documents",
    "training_runs",
    "used_sign_ins",
    "web_sessions",
    "workers",
];
