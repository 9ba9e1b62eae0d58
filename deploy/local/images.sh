# ./dev images: builds both images without a registry, and runs them through the whole way once, against the services of ./dev up.
#
# The base is made by debootstrap instead of an image of a registry, and the programs are built here instead of in the first stages. The
# last stage is that of the Containerfiles. Needs root, for buildah with chroot isolation.

# images [--binaries FOLDER]: FOLDER holds aprendiz and aprendiz-worker; without it they are built in release mode.
images() {
    local binaries=
    while [[ $# -gt 0 ]]; do
        case $1 in
            --binaries) binaries=${2:?--binaries needs a folder}; shift 2 ;;
            *) die "unknown argument of images: $1 (expected --binaries FOLDER)" ;;
        esac
    done
    ((EUID == 0)) || die "./dev images needs root, for buildah with chroot isolation"
    command -v buildah >/dev/null || install_packages buildah
    command -v debootstrap >/dev/null || install_packages debootstrap
    command -v jq >/dev/null || install_packages jq
    need_curl
    if [[ -z $binaries ]]; then
        need_rust
        step "build in release mode" env SQLX_OFFLINE=true APRENDIZ_GIT_REVISION="$(git -C "$root" rev-parse HEAD)" cargo build --locked --release --workspace --bins
        binaries=$(target_folder)/release
    fi
    for program in aprendiz aprendiz-worker; do [[ -x $binaries/$program ]] || die "$binaries/$program does not exist"; done
    services_up
    images=$state/images
    mkdir -p "$images"
    # the user of the images must reach the mounted folders
    chmod 711 "$images"
    trap images_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    step "root file system" images_base
    step "image of the server" images_build server producer
    step "image of the worker" images_build worker worker
    step "the whole way in the images" images_run
    say "the images work: import, training and prediction"
}

images_buildah() { buildah --root "$images/storage" --runroot "$images/run" --storage-driver vfs "$@"; }

