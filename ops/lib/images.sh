# The images that builds and tests start from. None of them needs a registry: what cannot be pulled is bootstrapped
# from the machine's own package sources. A tag ends in a hash of its recipe: the same recipe is made once.

images=$ops/images

# The image that builds run in; the service learns it by EULERMAKER_BASE_IMAGE.
ensure_base_image() {
    local wanted=${EULERMAKER_BASE_IMAGE:-openeuler/openeuler:24.03-lts}
    local bootstrapped
    bootstrapped=eulermaker/base:$(codename)-$(recipe_hash debian base)
    if has_image "$wanted"; then
        export EULERMAKER_BASE_IMAGE=$wanted
    elif has_image "$bootstrapped"; then
        note "a stand-in made of Debian packages: the engine does not have $wanted (docker pull $wanted)"
        export EULERMAKER_BASE_IMAGE=$bootstrapped
    elif note "pulling $wanted" && pull "$wanted"; then
        export EULERMAKER_BASE_IMAGE=$wanted
    else
        note "it cannot be pulled: bootstrapping a Debian with an RPM toolchain (about a minute)"
        ensure_debian_image
        with_lock images build_image "$bootstrapped" base
        export EULERMAKER_BASE_IMAGE=$bootstrapped
    fi
    says "$EULERMAKER_BASE_IMAGE is here,"
}

# A registry that is there answers within half a minute; the download itself may take its time.
pull() {
    local answer
    coproc PULL { timeout 1800 docker pull "$1" 2>&1; }
    local pid=$PULL_PID
    if ! read -r -t 30 answer <&"${PULL[0]}"; then
        kill "$pid" 2>/dev/null || true
        return 1
    fi
    printf '%s\n' "$answer"
    cat <&"${PULL[0]}" || true
    wait "$pid"
}

# The minimal Debian below all images made here.
ensure_debian_image() {
    debian_image=eulermaker/debian:$(codename)-$(recipe_hash debian)
    has_image "$debian_image" || with_lock images make_debian_image
}

make_debian_image() {
    has_image "$debian_image" && return
    if ! command -v mmdebstrap >/dev/null; then
        install_packages "The bootstrap of an image needs mmdebstrap" mmdebstrap
    fi
    # Named only now: of a bootstrap that fails at once an empty image is made all the same.
    local id
    id=$("$images/debian/bootstrap" | docker import --change 'CMD ["bash"]' --change 'ENV LC_ALL=C.UTF-8' -)
    docker tag "$id" "$debian_image"
}

# build_image TAG DIRECTORY: the classic builder of the engine, which every client and every engine has.
build_image() {
    has_image "$1" && return
    DOCKER_BUILDKIT=0 docker build --build-arg "BASE_IMAGE=$debian_image" --tag "$1" "$images/$2"
}

has_image() { docker image inspect --format '{{.Id}}' "$1" 2>/dev/null; }

# recipe_hash DIRECTORY...: names and contents of all files a recipe consists of.
recipe_hash() {
    (cd "$images" && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum | head -c 12
}

# What testcontainers starts; EULERMAKER_TEST_BASE_IMAGE is a small image for plain containers.
ensure_test_images() {
    ensure_debian_image
    export EULERMAKER_TEST_BASE_IMAGE=$debian_image
    local name tag variable
    for name in postgres redis registry; do
        variable=EULERMAKER_TEST_${name^^}_IMAGE
        tag=eulermaker/test-$name:$(codename)-$(recipe_hash debian "$name")
        if [[ -z ${!variable:-} ]] && ! has_image "$tag"; then
            note "building $tag"
            with_lock images build_image "$tag" "$name"
        fi
        export "$variable=${!variable:-$tag}"
    done
}
