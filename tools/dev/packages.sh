#!/usr/bin/env bash
# A part of ./dev: Debian's packages.
# shellcheck disable=SC2154 # ./dev sets the other variables

# Runs apt-get with its output in the log NAME. Another apt-get may hold its locks for minutes, such as that of
# unattended-upgrades on a machine that has just booted.
apt_get() { # NAME ARGUMENT…
    local log=$state/log/$1.log tries=60
    shift
    until logged "$log" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=10 "$@"; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || ! grep -q 'Could not get lock' "$log"; then return 1; fi
        step "waiting for another apt-get"
        sleep "${apt_pause:-10}"
    done
}

# Installs the Debian packages that are missing. Only root can do that, so another user gets their names.
need() {
    local missing=() package installed
    if ! command -v dpkg-query >/dev/null; then
        return # not Debian: configure reports what is missing
    fi
    # shellcheck disable=SC2016 # the names are dpkg's
    installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || :)
    for package; do
        grep -qx "$package installed" <<<"$installed" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        die "missing packages; as root: apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing packages: ${missing[*]}"
    step "updating apt's lists"
    apt_get apt-update update || { show_log apt-update; die "apt-get update failed"; }
    step "downloading and unpacking"
    apt_get apt-install install -y --no-install-recommends "${missing[@]}" ||
        { show_log apt-install; die "apt-get install failed"; }
}

# The packages that a build needs, and PACKAGEs.
need_build() { # [PACKAGE…]
    need git "${build_packages[@]}" "$@"
    update_libraries
}

# The packages that the tests need.
need_tests() { need_build "${test_packages[@]}"; }

# Names and versions of apache2-bin and of the libraries that it depends on. libc6 is left out: its symbols
# have versions, so a package cannot be installed with a libc6 that is too old for it.
httpd_libraries() {
    local names
    mapfile -t names < <(dpkg-query -W -f='${Depends}' apache2-bin 2>/dev/null | sed 's/[,|]/\n/g' |
        sed -nE 's/^ *((lib|zlib)[a-z0-9.+-]+).*/\1/p' | grep -vx libc6)
    dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' apache2-bin "${names[@]}" 2>/dev/null |
        sed -n 's/^installed //p'
}

# Upgrades the libraries of httpd that are older than what apt offers. Debian's apache2-bin accepts any libssl3
# of the same ABI, but mod_ssl warns at every start when it was built with a newer one, and apt upgrades the
# libraries of a new package only where the package asks for a newer version. apt's lists on the disk say
# whether an upgrade exists; this checks them once for each set of installed versions. httpd works with the
# old libraries, so a failure here does not end the command.
update_libraries() {
    local versions libraries old
    local upgrade=(-o Acquire::Retries=0 -o Acquire::http::Timeout=20
        install -y --only-upgrade --no-remove --no-install-recommends)
    versions=$(httpd_libraries || :)
    if [ -z "$versions" ] || [ "$(cat "$state/libraries" 2>/dev/null)" = "$versions" ]; then
        return 0
    fi
    mapfile -t libraries < <(sed 's/ .*//; /^apache2-bin$/d' <<<"$versions")
    mapfile -t old < <(apt-get -qq --simulate "${upgrade[@]}" "${libraries[@]}" 2>/dev/null |
        sed -n 's/^Inst \([^ ]*\).*/\1/p')
    if [ ${#old[@]} != 0 ] && [ "$(id -u)" != 0 ]; then
        say "some packages are older than apache2-bin expects; as root: apt-get install --only-upgrade ${old[*]}"
    elif [ ${#old[@]} != 0 ]; then
        say "upgrading packages that are older than apache2-bin expects: ${old[*]}"
        upgrade+=("${libraries[@]}")
        apt_get apt-upgrade "${upgrade[@]}" || { apt_get apt-update update && apt_get apt-upgrade "${upgrade[@]}"; } ||
            say "the upgrade failed ($state/log/apt-upgrade.log); everything works with the older packages too"
        versions=$(httpd_libraries || :)
    fi
    printf '%s\n' "$versions" >"$state/libraries"
}
