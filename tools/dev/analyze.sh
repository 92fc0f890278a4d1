#!/usr/bin/env bash
# A part of ./dev: static analysis.
# shellcheck disable=SC2154 # ./dev sets the other variables

# The value of VARIABLE in the Makefile of $tree.
make_value() { # VARIABLE
    # shellcheck disable=SC2016 # the variable is make's
    printf 'include Makefile\nvalue:\n\t@echo $(%s)\n' "$1" | make -s -C "$tree" -f - value
}

# clang-tidy with the checks of .clang-tidy. Here, every file may see the headers of all layers.
tidy() {
    local flags
    flags="$(make_value CORE_CPPFLAGS) $(make_value STORE_CPPFLAGS) $(make_value MODULE_CPPFLAGS)"
    # shellcheck disable=SC2016 # the inner shell expands the variables
    find "$src/src" "$src/tools" "$src/mod_mercure.c" -name '*.c' -print0 |
        env -C "$tree" FLAGS="$flags" SETTINGS="$src/.clang-tidy" xargs -0 -P "$jobs" -n 8 bash -c '
            clang-tidy --quiet --warnings-as-errors="*" --config-file="$SETTINGS" "$@" -- \
                -std=gnu11 -D_GNU_SOURCE $FLAGS' tidy
}

# gcc's analyzer does not follow every relation between values. tools/dev/analyze.known lists its mistakes: the file, the kind
# of the warning, and why it does not apply.
unknown_warnings() {
    sed -nE "s/^$(sed 's/[/.]/\\&/g' <<<"$src")\/([^:]+):.* \[-Wanalyzer-([a-z-]+)\]\$/\1 \2/p" "$state/log/make.log" |
        grep -vxFf <(sed -E '/^#/d; s/^([^ ]+ [^ ]+).*/\1/' "$src/tools/dev/analyze.known") | sort -u
}

cmd_analyze() {
    local status=0 found=''
    promise_result
    prepare
    need_build clang-tidy
    build default --enable-werror
    step "running clang-tidy"
    quietly tidy tidy || status=1
    add clang-tidy $((status == 0)) $((status != 0)) 0 "$status"
    rm -rf "$state/build/analyze"
    build analyze CC=gcc CFLAGS='-g -O1 -fanalyzer'
    found=$(unknown_warnings || :)
    if [ -n "$found" ]; then printf 'gcc -fanalyzer warns, see %s:\n%s\n' "$state/log/make.log" "$found"; fi
    status=$([ -z "$found" ] && echo 0 || echo 1)
    add fanalyzer $((status == 0)) "$status" 0 "$status"
    finish
}
