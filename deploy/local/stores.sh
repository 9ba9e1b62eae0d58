# ./dev stores: runs the tests of the object store against other stores than the one of ./dev up.

# stores [local|moto|garage]: the store runs in a temporary folder on free ports, and is stopped at the end.
stores() {
    local store=${1:-local}
    [[ $# -le 1 && $store =~ ^(local|moto|garage)$ ]] || die "unknown store: $* (expected local, moto or garage)"
    need_rust
    prepare_state
    # the tests of strict and old stores start the local server
    step "build" build_workspace --bins --examples
    store_folder=$(mktemp -d)
    store_pid=
    trap stop_store EXIT
    "start_$store"
    say "── tests against $store at $AWS_ENDPOINT_URL_S3"
    run_logged "tests against $store" "stores-$store" test --locked --workspace -- -E 'package(aprendiz-artifacts)'
}

stop_store() {
    [[ -z $store_pid ]] || kill -TERM "$store_pid" 2>/dev/null || true
    [[ -z $store_pid ]] || wait "$store_pid" 2>/dev/null || true
    rm -rf "$store_folder"
}

# use_store PORT REGION: the variables of the tests; the credentials may be anything that the store accepts.
use_store() {
    export AWS_ENDPOINT_URL_S3=http://127.0.0.1:$1 AWS_REGION=$2 SQLX_OFFLINE=true
}

random_hex() { od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'; }

start_local() {
    local port
    port=$(free_port)
    export AWS_ACCESS_KEY_ID=stores AWS_SECRET_ACCESS_KEY=stores-secret
    "$(target_folder)/debug/aprendiz-local-s3" --root "$store_folder/buckets" --address "127.0.0.1:$port" >"$logs/store.log" 2>&1 &
    store_pid=$!
    use_store "$port" us-east-1
    wait_for 20 "the local S3 server" port_taken "$port" || { show_log "$logs/store.log"; die "the store did not start"; }
}

start_moto() {
    local port server=${MOTO_SERVER:-}
    [[ -n $server ]] || server=$(command -v moto_server) || die "moto_server is not installed: pip install 'moto[server]', or set MOTO_SERVER to its path"
    port=$(free_port)
    export AWS_ACCESS_KEY_ID=stores AWS_SECRET_ACCESS_KEY=stores-secret
    "$server" --host 127.0.0.1 --port "$port" >"$logs/store.log" 2>&1 &
    store_pid=$!
    use_store "$port" us-east-1
    wait_for 60 "moto" port_taken "$port" || { show_log "$logs/store.log"; die "the store did not start"; }
}

# The program `garage`: from the variable, PATH, or built once into the user's cache.
garage_program() {
    local root_folder=${XDG_CACHE_HOME:-$HOME/.cache}/aprendiz/garage
    if [[ -n ${GARAGE:-} ]]; then
        printf '%s' "$GARAGE"
    elif command -v garage; then
        :
    else
        if [[ ! -x $root_folder/bin/garage ]]; then
            warn "── build Garage once; this takes long"
            # without its own TLS, Consul and Kubernetes: one node needs none of them
            cargo install --locked --root "$root_folder" --no-default-features --features bundled-libs,sqlite garage >&2 ||
                die "Garage cannot be built; install it and set GARAGE to its path"
        fi
        printf '%s' "$root_folder/bin/garage"
    fi
}

start_garage() {
    local garage s3_port rpc_port node
    garage=$(garage_program)
    s3_port=$(free_port)
    rpc_port=$(free_port)
    cat >"$store_folder/garage.toml" <<TOML
metadata_dir = "$store_folder/meta"
data_dir = "$store_folder/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc_port"
rpc_public_addr = "127.0.0.1:$rpc_port"
rpc_secret = "$(random_hex 32)"

[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$s3_port"
root_domain = ".s3.garage.test"
TOML
    export GARAGE_CONFIG_FILE=$store_folder/garage.toml
    "$garage" server >"$logs/store.log" 2>&1 &
    store_pid=$!
    wait_for 60 "Garage" "$garage" status || { show_log "$logs/store.log"; die "the store did not start"; }
    node=$("$garage" node id -q)
    "$garage" layout assign -z local -c 10G "${node%%@*}" >>"$logs/store.log" 2>&1
    "$garage" layout apply --version 1 >>"$logs/store.log" 2>&1
    AWS_ACCESS_KEY_ID=GK$(random_hex 12)
    AWS_SECRET_ACCESS_KEY=$(random_hex 32)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    "$garage" key import --yes -n stores "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >>"$logs/store.log" 2>&1
    "$garage" key allow --create-bucket "$AWS_ACCESS_KEY_ID" >>"$logs/store.log" 2>&1
    use_store "$s3_port" garage
    wait_for 60 "the S3 interface of Garage" port_taken "$s3_port" || { show_log "$logs/store.log"; die "the store did not start"; }
}
