# A private Redis without persistence: PostgreSQL is the source of truth, so nothing in Redis has to be kept.

redis_answers() { [[ $(REDISCLI_AUTH=$REDIS_PASSWORD timeout 5 redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null) == PONG ]]; }

redis_up() {
    need_redis
    remember_secret REDIS_PASSWORD
    if [[ -n ${REDIS_PORT:-} ]] && redis_answers; then
        return 0
    fi
    stop_process "$state/redis.pid" redis-server
    remember_port REDIS_PORT
    # in a file, because arguments are visible to all users of the machine
    (
        umask 077
        cat >"$state/redis.conf" <<TEXT
bind 127.0.0.1
port $REDIS_PORT
requirepass $REDIS_PASSWORD
save ""
appendonly no
dir "$state"
TEXT
    )
    started_services=yes
    start_process redis redis-server "$state/redis.conf"
    wait_for 20 Redis redis_answers || { show_log "$logs/redis.log"; die "Redis did not start"; }
}

# The URL that the programs get works with redis-cli as well. Only for a server that was just started: the URL is visible while the command runs.
check_redis_url() {
    [[ $started_services == no || $(timeout 5 redis-cli -u "$REDIS_URL" --no-auth-warning ping 2>/dev/null) == PONG ]] ||
        die "redis-cli -u \"\$REDIS_URL\" fails: correct the URL in write_env (deploy/local/state.sh)"
}

redis_down() { stop_process "$state/redis.pid" redis-server; }
