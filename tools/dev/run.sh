#!/usr/bin/env bash
# A part of ./dev: a hub in the foreground.
# shellcheck disable=SC2154 # ./dev sets the other variables

random_key() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

listens() { # HOST PORT
    (exec 3<>"/dev/tcp/${1//[\[\]]/}/$2") 2>/dev/null
}

# The secret that signs tokens of ROLE, and its algorithm; nothing where the key is not a secret.
secret_of() { # PUBLISHER or SUBSCRIBER
    local key=MERCURE_$1_JWT_KEY alg=MERCURE_$1_JWT_ALG
    local file=${key}_FILE secret=${!key-}
    if [ -n "${!file-}" ]; then secret=$(cat "${!file}" 2>/dev/null || :); fi
    case $secret in
    '' | *'-----BEGIN '* | '{'*) return 0 ;;
    esac
    case ${!alg:-HS256} in
    HS256* | HS384* | HS512*) printf '%s %.5s' "$secret" "${!alg:-HS256}" ;;
    esac
}

# A token signed with SECRET, for 24 hours. It has every claim that RFC 9068 requires, with short values.
mint() { # ALGORITHM SECRET ISSUER AUDIENCE ACTION…
    SECRET=$2 perl -MDigest::SHA=hmac_sha256,hmac_sha384,hmac_sha512 -MMIME::Base64=encode_base64url -e '
        my ($alg, $issuer, $audience, @actions) = @ARGV;
        my %hmac = (HS256 => \&hmac_sha256, HS384 => \&hmac_sha384, HS512 => \&hmac_sha512);
        my $claims = sprintf q({"iss":"%s","aud":"%s","sub":"dev","client_id":"dev","iat":%d,"exp":%d,) .
            q("jti":"%x-%x","authorization_details":[{"type":) .
            q("https://mercure.rocks/authorization-detail","actions":[%s],"topics":[{"match":"*"}]}]}),
            $issuer, $audience, time, time + 86400, time, $$, join(",", map { qq("$_") } @actions);
        my $text = join ".", map { encode_base64url $_ } qq({"alg":"$alg","typ":"at+jwt"}), $claims;
        print "$text.", encode_base64url($hmac{$alg}->($text, $ENV{SECRET}));
    ' "$1" "${@:3}"
}

# Explains how to use the hub at URL with TOKEN, which grants ACTIONS. There is no TOKEN if this script cannot sign one
# with the keys of the hub.
greeting() { # URL [TOKEN ACTION…]
    local url=$1 token=${2-} actions=" ${*:3} " curl=curl topic=https://example.com/news bearer='' reader=''
    if [ -n "${http_proxy-}${all_proxy-}${ALL_PROXY-}" ]; then curl+=" --noproxy '*'"; fi
    case $url in https:*) curl+=' -k' ;; esac # curl may not trust the certificate
    if [ -n "$token" ]; then bearer="-H 'Authorization: Bearer $token' "; fi
    if [ "$MERCURE_ALLOW_ANONYMOUS" != 1 ] && [[ $actions = *' subscribe '* ]]; then reader=$bearer; fi

    printf '\nThe hub is at   %s\n' "$url"
    if [ "$MERCURE_DEBUGGER$MERCURE_PLAYGROUND" != 00 ]; then
        printf 'The debugger at %s\n' "${url%.well-known/mercure}"
    fi
    printf '\nSubscribe:\n%s\n' "$curl -N $reader'$url?match=$topic'"
    if [ -n "$token" ]; then
        printf '\nPublish, in another terminal:\n%s\n' "$curl $bearer-d topic=$topic -d data=hello '$url'"
        printf '\nThe token in that line, which grants every topic for 24 hours while this hub runs:\n%s\n' "$token"
    else
        printf '\nTo publish, sign a token with your own key: mercure-token --help\n'
    fi
    case $actions in
    *' subscribe '*) printf '\nSubscribers need this token, too, to receive private updates (-d private=on): add the same -H to the first line.\n' ;;
    *) printf '\nTo receive private updates (-d private=on), subscribe with a token that is signed with the subscriber key.\n' ;;
    esac
    printf '\nCtrl-C ends the hub.\n'
}

# Passes on the log of the hub. Prints GREETING when the hub serves: after the line AH00094, the last of its start.
relay() { # GREETING
    trap '' INT TERM HUP USR1 PIPE
    local line
    while IFS= read -r line; do
        show
        printf '%s\n' "$line" >&2 || :
        case $line in
        *' AH00094: '*)
            printf '%s\n' "$1"
            break
            ;;
        esac
    done
    cat >&2 || cat >/dev/null # the terminal may be gone
}

