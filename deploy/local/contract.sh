# ./dev contract: checks a running server against its own OpenAPI document.
#
# A server with fresh data answers generated requests (schemathesis): no 5xx, no undocumented status, every response valid against its
# schema. Then the TypeScript client in web/ is generated from the document, compiled, and reads a run.

contract_database=aprendiz_contract
contract_failed=()
contract_update=no

contract() {
    local install=no argument
    for argument in "$@"; do
        case $argument in
            --install) install=yes ;;
            --update) contract_update=yes ;;
            *) die "unknown argument of contract: $argument (expected --install or --update)" ;;
        esac
    done
    need_rust
    need_curl
    step "build" build_workspace --bins --examples
    services_up
    bin=$(target_folder)/debug
    contract=$state/contract
    mkdir -p "$contract"
    : >"$contract/skipped"
    [[ $install == no ]] || contract_install
    trap contract_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    step "start a server and a worker with fresh data" contract_start
    contract_check "generated requests" contract_requests
    contract_check "TypeScript client" contract_client
    ((${#contract_failed[@]} == 0)) || die "failed: $(printf '%s; ' "${contract_failed[@]}")"
    if [[ -s $contract/skipped ]]; then say "not checked: $(paste -sd, "$contract/skipped")"; else say "the server keeps its contract"; fi
}

# Runs a check in a subshell; the other one runs even after a failure.
contract_check() {
    local title=$1 started status=0
    shift
    started=$(now_ms)
    say "── $title"
    set +e
    (set -e; "$@")
    status=$?
    set -e
    ((status == 0)) || contract_failed+=("$title")
    took "$title" "$started"
}

# Installs schemathesis into a virtual environment of this checkout.
contract_install() {
    [[ ! -x $contract/venv/bin/schemathesis ]] || return 0
    command -v python3 >/dev/null || { say "── schemathesis: not installed, because python3 is missing"; return 0; }
    rm -rf "$contract/venv"
    if ! python3 -m venv "$contract/venv" >"$logs/venv.log" 2>&1; then
        rm -rf "$contract/venv"
        say "── schemathesis: not installed, because python3 has no venv (package python3-venv)"
        return 0
    fi
    say "── install schemathesis"
    if ! "$contract/venv/bin/pip" install --quiet --disable-pip-version-check -r "$root/deploy/local/contract.requirements.txt"; then
        rm -rf "$contract/venv"
        warn "schemathesis: not installed, because it could not be downloaded"
    fi
}

contract_start() {
    local pid role
    stop_process "$state/contract-serve.pid" aprendiz
    stop_process "$state/contract-worker.pid" aprendiz-worker
    admin_sql "DROP DATABASE IF EXISTS $contract_database WITH (FORCE)"
    admin_sql "CREATE DATABASE $contract_database TEMPLATE template0"
    remember_port CONTRACT_PORT
    export DATABASE_URL=${DATABASE_URL%/*}/$contract_database
    export APRENDIZ_LISTEN=127.0.0.1:$CONTRACT_PORT APRENDIZ_URL=http://127.0.0.1:$CONTRACT_PORT
    export APRENDIZ_BUCKET_PREFIX=contract/ APRENDIZ_QUEUE_PREFIX=contract
    # the generated requests try many unknown keys
    export APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE=0
    "$bin/aprendiz" migrate >"$logs/contract-migrate.log" || { show_log "$logs/contract-migrate.log"; die "migrate failed"; }
    start_process contract-serve "$bin/aprendiz" serve
    start_process contract-worker "$bin/aprendiz-worker"
    wait_for 60 "the API" contract_ready || die "the API is not ready at $APRENDIZ_URL/readyz"
    APRENDIZ_API_KEY=$("$bin/aprendiz" -o json api-key create --name contract --role operator | sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    export APRENDIZ_API_KEY
    contract_data
    contract_api /openapi.json >"$contract/openapi.json"
}

contract_ready() {
    alive "$state/contract-serve.pid" aprendiz && curl -sf --max-time 5 -o /dev/null "$APRENDIZ_URL/readyz"
}

# contract_api PATH [CURL OPTIONS]
contract_api() {
    local path=$1
    shift
    curl -sf --max-time 30 -H "Authorization: Bearer $APRENDIZ_API_KEY" "$@" "$APRENDIZ_URL$path"
}

# Documents with reviews, quarantined tasks, and a finished run with its dataset and model.
contract_data() {
    "$bin/aprendiz-sample" contracts --documents 200 --seed 7 --out "$contract/sample.json.gz" >/dev/null
    "$bin/aprendiz" import "$contract/sample.json.gz" >/dev/null
    printf '%s' '[null, 0, {"id": 1, "data": {}}]' | contract_api /v1/imports -o /dev/null --data-binary @-
    "$bin/aprendiz" run create --model contracts --kind linear --fields contract_type,managed_by --wait >/dev/null
}

# contract_value STATEMENT: one value of the database.
contract_value() { admin_sql "$1" "$contract_database"; }

# The requests are generated anew in every run, from the same seed. Most of them get ids of the data, so that they reach it.
contract_config() {
    local run dataset document import
    run=$(contract_value "SELECT id FROM training_runs WHERE status = 'succeeded' LIMIT 1")
    dataset=$(contract_value "SELECT id FROM datasets LIMIT 1")
    document=$(contract_value "SELECT document_id FROM annotations WHERE field = 'contract_type' LIMIT 1")
    import=$(contract_value "SELECT import_id FROM import_quarantine LIMIT 1")
    cat <<TOML
seed = 1
continue-on-failure = true
request-timeout = 30
suppress-health-check = ["all"]
max-stream-events = 5

[generation]
max-examples = 15
no-shrink = true
database = "none"
# a generated Authorization would replace the key
with-security-parameters = false

[checks]
# an id that is generated is unknown, which is no fault of the request
positive_data_acceptance.enabled = false

[phases.stateful]
max-steps = 8

[cache]
enabled = false

[dictionaries]
run = { values = ["$run"] }
dataset = { values = ["$dataset"] }
dataset-file = { values = ["README.md", "labels.json", "data/train-00000-of-00001.parquet"] }
document = { values = ["$document"] }
import = { values = ["$import"] }
field = { values = ["contract_type"] }
model = { values = ["contracts"] }
number = { values = [1] }
model-file = { values = ["manifest.json", "config.json"] }

# the stream of a run that waits stays open
[[operations]]
include-path = "/v1/training-runs/{id}/events"
request-timeout = 1
parameters = { "path.id" = { dictionary = "run", probability = 0.5 } }

[[operations]]
include-path-regex = "^(/v1)?/training-runs/\\\\{id\\\\}/(dataset|model|attempts|metrics|explain)\$"
parameters = { "path.id" = { dictionary = "run", probability = 0.8 } }

[[operations]]
include-path-regex = "^/v1/datasets/"
exclude-path = "/v1/datasets/{id}"
parameters = { "path.id" = { dictionary = "dataset", probability = 0.8 }, "path.other" = { dictionary = "dataset", probability = 0.8 }, "path.path" = { dictionary = "dataset-file", probability = 0.8 } }

# POST /v1/datasets creates a run, which records its snapshot later
[[operations]]
include-path = "/v1/datasets/{id}"
checks.ensure_resource_availability.enabled = false
parameters = { "path.id" = { dictionary = "dataset", probability = 0.8 } }

[[operations]]
include-path-regex = "^/v1/documents/\\\\{id\\\\}"
exclude-path = "/v1/documents/{id}/lease"
parameters = { "path.id" = { dictionary = "document", probability = 0.5 }, "path.field" = { dictionary = "field", probability = 0.8 } }

# a new document is not leased
[[operations]]
include-path = "/v1/documents/{id}/lease"
checks.ensure_resource_availability.enabled = false
parameters = { "path.id" = { dictionary = "document", probability = 0.5 } }

[[operations]]
include-path-regex = "^/v1/imports/\\\\{id\\\\}"
parameters = { "path.id" = { dictionary = "import", probability = 0.8 } }

[[operations]]
include-path-regex = "^/v1/fields/"
parameters = { "path.name" = { dictionary = "field", probability = 0.5 } }

[[operations]]
include-path-regex = "^/v1/models/"
parameters = { "path.name" = { dictionary = "model", probability = 0.8 }, "path.number" = { dictionary = "number", probability = 0.8 }, "path.path" = { dictionary = "model-file", probability = 0.8 } }
TOML
}

contract_requests() {
    local schemathesis=$contract/venv/bin/schemathesis
    [[ -x $schemathesis ]] || schemathesis=$(command -v schemathesis) ||
        { say "skipped, because schemathesis is not installed (./dev contract --install installs it)"; echo "generated requests" >>"$contract/skipped"; return 0; }
    contract_config >"$contract/schemathesis.toml"
    say "with the key of an operator"
    contract_run "$schemathesis" -H "Authorization: Bearer $APRENDIZ_API_KEY"
    say "without a key"
    contract_run "$schemathesis" --phases coverage
}

# contract_run SCHEMATHESIS OPTIONS...: prints the end of its output, or all of it after a failure.
contract_run() {
    local schemathesis=$1 status=0
    shift
    "$schemathesis" --config-file "$contract/schemathesis.toml" run "$contract/openapi.json" --url "$APRENDIZ_URL" --no-color "$@" \
        >"$logs/contract.log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        sed -n '/^=* \(ERRORS\|FAILURES\) =*$/,/^=* WARNINGS =*$/p' "$logs/contract.log"
    fi
    sed -n '/^Test cases:/,$p' "$logs/contract.log" | grep -v '^$'
    return "$status"
}

contract_client() {
    if ! has_web_tools; then
        say "skipped, because Node.js 20 with npm is not installed"
        echo "TypeScript client" >>"$contract/skipped"
        return 0
    fi
    cd "$root/web"
    if ! web_packages; then
        warn "skipped, because the packages of web/ could not be downloaded"
        echo "TypeScript client" >>"$contract/skipped"
        return 0
    fi
    npx --no-install openapi-typescript "$contract/openapi.json" --output "$contract/schema.ts" >/dev/null
    if [[ $contract_update == yes ]]; then
        cp "$contract/schema.ts" src/api/schema.ts
    elif ! cmp -s "$contract/schema.ts" src/api/schema.ts; then
        diff -u src/api/schema.ts "$contract/schema.ts" | head -n 40 >&2 || true
        die "web/src/api/schema.ts is not that of the document: write it with ./dev contract --update"
    fi
    npm run --silent check
    npm run --silent test:contract
}

contract_stop() {
    local status=$?
    trap - EXIT INT TERM
    set +e
    ((status == 0 || status == 130 || status == 143)) || show_log "$logs/contract-serve.log"
    stop_process "$state/contract-worker.pid" aprendiz-worker
    stop_process "$state/contract-serve.pid" aprendiz
    [[ $started_services == no ]] || services_down
    exit "$status"
}
