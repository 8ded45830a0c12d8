# How set-up shows itself: each step with its name and the time it took, its output in a log file.
# A step that fails shows the end of that log, or the sentence and the command given to `fail`.
# Sourced by ops/up and ops/test, which run under `set -euo pipefail`.

setup_log=/dev/null
step_name=
step_says=

# start_steps LOG: from here on file descriptor 3 is the person's screen.
start_steps() {
    setup_log=$1
    mkdir -p "$(dirname "$setup_log")"
    : >"$setup_log"
    exec 3>&2
    trap 'report_failure $?' EXIT
}

# The program that follows inherits neither the trap nor the descriptor.
end_steps() {
    trap - EXIT
    exec 3>&-
}

# step NAME COMMAND...: COMMAND runs in this shell, so that it can export what it found.
step() {
    step_name=$1
    step_says=
    shift
    local began=$EPOCHREALTIME
    printf '==> %s ... ' "$step_name" >&3
    printf '\n==> %s: %s\n' "$step_name" "$*" >>"$setup_log"
    "$@" >>"$setup_log" 2>&1 </dev/null
    printf '%s in %s s\n' "${step_says:-done}" "$(seconds_since "$began")" >&3
    step_name=
}

# note TEXT: explains a wait, or a decision, while the step goes on.
note() {
    printf '\n    %s ... ' "$1" >&3
    printf '%s\n' "$1"
}

# says TEXT: what stands in place of "done".
says() { step_says=$1; }

# fail SENTENCE COMMAND: gives up; the person is told what to type.
fail() {
    printf '\n\n%s\nType this, then start again:\n\n    %s\n\n' "$1" "$2" >&3
    setup_log=
    exit 1
}

report_failure() {
    [[ $1 -ne 0 && -n $step_name ]] || return 0
    if (($1 > 128)); then
        printf '\n%s: interrupted\n' "$step_name" >&3
    elif [[ -n $setup_log ]]; then
        printf 'failed\n\n' >&3
        tail -n 25 "$setup_log" | sed 's/^/    /' >&3
        printf '\n%s failed; the whole output is in %s\n' "$step_name" "$setup_log" >&3
    fi
}

seconds_since() {
    local microseconds=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
    printf '%d.%d' $((microseconds / 1000000)) $((microseconds % 1000000 / 100000))
}

# with_lock NAME COMMAND...: one at a time on this machine; the others wait.
# What COMMAND leaves running must close descriptor 9. Not to be nested.
with_lock() {
    local directory=/run/lock
    [[ -w $directory ]] || directory=/tmp
    exec 9>"$directory/eulermaker-$1-$(id -u).lock"
    shift
    flock --nonblock 9 || { note "another set-up is at the same step: waiting for it" && flock 9; }
    "$@"
    exec 9>&-
}
