#!/usr/bin/env bash
# A part of ./dev: shows the current step, and keeps the output of commands in logs.
# shellcheck disable=SC2154 # ./dev sets the other variables

# On a terminal, one line shows the current step, and is overwritten by the next; elsewhere each step gets a line.
in_place=''
if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then in_place=1; fi

show() { # TEXT, or nothing to clear the line
    if [ -n "$in_place" ]; then printf '\r%s\033[K' "$*" >&2; fi
}

# step LABEL [TOTAL NOUN REGEX]: LABEL describes the next command of quietly. Each line of its log that REGEX
# matches is one of TOTAL NOUNs that are done.
step() {
    steps=("$@")
    if [ -z "$in_place" ]; then say "$1${2:+ $2 $3}"; fi
}
steps=()

# Shows the step that writes to LOG, until the caller ends this function, or the caller itself ends.
watch() { # LOG LABEL [TOTAL NOUN REGEX]
    local start=$SECONDS text
    while kill -0 $$ 2>/dev/null; do
        text=$2
        if [ $# = 5 ]; then text+=" $(grep -cE "$5" "$1" || :) of $3 $4"; fi
        if [ $((SECONDS - start)) -ge 3 ]; then text+=", $((SECONDS - start)) s"; fi
        show "$text"
        sleep 0.2
    done
}

# quietly NAME COMMAND…: runs COMMAND with its output in the log NAME, which is shown when COMMAND fails.
quietly() {
    local name=$1 status=0
    shift
    logged "$state/log/$name.log" "$@" || {
        status=$?
        show_log "$name"
        say "dev: failed with status $status: $*"
    }
    return "$status"
}

show_log() { tail -n 80 "$state/log/$1.log" >&2; }

# Runs COMMAND with its output in LOG; shows the step, if there is one, in the meantime.
logged() { # LOG COMMAND…
    local log=$1 status=0 watcher=''
    shift
    : >"$log"
    if [ -n "$in_place" ] && [ ${#steps[@]} != 0 ]; then
        watch "$log" "${steps[@]}" 9>&- &
        watcher=$!
    fi
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ -n "$watcher" ]; then
        kill "$watcher" 2>/dev/null || :
        wait "$watcher" 2>/dev/null || :
        show
    fi
    steps=()
    return "$status"
}
