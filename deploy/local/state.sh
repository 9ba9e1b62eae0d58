# What this checkout remembers between two calls, under .dev/: ports and passwords in .dev/state, for others in .dev/env.

state=$root/.dev
logs=$state/log

# Passable for the user of PostgreSQL, readable for nobody else: every file with a secret is 0600 by itself.
prepare_state() {
    mkdir -p "$state" "$logs"
    chmod 711 "$state"
    chmod 700 "$logs"
    (umask 077 && : >>"$state/state")
}

# Two calls at a time wait for each other, and the second reads what the first has written.
lock_state() {
    exec 9>"$state/lock"
    flock -w 300 9 || die "another ./dev holds .dev/lock"
    # shellcheck source=/dev/null
    source "$state/state"
}

unlock_state() { exec 9>&-; }

# remember NAME VALUE
remember() {
    (
        umask 077
        grep -v "^$1=" "$state/state" >"$state/state.new" || true
        printf '%s=%q\n' "$1" "$2" >>"$state/state.new"
        mv "$state/state.new" "$state/state"
    )
    printf -v "$1" '%s' "$2"
}

# remember_secret NAME: 32 random hex digits, once.
remember_secret() {
    [[ -n ${!1:-} ]] || remember "$1" "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# remember_port NAME: keeps the remembered port unless somebody else took it. Below the range that the system hands
# to outgoing connections.
remember_port() {
    local port=${!1:-}
    if [[ -z $port ]] || port_taken "$port"; then
        port=$((20000 + RANDOM % 10000))
        while port_taken "$port"; do port=$((20000 + RANDOM % 10000)); done
        remember "$1" "$port"
    fi
}

# alive PIDFILE NAME: the process of the file runs and is what it should be (a pid may be somebody else's by now).
alive() {
    local pid
    pid=$(head -n 1 "$1" 2>/dev/null) && [[ $pid =~ ^[0-9]+$ ]] || return 1
    [[ $(ps -o comm= -p "$pid" 2>/dev/null) == "${2:0:15}" ]]
}

# stop_process PIDFILE NAME: asks, waits, insists.
stop_process() {
    alive "$1" "$2" || { rm -f "$1"; return 0; }
    local pid
    pid=$(head -n 1 "$1")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in {1..150}; do
        alive "$1" "$2" || { rm -f "$1"; return 0; }
        sleep 0.1
    done
    warn "$2 did not stop when asked: killed"
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$1"
}

# start_process NAME COMMAND...: in the background, in a session of its own (Ctrl-C does not reach it), with nothing of
# ours but the log; the pid lies in .dev/NAME.pid.
start_process() {
    local name=$1
    shift
    (umask 077 && : >"$logs/$name.log")
    setsid "$@" </dev/null >>"$logs/$name.log" 2>&1 9>&- &
    printf '%s\n' "$!" >"$state/$name.pid"
}

write_env() {
    (
        umask 077
        cat >"$state/env.new" <<TEXT
# Written by ./dev up; source it.
export DATABASE_URL=postgres://aprendiz:$POSTGRES_PASSWORD@127.0.0.1:$POSTGRES_PORT/aprendiz
export REDIS_URL=redis://:$REDIS_PASSWORD@127.0.0.1:$REDIS_PORT
export AWS_ENDPOINT_URL_S3=http://127.0.0.1:${S3_PORT:-0}
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY
export AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export AWS_REGION=us-east-1
export APRENDIZ_BUCKET=aprendiz
export APRENDIZ_LISTEN=127.0.0.1:$API_PORT
export APRENDIZ_URL=http://127.0.0.1:$API_PORT
${API_KEY:+export APRENDIZ_API_KEY=$API_KEY}
# queries are checked against .sqlx, also where a database is at hand; ./dev prepare writes it anew
export SQLX_OFFLINE=true
TEXT
        mv "$state/env.new" "$state/env"
    )
    # shellcheck source=/dev/null
    source "$state/env"
}
