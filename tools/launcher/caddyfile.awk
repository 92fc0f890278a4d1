# Translates the Go hub's configuration for mercure-hub, which runs this program with any POSIX awk.
#
# It reads the variables MERCURE_EXTRA_DIRECTIVES and MERCURE_TRANSPORT_URL of its environment. The first
# holds directives of httpd and of the Go hub's Caddyfile (the block "mercure"), told apart by name. Lines
# of httpd pass unchanged. A directive of the Go hub may span lines: quotes and blocks work as in a
# Caddyfile, and a block may also be on one line.
#
# The output is shell assignments, with every value in single quotes:
#   extra_text          lines for httpd
#   extra_lines         for each of these lines, the line of MERCURE_EXTRA_DIRECTIVES that caused it
#   extra_modules       modules that extra_text needs, but that httpd does not report as missing when it checks the text
#   extra_debugger, extra_playground    the line of the directive that turns it on
#   extra_legacy        the line of protocol_version_compatibility
#   extra_issuers       the line of the first issuer
#   extra_name          the argument name=NAME of MercureHub
#   extra_ROLE_source, extra_ROLE_algs, extra_ROLE_line
#                       the key of a ROLE, PUBLISHER or SUBSCRIBER, as SOURCE and ALGS of MercurePublisherKey
#   transport, transport_size, transport_from
#                       redis, bolt or local, the number of updates that bolt keeps, and the variable or line that names it
#   MERCURE_EXTRA_KEY_n keys that the text contains, to be exported: httpd reads them as env:MERCURE_EXTRA_KEY_n
# A mistake ends the program with status 2 and one line on standard error that says what is wrong.

BEGIN {
    VARIABLE = "MERCURE_EXTRA_DIRECTIVES"
    PUBLIC_KEY_ALGS = "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"
    fill_names()
    if (ENVIRON["MERCURE_TRANSPORT_URL"] != "")
        take_transport_url(ENVIRON["MERCURE_TRANSPORT_URL"], "MERCURE_TRANSPORT_URL")
    line_count = split(ENVIRON[VARIABLE], lines, "\n")
    for (i = 1; i <= line_count; i++)
        sub(/\r$/, "", lines[i])
    for (row = 1; row <= line_count;) {
        if (first_word(lines[row]) in KIND)
            translate()
        else
            copy()
    }
    for (i = 1; i <= authorization_servers; i++)
        put(authorization_server_line[i], "MercureAuthorizationServer " authorization_server[i])
    print_results()
}

# KIND: the arguments of a directive of the Go hub. HTTPD: the directive of httpd that has the same meaning.
function fill_names() {
    KIND["anonymous"] = "flag";           HTTPD["anonymous"] = "MercureAnonymous On"
    KIND["subscriptions"] = "flag";       HTTPD["subscriptions"] = "MercureSubscriptions On"
    KIND["ui"] = "flag";                  HTTPD["ui"] = "MercureDebugger On"
    KIND["debugger"] = "flag";            HTTPD["debugger"] = "MercureDebugger On"
    # In the Go hub it grants no rights, so it is not MercurePlayground, which grants everything to everybody.
    KIND["demo"] = "flag";                HTTPD["demo"] = "MercureDebugger On"
    KIND["playground"] = "flag";          HTTPD["playground"] = "MercurePlayground On"
    KIND["heartbeat"] = "duration";       HTTPD["heartbeat"] = "MercureHeartbeat"
    KIND["write_timeout"] = "duration";   HTTPD["write_timeout"] = "MercureConnectionLifetime"
    KIND["dispatch_timeout"] = "duration"; HTTPD["dispatch_timeout"] = "MercureDispatchTimeout"
    KIND["cors_origins"] = "words";       HTTPD["cors_origins"] = "MercureCorsOrigins"
    KIND["publish_origins"] = "words";    HTTPD["publish_origins"] = "MercurePublishOrigins"
    KIND["public_urls"] = "words";        HTTPD["public_urls"] = "MercurePublicURL"
    KIND["cookie_name"] = "word";         HTTPD["cookie_name"] = "MercureCookieName"
    KIND["resource_identifier"] = "word"; HTTPD["resource_identifier"] = "MercureResourceIdentifier"
    KIND["max_request_body_size"] = "size"; HTTPD["max_request_body_size"] = "MercureLimit body="
    KIND["name"] = "name"
    KIND["protocol_version_compatibility"] = "compatibility"
    KIND["publisher_jwt"] = KIND["subscriber_jwt"] = "jwt"
    KIND["publisher_jwks_url"] = KIND["subscriber_jwks_url"] = "jwks"
    KIND["transport"] = "transport"
    KIND["transport_url"] = "transport_url"
    KIND["issuer"] = "issuer"
    # Directives without a counterpart; INSTEAD says what to do.
    KIND["topic_selector_cache"] = KIND["topic_matcher_cache"] = KIND["cache"] = "refused"
    KIND["subscriber_list_cache_size"] = KIND["drain_timeout"] = KIND["import"] = "refused"
    KIND["mercure"] = KIND["{"] = KIND["}"] = "refused"
    INSTEAD["topic_selector_cache"] = INSTEAD["topic_matcher_cache"] = INSTEAD["cache"] = \
        "this hub sizes its caches itself: remove the line (MercureLimit patterns= and compiled= bound them)"
    INSTEAD["subscriber_list_cache_size"] = "this hub has no such cache: remove the line"
    INSTEAD["drain_timeout"] = "this hub ends its streams within 5 seconds when it stops: remove the line"
    INSTEAD["import"] = "other Caddyfiles are not read: write their directives here"
    INSTEAD["mercure"] = "write the directives of the block only, without \"mercure {\" and its \"}\""
    INSTEAD["{"] = INSTEAD["}"] = "no directive starts with a brace: remove it"
}

