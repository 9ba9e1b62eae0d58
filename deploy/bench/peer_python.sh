# A Python with sentence-transformers, for the benchmarks that have it as their peer; sourced by them.

# peer_python [PYTHON]: the one that is named, or one in a virtual environment that all of these benchmarks share.
peer_python() {
    local named=$1 venv=$root/.dev/sentence-transformers
    if [[ -z $named ]]; then
        named=$venv/bin/python
        [[ -x $named ]] || python3 -m venv "$venv" >&2
        "$named" -c 'import sentence_transformers, sklearn' 2>/dev/null || "$venv/bin/pip" install --quiet 'sentence-transformers==6.2.*' >&2
    fi
    printf '%s' "$named"
}
