#!/usr/bin/env bash
# A part of ./dev: benchmarks.
# shellcheck disable=SC2154 # ./dev sets what is not set here

# Without a name: the scenarios of tests/bench/bench.py.
cmd_bench() {
    local known=(token match index ring history publish batch sites cluster http2) name
    case ${1-} in
    '' | -*)
        bench_prepare
        bench_scenarios "$@"
        return
        ;;
    all)
        [ $# = 1 ] || die "bench all takes no arguments"
        bench_prepare
        for name in "${known[@]}"; do
            bench_part "$name"
        done
        bench_scenarios
        return
        ;;
    esac
    case " ${known[*]} " in
    *" $1 "*) ;;
    *) die "bench has no part $1. There are: ${known[*]}, all; or options, for the scenarios" ;;
    esac
    bench_prepare
    bench_part "$@"
}

bench_prepare() {
    prepare
    need_build python3
    build default --enable-werror
    mkdir -p "$state/bench"
}

bench_scenarios() { # OPTION…
    case " $* " in
    *' nchan '* | *=nchan*) need nginx-light libnginx-mod-nchan ;;
    esac
    quietly bench make -C "$tree" -j"$jobs" tests/bench/load/load tests/bench/raw
    env MERCURE_LIVE_DIR="$state/bench" MERCURE_MODULE="$tree/.libs/mod_mercure.so" \
        /usr/bin/python3 "$src/tests/bench/bench.py" --build "$tree" "$@" 9>&-
}

# The parts run one after the other, because they measure processor time.
bench_part() { # NAME [ARGUMENT…]
    local name=$1
    shift
    printf '== %s\n' "$name"
    case $name in
    publish | batch | sites | cluster)
        quietly bench make -C "$tree" -j"$jobs" tests/bench/load_post tests/bench/load/load
        env MERCURE_LIVE_DIR="$state/bench" MERCURE_MODULE="$tree/.libs/mod_mercure.so" \
            /usr/bin/python3 "$src/tests/bench/bench_$name.py" "$tree/tests/bench/load_post" "$@" 9>&-
        return
        ;;
    http2)
        need nghttp2-client
        quietly bench make -C "$tree" -j"$jobs" tests/bench/load/load tests/bench/load_http2
        env MERCURE_LIVE_DIR="$state/bench" MERCURE_MODULE="$tree/.libs/mod_mercure.so" \
            /usr/bin/python3 "$src/tests/bench/bench_http2.py" "$tree" "$@" 9>&-
        return
        ;;
    history) set -- "$state/bench" "$@" ;;
    esac
    quietly bench make -C "$tree" -j"$jobs" "tests/bench/bench_$name"
    "$tree/tests/bench/bench_$name" "$@" 9>&-
}
