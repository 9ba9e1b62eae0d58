# Migrations by psql only: each file in one transaction, like sqlx does (or in none, if its first line says so).

# migrate_database DATABASE up|down
migrate_database() {
    local file
    local -a files=("$root"/migrations/*."$2".sql)
    if [[ $2 == down ]]; then
        mapfile -t files < <(printf '%s\n' "${files[@]}" | sort -r)
    fi
    for file in "${files[@]}"; do
        local -a one=(-1)
        [[ $(head -n 1 "$file") == "-- no-transaction"* ]] && one=()
        PGPASSWORD=$POSTGRES_PASSWORD PGOPTIONS='-c client_min_messages=warning' "$pg_bin/psql" -X -q -v ON_ERROR_STOP=1 \
            ${one[@]+"${one[@]}"} -h 127.0.0.1 -p "$POSTGRES_PORT" -U aprendiz -d "$1" -o /dev/null -f "$file" \
            || { warn "$(basename "$file") failed"; return 1; }
    done
}

# scratch_database NAME: creates an empty database, replacing an existing one.
scratch_database() {
    admin_sql "DROP DATABASE IF EXISTS $1 WITH (FORCE)"
    admin_sql "CREATE DATABASE $1 TEMPLATE template0"
}

# Dumps a schema. pg_dump refuses newer servers; then the catalogue describes it.
dump_schema() {
    local server client
    server=$(admin_sql "SELECT current_setting('server_version_num')::int / 10000")
    client=$("$pg_bin/pg_dump" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
    if ((server > client)); then
        admin_sql "$catalogue_sql" "$1"
        return
    fi
    # newer releases enclose the dump in a random token
    PGPASSWORD=$POSTGRES_PASSWORD "$pg_bin/pg_dump" -h 127.0.0.1 -p "$POSTGRES_PORT" -U aprendiz --schema-only --no-owner "$1" \
        | grep -v -E '^\\(un)?restrict '
}

catalogue_sql="SELECT line FROM (
        SELECT format('column %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                pg_get_expr(d.adbin, d.adrelid)) AS line
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT format('enum %s %s', enumtypid::regtype, string_agg(enumlabel, ' ' ORDER BY enumsortorder)) FROM pg_enum GROUP BY enumtypid
        UNION ALL SELECT format('comment %s', description) FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid IN (
            SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    ) AS lines ORDER BY line COLLATE \"C\""

# Up, down, up: checks that every down file reverts its up file completely, and that a second up succeeds.
check_migrations() {
    local database=scratch_migrations left
    scratch_database "$database"
    migrate_database "$database" up
    dump_schema "$database" >"$state/schema-1.sql"
    migrate_database "$database" down
    left=$(admin_sql "SELECT string_agg(name, ', ') FROM (
            SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
            UNION SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace
            UNION SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
            UNION SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'
            UNION SELECT extname FROM pg_extension WHERE extname <> 'plpgsql') AS rest" "$database")
    if [[ -n $left ]]; then
        warn "remaining after all down migrations: $left"
        return 1
    fi
    migrate_database "$database" up
    dump_schema "$database" >"$state/schema-2.sql"
    admin_sql "DROP DATABASE $database WITH (FORCE)"
    diff -u "$state/schema-1.sql" "$state/schema-2.sql" || { warn "the second up produces a different schema"; return 1; }
}
