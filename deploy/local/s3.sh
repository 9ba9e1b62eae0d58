# A private S3 server: deploy/local/s3, storing its files in .dev/s3.

s3_answers() { alive "$state/s3.pid" aprendiz-local-s3 && grep -q '^listening on ' "$logs/s3.log" && port_taken "$S3_PORT"; }

s3_up() {
    remember_secret S3_ACCESS_KEY
    remember_secret S3_SECRET_KEY
    if [[ -n ${S3_PORT:-} ]] && s3_answers; then
        return 0
    fi
    local server
    server=$(target_folder)/debug/aprendiz-local-s3
    [[ -x $server ]] || step "build the S3 server" build_workspace --bin aprendiz-local-s3
    stop_process "$state/s3.pid" aprendiz-local-s3
    remember_port S3_PORT
    started_services=yes
    mkdir -p "$state/s3"
    chmod 700 "$state/s3"
    AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY \
        start_process s3 "$server" --root "$state/s3" --address "127.0.0.1:$S3_PORT" --bucket aprendiz
    wait_for 20 "the S3 server" s3_answers || { show_log "$logs/s3.log"; die "the S3 server did not start"; }
}

s3_down() {
    stop_process "$state/s3.pid" aprendiz-local-s3
    [[ ${1:-} != --wipe ]] || rm -rf "$state/s3"
}
