#!/bin/bash
# aprendiz-run-until-idle: runs a worker until it has had no run for APRENDIZ_IDLE_EXIT_SECONDS (60), then stops it and exits 0.
#
# For Kubernetes Jobs, which end, where a worker does not. The worker stops as on every SIGTERM: a run that it claims in that moment is
# released without costing an attempt. A signal to this script goes to the worker.
set -u
here=$(dirname "${BASH_SOURCE[0]}")
worker=${APRENDIZ_WORKER:-/usr/local/bin/aprendiz-worker}
probe=${APRENDIZ_PROBE:-/usr/local/bin/aprendiz-probe}
[[ -x $probe ]] || probe=$here/probe.sh
idle_limit=${APRENDIZ_IDLE_EXIT_SECONDS:-60}
[[ $idle_limit =~ ^[1-9][0-9]{0,6}$ ]] || { printf 'APRENDIZ_IDLE_EXIT_SECONDS is `%s`: expected a number from 1 to 9999999\n' "$idle_limit" >&2; exit 2; }
[[ ${APRENDIZ_PROBE_LISTEN:-} =~ :([0-9]+)$ ]] ||
    { printf 'APRENDIZ_PROBE_LISTEN is `%s`: expected an address with a port, such as 0.0.0.0:9090\n' "${APRENDIZ_PROBE_LISTEN:-}" >&2; exit 2; }
port=${BASH_REMATCH[1]}

"$worker" &
pid=$!
stopping=no
stop() {
    stopping=yes
    kill -TERM "$pid" 2>/dev/null
}
trap stop TERM INT

idle_since=
while kill -0 "$pid" 2>/dev/null; do
    # in the background, because bash handles a signal only after a foreground command
    sleep 1 &
    wait $!
    [[ $stopping == no ]] || break
    # without an answer nothing is known, so the worker counts as busy
    busy=$(timeout 10 "$probe" --body "$port" /metrics 2>/dev/null | sed -n 's/^aprendiz_worker_busy_slots \([0-9.]*\)$/\1/p')
    if [[ $busy != 0 ]]; then
        idle_since=
        continue
    fi
    idle_since=${idle_since:-$SECONDS}
    if ((SECONDS - idle_since >= idle_limit)); then
        printf 'no run for %s seconds: stopping the worker\n' "$idle_limit"
        stop
        break
    fi
done
# a signal interrupts `wait`, so repeat it until the worker has ended
status=0
while :; do
    wait "$pid"
    status=$?
    kill -0 "$pid" 2>/dev/null || break
done
exit "$status"
