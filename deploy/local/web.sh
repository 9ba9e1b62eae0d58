# ./dev web: builds the web interface, which the next build of aprendiz embeds.

web_folder=$root/web
web_bundle=$root/web/dist

# Whether this machine can build the interface. A Node.js that ./dev packages has installed takes part if there is no other one.
has_web_tools() {
    is_node_new || { [[ -x $state/node/bin/node ]] && PATH=$state/node/bin:$PATH && is_node_new; }
}

is_node_new() {
    command -v npm >/dev/null && command -v node >/dev/null || return 1
    [[ $(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0) -ge 20 ]]
}

web() {
    [[ $# -eq 0 ]] || die "unknown argument of web: $1"
    has_web_tools || die "the web interface needs Node.js 20 or newer with npm on PATH"
    step "install packages" web_packages
    step "build the web interface" web_npm run build
    [[ -s $web_bundle/index.html ]] || die "npm run build wrote no web/dist/index.html"
    step "compress" web_compress
    say "web/dist: $(find "$web_bundle" -type f ! -name '*.br' | wc -l) files. Build aprendiz to embed them: cargo build -p producer"
}

web_npm() { (cd "$web_folder" && npm "$@"); }

# Installs the packages of package-lock.json, unless they are installed. npm writes the file in node_modules at the end.
web_packages() {
    [[ $web_folder/node_modules/.package-lock.json -nt $web_folder/package-lock.json ]] || web_npm ci --silent --no-audit --no-fund
}

# Writes a file compressed with Brotli beside each file that becomes smaller by it. Pictures and fonts are compressed already.
web_compress() {
    node --input-type=module - "$web_bundle" <<'JS'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const folder = process.argv[2];
for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name);
  if (name.endsWith(".br")) rmSync(path);
  // the page has another nonce in every response
  if (name === "index.html" || !/\.(js|mjs|css|svg|json|webmanifest|txt|wasm)$/.test(name) || !statSync(path).isFile()) continue;
  const bytes = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const compressed = brotliCompressSync(bytes, { params });
  if (compressed.length < bytes.length) writeFileSync(`${path}.br`, compressed);
}
JS
}

# Whether web/dist is missing, or older than what it is built from.
is_web_outdated() {
    [[ -s $web_bundle/index.html ]] || return 0
    [[ -n $(find "$web_folder" \
        \( -name node_modules -o -name dist -o -name build -o -name tests -o -name screenshots -o -name README.md \) -prune -o -type f -newer "$web_bundle/index.html" -print -quit) ]]
}

# For commands that use the interface if it can be built, and work without it.
web_if_possible() {
    is_web_outdated || return 0
    if ! has_web_tools; then
        say "── web interface: skipped, because Node.js 20 or newer is missing"
    # a process of its own: in a condition, this shell would go on after a failed step
    elif ! "$root/dev" web; then
        warn "the web interface was not built: see the message above; aprendiz works without it"
    fi
}

# For the tests of sign-in, which are skipped without the packages of their provider.
oidc_packages_if_possible() {
    local folder=$root/e2e/oidc
    [[ $folder/package-lock.json -nt $folder/node_modules/.package-lock.json ]] || return 0
    if ! has_web_tools; then
        say "── provider of the tests of sign-in: skipped, because Node.js 20 or newer is missing"
    elif ! (cd "$folder" && npm ci --silent --no-audit --no-fund); then
        warn "the packages of e2e/oidc could not be installed: the tests of sign-in are skipped"
    fi
}