# ---- output ----------------------------------------------------------------------------------------

function die(where, text) {
    gsub(/[[:cntrl:]]+/, " ", text)
    print "mercure-hub: " where ": " text | "cat 1>&2"
    close("cat 1>&2")
    exit 2
}

function die_at(line, text) {
    die(VARIABLE ": line " line, text)
}

function put(line, text) {
    extra_text = extra_text text "\n"
    extra_lines = extra_lines line " "
}

# This does not split() at the quotes, because BSD's awk would also split at line ends.
function shell_quoted(text,    at, quoted) {
    while ((at = index(text, "'"))) {
        quoted = quoted substr(text, 1, at - 1) "'\\''"
        text = substr(text, at + 1)
    }
    return "'" quoted text "'"
}

function assign(name, value) {
    print name "=" shell_quoted(value)
}

# TEXT as one argument of a directive of httpd: it cannot end the argument or the line, and httpd
# replaces nothing in it.
function httpd_quoted(text, line,    i, c, quoted) {
    if (text ~ /[[:cntrl:]]/)
        die_at(line, "a value holds a line end or another control character: write it on one line")
    if (index(text, "${"))
        die_at(line, "${ would be replaced by httpd: write {env.NAME} for a variable of the environment")
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        quoted = quoted (c == "\"" || c == "\\" ? "\\" : "") c
    }
    return "\"" quoted "\""
}

function print_results(    i) {
    assign("extra_text", extra_text)
    assign("extra_lines", extra_lines)
    assign("extra_modules", extra_modules)
    assign("extra_debugger", extra_debugger)
    assign("extra_playground", extra_playground)
    assign("extra_legacy", extra_legacy)
    assign("extra_issuers", extra_issuers)
    assign("extra_name", extra_name)
    print_key("PUBLISHER")
    print_key("SUBSCRIBER")
    assign("transport", transport)
    assign("transport_size", transport_size)
    assign("transport_from", transport_from)
    for (i = 1; i <= key_count; i++)
        print "export MERCURE_EXTRA_KEY_" i "=" shell_quoted(keys[i])
}

# A JWK Set takes precedence over a single key, as in the Go hub.
function print_key(role,    from) {
    from = ((role, "jwks") in role_source) ? "jwks" : "jwt"
    assign("extra_" role "_source", role_source[role, from])
    assign("extra_" role "_algs", role_algs[role, from])
    assign("extra_" role "_line", role_line[role, from])
}

# ---- lines of httpd --------------------------------------------------------------------------------

function first_word(text) {
    sub(/^[ \t]+/, "", text)
    sub(/[ \t].*/, "", text)
    return text
}

