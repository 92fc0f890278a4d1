# shellcheck shell=sh
# httpd, its modules, and the configuration for it. mercure-hub sources this file.
# shellcheck disable=SC2034,SC2154 # mercure-hub and its parts share their variables

# ---- httpd and its modules ---------------------------------------------------------------------------

find_httpd() {
    if is_set MERCURE_HTTPD; then
        if [ ! -x "$MERCURE_HTTPD" ] || ! "$MERCURE_HTTPD" -V </dev/null 2>/dev/null | grep -q HTTPD_ROOT; then
            die MERCURE_HTTPD 'must name the program of an httpd'
        fi
        printf '%s' "$MERCURE_HTTPD"
        return
    fi
    for name in httpd apache2; do
        if found=$(PATH=$PATH:/usr/sbin:/usr/local/sbin:/usr/local/apache2/bin command -v "$name"); then
            printf '%s' "$found"
            return
        fi
    done
    die MERCURE_HTTPD 'no httpd was found: install it, or name the program here'
}

find_modules() {
    if is_set MERCURE_HTTPD_MODULES; then
        [ -d "$MERCURE_HTTPD_MODULES" ] || die MERCURE_HTTPD_MODULES 'must name a directory'
        printf '%s' "$MERCURE_HTTPD_MODULES"
        return
    fi
    root=$("$httpd" -V 2>/dev/null | sed -n 's/.*HTTPD_ROOT="\(.*\)".*/\1/p')
    for folder in "$root/modules" /usr/lib/apache2/modules /usr/lib64/httpd/modules \
        /usr/local/apache2/modules; do
        if [ -f "$folder/mod_unixd.so" ] || [ -f "$folder/mod_mpm_event.so" ]; then
            printf '%s' "$folder"
            return
        fi
    done
    die MERCURE_HTTPD_MODULES "the modules of $httpd were not found: name their directory here"
}

find_module() {
    module=${MERCURE_MODULE:-$modules/mod_mercure.so}
    if [ ! -f "$module" ] || [ ! -r "$module" ]; then
        die MERCURE_MODULE "$module does not exist or cannot be read: install mod_mercure, or name its file here"
    fi
    absolute "$module"
}

# The user of the child processes when root starts the hub.
find_user() {
    for name in www-data apache daemon nobody; do
        if id -u "$name" >/dev/null 2>&1; then
            printf '%s' "$name"
            return
        fi
    done
    die USER 'none of www-data, apache, daemon, nobody exists: create one of them'
}

# Loads a module unless it is built in.
load_module() { # NAME without mod_ and _module
    cat <<END
<IfModule !${1}_module>
    LoadModule ${1}_module $(quoted MERCURE_HTTPD_MODULES "$modules/mod_$1.so")
</IfModule>
END
}

# The NAME of the module that has DIRECTIVE, which httpd does not know. The module's file contains the name of
# the directive, and httpd lists the directive (-L) when the module is loaded.
module_of_directive() { # DIRECTIVE
    grep -l -a -i -F -e "$1" "$modules"/mod_*.so 2>/dev/null | while IFS= read -r file; do
        name=${file##*/mod_}
        name=${name%.so}
        case $name in
        mpm_* | mercure | *[!0-9A-Za-z_]*) continue ;;
        esac
        {
            printf 'ServerRoot %s\nDefaultRuntimeDir run\nErrorLog /dev/null\nServerName localhost\n' "$(quoted TMPDIR "$dir")"
            load_module mpm_event
            load_with_base "$name"
        } >"$dir/probe.conf"
        if "$httpd" -d "$dir" -f "$dir/probe.conf" -L </dev/null 2>/dev/null | sed -n 's/^\([^ ]*\) (.*/\1/p' |
            grep -q -i -x -F -e "$1"; then
            printf '%s' "$name"
            break
        fi
    done
}

# A module such as session_cookie extends the module session, and must be loaded after it.
load_with_base() { # NAME
    case $1 in
    auth_form) load_with_base request && load_module session ;;
    authnz_ldap) load_module ldap ;;
    *_*) if [ -f "$modules/mod_${1%%_*}.so" ]; then load_module "${1%%_*}"; fi ;;
    esac
    load_module "$1"
}

