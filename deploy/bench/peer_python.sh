# Provides a Python with sentence-transformers to the benchmarks that compare with it; sourced by them.

# peer_python [PYTHON]: prints PYTHON, or else the Python of a virtual environment shared by these benchmarks.
peer_python() {
    local python=$1 venv=$root/.dev/sentence-transformers
    if [[ -z $python ]]; then
        python=$venv/bin/python
        [[ -x $python ]] || python3 -m venv "$venv" >&2
        "$python" -c 'import sentence_transformers, sklearn' 2>/dev/null || "$venv/bin/pip" install --quiet 'sentence-transformers==6.2.*' >&2
    fi
    printf '%s' "$python"
}