# Puts the settings of the hub that the caller has not made into the environment.
hub_settings() { # LISTEN HOST
    local key variable
    # One key for both roles, so one token is enough. A role for which the caller has a key does not share it.
    key=$(random_key)
    if [ -z "${MERCURE_PUBLISHER_JWT_KEY-}${MERCURE_PUBLISHER_JWT_KEY_FILE-}" ]; then
        export MERCURE_PUBLISHER_JWT_KEY=$key
    fi
    if [ -z "${MERCURE_SUBSCRIBER_JWT_KEY-}${MERCURE_SUBSCRIBER_JWT_KEY_FILE-}" ]; then
        export MERCURE_SUBSCRIBER_JWT_KEY=$key
    fi
    # The playground gives a token that grants everything to any client, so only clients of this machine may reach it.
    case $1:$2 in
    0.0.0.0:* | '[::]:'* | :*) ;;
    *:127.* | *:localhost | *:'[::1]') : "${MERCURE_PLAYGROUND:=1}" ;;
    esac
    : "${MERCURE_TRUSTED_ISSUERS:=https://dev.example}" "${MERCURE_ALLOW_ANONYMOUS:=1}" "${MERCURE_PLAYGROUND:=0}"
    : "${MERCURE_DEBUGGER:=1}" "${MERCURE_METRICS:=1}"
    export MERCURE_TRUSTED_ISSUERS MERCURE_ALLOW_ANONYMOUS MERCURE_PLAYGROUND MERCURE_DEBUGGER MERCURE_METRICS
    # The hub runs in another folder.
    for variable in MERCURE_{PUBLISHER,SUBSCRIBER}_JWT_KEY_FILE MERCURE_TLS_{CERT,KEY} MERCURE_DATA_DIR; do
        case ${!variable-} in
        '' | /*) ;;
        *) export "$variable=$PWD/${!variable}" ;;
        esac
    done
    # Hubs that run at the same time have separate histories.
    if [ -z "${MERCURE_DATA_DIR-}" ] && [ "${MERCURE_STORE-lmdb}" != memory ]; then
        export MERCURE_DATA_DIR=$state/history/${1//[^0-9A-Za-z.]/_}
        mkdir -p "$MERCURE_DATA_DIR"
        if [ "$(id -u)" = 0 ]; then chown www-data: "$MERCURE_DATA_DIR"; fi
    fi
}

# Runs COMMAND, a mercure-hub, until it ends on its own or by a signal to ./dev; returns its status.
serve() { # GREETING COMMAND…
    local relay hub status=0
    if [ -n "$in_place" ]; then show "starting the hub"; else say "starting the hub"; fi
    exec 3> >(relay "$1")
    relay=$!
    "${@:2}" </dev/null 2>&3 3>&- &
    hub=$!
    # shellcheck disable=SC2064 # this hub
    trap "kill -TERM $hub 2>/dev/null || :" TERM INT HUP
    # shellcheck disable=SC2064
    trap "kill -USR1 $hub 2>/dev/null || :" USR1
    wait "$hub" || status=$?
    # A signal ends wait early.
    while kill -0 "$hub" 2>/dev/null; do
        status=0
        wait "$hub" || status=$?
    done
    exec 3>&-
    wait "$relay" || :
    return "$status"
}

cmd_run() {
    local listen=127.0.0.1:8080 host name port url key token='' actions=() drop=()
    case $#:${1-} in
    0:) ;;
    2:--listen) listen=$2 ;;
    1:--listen=*) listen=${1#--listen=} ;;
    *) die "run takes --listen ADDRESS:PORT" ;;
    esac
    [[ $listen =~ :[0-9]{1,5}$ ]] || die "run takes --listen ADDRESS:PORT, and $listen has no port"
    port=${listen##*:}
    host=${listen%:*}
    case $host in
    '' | 0.0.0.0) host=127.0.0.1 ;;
    '[::]') host='[::1]' ;;
    esac
    url=http${MERCURE_TLS_CERT:+s}://$host:$port/.well-known/mercure
    # httpd accepts no IPv6 address as its name.
    name=${host/#\[*/localhost}
    if [ "$(id -u)" = 0 ] && ! id www-data >/dev/null 2>&1; then
        die "there is no user www-data: create it with update-passwd"
    fi
    # No other server may answer at the address.
    if listens "$host" "$port"; then
        die "something listens at $host:$port already: end it, or run with --listen ADDRESS:ANOTHER-PORT"
    fi

    prepare
    need_build curl
    build default --enable-werror
    mkdir -p "$state/tmp"
    hub_settings "$listen" "$host"
    key=$(secret_of PUBLISHER)
    if [ -n "$key" ]; then
        actions=(publish)
        if [ "$key" = "$(secret_of SUBSCRIBER)" ]; then actions+=(subscribe); fi
        token=$(mint "${key##* }" "${key% *}" "${MERCURE_TRUSTED_ISSUERS%%[ ,]*}" "${url/"$host"/"$name"}" "${actions[@]}")
    fi
    # Started by root, the whole of httpd runs as www-data, because a development server needs no right of root.
    if [ "$(id -u)" = 0 ] && [ "$port" -ge 1024 ]; then
        chown www-data: "$state/tmp"
        drop=(setpriv --reuid=www-data --regid=www-data --init-groups)
    fi
    export MERCURE_LISTEN_ADDR=$listen SERVER_NAME=$name:$port TMPDIR=$state/tmp MERCURE_MODULE=$tree/.libs/mod_mercure.so
    exec 9>&-
    cd "$state" || exit
    serve "$(greeting "$url" "$token" "${actions[@]}")" "${drop[@]}" "$src/tools/mercure-hub"
}
