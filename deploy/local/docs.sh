# ./dev docs: the reference that is generated from the code, the links of all pages, and the documentation site.

docs_folder=$root/deploy/docs

# docs [--update]
docs() {
    local update=no argument bin
    for argument in "$@"; do
        case $argument in
            --update) update=yes ;;
            *) die "unknown argument of docs: $argument (expected --update)" ;;
        esac
    done
    need_rust
    command -v python3 >/dev/null || die "python3 is required"
    prepare_state
    step "build" build_workspace --bins --examples
    bin=$(target_folder)/debug
    step "reference" docs_reference "$update"
    step "links" check_links
    if command -v "$(mdbook_program)" >/dev/null; then
        step "site" python3 "$docs_folder/book.py" --mdbook "$(mdbook_program)" --bin "$bin" --to "$state/docs"
    else
        say "── site: skipped, because mdBook is not installed (./dev tools installs it)"
    fi
}

# docs_reference UPDATE: compares docs/reference with the code, or writes it.
docs_reference() {
    local -a mode=(--check)
    [[ $1 == no ]] || mode=()
    python3 "$docs_folder/reference.py" --bin "$bin" ${mode[@]+"${mode[@]}"}
}

# Relative links and headings of all pages; needs no build.
check_links() { python3 "$docs_folder/links.py"; }

# mdBook from PATH, or that of this checkout.
mdbook_program() {
    if command -v mdbook >/dev/null; then printf 'mdbook'; else printf '%s' "$root/.dev/mdbook/bin/mdbook"; fi
}

# Installs mdBook below .dev, without what it needs only to serve and watch pages.
install_mdbook() {
    if command -v "$(mdbook_program)" >/dev/null; then
        say "mdbook: $("$(mdbook_program)" --version)"
    else
        step "install mdbook" cargo install --locked mdbook --version 0.5.4 --no-default-features --features search --root "$root/.dev/mdbook"
    fi
}
