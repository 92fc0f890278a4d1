# shellcheck shell=sh
# The command line and the variables of the Go hub. mercure-hub sources this file.
# shellcheck disable=SC2034,SC2154 # mercure-hub and its parts share their variables

# Succeeds if the arguments are "caddy run …" or "mercure run …". No other command has a counterpart.
is_caddy_run() { # ARGUMENTS
    case ${1-} in
    caddy | */caddy | mercure | */mercure) ;;
    *) return 1 ;;
    esac
    case ${2-} in
    run) ;;
    mercure-token) die 'caddy mercure-token' 'run the command mercure-token instead' ;;
    *) die "caddy ${2-}" 'this command of the Go hub has no counterpart: run mercure-hub without arguments' ;;
    esac
}

# The Go hub's dev.Caddyfile lets everybody subscribe and turns on its debugger.
take_caddy_run() { # ARGUMENTS
    case $* in
    *dev.Caddyfile* | *Caddyfile.dev*)
        MERCURE_ALLOW_ANONYMOUS=${MERCURE_ALLOW_ANONYMOUS:-1}
        MERCURE_DEBUGGER=${MERCURE_DEBUGGER:-1}
        note 'caddy run: dev.Caddyfile is not read: MERCURE_ALLOW_ANONYMOUS=1 and MERCURE_DEBUGGER=1 replace it'
        ;;
    *) note 'caddy run: the Caddyfile is not read: the environment configures the hub, and MERCURE_EXTRA_DIRECTIVES may have the directives of its block "mercure"' ;;
    esac
}

note_ignored_variables() {
    ignored=$(awk 'BEGIN { for (name in ENVIRON) if (name ~ /^CADDY_[A-Z_]+$/ && ENVIRON[name] != "") print name }' 2>/dev/null | sort | tr '\n' ' ')
    for name in GLOBAL_OPTIONS MERCURE_LICENSE; do
        if is_set "$name"; then ignored="$name $ignored"; fi
    done
    if [ -n "$ignored" ]; then
        note "${ignored% }: ignored, because Caddy is not part of this hub (MERCURE_DEBUG=1 turns on the debug log)"
    fi
}

# Sets extra_… and transport…, which the head of caddyfile.awk explains, and exports keys.
extra_text='' extra_lines='' extra_modules='' extra_debugger='' extra_playground='' extra_legacy='' extra_issuers=''
extra_name='' extra_PUBLISHER_source='' extra_SUBSCRIBER_source='' transport='' transport_size='' transport_from=''
translate_directives() {
    if ! is_set MERCURE_EXTRA_DIRECTIVES && ! is_set MERCURE_TRANSPORT_URL; then
        return
    fi
    if ! command -v awk >/dev/null; then
        die MERCURE_EXTRA_DIRECTIVES 'needs the program awk: install it'
    fi
    # The program quotes every value for the shell.
    assignments=$(MERCURE_HUB_FOLDER=$(pwd) awk -f "$parts/caddyfile.awk") || exit 2
    eval "$assignments"
}
