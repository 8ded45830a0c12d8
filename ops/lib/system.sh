# What this machine is, and installing packages of its distribution where we may.

is_root() { [[ $(id -u) -eq 0 ]]; }

is_debian_like() { [[ -r /etc/os-release ]] && grep -Eq '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; }

codename() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-stable}"); }

# install_packages WHY PACKAGE...: said aloud, as root on a Debian-like system only.
install_packages() {
    local why=$1
    shift
    if ! is_root || ! is_debian_like; then
        fail "$why" "sudo apt-get install $*    # or your system's packages of that kind"
    fi
    note "$why: apt-get installs $*"
    export DEBIAN_FRONTEND=noninteractive
    apt_get update
    apt_get install --yes --no-install-recommends "$@"
}

# Another apt may be at work (unattended upgrades on a fresh machine): wait for its lock.
apt_get() { apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq "$@" 9>&-; }
