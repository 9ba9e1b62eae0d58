# Output for the user, and the duration of each step.

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "$*" >&2; }
die() {
    printf './dev: %s\n' "$*" >&2
    exit 1
}

# Milliseconds since the epoch; the decimal separator of EPOCHREALTIME depends on the locale.
now_ms() {
    local micros=${EPOCHREALTIME/[.,]/}
    printf '%s' $((micros / 1000))
}

# step TITLE COMMAND...: runs the command and prints its duration. A failure ends the script.
step() {
    local title=$1 started
    shift
    started=$(now_ms)
    say "── $title"
    "$@"
    took "$title" "$started"
}

took() {
    local ms=$(($(now_ms) - $2))
    printf '── %s: %d.%d s\n' "$1" $((ms / 1000)) $((ms % 1000 / 100))
}

# wait_for SECONDS NAME COMMAND...: polls every tenth of a second until the command succeeds.
wait_for() {
    local end=$(($(now_ms) + $1 * 1000)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if (($(now_ms) > end)); then
            warn "$what did not become ready in time"
            return 1
        fi
        sleep 0.1
    done
}

# Prints the end of a log after a failure.
show_log() {
    [[ -s $1 ]] || return 0
    warn "--- end of $1 ---"
    tail -n 30 "$1" >&2
}
