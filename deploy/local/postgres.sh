# A private PostgreSQL: own data folder, own port, loopback only. Fast rather than durable: a crash of the machine may lose its data,
# which ./dev demo can recreate.

# Runs a PostgreSQL program, as another user if this is root: PostgreSQL refuses to run as root.
as_postgres() {
    if ((EUID != 0)); then
        "$@"
    else
        (cd / && setpriv --reuid "$pg_user" --regid "$(id -g "$pg_user")" --clear-groups "$@")
    fi
}

choose_postgres_user() {
    pg_user=$(id -un)
    if ((EUID == 0)); then
        pg_user=nobody
        id postgres >/dev/null 2>&1 && pg_user=postgres
    fi
    return 0
}

# Chooses the data folder: .dev/postgres, unless the PostgreSQL user cannot access it (a checkout below /root).
choose_postgres_folder() {
    local base
    if [[ -n ${POSTGRES_FOLDER:-} && -e $POSTGRES_FOLDER/data/PG_VERSION ]] && as_postgres test -w "$POSTGRES_FOLDER/data"; then
        return 0
    fi
    for base in "$state/postgres" "${TMPDIR:-/tmp}" /tmp /var/tmp; do
        if [[ $base == "$state/postgres" ]]; then
            mkdir -p "$base"
        else
            base=$(mktemp -d "$base/aprendiz-postgres.XXXXXX") || continue
        fi
        chmod 700 "$base"
        ((EUID != 0)) || chown "$pg_user" "$base"
        if as_postgres test -w "$base" 2>/dev/null; then
            remember POSTGRES_FOLDER "$base"
            return 0
        fi
        rmdir "$base"
    done
    die "found no folder that the user $pg_user can write to: set TMPDIR to one"
}

create_postgres() {
    local data=$POSTGRES_FOLDER/data locale=C
    [[ -e $data/PG_VERSION && -e $POSTGRES_FOLDER/complete ]] && return 0
    locale -a 2>/dev/null | grep -qi '^C\.utf-\?8$' && locale=C.UTF-8
    as_postgres rm -rf "$data"
    printf '%s\n' "$POSTGRES_PASSWORD" | as_postgres sh -c "umask 077; cat >'$POSTGRES_FOLDER/password'"
    as_postgres "$pg_bin/initdb" -D "$data" -U aprendiz --auth=scram-sha-256 --pwfile="$POSTGRES_FOLDER/password" \
        --encoding=UTF8 --locale="$locale" --no-instructions --no-sync >"$logs/initdb.log" 2>&1 \
        || { show_log "$logs/initdb.log"; die "initdb failed"; }
    as_postgres rm -f "$POSTGRES_FOLDER/password"
    as_postgres tee -a "$data/postgresql.conf" >/dev/null <<'TEXT'
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 400
shared_buffers = 256MB
max_wal_size = 2GB
fsync = off
synchronous_commit = off
full_page_writes = off
TEXT
    as_postgres touch "$POSTGRES_FOLDER/complete"
}

postgres_answers() {
    PGPASSWORD=$POSTGRES_PASSWORD PGCONNECT_TIMEOUT=5 "$pg_bin/psql" -X -q -h 127.0.0.1 -p "$POSTGRES_PORT" -U aprendiz -d postgres -c 'SELECT 1'
}

# Whether the server of a data folder runs. The file may be left by a killed server, and another process may have its pid by now.
postgres_runs() {
    [[ -e $1/postmaster.pid ]] && alive "$1/postmaster.pid" postgres && as_postgres "$pg_bin/pg_ctl" -D "$1" status >/dev/null 2>&1
}

# Waits until a running server accepts a connection. It is never restarted: it may only be busy, and others may be using it.
wait_for_postgres() {
    local error ready
    for _ in {1..60}; do
        error=$(postgres_answers 2>&1 >/dev/null) && return 0
        ready=0
        "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT" -t 5 || ready=$?
        # 0: it refuses this connection; 1: it is starting or stopping; 2: it does not answer
        ((ready != 0)) || break
        sleep 1
    done
    [[ $error != *password* ]] || error+=" (to start over, run ./dev down --wipe)"
    die "PostgreSQL runs at port $POSTGRES_PORT but refuses the connection: ${error:-no answer}
It was not restarted, because it may be in use: close connections, or stop it with ./dev down"
}

postgres_up() {
    need_postgres
    choose_postgres_user
    remember_secret POSTGRES_PASSWORD
    if [[ -n ${POSTGRES_PORT:-} ]] && postgres_answers >/dev/null 2>&1; then
        return 0
    fi
    local data
    choose_postgres_folder
    data=$POSTGRES_FOLDER/data
    create_postgres
    if postgres_runs "$data"; then
        remember POSTGRES_PORT "$(sed -n 4p "$data/postmaster.pid")"
    else
        rm -f "$data/postmaster.pid"
        remember_port POSTGRES_PORT
        started_services=yes
        as_postgres "$pg_bin/pg_ctl" -D "$data" -l "$POSTGRES_FOLDER/log" -o "-p $POSTGRES_PORT" -w -t 60 start \
            </dev/null >"$logs/pg_ctl.log" 2>&1 9>&- \
            || { show_log "$logs/pg_ctl.log"; show_log "$POSTGRES_FOLDER/log"; die "PostgreSQL did not start"; }
    fi
    wait_for_postgres
    if [[ -z $(admin_sql "SELECT 1 FROM pg_database WHERE datname = 'aprendiz'") ]]; then
        admin_sql "CREATE DATABASE aprendiz"
    fi
}

# admin_sql STATEMENT [DATABASE]
admin_sql() {
    PGPASSWORD=$POSTGRES_PASSWORD PGOPTIONS='-c client_min_messages=warning' "$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 \
        -h 127.0.0.1 -p "$POSTGRES_PORT" -U aprendiz -d "${2:-postgres}" -c "$1"
}

postgres_down() {
    [[ -n ${POSTGRES_FOLDER:-} ]] || return 0
    choose_postgres_user
    if pg_bin=$(postgres_bin) && [[ -e $POSTGRES_FOLDER/data/postmaster.pid ]] && alive "$POSTGRES_FOLDER/data/postmaster.pid" postgres; then
        as_postgres "$pg_bin/pg_ctl" -D "$POSTGRES_FOLDER/data" -m fast -w -t 60 stop >/dev/null || warn "PostgreSQL did not stop"
    fi
    if [[ ${1:-} == --wipe ]]; then
        rm -rf "$POSTGRES_FOLDER"
        remember POSTGRES_FOLDER ""
    fi
}
