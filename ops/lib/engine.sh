# A reachable Docker Engine: the one that is there, else one that is installed and started here.
# The engine outlives us: containers and builds go on when the service stops.

engine_log=/var/log/eulermaker-dockerd.log

ensure_engine() {
    if ! engine_answers; then
        explain_unreachable_engine
        with_lock engine start_engine
    fi
    says "version $(engine_version) answers,"
}

engine_version() { timeout 10 docker version --format '{{.Server.Version}}'; }

engine_answers() { command -v docker >/dev/null && engine_version; }

# Whoever names an engine means that one: nothing is installed beside it.
explain_unreachable_engine() {
    if [[ -n ${DOCKER_HOST:-} ]]; then
        fail "DOCKER_HOST is set to $DOCKER_HOST, but no engine answers there." \
            "docker version    # says why; or use this machine's own engine: unset DOCKER_HOST"
    fi
    if [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]]; then
        fail "A Docker Engine has its socket here, but $(id -un) may not use it." \
            "sudo usermod --append --groups docker $(id -un) && newgrp docker"
    fi
    is_root || fail "No Docker Engine answers, and only root can start one." \
        "sudo systemctl start docker || sudo apt-get install docker.io"
}

start_engine() {
    engine_answers && return
    if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
        install_engine
    fi
    if engine_answers; then # the package started it, or only the client was missing
        return
    elif [[ -d /run/systemd/system ]]; then
        systemctl start docker 9>&-
    else
        start_engine_without_systemd
    fi
    await_engine
}

# From Debian 13 on the client is a package of its own.
install_engine() {
    local packages=(docker.io)
    ! is_debian_like || apt_get update # to know what there is
    [[ -z $(apt-cache madison docker-cli 2>/dev/null) ]] || packages+=(docker-cli)
    install_packages "There is no Docker Engine" "${packages[@]}"
    hash -r
}

start_engine_without_systemd() {
    note "starting dockerd (no systemd here), its log is $engine_log"
    remove_stale_pid_files
    setsid dockerd >>"$engine_log" 2>&1 </dev/null 3>&- 9>&- &
}

# After a kill -9 the number in the file may belong to another program by now, and dockerd would refuse to start.
remove_stale_pid_files() {
    local file
    for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
        [[ -f $file ]] || continue
        [[ $(cat "/proc/$(<"$file")/comm" 2>/dev/null) =~ ^(dockerd|containerd)$ ]] || rm -f "$file"
    done
}

# Docker 20.10, killed while it makes a network, panics over it at every start.
explain_half_made_network() {
    tail -n 200 "$engine_log" 2>/dev/null | grep -q 'libnetwork.*reservePools' || return 0
    fail "The Docker Engine cannot start: it was killed while it made a network, and cannot read its list of networks." \
        "rm /var/lib/docker/network/files/local-kv.db    # forgets all networks; those of EulerMaker are made again"
}

await_engine() {
    local deadline=$((SECONDS + 60))
    until engine_answers; do
        if ((SECONDS > deadline)); then
            explain_half_made_network
            tail -n 20 "$engine_log" >&3 2>/dev/null || true
            fail "The Docker Engine did not answer within 60 s." "tail -n 100 $engine_log    # or: journalctl -u docker"
        fi
        sleep 0.2
    done
}
