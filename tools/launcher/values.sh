# shellcheck shell=sh
# The values of the variables: each function checks one and sets or prints the result. mercure-hub sources this file.
# shellcheck disable=SC2034,SC2154 # mercure-hub and its parts share their variables

# ---- addresses and names -----------------------------------------------------------------------------

# Adds the line "Listen" of one address to "listen", and remembers the first one for --health.
listen=
first_listen=
listen_name=
add_listen() { # VARIABLE ADDRESS:PORT
    port=${2##*:}
    address=${2%"$port"}
    address=${address%:}
    case $2 in
    *:*) ;;
    *) die "$1" "$2 has no port: write :PORT or ADDRESS:PORT" ;;
    esac
    is_port "$port" || die "$1" "$2: the port must be a number from 1 to 65535"
    case $address in
    '' | \[*[0-9a-fA-F:.]\]) ;;
    *[!0-9A-Za-z.-]*) die "$1" "$2: write an IPv6 address in brackets, a name or an IPv4 address without" ;;
    esac
    case $address in
    \[*[!0-9a-fA-F:.]*\]) die "$1" "$2: there is no IPv6 address between the brackets" ;;
    esac
    case $NL$listen in
    *"${NL}Listen ${address:+$address:}$port$NL"*) die "$1" "$2 is given twice: keep one of them" ;;
    esac
    listen="${listen}Listen ${address:+$address:}$port$NL"
    first_listen=${first_listen:-$2}
    listen_name=$1
}

set_listen() {
    set -f
    if is_set MERCURE_LISTEN_ADDR; then
        for word in $MERCURE_LISTEN_ADDR; do
            add_listen MERCURE_LISTEN_ADDR "$word"
        done
        [ -n "$listen" ] || die MERCURE_LISTEN_ADDR 'is blank: write :PORT or ADDRESS:PORT'
    elif [ -n "$server_ports" ]; then
        for port in $server_ports; do
            add_listen SERVER_NAME ":$port"
        done
    elif flag MERCURE_CONTAINER; then
        add_listen MERCURE_LISTEN_ADDR :8080
        second_port=80
        if [ -n "$tls" ]; then second_port=443; fi
        if may_listen "$second_port"; then add_listen MERCURE_LISTEN_ADDR ":$second_port"; fi
    else
        add_listen MERCURE_LISTEN_ADDR :80
    fi
    set +f
}

# Whether this process may listen on PORT, which is below 1024, and no other process does.
may_listen() { # PORT
    unprivileged=$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024)
    if [ "$unprivileged" -gt "$1" ]; then
        # CAP_NET_BIND_SERVICE is bit 10.
        grep -q '^CapEff:.*[4-7c-f]..$' "/proc/$$/status" 2>/dev/null || return 1
    fi
    ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "$(printf ':%04X [0-9A-F]*:0000 0A' "$1")"
}

