#!/usr/bin/env bash
# A part of ./dev: builds with other compilers, options, systems and versions of httpd.
# shellcheck disable=SC2154 # ./dev sets the other variables

# What `./dev builds` compiles without a name. The others need the network, or take long.
usual_builds=(clang ndebug least musl)
other_builds=(gcc without-hiredis without-icu without-lmdb without-nghttp2 rpm i386 trixie)

# Live tests of another httpd or system: the protocol, streams that leave mod_ssl, and HTTP/2.
live_elsewhere='test_draft.py test_tls.py test_http2.py'

builds_help="./dev builds takes: all ${usual_builds[*]} ${other_builds[*]} httpd=FOLDER"

cmd_builds() { # [NAME…]
    local name names=("$@")
    case ${names[*]} in
    '') names=("${usual_builds[@]}") ;;
    all) names=("${usual_builds[@]}" "${other_builds[@]}") ;;
    esac
    for name in "${names[@]}"; do
        case " ${usual_builds[*]} ${other_builds[*]} " in
        *" $name "*) ;;
        *)
            [ "${name#httpd=}" != "$name" ] || die "no build $name: $builds_help"
            [ -f "${name#httpd=}/include/ap_release.h" ] || die "${name#httpd=} has no sources of httpd"
            ;;
        esac
    done
    promise_result
    prepare
    need_build check redis-tools
    limit_descriptors
    for name in "${names[@]}"; do one_build "$name"; done
    finish
}

# Each build is one result. It runs in its own process, so an error in it ends no other build.
one_build() { # NAME
    local status=0
    (
        set -e
        case $1 in
        gcc) built gcc CC=gcc ;;
        clang)
            need clang
            built clang CC=clang
            ;;
        ndebug) built ndebug CPPFLAGS=-DNDEBUG ;;
        least) left_out least --without-hiredis --without-icu --without-lmdb --without-nghttp2 ;;
        without-*) left_out "$1" "--$1" ;;
        musl) musl_build ;;
        rpm) rpm_build ;;
        i386) system_build i386 i386 bookworm ;;
        trixie) system_build trixie "$(dpkg --print-architecture)" trixie ;;
        httpd=*) httpd_build "${1#httpd=}" ;;
        esac
    ) &
    wait $! || status=$?
    add "build $1" $((status == 0)) $((status != 0)) 0 "$status"
}

# Builds everything, and runs the unit tests.
built() { # NAME CONFIGURE-OPTION…
    local name=builds-$1 live_tests=${live_tests:-none}
    shift
    build "$name" --enable-werror "$@"
    step "unit tests of $name"
    quietly "$name" "${direct[@]}" make -C "$tree" -j"$jobs" check 9>&-
    if [ "$live_tests" != none ]; then
        step "live tests of $name"
        # shellcheck disable=SC2086 # the names of files
        quietly "$name" run_live -n "$jobs" --mpm event $live_tests
    fi
    rm -rf "$tree"
}

# The same for a build without some parts, with live tests of its messages about them and of the other parts.
left_out() { # NAME CONFIGURE-OPTION…
    need_tests
    local live_tests='test_left_out.py test_hub.py'
    built "$@"
}

# The core and the store against the headers of musl.
musl_build() {
    need musl-tools
    sync_sources
    quietly musl "$src/tests/packages/musl" "$state/musl"
}

# The RPM, as far as it can be built on Debian: from the archive, with the unit tests that it runs.
rpm_build() {
    need rpm
    build default --enable-werror
    quietly rpm "$src/tests/packages/rpm" "$tree" "$state/rpm" 9>&-
}

# Another system of Debian, in a folder that stays for the next time: a 32-bit one, or the next release, whose compiler,
# OpenSSL and other libraries are newer.
system_build() { # NAME ARCHITECTURE RELEASE
    [ "$(id -u)" = 0 ] || die "only root can install a system in a folder"
    need debootstrap
    sync_sources
    generate_configure
    step "building and testing in Debian $3 for $2"
    quietly "$1" "$src/tests/packages/system" "$src" "$state/$1" "$2" "$3" "$live_elsewhere" \
        "${build_packages[@]}" check redis-tools python3-pytest python3-pytest-xdist python3-h2 openssl curl 9>&-
}

# The httpd whose sources are in FOLDER, the module for it, unit tests, and live tests of the event MPM.
httpd_build() { # FOLDER
    local folder prefix patch live_tests=$live_elsewhere
    folder=$(realpath "$1")
    prefix=$state/httpd/$(basename "$folder")
    need_tests
    need libpcre3-dev # httpd before 2.4.52 needs it
    step "building httpd of $folder"
    quietly httpd "$src/tests/packages/httpd" "$folder" "$prefix" 9>&-
    # These tell the live tests where httpd and its modules are.
    export HTTPD=$prefix/bin/httpd HTTPD_MODULES=$prefix/modules
    patch=$(sed -nE 's/^#define AP_SERVER_PATCHLEVEL_NUMBER +([0-9]+)$/\1/p' "$folder/include/ap_release.h")
    # Before 2.4.52, mod_ssl does not support OpenSSL 3, and the module leaves HTTP/2 to mod_http2.
    if [ "$patch" -ge 52 ]; then
        live_tests+=' test_http2_default.py test_http2_modules.py test_http2_requests.py test_http2_streams.py'
    else
        live_tests='test_draft.py test_hub.py'
    fi
    built "httpd-$(basename "$folder")" --with-apxs="$prefix/bin/apxs" --with-module-dir="$prefix/modules"
}
