# ./dev release: programs as a release has them, with everything that belongs to them.

# release [FOLDER]
release() {
    local out version target name
    [[ $# -le 1 ]] || die "release takes one argument, the folder to write to"
    need_rust
    command -v python3 >/dev/null || die "python3 is required"
    prepare_state
    out=${1:-$state/release}
    has_web_tools || die "a release contains the web interface: install Node.js 20 or newer"
    step "web interface" web
    step "build" release_build
    release_bin=$(target_folder)/release
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
    target=$(rustc -vV | sed -n 's/^host: //p')
    name=aprendiz-$version-$target
    release_folder=$out/$name
    rm -rf "$release_folder"
    mkdir -p "$release_folder"
    cp "$release_bin/aprendiz" "$release_bin/aprendiz-worker" "$root"/{README.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE} "$release_folder"
    step "licences" release_licences
    step "bill of materials" release_sbom
    step "manual pages and completions" release_manuals
    # the same files give the same archive
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git -C "$root" log -1 --format=%ct)" -C "$out" -c "$name" | gzip -n >"$out/$name.tar.gz"
    (cd "$out" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
    say "$out/$name.tar.gz: $("$release_folder/aprendiz" --version), $(du -h "$out/$name.tar.gz" | cut -f 1)"
}

# A release has its revision from git, and may not have changes that are not committed.
release_build() {
    [[ -z $(git -C "$root" status --porcelain --untracked-files=no) ]] || warn "there are changes that are not committed: --version says -dirty"
    SQLX_OFFLINE=true cargo build --locked --release --workspace --bins
}

release_licences() {
    python3 "$root/deploy/release/licences.py" producer --web >"$release_folder/THIRD-PARTY-aprendiz.txt"
    python3 "$root/deploy/release/licences.py" worker >"$release_folder/THIRD-PARTY-aprendiz-worker.txt"
}

release_sbom() {
    python3 "$root/deploy/images/sbom.py" producer >"$release_folder/aprendiz.cdx.json"
    python3 "$root/deploy/images/sbom.py" worker >"$release_folder/aprendiz-worker.cdx.json"
}

release_manuals() {
    "$release_bin/aprendiz" man --dir "$release_folder/man/man1" >/dev/null
    mkdir -p "$release_folder/completions"
    "$release_bin/aprendiz" completions bash >"$release_folder/completions/aprendiz.bash"
    "$release_bin/aprendiz" completions zsh >"$release_folder/completions/_aprendiz"
    "$release_bin/aprendiz" completions fish >"$release_folder/completions/aprendiz.fish"
    "$release_bin/aprendiz" openapi >"$release_folder/openapi.json"
}