images_base() {
    local base=${APRENDIZ_IMAGE_ROOT:-$images/root}
    if [[ ! -e $base/etc/debian_version ]]; then
        rm -rf "$base"
        debootstrap --variant=minbase --include=ca-certificates bookworm "$base" >"$logs/debootstrap.log" 2>&1 ||
            { show_log "$logs/debootstrap.log"; die "debootstrap failed"; }
        rm -rf "$base"/var/cache/apt/archives/*.deb "$base"/var/lib/apt/lists/*
    fi
    images_buildah inspect --type image aprendiz-base >/dev/null 2>&1 && return 0
    local container
    container=$(images_buildah from scratch)
    images_buildah add --quiet "$container" "$base" / >/dev/null
    images_buildah commit --quiet --rm "$container" aprendiz-base >/dev/null
}

# images_build NAME PACKAGE: the last stage of a Containerfile, with programs from a folder instead of the stage before.
images_build() {
    local context=$images/context
    rm -rf "$context"
    mkdir -p "$context/out" "$context/deploy"
    cp -r "$root/deploy/images" "$context/deploy/"
    cp "$root"/LICENSE-* "$context/"
    cp "$binaries/aprendiz" "$binaries/aprendiz-worker" "$context/out/"
    awk '/^FROM [$][{]BASE_IMAGE[}]/ { last = 1 } last' "$root/deploy/images/$1.Containerfile" |
        sed -e '1i ARG BASE_IMAGE' -e 's|^COPY --from=build /out/|COPY out/|' >"$context/Containerfile"
    # docker: the format of OCI has no health checks
    images_buildah build --quiet --isolation chroot --format docker --file "$context/Containerfile" --tag "aprendiz-$1" \
        --build-arg BASE_IMAGE=localhost/aprendiz-base --build-arg APRENDIZ_GIT_REVISION="$(git -C "$root" rev-parse HEAD)" "$context" \
        >"$logs/images-$1.log" 2>&1 || { show_log "$logs/images-$1.log"; die "the image of the $1 cannot be built"; }
    images_check "$1"
    local container mounted
    container=$(images_buildah from --name "images-$1-$$" "localhost/aprendiz-$1")
    mounted=$(images_buildah mount "$container")
    printf -v "images_container_$1" '%s' "$container"
    printf -v "images_root_$1" '%s' "$mounted"
    say "aprendiz-$1: $(du -sm "$mounted" | cut -f1) MB unpacked"
    # cargo waits without limit while another cargo holds the lock of its package cache
    if timeout 30 python3 "$root/deploy/images/sbom.py" "$2" "$mounted" >"$images/sbom-$1.json"; then
        say "$(jq '.components | length' "$images/sbom-$1.json") components in $images/sbom-$1.json"
    else
        rm -f "$images/sbom-$1.json"
        warn "no bill of materials of the $1: cargo metadata failed, or another cargo was running for more than 30 seconds"
    fi
}

# What Kubernetes and Compose rely on.
images_check() {
    local config
    config=$(images_buildah inspect --type image "localhost/aprendiz-$1" | jq .Docker.config)
    jq -e '.User == "10001:10001" and (.Healthcheck.Test | length) > 1 and .StopSignal == "SIGTERM" and (.Entrypoint | length) == 1
        and (.Labels["org.opencontainers.image.revision"] | length) == 40 and .Labels["org.opencontainers.image.licenses"] != null' <<<"$config" >/dev/null ||
        die "the configuration of the image of the $1 is incomplete: $config"
}

# images_exec NAME COMMAND...: runs a command in a container as its user, with the variables in images_env and the writable folders.
images_exec() {
    local name=$1 container=images_container_$1 folder
    local -a options=()
    shift
    for folder in tmp var/cache/aprendiz var/lib/aprendiz; do
        mkdir -p "$images/data/$name/$folder"
        chown 10001:10001 "$images/data/$name/$folder"
        # TMPDIR and APRENDIZ_SCRATCH of the images
        [[ $folder != var/lib/aprendiz ]] || install -d -o 10001 -g 10001 "$images/data/$name/$folder/spool" "$images/data/$name/$folder/scratch"
        options+=(--volume "$images/data/$name/$folder:/$folder")
    done
    timeout 120 buildah --root "$images/storage" --runroot "$images/run" --storage-driver vfs run --isolation chroot --user 10001:10001 "${options[@]}" --volume "$images/in:/in:ro" "${images_env[@]}" "${!container}" -- "$@"
}

# The programs of Aprendiz among the descendants of a job of this script.
images_pids() {
    local job=images_job_$1
    [[ -z ${!job:-} ]] || ps -eo pid=,ppid=,comm= | awk -v root="${!job}" '
        { parent[$1] = $2; name[$1] = $3 }
        END {
            for (pid in name) {
                if (name[pid] !~ /^aprendiz/) continue
                for (up = parent[pid]; up in parent && up != root; up = parent[up]) continue
                if (up == root) print pid
            }
        }'
}

images_ended() { [[ -z $(images_pids "$1") ]]; }

# images_terminate NAME: SIGTERM to the program, as a container runtime does; the exit code is that of the program.
images_terminate() {
    local pid status=0 job=images_job_$1
    for pid in $(images_pids "$1"); do kill -TERM "$pid" 2>/dev/null || true; done
    wait_for 60 "the end of the $1" images_ended "$1" || return 1
    wait "${!job}" || status=$?
    return "$status"
}

# images_secret NAME VALUE: a file that only the user of the images can read.
images_secret() {
    (umask 077 && printf '%s\n' "$2" >"$images/in/$1")
    chown 10001:10001 "$images/in/$1"
}

images_run() {
    local name variable started key
    lock_state
    remember_port IMAGES_PORT
    remember_port IMAGES_WORKER_PORT
    unlock_state
    admin_sql "DROP DATABASE IF EXISTS aprendiz_images WITH (FORCE)"
    admin_sql "CREATE DATABASE aprendiz_images TEMPLATE template0"
    rm -rf "$images/data" "$images/in"
    mkdir -p "$images/in"
    "$(target_folder)/debug/aprendiz-sample" contracts --documents 120 --seed 3 --out "$images/in/sample.json.gz" >/dev/null
    printf 'This agreement for the rental of office space is managed by the property team.\n' >"$images/in/contract.txt"
    chmod 644 "$images"/in/*
    # secrets in files: arguments are visible to all users of the machine
    images_secret database "${DATABASE_URL%/*}/aprendiz_images"
    images_secret redis "$REDIS_URL"
    images_secret s3 "$(printf '[default]\naws_access_key_id=%s\naws_secret_access_key=%s' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY")"
    images_env=()
    for variable in DATABASE_URL_FILE=/in/database REDIS_URL_FILE=/in/redis AWS_SHARED_CREDENTIALS_FILE=/in/s3 AWS_ENDPOINT_URL_S3="$AWS_ENDPOINT_URL_S3" \
        AWS_REGION="$AWS_REGION" APRENDIZ_BUCKET="$APRENDIZ_BUCKET" APRENDIZ_BUCKET_PREFIX=images/ APRENDIZ_QUEUE_PREFIX=images \
        APRENDIZ_LISTEN="127.0.0.1:$IMAGES_PORT" APRENDIZ_URL="http://127.0.0.1:$IMAGES_PORT" APRENDIZ_PROBE_LISTEN="127.0.0.1:$IMAGES_WORKER_PORT" \
        APRENDIZ_IDLE_EXIT_SECONDS=2; do
        images_env+=(--env "$variable")
    done
    images_exec server aprendiz migrate >"$logs/images-migrate.log" 2>&1 || { show_log "$logs/images-migrate.log"; die "migrate failed"; }
    # everything that a container changes from now on must be in its writable folders
    touch "$images/started"
    started=$(now_ms)
    images_exec server aprendiz serve </dev/null >"$logs/images-serve.log" 2>&1 &
    images_job_server=$!
    wait_for 60 "the server" curl -sf --max-time 5 "http://127.0.0.1:$IMAGES_PORT/readyz" || { show_log "$logs/images-serve.log"; die "the server did not start"; }
    took "start of the server" "$started"
    started=$(now_ms)
    images_exec worker aprendiz-worker </dev/null >"$logs/images-worker.log" 2>&1 &
    images_job_worker=$!
    wait_for 60 "the worker" curl -sf --max-time 5 "http://127.0.0.1:$IMAGES_WORKER_PORT/readyz" || { show_log "$logs/images-worker.log"; die "the worker did not start"; }
    took "start of the worker" "$started"
    images_exec server /usr/local/bin/aprendiz-probe "$IMAGES_PORT" /healthz || die "the health check of the server fails"
    images_exec worker /usr/local/bin/aprendiz-probe "$IMAGES_WORKER_PORT" /healthz || die "the health check of the worker fails"
    ! images_exec worker /usr/local/bin/aprendiz-probe 1 /healthz 2>/dev/null || die "the health check passes without a program"
    key=$(images_exec server aprendiz -o json api-key create --name images --role admin | jq -r .key)
    images_secret key "$key"
    images_env+=(--env APRENDIZ_API_KEY_FILE=/in/key)
    images_exec server aprendiz import /in/sample.json.gz >/dev/null 2>"$logs/images-import.log" || { show_log "$logs/images-import.log"; die "import failed"; }
    images_exec server aprendiz run create --model contracts --kind linear --fields contract_type --wait >"$logs/images-train.log" 2>&1 ||
        { show_log "$logs/images-train.log"; show_log "$logs/images-worker.log"; die "training failed"; }
    images_exec server aprendiz -o json predict --model contracts /in/contract.txt >"$images/prediction.json" 2>"$logs/images-predict.log" ||
        { show_log "$logs/images-predict.log"; die "prediction failed"; }
    jq -e 'type == "object"' "$images/prediction.json" >/dev/null || die "the prediction is no object"
    images_terminate worker || die "the worker ended with exit code $? after SIGTERM"
    # the script of Kubernetes Jobs: without runs, it ends by itself
    images_exec worker /usr/local/bin/aprendiz-run-until-idle >"$logs/images-idle.log" 2>&1 || { show_log "$logs/images-idle.log"; die "the idle worker did not end with exit code 0"; }
    images_terminate server || die "the server ended with exit code $? after SIGTERM"
    for name in server worker; do
        variable=images_root_$name
        if [[ -n $(find "${!variable}" -xdev -newer "$images/started" -type f ! -path '*/etc/resolv.conf' ! -path '*/etc/hosts' -print -quit) ]]; then
            find "${!variable}" -xdev -newer "$images/started" -type f >&2
            die "the $name writes to its root file system, which should be read-only"
        fi
    done
}

images_stop() {
    local name variable
    for name in server worker; do
        variable=images_container_$name
        images_terminate "$name" 2>/dev/null || true
        [[ -n ${!variable:-} ]] || continue
        images_buildah rm "${!variable}" >/dev/null 2>&1 || true
    done
    # images of former calls without a name: each layer is a whole copy
    images_buildah rmi --prune >/dev/null 2>&1 || true
}
