# shellcheck shell=sh
# Errors and warnings of httpd, reported with the names of the variables. mercure-hub sources this file.
# shellcheck disable=SC2034,SC2154 # mercure-hub and its parts share their variables

# ---- errors of httpd ---------------------------------------------------------------------------------

# Prints on one line why httpd refuses the configuration; fails if httpd accepts it.
objection() { # ARGUMENTS of httpd
    if answer=$("$httpd" -d "$dir" -f "$dir/httpd.conf" -t "$@" 2>&1 </dev/null); then
        return 1
    fi
    printf '%s\n' "$answer" | grep -v '^\[.*AH00112\|^AH00014\|Syntax OK' | tr '\n' ' ' | sed 's/ *$//'
}

# The line of MERCURE_EXTRA_DIRECTIVES that caused the line NUMBER of extra.conf.
extra_line() { # NUMBER
    printf '%s' "$extra_lines" | cut -d ' ' -f "$1" 2>/dev/null || :
}

# TEXT with every OLD replaced by NEW.
replaced() { # TEXT OLD NEW
    text=$1
    result=
    while :; do
        case $text in
        *"$2"*)
            result=$result${text%%"$2"*}$3
            text=${text#*"$2"}
            ;;
        *) break ;;
        esac
    done
    printf '%s' "$result$text"
}

# TEXT of httpd, with the names of variables in place of the files that this script has written.
plain_text() { # TEXT
    text=$1
    while :; do
        case $text in
        *"line "[0-9]*" of $dir/extra.conf"*)
            before=${text%%" of $dir/extra.conf"*}
            after=${text#*" of $dir/extra.conf"}
            number=${before##*line }
            text="${before%"line $number"}line $(extra_line "$number") of MERCURE_EXTRA_DIRECTIVES$after"
            ;;
        *"$dir/extra.conf:"[0-9]*)
            before=${text%%"$dir/extra.conf:"*}
            after=${text#*"$dir/extra.conf:"}
            number=${after%%[!0-9]*}
            text="${before}MERCURE_EXTRA_DIRECTIVES: line $(extra_line "$number")${after#"$number"}"
            ;;
        *" ($dir/httpd.conf:"[0-9]*)
            before=${text%%" ($dir/httpd.conf:"*}
            after=${text#*" ($dir/httpd.conf:"}
            names=$(variables_behind "$text")
            text="$before${names:+ ($names)}${after#*)}"
            ;;
        *'env:MERCURE_EXTRA_KEY_'[0-9]*)
            # Users do not know the variables that hold the keys of MERCURE_EXTRA_DIRECTIVES.
            before=${text%%'env:MERCURE_EXTRA_KEY_'*}
            after=${text#*'env:MERCURE_EXTRA_KEY_'}
            after=${after#"${after%%[!0-9]*}"}
            text=$before${after#: }
            ;;
        *) break ;;
        esac
    done
    replaced "$text" "$dir/" ''
}

# The variables that cause MESSAGE of the module, which names only the line "MercureHub On".
variables_behind() { # MESSAGE
    case $1 in
    *' for protocol 0.x '*': the secret has '*)
        bytes=${1##*': the secret has '}
        names=$(printf '%s' "$weak_keys" | sed -n "s/^${bytes%%[!0-9]*} //p" | tr '\n' ',')
        names=${names%,}
        echo "${names:-MERCURE_PUBLISHER_JWT_KEY, MERCURE_SUBSCRIBER_JWT_KEY or MERCURE_EXTRA_DIRECTIVES}" | sed 's/,\([^ ]\)/, \1/g'
        ;;
    *' is INSECURE'*) if [ -n "$playground" ]; then echo MERCURE_PLAYGROUND; else echo "MERCURE_EXTRA_DIRECTIVES: line $extra_playground"; fi ;;
    *MercureControlKey*' has the issuer and the key '*) echo MERCURE_CONTROL_JWT_KEY ;;
    *'nobody can publish '*) echo MERCURE_PUBLISHER_JWT_KEY ;;
    *'nobody can subscribe '*) echo 'MERCURE_SUBSCRIBER_JWT_KEY, MERCURE_ALLOW_ANONYMOUS' ;;
    esac
}