# Sets server_name (ServerName), server_aliases, and server_ports.
server_name='' server_aliases='' server_ports=''
set_server_name() {
    names=${SERVER_NAME:-localhost},
    while [ -n "$names" ]; do
        word=${names%%,*}
        names=${names#*,}
        word=${word#"${word%%[! "$TAB"]*}"}
        word=${word%"${word##*[! "$TAB"]}"}
        if [ -n "$word" ]; then add_server_name "$word"; fi
    done
    [ -n "$server_name" ] || die SERVER_NAME 'is blank: write a name, such as hub.example.com'
}

add_server_name() { # ADDRESS as in a Caddyfile
    rest=${1#http://}
    rest=${rest#https://}
    rest=${rest%/}
    host=$rest
    port=
    case $rest in
    \[*) die SERVER_NAME "$1 is an IPv6 address, which httpd does not accept as a name: write a name, such as localhost" ;;
    *:*)
        host=${rest%:*}
        port=${rest##*:}
        is_port "$port" || die SERVER_NAME "$1: the port must be a number from 1 to 65535"
        case " $server_ports " in
        *" $port "*) ;;
        *) server_ports="$server_ports $port" ;;
        esac
        ;;
    esac
    case $host in
    '') [ -n "$port" ] || die SERVER_NAME "$1 has neither a name nor a port: write a name, or :80" ;;
    \*.*[!0-9A-Za-z._-]*) die SERVER_NAME "$1: write NAME, NAME:PORT, :PORT or https://NAME" ;;
    \*.?*) [ -n "$server_name" ] || die SERVER_NAME "$1: the first must be a name without *" ;;
    -* | *[!0-9A-Za-z._-]*) die SERVER_NAME "$1: write NAME, NAME:PORT, :PORT or https://NAME" ;;
    esac
    if [ -n "$server_name" ]; then
        if [ -n "$host" ]; then server_aliases="$server_aliases $host"; fi
        return
    fi
    server_name=${1%/}
    if [ -z "$host" ]; then server_name=localhost; fi
    if [ "$1" = "$host" ] && [ -z "$tls" ] && is_set SERVER_NAME; then
        note "SERVER_NAME: $host is served over HTTP; the Go hub would serve HTTPS. Set MERCURE_TLS_CERT and MERCURE_TLS_KEY, or write https://$host if a proxy in front of the hub has the certificate"
    fi
}

# ---- keys and issuers --------------------------------------------------------------------------------

algorithms_of() { # VARIABLE LIST
    case $2 in
    *"$NL"*) die "$1" 'must be one line of algorithms, separated by commas' ;;
    esac
    list=$(printf '%s' "${2:-HS256}" | tr -s ', ' ',')
    list=${list#,}
    list=${list%,}
    [ -n "$list" ] || die "$1" 'is blank: write HS256, or algorithms separated by commas'
    for alg in $(printf '%s' "$list" | tr ',' ' '); do
        case $alg in
        HS256 | HS384 | HS512 | RS256 | RS384 | RS512 | PS256 | PS384 | PS512 | ES256 | ES384 | ES512 | EdDSA | Ed25519 | Ed448) ;;
        *) die "$1" "there is no algorithm of that name: write one or more of HS256/384/512 RS256/384/512 PS256/384/512 ES256/384/512 EdDSA Ed25519 Ed448, separated by commas" ;;
        esac
    done
    printf '%s' "$list"
}

# Finds the key of ROLE, PUBLISHER or SUBSCRIBER: in MERCURE_EXTRA_DIRECTIVES, or else in its variables.
# Sets key_spec (env:NAME, file:PATH, a URL, or nothing), key_algs, and the names for messages: key_name and
# alg_name.
find_key() { # ROLE
    key_name=MERCURE_$1_JWT_KEY
    alg_name=MERCURE_$1_JWT_ALG
    key_algs=$(value_of "$alg_name")
    key_spec=$(value_of "extra_$1_source")
    if [ -n "$key_spec" ]; then
        key_name="MERCURE_EXTRA_DIRECTIVES: line $(value_of "extra_$1_line")"
        alg_name=$key_name
        key_algs=$(value_of "extra_$1_algs")
        return
    fi
    if is_set "$key_name" && is_set "${key_name}_FILE"; then
        die "$key_name" "is given together with ${key_name}_FILE: keep one of them"
    fi
    if is_set "${key_name}_FILE"; then
        key_name=${key_name}_FILE
        key_spec=file:$(absolute "$(value_of "$key_name")")
    elif is_set "$key_name"; then
        key_spec=env:$key_name
    fi
}

# Examines the key key_spec: sets key_kind to pem, jwk, secret or url, and key_bytes for a secret.
inspect_key() {
    key_kind=secret
    case $key_spec in
    file:*)
        file=${key_spec#file:}
        if [ ! -f "$file" ] || [ ! -r "$file" ]; then
            die "$key_name" "${file} must be a file that can be read"
        fi
        if grep -q -e '-----BEGIN ' "$file"; then key_kind=pem; fi
        case $(head -c 4096 "$file" | tr -d ' \t\r\n\000' | head -c 1) in
        '{') key_kind=jwk ;;
        esac
        # A single line end at the end is not part of a secret.
        key_bytes=$(($(wc -c <"$file") - $(tail -c 1 "$file" | tr -cd '\n' | wc -c)))
        ;;
    env:*)
        secret=$(value_of "${key_spec#env:}")
        case $secret in
        *\$\{*) die "$key_name" "contains \${: the variable that was meant is not filled in" ;;
        *'-----BEGIN '*) key_kind=pem ;;
        '{'*) key_kind=jwk ;;
        esac
        key_bytes=${#secret}
        ;;
    *) key_kind=url ;;
    esac
}