# The module of a provider that "Require" or "Auth…Provider" names.
module_of_provider() { # NAME
    case $1 in
    ip | host | forward-dns | local) echo authz_host ;;
    user | valid-user) echo authz_user ;;
    group) echo authz_groupfile ;;
    file-owner | file-group) echo authz_owner ;;
    dbm-group | dbm-file-group) echo authz_dbm ;;
    dbd-group | dbd-login | dbd-logout) echo authz_dbd ;;
    ldap | ldap-*) echo authnz_ldap ;;
    anon | file | dbm | dbd | socache) echo "authn_$1" ;;
    fcgi) echo authnz_fcgi ;;
    esac
}

# The module whose absence causes this OBJECTION; nothing if there is none.
module_wanted() { # OBJECTION of httpd
    case $1 in
    *"Invalid command '"*)
        directive=${1##*"Invalid command '"}
        module_of_directive "${directive%%\'*}"
        ;;
    *'Unknown Authz provider: '* | *'Unknown Authn provider: '*)
        provider=${1##*' provider: '}
        module_of_provider "${provider%% *}"
        ;;
    esac
}

# Adds the module NAME to the configuration; fails if it is already there or has no file.
wanted_modules=' '
add_module() { # NAME
    case $wanted_modules in
    *" $1 "*) return 1 ;;
    esac
    [ -n "$1" ] && [ -f "$modules/mod_$1.so" ] || return 1
    wanted_modules="$wanted_modules$1 "
    load_with_base "$1" >>"$dir/modules.conf"
}

# ---- the configuration -------------------------------------------------------------------------------

config() { # DIR
    config_server "$1"
    config_mpm
    # Only a virtual host has aliases.
    if [ -n "$server_aliases" ]; then
        printf '<VirtualHost *>\nServerName %s\nServerAlias%s\n' "$server_name" "$server_aliases"
    fi
    printf '%s\n\n' "$tls"
    config_hub
    config_pages
    if [ -n "$server_aliases" ]; then
        echo '</VirtualHost>'
    fi
}

config_server() { # DIR
    cat <<END
ServerRoot $(quoted TMPDIR "$1")
DefaultRuntimeDir run
PidFile run/httpd.pid
Mutex file:run default
${listen}ServerName $server_name
ServerTokens Prod
END
    for name in mpm_event authz_core unixd log_config mime dir ${tls:+ssl}; do
        load_module "$name"
    done
    cat <<END
LoadModule mercure_module $(quoted MERCURE_MODULE "$module")
END
    echo 'Include modules.conf'
    if [ -n "$tls" ]; then
        echo 'SSLSessionCache none'
        echo 'Protocols h2 http/1.1'
    else
        # For proxies that terminate TLS and speak HTTP/2 to the hub. In this order, httpd does not announce an upgrade,
        # which some proxies pass on to browsers.
        echo 'Protocols http/1.1 h2c'
    fi
    if [ "$(id -u)" = 0 ]; then
        cat <<END
User $user
Group #$(id -g "$user")
END
    fi
    cat <<END
ErrorLog log
LogLevel notice mercure:$level
# The path without its query, which may contain a token. A byte may become four, and the kernel writes no more than 4096
# bytes (PIPE_BUF) into a pipe at once: lines of other processes could be in the middle of a longer line.
LogFormat "%h %t \"%m %U %H\" %>s %B" hub
LogFormat "%h %t \"(the path or the method is too long) %H\" %>s %B" long
CustomLog log hub "expr=! (%{REQUEST_URI} =~ /(?s)^.{920}/ || %{REQUEST_METHOD} =~ /^.{20}/)"
CustomLog log long "expr=%{REQUEST_URI} =~ /(?s)^.{920}/ || %{REQUEST_METHOD} =~ /^.{20}/"
TypesConfig /dev/null
AddType text/html .html
DocumentRoot htdocs
AllowEncodedSlashes NoDecode
# One URL may name a hundred topics.
LimitRequestLine 32000
END
}

