# Finds the programs that are needed; installs what is missing on Debian and Ubuntu, and leaves no service of the system
# started or enabled by that.

# The newest folder with PostgreSQL's server programs, 14 or newer: from PATH or where Debian puts them.
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
    pg_bin=$(postgres_bin) || die "PostgreSQL 14 or newer is needed: put its programs on PATH"
    command -v flock setsid setpriv >/dev/null || die "util-linux (flock, setsid, setpriv) is needed"
    command -v ps >/dev/null || install_packages procps
}

need_redis() {
    command -v redis-server >/dev/null || install_packages redis-server
    command -v redis-server >/dev/null || die "redis-server is needed: put it on PATH"
}

need_rust() {
    if ! command -v cargo >/dev/null && [[ -x $HOME/.cargo/bin/cargo ]]; then
        PATH=$HOME/.cargo/bin:$PATH
    fi
    command -v cargo >/dev/null || die "a Rust toolchain is needed: https://rustup.rs installs one"
    command -v cc >/dev/null || install_packages gcc libc6-dev
}

need_curl() { command -v curl >/dev/null || install_packages curl ca-certificates; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "neither root nor sudo: ask for these to be installed: $packages"
    fi
}

install_packages() {
    local packages="$*"
    command -v apt-get >/dev/null || die "please install: $packages (this script can only do so on Debian and Ubuntu)"
    prepare_state
    step "install $packages" apt_install "$@"
}

apt_install() {
    local conf=/etc/postgresql-common/createcluster.conf policy=/usr/sbin/policy-rc.d status=0
    local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
    as_root "${apt[@]}" update >"$logs/apt.log" 2>&1 || warn "apt-get update failed, trying with the lists at hand"
    # 101 = "not allowed to start"; whatever was there before comes back afterwards
    as_root sh -c "[ ! -e $policy ] || mv $policy $policy.aprendiz; printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy"
    if [[ " $* " == *" postgresql "* ]]; then
        # this package alone makes no cluster, and brings the setting that keeps the next from making one
        as_root "${apt[@]}" install --no-install-recommends postgresql-common >>"$logs/apt.log" 2>&1 || status=$?
        as_root sh -c "[ ! -e $conf ] || { cp -p $conf $conf.aprendiz; echo 'create_main_cluster = false' >>$conf; }"
    fi
    as_root "${apt[@]}" install --no-install-recommends "$@" >>"$logs/apt.log" 2>&1 || status=$?
    as_root sh -c "[ ! -e $conf.aprendiz ] || mv $conf.aprendiz $conf; rm -f $policy; [ ! -e $policy.aprendiz ] || mv $policy.aprendiz $policy"
    if [[ " $* " == *" redis-server "* ]]; then
        # it was not there before, so nobody asked for a Redis that starts with the machine
        as_root update-rc.d redis-server disable >>"$logs/apt.log" 2>&1 || true
    fi
    if ((status != 0)); then
        show_log "$logs/apt.log"
        die "apt-get could not install: $*"
    fi
}