# Takes the line ROW, and the lines that continue it, as they are.
function copy(    word) {
    word = tolower(first_word(lines[row]))
    # httpd would take the next line for a part of the comment; Caddy would not.
    if (word ~ /^#/ && lines[row] ~ /\\$/)
        die_at(row, "a comment must not end with a backslash: remove the backslash")
    if (word ~ /^<ifmodule/ || word == "authtype")
        want_module(word, lines[row])
    put(row, lines[row])
    while (lines[row] ~ /\\$/ && row < line_count)
        put(row + 1, lines[++row])
    row++
}

# Loads the module of <IfModule mod_headers.c>, because its lines are meant to apply, and the module of AuthType, whose
# absence httpd notices only when a request comes.
function want_module(word, text,    name) {
    name = tolower(text)
    gsub(/["<>]/, " ", name)
    sub(/^ *[a-z]+[ \t]+/, "", name)
    sub(/[ \t].*/, "", name)
    if (word == "authtype")
        name = "auth_" name
    else if (!sub(/^mod_/, "", name) || !sub(/\.c$/, "", name))
        sub(/_module$/, "", name)
    if (name ~ /^[a-z0-9_]+$/)
        extra_modules = extra_modules name " "
}

# ---- tokens of a Caddyfile -------------------------------------------------------------------------
#
# advance() reads the token at column COLUMN of line ROW: TOKEN is its type ("word", "{", "}", "line end"
# or "end"), WORD its text, IS_QUOTED whether it is quoted, and TOKEN_LINE its line.

function advance(    c) {
    skip_space()
    TOKEN_LINE = row
    IS_QUOTED = 0
    WORD = ""
    if (row > line_count) {
        TOKEN = "end"
        return
    }
    c = substr(lines[row], column, 1)
    if (c == "") {
        TOKEN = "line end"
        row++
        column = 1
        return
    }
    TOKEN = "word"
    if (c == "\"" || c == "`") {
        read_quoted(c)
        return
    }
    read_word()
    if (WORD == "{" || WORD == "}")
        TOKEN = WORD
    else if (WORD ~ /^<<[A-Za-z0-9_-]+$/ && column > length(lines[row]))
        die_at(row, WORD ": heredocs are not supported: write the text in quotes")
}

# Skips blanks, a comment, and a line end after a backslash.
function skip_space(    c) {
    for (;;) {
        if (row > line_count)
            return
        c = substr(lines[row], column, 1)
        if (c == "#")
            column = length(lines[row]) + 1
        else if (c == " " || c == "\t")
            column++
        else if (c == "\\" && column == length(lines[row])) {
            row++
            column = 1
        } else
            return
    }
}

function read_word(    c) {
    while ((c = substr(lines[row], column, 1)) != "" && c != " " && c != "\t") {
        if (c == "\\" && column == length(lines[row]))
            return
        WORD = WORD c
        column++
    }
}

function read_quoted(mark,    c) {
    IS_QUOTED = 1
    for (column++;; column++) {
        if (column > length(lines[row])) {
            if (row == line_count)
                die_at(TOKEN_LINE, "a quoted text does not end: add the closing " mark)
            WORD = WORD "\n"
            row++
            column = 0
            continue
        }
        c = substr(lines[row], column, 1)
        if (c == mark)
            break
        if (mark == "\"" && c == "\\" && substr(lines[row], column + 1, 1) == "\"") {
            c = "\""
            column++
        }
        WORD = WORD c
    }
    column++
}

# ---- placeholders ----------------------------------------------------------------------------------

# The word TEXT with {env.NAME}, {$NAME} and {$NAME:DEFAULT} replaced from the environment.
function expanded(text, line,    result, name, value) {
    while (match(text, /\{(\$|env\.)[A-Za-z_][A-Za-z0-9_]*(:[^{}]*)?\}/)) {
        name = substr(text, RSTART + 1, RLENGTH - 2)
        result = result substr(text, 1, RSTART - 1) variable_value(name)
        text = substr(text, RSTART + RLENGTH)
    }
    if (match(text, /\{(\$|(env|file|system|time|http|vars|tls)\.)[^{} ]*\}?/))
        die_at(line, "the placeholder " substr(text, RSTART, RLENGTH) " is not supported here: write the value, or {env.NAME}")
    return result text
}

# PLACEHOLDER is env.NAME, $NAME or $NAME:DEFAULT.
function variable_value(placeholder,    name, colon, value) {
    name = placeholder
    sub(/^(\$|env\.)/, "", name)
    colon = index(name, ":")
    if (colon) {
        value = substr(name, colon + 1)
        name = substr(name, 1, colon - 1)
    }
    if (ENVIRON[name] != "")
        value = ENVIRON[name]
    if (value == "")
        empty_variable = name
    return value
}

# Reads the words up to a brace or the end of the line into words[1] to words[word_count]. A word that expands to
# nothing is left out. {$NAME} without quotes may stand for several words, {env.NAME} for one.
function read_words(    text, parts, count, i) {
    word_count = 0
    empty_variable = ""
    for (; TOKEN == "word"; advance()) {
        check_braces()
        text = expanded(WORD, TOKEN_LINE)
        if (text == "" && !IS_QUOTED)
            continue
        if (IS_QUOTED || WORD !~ /\{\$/) {
            words[++word_count] = text
            continue
        }
        count = split(text, parts)
        for (i = 1; i <= count; i++)
            words[++word_count] = parts[i]
    }
}

# A brace that belongs to no placeholder was meant to open or close a block.
function check_braces(    rest) {
    rest = WORD
    gsub(/\{[$a-z][^{}]*\}/, "", rest)
    if (!IS_QUOTED && rest ~ /[{}]/)
        die_at(TOKEN_LINE, WORD ": put a space before and after each brace")
}

function unset_hint() {
    return empty_variable == "" ? "" : " (the variable " empty_variable " is empty or not set)"
}

# ---- directives of the Go hub ----------------------------------------------------------------------

# Translates the directive at the line ROW, and sets ROW to the line after it.
function translate(    name, line, kind) {
    column = 1
    advance()
    name = WORD == "" ? TOKEN : WORD
    line = TOKEN_LINE
    kind = KIND[name]
    advance()
    if (kind == "refused")
        die_at(line, name ": " INSTEAD[name])
    else if (kind == "transport")
        read_transport(line)
    else if (kind == "issuer")
        read_issuer(line)
    else if (kind == "jwt")
        read_jwt(name, line, role_of(name), "jwt")
    else if (kind == "jwks")
        read_jwks(name, line, role_of(name), "jwks")
    else {
        read_words()
        take_words(name, line, kind)
    }
    end_statement(name)
}

function end_statement(name) {
    if (TOKEN != "line end" && TOKEN != "end")
        die_at(TOKEN_LINE, name ": " (TOKEN == "word" ? WORD : TOKEN) " does not belong there: remove it")
}

function role_of(name) {
    return name ~ /^publisher/ ? "PUBLISHER" : "SUBSCRIBER"
}

function take_words(name, line, kind) {
    if (kind == "flag")
        take_flag(name, line)
    else if (kind == "words")
        take_list(name, line)
    else if (word_count != 1)
        die_at(line, name " takes one value" unset_hint())
    else if (kind == "word")
        put(line, HTTPD[name] " " httpd_quoted(words[1], line))
    else if (kind == "duration")
        take_duration(name, line)
    else if (kind == "size")
        put(line, HTTPD[name] bytes(words[1], name, line))
    else if (kind == "name")
        extra_name = httpd_quoted("name=" words[1], line)
    else if (kind == "compatibility")
        take_compatibility(name, line)
    else
        take_transport_url(words[1], VARIABLE ": line " line ": " name)
}

# httpd also knows some of these names, in any case.
function take_flag(name, line) {
    if (word_count)
        die_at(line, name " takes no value: remove " words[1] \
            (name == "anonymous" ? ", or write Anonymous for the directive of httpd" : ""))
    put(line, HTTPD[name])
    if (name == "playground")
        extra_playground = line
    else if (HTTPD[name] ~ /Debugger/)
        extra_debugger = line
}

# One line for each word: httpd reads at most 63 arguments in a line.
function take_list(name, line,    i, any) {
    if (!word_count)
        die_at(line, name " needs a value" unset_hint())
    for (i = 1; i <= word_count; i++) {
        any = any || words[i] == "*"
        # Only the origin of a URL counts.
        if (name == "public_urls" && words[i] ~ /^[A-Za-z]+:\/\//)
            words[i] = origin_of(words[i])
    }
    if (any && name == "publish_origins")
        die_at(line, "publish_origins *: every site could publish with the cookie of its visitors. Name the origins, " \
            "or remove the line: publishers that send their token in the Authorization field need no origin")
    if (any && name == "cors_origins") {
        put(line, HTTPD[name] " *")
        return
    }
    for (i = 1; i <= word_count; i++)
        put(line, HTTPD[name] " " httpd_quoted(words[i], line))
}

function origin_of(url,    start) {
    start = index(url, "://") + 3
    return substr(url, 1, start - 1) first_part(substr(url, start))
}

function first_part(text) {
    sub(/[\/?#].*/, "", text)
    return text
}

function take_compatibility(name, line) {
    if (words[1] != "7" && words[1] != "8")
        die_at(line, name " " words[1] ": there is no such version: write 8")
    extra_legacy = line
}

function take_duration(name, line,    value) {
    value = seconds(words[1], name, line)
    if (name == "dispatch_timeout" && value == 0)
        die_at(line, "dispatch_timeout 0 (no limit) has no counterpart: write a limit of up to 24h (MercureDispatchTimeout)")
    put(line, HTTPD[name] " " value)
}

# Seconds of a duration such as 30s, 1m30s or 1.5h.
function seconds(text, name, line,    rest, sum, unit) {
    rest = text
    if (rest == "0")
        return 0
    while (match(rest, /^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)/)) {
        unit = substr(rest, 1, RLENGTH)
        sub(/^[0-9.]+/, "", unit)
        sum += substr(rest, 1, RLENGTH) * (unit == "ms" ? 0.001 : unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 86400)
        rest = substr(rest, RLENGTH + 1)
    }
    if (rest != "" || text == "")
        die_at(line, name " " text ": this is no duration: write whole seconds such as 30s")
    if (sum > 2000000000)
        die_at(line, name " " text ": this is too long")
    if (sum - int(sum + 0.5) > 0.000001 || int(sum + 0.5) - sum > 0.000001)
        die_at(line, name " " text ": write whole seconds, such as 30s")
    return int(sum + 0.5)
}

# Bytes of a size such as 512KB, 1MiB or 1048576.
function bytes(text, name, line,    unit, factor) {
    unit = toupper(text)
    if (unit !~ /^[0-9]+(\.[0-9]+)?([KMG]?I?B?)$/)
        die_at(line, name " " text ": this is no size: write one such as 1MiB")
    sub(/^[0-9.]+/, "", unit)
    factor = unit ~ /I/ ? 1024 : 1000
    factor = unit ~ /^G/ ? factor * factor * factor : unit ~ /^M/ ? factor * factor : unit ~ /^K/ ? factor : 1
    if (text * factor < 1)
        die_at(line, name " " text " (no limit) has no counterpart: write a size such as 1MiB (MercureLimit body=)")
    return sprintf("%.0f", text * factor)
}

# ---- keys ------------------------------------------------------------------------------------------

# The SOURCE for the word TEXT, a key: the key itself goes into a variable of the environment.
function key_source(text, line, what,    name) {
    if (text ~ /^\{(\$|env\.)[A-Za-z_][A-Za-z0-9_]*\}$/) {
        name = substr(text, 2, length(text) - 2)
        sub(/^(\$|env\.)/, "", name)
        if (ENVIRON[name] == "")
            die_at(line, what ": the variable " name " is empty or not set")
        return "env:" name
    }
    if (text ~ /^\{file\..+\}$/)
        return file_source(substr(text, 7, length(text) - 7))
    text = expanded(text, line)
    if (text == "")
        die_at(line, what " needs a key" unset_hint())
    keys[++key_count] = text
    return "env:MERCURE_EXTRA_KEY_" key_count
}

function file_source(path) {
    return "file:" (path ~ /^\// ? path : ENVIRON["MERCURE_HUB_FOLDER"] "/" path)
}

# The arguments KEY [ALG] of the directive NAME, stored for ROLE and FROM.
function read_jwt(name, line, role, from) {
    if (TOKEN != "word")
        die_at(line, name " needs a key")
    role_source[role, from] = key_source(WORD, TOKEN_LINE, name)
    role_line[role, from] = line
    advance()
    read_words()
    if (word_count > 1)
        die_at(line, name " takes a key and one algorithm: remove " words[2])
    role_algs[role, from] = word_count ? words[1] : "HS256"
}

# The arguments URL [ALG…] of the directive NAME, stored for ROLE and FROM.
function read_jwks(name, line, role, from,    i, url, algs) {
    read_words()
    if (!word_count)
        die_at(line, name " needs the URL of a JWK Set" unset_hint())
    url = words[1]
    for (i = 2; i <= word_count; i++)
        algs = algs (i > 2 ? "," : "") words[i]
    if (sub(/^file:\/\//, "", url))
        url = file_source(url)
    else if (url !~ /^https?:\/\//)
        die_at(line, name " " url ": this is no URL: write one such as https://example.com/jwks.json")
    role_source[role, from] = url
    role_line[role, from] = line
    role_algs[role, from] = algs == "" ? PUBLIC_KEY_ALGS : algs
}

# ---- issuer ID { … } -------------------------------------------------------------------------------

function read_issuer(line,    id) {
    read_words()
    if (word_count != 1)
        die_at(line, "issuer takes one identifier and a block { … }" unset_hint())
    id = httpd_quoted(words[1], line)
    if (extra_issuers == "")
        extra_issuers = line
    for (open_block("issuer", line); next_in_block("issuer", line);) {
        if (WORD == "authorization_server") {
            authorization_server[++authorization_servers] = id
            authorization_server_line[authorization_servers] = TOKEN_LINE
            advance()
        } else if (WORD == "publisher" || WORD == "subscriber")
            read_role(id, WORD)
        else
            die_at(TOKEN_LINE, "issuer: " WORD " is not known: write publisher, subscriber or authorization_server")
    }
}

# publisher { jwt KEY [ALG] } or publisher { jwks_uri URL [ALG…] }
function read_role(id, name,    line, start) {
    line = TOKEN_LINE
    start = 0
    advance()
    for (open_block(name, line); next_in_block(name, line);) {
        if (start)
            die_at(TOKEN_LINE, name ": jwt or jwks_uri, and only one of them: remove " WORD)
        start = TOKEN_LINE
        if (WORD == "jwt") {
            advance()
            read_jwt("jwt", start, id, name)
        } else if (WORD == "jwks_uri") {
            advance()
            read_jwks("jwks_uri", start, id, name)
        } else
            die_at(TOKEN_LINE, name ": " WORD " is not known: write jwt or jwks_uri")
    }
    if (!start)
        die_at(line, name " has no key: write jwt or jwks_uri in its block")
    put(start, (name == "publisher" ? "MercurePublisherKey " : "MercureSubscriberKey ") id " " \
        httpd_quoted(role_algs[id, name], start) " " httpd_quoted(role_source[id, name], start))
}

function open_block(name, line) {
    if (TOKEN != "{")
        die_at(line, name " needs a block: write { at the end of its line")
    advance()
}

# Whether the block of NAME continues with the word WORD; skips the end of the block.
function next_in_block(name, line) {
    while (TOKEN == "line end")
        advance()
    if (TOKEN == "end")
        die_at(line, "the block of " name " does not end: add }")
    if (TOKEN == "{")
        die_at(TOKEN_LINE, name ": { does not belong there: remove it")
    if (TOKEN == "word")
        return 1
    advance()
    return 0
}

# ---- transports ------------------------------------------------------------------------------------

function read_transport(line,    name) {
    if (TOKEN != "word")
        die_at(line, "transport needs a name: write bolt or local")
    name = WORD
    use_transport(name, VARIABLE ": line " line ": transport")
    advance()
    if (TOKEN != "{")
        return
    for (open_block("transport", line); next_in_block("transport", line);)
        read_transport_option(name)
}

function read_transport_option(name,    option, line, value) {
    option = WORD
    line = TOKEN_LINE
    if (name != "bolt" || option !~ /^(path|size|cleanup_frequency|bucket_name)$/)
        die_at(line, "transport " name ": the option " option " is not known: remove it")
    advance()
    if (TOKEN != "word")
        die_at(line, "transport " name ": " option " needs a value")
    value = expanded(WORD, line)
    advance()
    if (option == "size")
        use_size(value, VARIABLE ": line " line ": size")
}

function take_transport_url(url, where,    scheme, options, count, i) {
    scheme = url
    if (!sub(/:\/\/.*/, "", scheme))
        die(where, "must be a URL such as redis://HOST:PORT or bolt://mercure.db")
    scheme = tolower(scheme)
    if (scheme ~ /^rediss?$/ && where == "MERCURE_TRANSPORT_URL") {
        transport = "redis"
        transport_from = where
        return
    }
    use_transport(scheme, where)
    if (!sub(/^[^?]*\?/, "", url))
        return
    count = split(url, options, "&")
    for (i = 1; i <= count; i++) {
        if (options[i] ~ /^size=/)
            use_size(substr(options[i], 6), where)
    }
}

# The URL of a transport may hold a password, so no message shows it.
function use_transport(name, where) {
    if (name ~ /^rediss?$/)
        die(where, name " belongs into the variable MERCURE_TRANSPORT_URL, or write MercureTransport")
    if (name != "bolt" && name != "local")
        die(where, (name ~ /^[a-z0-9]+$/ ? name : "it") " is not a transport of this hub: remove it; " \
            "MERCURE_STORE says where the hub keeps its history")
    transport = name
    transport_from = where
    transport_size = ""
}

# In the Go hub, 0 keeps everything; here, 0 leaves the bounds of MercureHistory in force.
function use_size(value, where) {
    if (value !~ /^[0-9]+$/ || length(value) > 15)
        die(where, value ": the size must be a number of updates")
    transport_size = value + 0 ? value : ""
}
