# Starts and stops all private services.

started_services=no

services_up() {
    need_rust
    prepare_state
    lock_state
    step "PostgreSQL" postgres_up
    step "Redis" redis_up
    step "S3" s3_up
    finish_up
    check_redis_url
}

# Starts the database only.
database_up() {
    need_rust
    prepare_state
    lock_state
    step "PostgreSQL" postgres_up
    remember_secret REDIS_PASSWORD
    remember_secret S3_ACCESS_KEY
    remember_secret S3_SECRET_KEY
    [[ -n ${REDIS_PORT:-} ]] || remember_port REDIS_PORT
    finish_up
}

finish_up() {
    [[ -n ${API_PORT:-} ]] || remember_port API_PORT
    write_env
    unlock_state
}

services_down() {
    local wipe=${1:-}
    [[ -z $wipe || $wipe == --wipe ]] || die "unknown argument of down: $wipe (expected --wipe)"
    [[ -e $state/state ]] || { say "nothing is running"; return 0; }
    prepare_state
    lock_state
    s3_down "$wipe"
    redis_down
    postgres_down "$wipe"
    unlock_state
    if [[ $wipe == --wipe ]]; then
        rm -rf "$state"
    fi
    say "stopped${wipe:+ and wiped}"
}

psql_shell() {
    database_up >&2
    exec "$pg_bin/psql" "$DATABASE_URL" "$@"
}
