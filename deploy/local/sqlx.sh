# The cache of checked queries, .sqlx: one file per statement of a sqlx query macro. The macros write these files when they are compiled
# against a live database with SQLX_OFFLINE_DIR set, so no other tool is required.

# Folders of the library crates whose sources call a query macro. Tests use the unchecked functions, so their statements are not in the
# cache.
sqlx_crates() {
    grep -rlE 'query(_as|_scalar|_file|_file_as|_file_scalar)?(_unchecked)?!\(' --include='*.rs' "$root"/crates/*/src \
        | sed 's|/src/.*||' | sort -u
}

# compile_queries FOLDER COMMAND [OPTIONS...]: compiles the workspace with a command of cargo, those crates against a scratch database, and
# writes all queries to the folder.
compile_queries() {
    local folder=$1 command=$2 crate file status=0
    shift 2
    scratch_database scratch_queries
    migrate_database scratch_queries up
    # A newer source makes the macros run again. Its old time is restored afterwards, so that no build considers it stale.
    for crate in $(sqlx_crates); do
        touch -r "$crate/src/lib.rs" "$folder/$(basename "$crate").time"
        touch "$crate/src/lib.rs"
    done
    DATABASE_URL=${DATABASE_URL%/*}/scratch_queries SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$folder \
        cargo "$command" --quiet --locked --workspace --all-targets "$@" || status=$?
    for file in "$folder"/*.time; do
        [[ -e $file ]] || continue
        touch -r "$file" "$root/crates/$(basename "$file" .time)/src/lib.rs"
        rm "$file"
    done
    admin_sql "DROP DATABASE scratch_queries WITH (FORCE)"
    return "$status"
}

# Creates an empty folder for the queries.
queries_folder() {
    rm -rf "$state/queries"
    mkdir "$state/queries"
}

prepare() {
    database_up
    queries_folder
    step "compile the queries" compile_queries "$state/queries" check
    rm -rf "$root/.sqlx"
    mv "$state/queries" "$root/.sqlx"
    say "$(find "$root/.sqlx" -name 'query-*.json' | wc -l) queries in .sqlx"
}

# Clippy compiles the queries, so that one pass over the workspace checks both.
check_lints_and_queries() {
    queries_folder
    compile_queries "$state/queries" clippy -- -D warnings
    mkdir -p "$root/.sqlx"
    diff -r "$root/.sqlx" "$state/queries" || { warn ".sqlx is outdated: run ./dev prepare"; return 1; }
}