config_mpm() {
    cat <<END

StartServers $CHILDREN
ServerLimit $((2 * CHILDREN))
ThreadsPerChild $THREADS
MaxRequestWorkers $((CHILDREN * THREADS))
MinSpareThreads $THREADS
MaxSpareThreads $((CHILDREN * THREADS))
MaxConnectionsPerChild 0
# After a restart all subscribers connect within seconds.
ListenBacklog 4096
# A child process holds half of its threads times this factor, which is twice its share of MERCURE_MAX_SUBSCRIBERS.
AsyncRequestWorkerFactor $((max_subscribers * 4 / (CHILDREN * THREADS) + 32))
END
}

config_hub() {
    printf '<Location "%s">\n    MercureHub On %s\n' "$HUB_PATH" "${extra_name:-name=$HUB_NAME}"
    if [ "$transport" = redis ]; then
        echo "    MercureTransport env:MERCURE_TRANSPORT_ADDRESS$transport_options"
    fi
    if [ -n "$lmdb" ]; then
        printf '    MercureStore lmdb %s\n' "$(quoted MERCURE_DATA_DIR "$data")"
    fi
    if [ -n "$history" ]; then
        echo "    $history"
    fi
    config_keys
    config_origins MercureCorsOrigins "$cors_origins"
    config_origins MercurePublishOrigins "$publish_origins"
    if [ -n "$subscriptions" ]; then
        echo '    MercureSubscriptions On'
    fi
    if [ -n "$anonymous" ]; then
        echo '    MercureAnonymous On'
    fi
    if [ -n "$playground" ]; then
        echo '    MercurePlayground On'
    elif [ -n "$debugger" ]; then
        echo '    MercureDebugger On'
    fi
    if [ -n "$extra_text" ]; then
        echo '    Include extra.conf'
    fi
    echo '</Location>'
}

# One line for each origin: httpd reads at most 63 arguments in a line.
config_origins() { # DIRECTIVE ORIGINS
    set -f # an origin may contain *
    for origin in $2; do
        printf '    %s %s\n' "$1" "$origin"
    done
    set +f
}

config_keys() {
    set -f # an issuer may contain * or ?
    for issuer in $trusted; do
        if [ -n "$publisher" ]; then printf '    MercurePublisherKey "%s" %s\n' "$issuer" "$publisher"; fi
        if [ -n "$subscriber" ]; then printf '    MercureSubscriberKey "%s" %s\n' "$issuer" "$subscriber"; fi
    done
    if [ -n "$control" ]; then
        for issuer in ${trusted:-$CONTROL_ISSUER}; do
            printf '    MercureControlKey "%s" %s\n' "$issuer" "$control"
        done
    fi
    set +f
    if [ -n "$legacy" ]; then
        if [ -n "$publisher" ]; then printf '    MercureLegacyPublisherKey %s\n' "$publisher"; fi
        if [ -n "$subscriber" ]; then printf '    MercureLegacySubscriberKey %s\n' "$subscriber"; fi
        if [ -z "$publisher$subscriber" ]; then echo '    MercureLegacy On'; fi
    fi
}

config_pages() {
    for path in /health /healthz; do
        cat <<END
<Location "$path">
    SetHandler mercure-health
</Location>
END
    done
    if [ -n "$metrics" ]; then
        cat <<END
<Location "/metrics">
    SetHandler mercure-metrics
</Location>
END
    fi
}

# With a debugger, the start page links to it.
start_page() {
    cat <<END
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Mercure debugger</title>
<meta http-equiv="refresh" content="0; url=$HUB_PATH/debug/">
<p><a href="$HUB_PATH/debug/">Mercure debugger</a>
</html>
END
}

# Asks the hub that listens at the first of its addresses, and exits.
ask_health() {
    port=${first_listen##*:}
    address=${first_listen%:"$port"}
    case $address in
    '' | 0.0.0.0) address=127.0.0.1 ;;
    '[::]') address='[::1]' ;;
    esac
    scheme=http
    if [ -n "$tls" ]; then scheme=https; fi
    # The certificate belongs to another name.
    if curl -fsSk -o /dev/null --max-time 5 --noproxy '*' "$scheme://$address:$port/health"; then
        exit 0
    fi
    exit 1
}