# Exits with the error of MERCURE_EXTRA_DIRECTIVES that httpd reports in TEXT.
die_of_extra() { # TEXT
    text=$(plain_text "$1")
    number=
    case $text in
    *'line '[0-9]*' of MERCURE_EXTRA_DIRECTIVES'*)
        number=${text%%' of MERCURE_EXTRA_DIRECTIVES'*}
        number=${number##*line }
        text=${text#*' of MERCURE_EXTRA_DIRECTIVES'}
        text=${text#: }
        ;;
    esac
    # For a section that does not end, httpd names the file and line once more.
    case $text in
    *'MERCURE_EXTRA_DIRECTIVES: line '[0-9]*)
        text=${text##*'MERCURE_EXTRA_DIRECTIVES: line '}
        number=${text%%[!0-9]*}
        text=${text#"$number"}
        text=${text#: }
        ;;
    *"Invalid command '"*)
        text=${text##*"Invalid command '"}
        text="Invalid command '${text%%\'*}': no module in $modules has this directive. Correct it, or load its module with the argument -C 'LoadModule …'"
        ;;
    esac
    die "MERCURE_EXTRA_DIRECTIVES${number:+: line $number}" "$text"
}

# Exits with the error SAID of httpd if the variable that caused it is known.
blame() { # SAID
    case $1 in
    *"$dir/extra.conf"*) die_of_extra "$1" ;;
    *"Cannot load $module "* | *mercure_module*) die MERCURE_MODULE "httpd cannot load $module: name the mod_mercure.so that was built for it" ;;
    *"Cannot load $modules/"*) die MERCURE_HTTPD_MODULES "httpd cannot load ${1##*Cannot load }: name the directory of its modules" ;;
    *' failed to set up sockaddr for '*)
        where=${1##* failed to set up sockaddr for }
        die MERCURE_LISTEN_ADDR "${where%% *} is not an address: write :PORT, or an address of this machine"
        ;;
    *'shared memory for the hubs: '*) die TMPDIR "${1##*'shared memory for the hubs: '}" ;;
    esac
    while read -r directive variable; do
        case ${variable:+$1} in
        *"$directive"*) die "$variable" "$(plain_text "${1##*"$dir/httpd.conf: "}")" ;;
        esac
    done <<END
MercureCorsOrigins MERCURE_CORS_ORIGINS
MercurePublishOrigins MERCURE_PUBLISH_ORIGINS
MercureHistory $transport_from
MercureTransport MERCURE_TRANSPORT_URL
MercureStore MERCURE_STORE
MercureHub ${extra_name:+MERCURE_EXTRA_DIRECTIVES}
MercureControlKey $control_name
SubscriberKey $subscriber_name
PublisherKey $publisher_name
SSLCertificateKeyFile MERCURE_TLS_KEY
SSLCertificateFile MERCURE_TLS_CERT
ServerName SERVER_NAME
ServerAlias SERVER_NAME
END
}

# Loads the modules that the configuration needs, and exits if httpd refuses the configuration.
check_configuration() { # ARGUMENTS of httpd
    for name in $extra_modules; do
        add_module "$name" || :
    done
    while said=$(objection "$@"); do
        add_module "$(module_wanted "$said")" || break
    done
    if [ -z "$said" ]; then
        return
    fi
    if [ $# -gt 0 ] && ! objection >/dev/null; then
        refuse "$said" # the arguments cause the error
    fi
    # If httpd accepts the configuration without the extra directives, they cause the error, whichever
    # line it names.
    if [ -n "$extra_text" ]; then
        case $said in
        *"$dir/extra.conf"*) ;;
        *)
            : >"$dir/extra.conf"
            objection "$@" >/dev/null || die MERCURE_EXTRA_DIRECTIVES "$(plain_text "$said")"
            ;;
        esac
    fi
    blame "$said"
    refuse "$said"
}

refuse() { # SAID
    printf 'mercure-hub: httpd refuses the configuration: %s\n' "$(plain_text "$1")" >&2
    exit 2
}

# ---- log of httpd ------------------------------------------------------------------------------------

# Passes on the log of httpd until httpd serves. Keeps lines that may say why httpd gives up, and all lines
# after them, in the file "cause" until httpd serves or ends.
pass_start() {
    while IFS= read -r line; do
        case $line in
        *"$dir/"*) line=$(plain_text "$line") ;;
        # This script turns the cache off: TLS resumes sessions with tickets.
        *'AH01873: Init: Session Cache is not configured'*) continue ;;
        esac
        case $line in
        *AH00072:* | *:emerg\]* | *:alert\]* | *:crit\]*) printf '%s\n' "$line" >>"$dir/cause" ;;
        *) if [ -e "$dir/cause" ]; then printf '%s\n' "$line" >>"$dir/cause"; else printf '%s\n' "$line" >&2 || :; fi ;;
        esac
        case $line in
        *'resuming normal operations'*) break ;;
        \[* | AH* | \(* | 'no listening sockets'*) ;;
        *) break ;; # a line of the access log
        esac
        line=''
    done
    if [ -n "$line" ] && [ -e "$dir/cause" ]; then
        cat "$dir/cause" >&2 || :
        rm "$dir/cause"
    fi
    if [ ! -e "$dir/cause" ]; then
        printf '%s' "$notices" >&2 || :
    fi
}

# Exits with an error that names the variable that caused the kept lines, if it is known; otherwise prints the lines.
explain_cause() {
    said=$(head -n 1 "$dir/cause")
    case $said in
    *AH00072:*) die "$listen_name" "httpd cannot listen there (${said##* AH00072: }: ${said%%: AH00072*}): name another port, or end the program that uses it" ;;
    *'MercureStore lmdb: '*) die MERCURE_DATA_DIR "${said##*MercureStore lmdb: }" ;;
    *'[ssl:emerg]'*) die MERCURE_TLS_CERT "httpd does not accept it, alone or with MERCURE_TLS_KEY: ${said##*\] }" ;;
    *'shared memory for the hubs: '*) die TMPDIR "${said##*'shared memory for the hubs: '}" ;;
    esac
    cat "$dir/cause" >&2
}