check_secret() {
    need=0
    for one in $(printf '%s' "$key_algs" | tr ',' ' '); do
        case $one in
        HS*) if [ $((${one#HS} / 8)) -gt "$need" ]; then need=$((${one#HS} / 8)); fi ;;
        *) die "$alg_name" "$one needs a public key, and $key_name holds a secret: write HS256 here, or give the key" ;;
        esac
    done
    [ "$key_bytes" -lt "$need" ] || return 0
    if [ -n "$trusted" ]; then
        die "$key_name" "has $key_bytes bytes, too few for ${key_algs}: make it $need or more"
    fi
    # The hub accepts a short secret for tokens of protocol 0.x only, with a warning that names no variable.
    weak_keys="$weak_keys$key_bytes $key_name$NL"
}

# Sets key to the ALGS and SOURCE of ROLE for the configuration, or to nothing if ROLE needs no key.
weak_keys=
set_key() { # ROLE
    key=
    find_key "$1"
    if [ -z "$key_spec" ]; then
        if [ -n "$keys_are_optional" ]; then return; fi
        die "$key_name" "give a secret of 32 bytes or more, or a PEM public key, or name its file in ${key_name}_FILE"
    fi
    inspect_key
    algs_given=$key_algs
    key_algs=$(algorithms_of "$alg_name" "$key_algs") || exit 2
    case $key_kind in
    pem)
        [ -n "$algs_given" ] || die "$alg_name" "is needed for the PEM key in $key_name: RS256, ES256 or EdDSA, for example"
        case $key_algs in
        *HS*) die "$alg_name" "a PEM public key in $key_name can be used with RS, PS, ES or EdDSA, never with HS" ;;
        esac
        ;;
    secret) check_secret ;;
    esac
    case $key_spec in
    env:*) key="$key_algs $key_spec" ;;
    *)
        key=$(quoted "$key_name" "$key_spec") || exit 2
        key="$key_algs $key"
        ;;
    esac
}

# Sets control to the ALGS and SOURCE of the operators, or to nothing. Their tokens are never of protocol 0.x,
# so their secret must not be short.
set_control() {
    control='' control_name=''
    if ! is_set MERCURE_CONTROL_JWT_KEY && ! is_set MERCURE_CONTROL_JWT_KEY_FILE; then
        ! is_set MERCURE_CONTROL_JWT_ALG ||
            die MERCURE_CONTROL_JWT_ALG 'needs MERCURE_CONTROL_JWT_KEY: give the key of the operators, or unset it'
        return 0
    fi
    trusted_before=$trusted
    trusted=${trusted:-$CONTROL_ISSUER}
    set_key CONTROL
    trusted=$trusted_before
    control=$key
    control_name=$key_name
}

# The issuer of operators' tokens if the hub trusts no issuer.
CONTROL_ISSUER=mercure-control

