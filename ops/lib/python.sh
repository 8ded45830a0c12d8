# The Python environment .venv: exactly what a lock file with hashes says, and the project itself in editable form.
# uv does the work; it is installed by pip, pinned by hash, into an environment of its own.

venv=$root/.venv
uv_venv=$root/.venvs/uv

# ensure_python runtime|dev: the dev set holds the runtime set at the same versions, so an environment for tests
# also runs the service, and stays one for tests.
ensure_python() {
    local set=$1
    [[ $(installed) != dev* ]] || set=dev
    if [[ $(installed) == "$set $(wanted_hash "$set")" ]]; then
        says "up to date,"
        return
    fi
    with_lock "python-$(printf '%s' "$root" | sha256sum | head -c 8)" install_python "$set"
}

installed() { [[ ! -x $venv/bin/python ]] || cat "$venv/.installed" 2>/dev/null || true; }

# The directory counts too: an environment that was moved with its checkout no longer works.
wanted_hash() { (cd "$root" && { pwd && cat pyproject.toml "$(lock_file "$1")"; } | sha256sum | head -c 64); }

lock_file() {
    case $1 in
        runtime) echo ops/requirements.txt ;;
        dev) echo ops/requirements-dev.txt ;;
    esac
}

install_python() {
    local set=$1 python
    find_python
    ensure_uv "$python"
    export UV_PYTHON_DOWNLOADS=never
    # As the rest of the machine does: behind a proxy of the organisation its own authority is in there.
    [[ ! -r /etc/ssl/certs/ca-certificates.crt ]] || export UV_SYSTEM_CERTS=true
    "$venv/bin/python" -c '' 2>/dev/null || "$uv_venv/bin/uv" venv --quiet --clear --python "$python" "$venv"
    "$uv_venv/bin/uv" pip sync --python "$venv" --require-hashes "$root/$(lock_file "$set")"
    "$uv_venv/bin/uv" pip install --python "$venv" --no-deps --no-build-isolation --editable "$root"
    echo "$set $(wanted_hash "$set")" >"$venv/.installed"
}

# Sets `python` to a python3 that is new enough and can make environments.
find_python() {
    local installed_now=
    until python=$(usable_python); do
        [[ -z $installed_now ]] || fail "This system's python3 is older than 3.11." \
            "sudo apt-get install python3.11 python3.11-venv    # or any newer one"
        install_packages "There is no python3 with its venv module" python3 python3-venv
        hash -r
        installed_now=yes
    done
}

usable_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# ensure_uv PYTHON
ensure_uv() {
    local lock=$root/ops/requirements-uv.txt
    cmp --silent "$lock" "$uv_venv/.installed" && return
    "$1" -m venv --clear "$uv_venv"
    "$uv_venv/bin/python" -m pip install --quiet --require-hashes --requirement "$lock"
    cp "$lock" "$uv_venv/.installed"
}
