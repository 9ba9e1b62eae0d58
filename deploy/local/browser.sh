# ./dev browser: tests of the web interface in Chromium, against the page that the server embeds.
#
# A server and a worker with fresh data, and keys of every role. The tests stop, kill and start these processes by their pid files, so
# only one of them can use an installation at a time.

browser_database=aprendiz_browser
browser_mode=tests
browser_folder=$state/browser
browser_bin=

browser() {
    local missing
    while [[ $# -gt 0 ]]; do
        case $1 in
            --binaries) browser_bin=$(cd "${2:-}" && pwd) || die "no folder with binaries: ${2:-}"; shift ;;
            --serve | --screenshots) browser_mode=${1#--} ;;
            *) break ;;
        esac
        shift
    done
    need_rust
    need_curl
    missing=$(browser_missing)
    [[ -z $missing ]] || die "the tests in a browser need $missing (./dev packages installs it)"
    if [[ -z $browser_bin ]]; then
        browser_bundle
        step "build" build_workspace --bins --examples
        browser_bin=$(target_folder)/debug
    fi
    services_up
    browser_run "$@"
    [[ $started_services == no || $browser_mode == serve ]] || services_down
}

# What is missing on this machine; nothing if the tests can run.
browser_missing() {
    has_web_tools || { printf 'Node.js 20 or newer with npm'; return 0; }
    [[ -n $(chromium_program) ]] || printf 'Chromium'
}

# The page is part of the binary, so it is built first.
browser_bundle() {
    ! is_web_outdated || web
}

# For ./dev test, after the other tests. Without the programs, they are listed as skipped, as other tests are.
browser_tests() {
    local missing
    missing=$(browser_missing)
    if [[ -n $missing ]]; then
        [[ ${APRENDIZ_REQUIRE_SERVICES:-} != 1 ]] || die "the tests in a browser need $missing (./dev packages installs it)"
        say "── tests in a browser: skipped, because this machine lacks $missing"
        return 0
    fi
    browser_bin=$(target_folder)/debug
    step "tests in a browser" browser_run
}

# browser_run [ARGS]: in a subshell, because it replaces traps and the variables of the services.
browser_run() (
    set -e
    trap browser_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    step "packages of the web interface" web_packages
    step "start a server and a worker with fresh data" browser_start
    case $browser_mode in
        tests) web_npm run --silent test:browser -- "$@" ;;
        screenshots) web_npm run --silent screenshots -- "$@" ;;
        serve)
            say "$APRENDIZ_SITE   (key of an admin: $APRENDIZ_API_KEY; variables for npm run test:browser: .dev/browser/env)"
            while alive "$browser_folder/serve.pid" aprendiz; do sleep 1; done
            die "the server has exited"
            ;;
    esac
)

browser_start() {
    local role
    browser_stop_processes
    rm -rf "$browser_folder"
    mkdir -p "$browser_folder"
    admin_sql "DROP DATABASE IF EXISTS $browser_database WITH (FORCE)"
    admin_sql "CREATE DATABASE $browser_database TEMPLATE template0"
    remember_port BROWSER_PORT
    export DATABASE_URL=${DATABASE_URL%/*}/$browser_database
    export APRENDIZ_LISTEN=127.0.0.1:$BROWSER_PORT APRENDIZ_URL=http://127.0.0.1:$BROWSER_PORT
    export APRENDIZ_BUCKET_PREFIX=browser-$BROWSER_PORT/ APRENDIZ_QUEUE_PREFIX=browser-$BROWSER_PORT
    export APRENDIZ_SITE=$APRENDIZ_URL APRENDIZ_BIN=$browser_bin APRENDIZ_PROCESSES=$browser_folder CHROMIUM
    CHROMIUM=$(chromium_program)
    # the tests sign in many times from one address, and some of them with a wrong key
    export APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE=0
    "$browser_bin/aprendiz" migrate >"$logs/browser-migrate.log" || { show_log "$logs/browser-migrate.log"; die "migrate failed"; }
    browser_process serve "$browser_bin/aprendiz" serve
    browser_process worker "$browser_bin/aprendiz-worker"
    wait_for 60 "the API" browser_ready || die "the API is not ready at $APRENDIZ_URL/readyz"
    for role in viewer reviewer operator admin; do browser_key "$role" "$role" "APRENDIZ_${role^^}_KEY"; done
    browser_key second operator APRENDIZ_SECOND_KEY
    export APRENDIZ_API_KEY=$APRENDIZ_ADMIN_KEY
    browser_data
    (umask 077; export -p | grep -E ' (APRENDIZ_|DATABASE_URL|REDIS_URL|AWS_|CHROMIUM)' >"$browser_folder/env")
}

# browser_process NAME COMMAND...: as start_process, in the folder of the tests. The scratch folder has the gates that hold a worker.
browser_process() {
    local name=$1
    shift
    mkdir -p "$browser_folder/$name"
    APRENDIZ_SCRATCH=$browser_folder/$name setsid "$@" </dev/null >>"$browser_folder/$name.log" 2>&1 9>&- &
    printf '%s\n' "$!" >"$browser_folder/$name.pid"
}

browser_ready() {
    alive "$browser_folder/serve.pid" aprendiz && curl -sf --max-time 5 -o /dev/null "$APRENDIZ_URL/readyz"
}

# browser_key NAME ROLE VARIABLE
browser_key() {
    local key
    key=$("$browser_bin/aprendiz" -o json api-key create --name "$1" --role "$2" | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    [[ -n $key ]] || die "aprendiz api-key create printed no key"
    export "$3=$key"
}

# Documents with reviews and predictions, and a task that is quarantined.
browser_data() {
    "$browser_bin/aprendiz-sample" contracts --documents 240 --seed 7 --out "$browser_folder/sample.json.gz" >/dev/null
    "$browser_bin/aprendiz" import "$browser_folder/sample.json.gz" >/dev/null
    curl -sf --max-time 30 -o /dev/null -H "Authorization: Bearer $APRENDIZ_API_KEY" \
        --data-binary '[null, 0, {"id": 1, "data": {}}]' "$APRENDIZ_URL/v1/imports"
}

browser_stop_processes() {
    local pid_file program
    for pid_file in "$browser_folder"/*.pid; do
        [[ -e $pid_file ]] || continue
        program=aprendiz-worker
        [[ $pid_file != */serve.pid ]] || program=aprendiz
        stop_process "$pid_file" "$program"
    done
}

browser_stop() {
    local status=$?
    trap - EXIT INT TERM
    set +e
    if ((status != 0 && status != 130 && status != 143)); then
        show_log "$browser_folder/serve.log"
        warn "logs of the processes: .dev/browser; pictures of pages that failed: .dev/browser/failed"
    fi
    browser_stop_processes
    exit "$status"
}