set_issuers() {
    trusted=
    if ! is_set MERCURE_TRUSTED_ISSUERS; then
        if [ -z "$legacy$extra_issuers" ]; then
            die MERCURE_TRUSTED_ISSUERS 'name the issuers of your tokens, or unset MERCURE_LEGACY for tokens of protocol 0.x'
        fi
        return
    fi
    case $MERCURE_TRUSTED_ISSUERS in
    *"$NL"*) die MERCURE_TRUSTED_ISSUERS 'must be one line: separate issuers by spaces or commas' ;;
    *\$\{*) die MERCURE_TRUSTED_ISSUERS "contains \${: the variable that was meant is not filled in" ;;
    esac
    trusted=$(printf '%s' "$MERCURE_TRUSTED_ISSUERS" | tr ',\t' '  ')
    case $trusted in
    *[!0-9A-Za-z:/?#@!\$\&\'\(\)*+\;=._~%\ -]*) die MERCURE_TRUSTED_ISSUERS 'an issuer is a URL or a name, without quotes, brackets or backslashes' ;;
    *[!\ ]*) ;;
    *) die MERCURE_TRUSTED_ISSUERS 'is blank: name the issuers of your tokens' ;;
    esac
}

# Sets legacy: whether the hub accepts tokens and clients of protocol 0.x.
set_legacy() {
    legacy=
    if flag MERCURE_LEGACY; then
        legacy=1
    elif [ -n "$extra_legacy" ]; then
        if is_set MERCURE_LEGACY; then
            die "MERCURE_EXTRA_DIRECTIVES: line $extra_legacy" 'protocol_version_compatibility contradicts MERCURE_LEGACY=0: remove one of them'
        fi
        legacy=1
    elif ! is_set MERCURE_LEGACY && ! is_set MERCURE_TRUSTED_ISSUERS; then
        # Issuers with their own keys need no protocol 0.x, unless there are keys that no issuer has.
        find_key PUBLISHER
        publisher_spec=$key_spec
        find_key SUBSCRIBER
        if [ -z "$extra_issuers" ] || [ -n "$publisher_spec$key_spec" ]; then legacy=1; fi
    fi
}

# ---- origins, TLS, sizes, folders --------------------------------------------------------------------

# The origins of VARIABLE, separated by spaces; $2 is "any" where * is allowed. httpd checks the rest.
origins_of() { # VARIABLE [any]
    list=$(value_of "$1" | tr ',\t\n' '   ')
    case $list in
    '' | *[!\ ]*) ;;
    *) die "$1" 'is blank: name the origins, or unset it' ;;
    esac
    for origin in $list; do
        case $origin in
        '*') [ "${2-}" = any ] || die "$1" '* would let every site in: name the origins' ;;
        http://* | https://*)
            case ${origin#*://} in
            '' | *[!][0-9A-Za-z.:*-]*) die "$1" 'each must be https://HOST or https://HOST:PORT, without a path' ;;
            esac
            ;;
        *) die "$1" 'each must be https://HOST or https://HOST:PORT' ;;
        esac
    done
    printf '%s' "$list"
}

# The absolute path of the file that VARIABLE names, quoted; the file must hold the PEM block $2.
pem_file() { # VARIABLE BLOCK
    file=$(value_of "$1")
    if [ ! -f "$file" ] || [ ! -r "$file" ]; then
        die "$1" 'must name a file that can be read'
    fi
    grep -q -e "-----BEGIN .*$2-----" "$file" || die "$1" "the file holds no $2 in PEM"
    if grep -q -e '-----BEGIN ENCRYPTED' -e '^Proc-Type: 4,ENCRYPTED' "$file"; then
        die "$1" 'the key is encrypted, and httpd cannot ask for its passphrase here: decrypt it (openssl pkey)'
    fi
    quoted "$1" "$(absolute "$file")"
}

tls_lines() {
    if ! is_set MERCURE_TLS_CERT && ! is_set MERCURE_TLS_KEY; then
        return
    fi
    is_set MERCURE_TLS_CERT || die MERCURE_TLS_CERT 'is needed together with MERCURE_TLS_KEY: the file of the certificate'
    is_set MERCURE_TLS_KEY || die MERCURE_TLS_KEY 'is needed together with MERCURE_TLS_CERT: the file of its key'
    cert=$(pem_file MERCURE_TLS_CERT CERTIFICATE) || exit 2
    key=$(pem_file MERCURE_TLS_KEY 'PRIVATE KEY') || exit 2
    cat <<END
SSLEngine on
SSLProtocol all -SSLv3 -TLSv1 -TLSv1.1
SSLCertificateFile $cert
SSLCertificateKeyFile $key
END
}

