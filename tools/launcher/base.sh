# shellcheck shell=sh
# Helpers that all parts of mercure-hub use. mercure-hub sources this file.
# shellcheck disable=SC2034 # mercure-hub and its parts share their variables

HUB_PATH=/.well-known/mercure
# Names the history, the hub in Redis, and the hub in the log and the metrics, unless MERCURE_EXTRA_DIRECTIVES has another
# name. HUB_FOLDER is the directory of the history that the module derives from it.
HUB_NAME=mercure
HUB_FOLDER=name-mercure-b9313ed6d773c3d7
NL='
'
TAB='	'

# Exits with one line.
die() { # VARIABLE, the error and its fix
    printf 'mercure-hub: %s: %s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')" >&2
    exit 2
}

# Lines for the log, printed once the hub serves: if it does not start, only the cause is printed.
notices=
note() { # TEXT, which names the variable
    notices="${notices}mercure-hub: $1$NL"
}

value_of() { # VARIABLE
    eval "printf '%s' \"\${$1-}\""
}

is_set() { # VARIABLE: set and not empty
    [ -n "$(value_of "$1")" ]
}

# A string of the configuration, in quotes. It cannot end the quotes or the line, and httpd replaces
# nothing in it.
quoted() { # VARIABLE VALUE
    case $2 in
    *"$NL"*) die "$1" 'must be one line' ;;
    *\$\{*) die "$1" "must not contain \${, which httpd would replace" ;;
    esac
    printf '"%s"' "$(printf '%s' "$2" | sed 's/[\\"]/\\&/g')"
}

flag() { # VARIABLE: succeeds for 1
    case $(value_of "$1") in
    '' | 0) return 1 ;;
    1) return 0 ;;
    *) die "$1" 'must be 0 or 1' ;;
    esac
}

absolute() { # PATH
    case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$(pwd)" "$1" ;;
    esac
}

is_port() { # TEXT
    case $1 in
    '' | *[!0-9]* | ??????*) return 1 ;;
    esac
    [ "$1" -ge 1 ] && [ "$1" -le 65535 ]
}
