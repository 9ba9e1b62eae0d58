# ./dev demo: end to end on a generated sample, with the real binaries.

demo_once=no
demo_failed=yes
demo_fields=contract_type,managed_by,sow_currency,platform_technology,type_of_contract_l1,type_of_contract_l2,commercial_model,user_based_license

demo() {
    case ${1:-} in
        --once) demo_once=yes ;;
        '') ;;
        *) die "unknown argument of demo: $1 (expected --once)" ;;
    esac
    need_rust
    need_curl
    web_if_possible
    step "build" build_workspace --bins --examples
    services_up
    bin=$(target_folder)/debug
    aprendiz=$bin/aprendiz
    trap demo_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    step "migrate" demo_run migrate
    step "sample" demo_sample
    step "start the API and two workers" demo_start
    step "create a key" demo_key
    step "import" demo_run import "$state/sample/contracts.json.gz"
    step "train" demo_train
    step "download" demo_download
    step "predict" demo_predict
    demo_encoder
    demo_summary
    demo_failed=no
    if [[ $demo_once == no ]]; then
        say ""
        say "Running until Ctrl-C."
        demo_watch
    fi
}

# Runs the command line, which has already printed its error.
demo_run() { "$aprendiz" "$@" || die "failed: aprendiz $*"; }

demo_sample() {
    mkdir -p "$state/sample"
    [[ -s $state/sample/contracts.json.gz ]] && return 0
    "$bin/aprendiz-sample" contracts --documents 600 --seed 7 --out "$state/sample/new.json.gz"
    mv "$state/sample/new.json.gz" "$state/sample/contracts.json.gz"
}

demo_start() {
    local worker
    stop_process "$state/serve.pid" aprendiz
    remember_port API_PORT
    write_env
    start_process serve "$aprendiz" serve
    wait_for 60 "the API" demo_ready || die "the API is not ready at $APRENDIZ_URL/readyz"
    for worker in worker-1 worker-2; do
        stop_process "$state/$worker.pid" aprendiz-worker
        APRENDIZ_BASE_MODELS=$weights APRENDIZ_EMBEDDINGS=$state/embeddings start_process "$worker" "$bin/aprendiz-worker"
    done
    sleep 0.2
    for worker in worker-1 worker-2; do
        alive "$state/$worker.pid" aprendiz-worker || die "$worker exited at startup"
    done
}

demo_ready() {
    alive "$state/serve.pid" aprendiz && curl -sf --max-time 5 -o /dev/null "$APRENDIZ_URL/readyz"
}

# Creates one key per checkout, once.
demo_key() {
    if [[ -n ${API_KEY:-} ]] && curl -sf --max-time 10 -o /dev/null -H "Authorization: Bearer $API_KEY" "$APRENDIZ_URL/v1/training-runs"; then
        return 0
    fi
    local created
    # a key whose secret is lost: active keys have different names
    "$aprendiz" api-key revoke demo >/dev/null 2>&1 || true
    created=$("$aprendiz" -o json api-key create --name demo --role admin) || die "failed: aprendiz api-key create"
    remember API_KEY "$(sed -n 's/.*"key": *"\([^"]*\)".*/\1/p' <<<"$created")"
    [[ -n $API_KEY ]] || die "aprendiz api-key create printed no key"
    write_env
}

demo_train() {
    local before
    before=$(latest_run)
    demo_run run create --model contracts --kind linear --fields "$demo_fields" --wait
    run_id=$(latest_run)
    [[ -n $run_id && $run_id != "$before" ]] || die "no new training run was created"
}

# Id of the newest run; empty if there is none.
latest_run() { "$pg_bin/psql" -X -q -A -t "$DATABASE_URL" -c "SELECT id FROM training_runs ORDER BY created_at DESC LIMIT 1"; }

demo_download() {
    rm -rf "$state/demo"
    mkdir -p "$state/demo"
    demo_run dataset download "$run_id" -d "$state/demo/dataset"
    demo_run model download contracts -d "$state/demo/model"
    find "$state/demo" -type f -printf '   %P  (%s bytes)\n' | sort
}

demo_predict() {
    "$pg_bin/psql" -X -q -A -t "$DATABASE_URL" -o "$state/demo/document.txt" -c "SELECT text FROM document_texts
        JOIN document_splits USING (document_id) WHERE split = 'test' ORDER BY document_texts.position LIMIT 1"
    demo_run predict --model contracts "$state/demo/document.txt"
}

# Trains an encoder on the same data if the base weights are present; otherwise the demo skips it.
demo_encoder() {
    if ! has_weights; then
        say "── encoder: skipped, because the base weights are missing (./dev weights downloads them, 84 MB)"
        return 0
    fi
    step "train an encoder (a few minutes)" demo_train_encoder
    printf '%s\n' "This agreement is governed by the laws of Texas." "Fees are due within thirty days." |
        "$aprendiz" embed --model contracts-encoder --plain - >"$state/demo/vectors.jsonl" || die "failed: aprendiz embed"
    say "   embeddings of two sentences: .dev/demo/vectors.jsonl"
}

# Few pairs of short texts: enough to show that it works, not to train a good encoder.
demo_train_encoder() {
    local spec=$state/demo/encoder.json
    cat >"$spec" <<'JSON'
{"model": "contracts-encoder", "kind": "sentence-transformer",
 "data": {"fields": ["contract_type"], "pairs": {"per_label": 8, "max_chars": 400}},
 "params": {"max_length": 64, "evaluation_documents": 60}}
JSON
    demo_run run create --spec "$spec" --wait
}

demo_summary() {
    cat <<TEXT

Running services
   API          $APRENDIZ_URL   (log: .dev/log/serve.log)
   Browser      $APRENDIZ_URL/   (sign in with the key in .dev/env: APRENDIZ_API_KEY)
   workers      two   (logs: .dev/log/worker-1.log, worker-2.log)
   PostgreSQL   127.0.0.1:$POSTGRES_PORT   (./dev psql)
   Redis        127.0.0.1:$REDIS_PORT
   S3           $AWS_ENDPOINT_URL_S3   bucket $APRENDIZ_BUCKET   (files: .dev/s3)
Results
   run          $run_id
   dataset      .dev/demo/dataset
   model        .dev/demo/model$(if [[ -s $state/demo/vectors.jsonl ]]; then printf '\n   embeddings   .dev/demo/vectors.jsonl'; fi)
Try it          source .dev/env; ${aprendiz#"$root"/} run list
TEXT
}

# Waits until Ctrl-C, or until one of the processes exits.
demo_watch() {
    local name
    demo_failed=yes
    while sleep 1; do
        for name in serve worker-1 worker-2; do
            local program=aprendiz-worker
            [[ $name == serve ]] && program=aprendiz
            alive "$state/$name.pid" "$program" || die "$name has exited"
        done
    done
}

# Stops the processes of the demo, and the services unless they were running before.
demo_stop() {
    local status=$? name
    trap - EXIT INT TERM
    set +e
    if ((status != 0 && status != 130 && status != 143)) && [[ $demo_failed == yes ]]; then
        for name in serve worker-1 worker-2; do show_log "$logs/$name.log"; done
        warn "the demo failed: see the message above the logs; the logs are kept in .dev/log"
    fi
    for name in worker-1 worker-2; do stop_process "$state/$name.pid" aprendiz-worker; done
    stop_process "$state/serve.pid" aprendiz
    [[ $started_services == no ]] || services_down
    # Ctrl-C is the normal end of a completed demo
    [[ $status == 130 && -n ${run_id:-} && -e $state/demo/document.txt ]] && status=0
    exit "$status"
}