# The number of child processes, and of threads in each. One child process may get twice its share of the
# subscribers.
CHILDREN=4
THREADS=64

subscribers_wanted() {
    max=${MERCURE_MAX_SUBSCRIBERS:-100000}
    case $max in
    *[!0-9]* | ????????* | 0*) die MERCURE_MAX_SUBSCRIBERS 'must be a number from 1 to 9999999' ;;
    esac
    printf '%s' "$max"
}

# Each subscriber takes a file descriptor of its child process.
# shellcheck disable=SC3045 # every shell that is /bin/sh somewhere has ulimit -n
raise_descriptors() {
    need=$((max_subscribers * 2 / CHILDREN + 1000))
    have=$(ulimit -n)
    if [ "$have" = unlimited ] || [ "$have" -ge "$need" ] || ulimit -n "$need" 2>/dev/null; then
        return
    fi
    ulimit -n "$(ulimit -H -n)" 2>/dev/null || :
    note "MERCURE_MAX_SUBSCRIBERS: $max_subscribers subscribers need ulimit -n $need, but only $(ulimit -n) is allowed here, so fewer fit"
}

# Sets lmdb, and history: the line MercureHistory that the transport asks for.
set_store() {
    lmdb=
    history=
    case ${MERCURE_STORE-} in
    lmdb) lmdb=1 ;;
    '') if [ "$transport" != local ] && [ "$transport" != redis ]; then lmdb=1; fi ;;
    memory) ;;
    *) die MERCURE_STORE 'must be lmdb or memory' ;;
    esac
    if [ "$transport:$lmdb" = redis:1 ]; then
        die MERCURE_STORE 'must not be lmdb together with MERCURE_TRANSPORT_URL: the history is in Redis then'
    fi
    case $transport in
    local) if [ -z "${MERCURE_STORE-}" ]; then history='MercureHistory Off'; fi ;;
    bolt) history=${transport_size:+MercureHistory count=$transport_size} ;;
    esac
}

# Sets the arguments of MercureTransport. The URL, which may hold a password, is not among them: httpd reads it from a
# separate variable.
set_transport_url() {
    transport_options=
    if [ "$transport" != redis ]; then
        return
    fi
    set -f
    # shellcheck disable=SC2086 # the options follow the URL
    set -- $MERCURE_TRANSPORT_URL
    set +f
    export MERCURE_TRANSPORT_ADDRESS="$1"
    shift
    for option; do
        transport_options="$transport_options $(quoted MERCURE_TRANSPORT_URL "$option")"
    done
}

# Says where the history is if the configuration names a transport of the Go hub.
note_transport() {
    case $transport:${MERCURE_STORE:+set} in
    local:) note "$transport_from: a local transport keeps no history, so clients that reconnect miss updates. To keep one, set MERCURE_STORE" ;;
    local:set) note "$transport_from: $(history_place)" ;;
    bolt:*) note "$transport_from: $(history_place); the file of the Go hub is not read" ;;
    esac
}

history_place() {
    if [ -n "$lmdb" ]; then
        echo "the history is in files below $data (MERCURE_STORE, MERCURE_DATA_DIR)"
    else
        echo 'the history is in memory (MERCURE_STORE=memory)'
    fi
}

# The absolute path of MERCURE_DATA_DIR. Root creates the default one when the hub starts.
data_folder() {
    data=$(absolute "${MERCURE_DATA_DIR:-/var/lib/mercure}")
    if is_set MERCURE_DATA_DIR || { [ -n "$lmdb" ] && { [ -e "$data" ] || [ "$(id -u)" != 0 ]; }; }; then
        if [ ! -d "$data" ] || [ ! -w "$data" ]; then
            die MERCURE_DATA_DIR "must name a writable directory, and $data is not one${lmdb:+; or keep no history on disk: MERCURE_STORE=memory}"
        fi
    fi
    quoted MERCURE_DATA_DIR "$data" >/dev/null
    printf '%s' "$data"
}
