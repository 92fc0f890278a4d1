#include "httpd/config/transport.h"

#include "httpd.h"

#include "apr_lib.h"
#include "apr_sha1.h"
#include "apr_strings.h"
#include "http_config.h"

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "httpd/base/environment.h"
#include "httpd/base/reload.h"
#include "httpd/config/directive_table.h"
#include "httpd/config/key_sources.h"
#include "store/base/file.h"

#define DIRECTIVE "MercureTransport"

#define REDIS_PORT    6379
#define SENTINEL_PORT 26379

/* A password file holds one line. */
#define PASSWORD_MAX_BYTES 4096

#define NAME_MAX_BYTES 64 /* of prefix= and machine= */
#define HOSTS_MAX      16

#define DIGITS     "0123456789"
#define HOST_CHARS DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:"

#define SECOND_US ((int64_t)1000 * 1000)

/* What is read so far. */
struct reading {
    apr_pool_t *pool;
    struct mrc_transport_settings *settings;
    apr_array_header_t *hosts; /* of struct mrc_engine_host */
    const char *shown;         /* the URL without user and password, and without what no URL of a
                                * transport has, which may be a password */
    unsigned given;            /* bit N: option N */
};

/* The error for the value TEXT of WHAT, and its FIX. */
static const char *refuse(const struct reading *reading, const char *what, const char *text,
                          const char *fix)
{
    return apr_psprintf(reading->pool, DIRECTIVE " %s: %s%s %s", reading->shown, what, text, fix);
}

/* ---- the URL ----------------------------------------------------------------------------------*/

static const char *decode(apr_pool_t *pool, const char *text)
{
    struct mrc_bytes in = mrc_bytes_of(text);
    char *decoded = apr_palloc(pool, in.len + 1);

    decoded[mrc_percent_decode(in, false, decoded)] = '\0';
    return decoded;
}

/* Reads USER[:PASSWORD]. */
static const char *read_user(struct reading *reading, const char *text)
{
    struct mrc_engine_spec *engine = &reading->settings->spec.engine;
    char *user = apr_pstrdup(reading->pool, text);
    char *colon = strchr(user, ':');

    if (colon)
        *colon++ = '\0';
    engine->user = *user ? decode(reading->pool, user) : NULL;
    engine->password.value = colon && *colon ? decode(reading->pool, colon) : NULL;
    if (engine->password.value && strstr(engine->password.value, "${"))
        return refuse(reading, "the password contains ${", "",
                      ": the variable is not defined, so set it where httpd is started");
    return NULL;
}

/* The error for the port TEXT. It may be the password of a URL that lacks its @. */
static const char *port_error(struct reading *reading, const char *text)
{
    size_t len = strlen(text);
    bool is_number = len <= 5 && strspn(text, DIGITS) == len;

    if (!is_number)
        reading->shown = reading->settings->spec.engine.is_tls ? "rediss://..." : "redis://...";
    return refuse(reading, "the port ",
                  len == 0    ? "after :"
                  : is_number ? text
                              : "...",
                  "is not accepted: give a number from 1 to 65535, and put @ between a password "
                  "and the host");
}

/* TEXT as a message may show it: with other characters than CHARS, it may be a password. */
static const char *show(const char *text, const char *chars)
{
    return text[strspn(text, chars)] ? "..." : text;
}

/* Reads HOST[:PORT]; an IPv6 address is in brackets. */
static const char *read_host(struct reading *reading, char *text)
{
    struct mrc_engine_host *host = apr_array_push(reading->hosts);
    char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    char *port = strchr(end ? end : text, ':');
    int64_t number = 0; /* the default, which the options decide */

    if (port) {
        *port++ = '\0';
        number = mrc_directive_parse_number(port, MRC_UNIT_COUNT);
        if (number < 1 || number > 65535)
            return port_error(reading, port);
    }
    if (end) {
        *end = '\0';
        text++;
    }
    if (!*text)
        return refuse(reading, "a host is empty", "",
                      ": write redis://HOST:PORT, with several hosts separated by commas");
    if (strpbrk(text, " \t@/?#[]\\") || reading->hosts->nelts > HOSTS_MAX)
        return refuse(reading, "the host ", show(text, HOST_CHARS),
                      "is not accepted: give up to 16 names or addresses of servers, separated "
                      "by commas");
    *host = (struct mrc_engine_host){text, (uint16_t)number};
    return NULL;
}

static const char *read_hosts(struct reading *reading, char *text)
{
    const char *error = NULL;

    while (text && !error) {
        char *comma = strchr(text, ',');

        if (comma)
            *comma++ = '\0';
        error = read_host(reading, text);
        text = comma;
    }
    return error;
}

static const char *read_db(struct reading *reading, const char *text)
{
    int64_t db = *text ? mrc_directive_parse_number(text, MRC_UNIT_COUNT) : 0;

    if (db < 0 || db > 1000000)
        return refuse(reading, "the database /", show(text, DIGITS),
                      "is not accepted: give the number of a database, such as /0");
    reading->settings->spec.engine.db = (unsigned)db;
    return NULL;
}

/* The longest scheme that a message shows. */
#define SHOWN_SCHEME_MAX_BYTES 8

/* Why no transport has the scheme of URL. What is not a scheme may be a password. */
static const char *scheme_error(apr_pool_t *pool, const char *url)
{
    size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyz");
    bool is_scheme = len <= SHOWN_SCHEME_MAX_BYTES && url[len] == ':';

    return apr_psprintf(pool,
                        DIRECTIVE " %.*s...: there is no such transport. Write local, or "
                                  "redis://HOST:PORT, or rediss://HOST:PORT for TLS",
                        is_scheme ? (int)len + 1 : 0, url);
}

/* REST, the URL after SCHEME and user, as a message may show it. */
static const char *show_rest(apr_pool_t *pool, const char *scheme, const char *rest)
{
    size_t len = strspn(rest, HOST_CHARS "[],");

    if (rest[len] == '/' && !rest[len + 1 + strspn(rest + len + 1, DIGITS)])
        len += strlen(rest + len);
    return apr_pstrcat(pool, scheme, apr_pstrmemdup(pool, rest, len), rest[len] ? "..." : "", NULL);
}

static const char *read_url(struct reading *reading, const char *url)
{
    bool is_tls = !ap_cstr_casecmpn(url, "rediss://", 9);
    char *rest, *slash, *at;
    const char *error;

    if (!is_tls && ap_cstr_casecmpn(url, "redis://", 8))
        return scheme_error(reading->pool, url);
    rest = apr_pstrdup(reading->pool, url + (is_tls ? 9 : 8));
    at = strrchr(rest, '@');
    if (at)
        *at = '\0';
    reading->shown =
        show_rest(reading->pool, is_tls ? "rediss://" : "redis://", at ? at + 1 : rest);
    if (!mrc_engine_is_built())
        return apr_psprintf(reading->pool,
                            DIRECTIVE " %s://...: the redis transport is not built into this "
                                      "module. Write local, leave the directive out, or build the "
                                      "module with hiredis (libhiredis-dev)",
                            is_tls ? "rediss" : "redis");
    reading->settings->spec.engine.is_tls = is_tls;
    error = at ? read_user(reading, rest) : NULL;
    if (error)
        return error;
    rest = at ? at + 1 : rest;
    slash = strchr(rest, '/');
    if (slash)
        *slash++ = '\0';
    error = read_hosts(reading, rest);
    return error || !slash ? error : read_db(reading, slash);
}

/* ---- options ----------------------------------------------------------------------------------*/

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    for (const char *c = text; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("._-", *c))
            return false;
    }
    return len > 0 && len <= NAME_MAX_BYTES;
}

static const char *set_name(struct reading *reading, const char *option, const char *value,
                            const char **field)
{
    if (!is_name(value))
        return refuse(reading, option, value,
                      "is not accepted: give 1 to 64 letters, digits, dots, hyphens and "
                      "underscores");
    *field = value;
    return NULL;
}

static const char *set_seconds(struct reading *reading, const char *option, const char *value,
                               int64_t min, int64_t max, int64_t *field)
{
    int64_t seconds = mrc_directive_parse_number(value, MRC_UNIT_SECONDS);

    if (seconds < min || seconds > max)
        return refuse(reading, option, value,
                      apr_psprintf(reading->pool,
                                   "is not accepted: give a number of seconds from "
                                   "%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT,
                                   min, max));
    *field = seconds * SECOND_US;
    return NULL;
}

static const char *set_replicas(struct reading *reading, const char *value)
{
    int64_t count = mrc_directive_parse_number(value, MRC_UNIT_COUNT);

    if (count < 0 || count > 16)
        return refuse(reading, "replicas=", value,
                      "is not accepted: give a number of replicas from 0 to 16");
    reading->settings->spec.replicas = (unsigned)count;
    return NULL;
}

static const char *read_variable(struct reading *reading, const char *name, const char **ret_value)
{
    const char *value = mrc_environment_read(reading->pool, name);

    if (!value && !mrc_key_sources_show_variable(name))
        return refuse(reading, MRC_KEY_SOURCES_NO_VARIABLE, "", "");
    if (!value || !*value)
        return refuse(reading, "the environment variable ", name,
                      value ? "is empty: set it where httpd is started"
                            : "is not set: set it where httpd is started (on Debian in "
                              "/etc/apache2/envvars)");
    *ret_value = value;
    return NULL;
}

/* Reads the first line of the file. A reload continues with what the children can read. */
static const char *read_password_file(struct reading *reading, const char *name,
                                      struct mrc_engine_secret *password)
{
    struct mrc_buf buf;
    apr_status_t status;
    char reason[120];
    size_t len;

    password->file = *name ? ap_server_root_relative(reading->pool, name) : NULL;
    if (!password->file)
        return refuse(reading, "the password file ", name, "is not a valid path");
    mrc_buf_init(&buf, PASSWORD_MAX_BYTES);
    status = mrc_file_read(password->file, &buf);
    len = mrc_buf_bytes(&buf).len;
    while (len > 0 && (buf.ptr[len - 1] == '\n' || buf.ptr[len - 1] == '\r'))
        len--;
    if (len > 0)
        password->value = apr_pstrmemdup(reading->pool, buf.ptr, len);
    mrc_buf_free(&buf);
    if (len > 0 || mrc_reload_is_now())
        return NULL;
    return refuse(reading, "the password file ", password->file,
                  apr_pstrcat(reading->pool, "cannot be used: ",
                              status ? apr_strerror(status, reason, sizeof(reason)) : "it is empty",
                              ". Write the password to it, or correct the path", NULL));
}

static const char *set_password(struct reading *reading, const char *option, const char *value,
                                struct mrc_engine_secret *password)
{
    const char *error = NULL;

    if (password->value)
        return refuse(reading, "the password is given in the URL and in password=", "",
                      ": remove one of the two");
    if (!strncmp(value, "env:", 4))
        error = read_variable(reading, value + 4, &password->value);
    else if (!strncmp(value, "file:", 5))
        error = read_password_file(reading, value + 5, password);
    else
        return refuse(reading, option, "...",
                      "is not accepted: write env:NAME or file:PATH instead of the password");
    if (!error && password->value && strstr(password->value, "${"))
        error = refuse(reading, "the password contains ${", "",
                       ": the variable is not defined, so set it where httpd is started");
    return error;
}

static const char *set_cluster(struct reading *reading, const char *value)
{
    if (ap_cstr_casecmp(value, "on") && ap_cstr_casecmp(value, "off"))
        return refuse(reading, "cluster=", value, "is not accepted: write cluster=on, or nothing");
    reading->settings->spec.engine.is_cluster = !ap_cstr_casecmp(value, "on");
    return NULL;
}

static const char *set_path(struct reading *reading, const char *option, const char *value,
                            const char **field)
{
    struct mrc_file_stamp unused;
    char reason[120];
    apr_status_t status;

    if (!reading->settings->spec.engine.is_tls)
        return refuse(reading, option, value, "needs TLS: write rediss:// instead of redis://");
    *field = *value ? ap_server_root_relative(reading->pool, value) : NULL;
    if (!*field)
        return refuse(reading, option, value, "is not a valid path");
    status = mrc_file_look(*field, &unused);
    if (status && !mrc_reload_is_now())
        return refuse(reading, option, value,
                      apr_pstrcat(reading->pool,
                                  "cannot be read: ", apr_strerror(status, reason, sizeof(reason)),
                                  ". Correct the path or the permissions of the file", NULL));
    return NULL;
}

static const char *set_user(struct reading *reading, const char *value)
{
    struct mrc_engine_spec *engine = &reading->settings->spec.engine;

    if (engine->user)
        return refuse(reading, "the user is given in the URL and in user=", value,
                      ": remove one of the two");
    if (!*value)
        return refuse(reading, "user= is empty", "", ": give the name of a user, or leave it out");
    engine->user = value;
    return NULL;
}

enum option {
    OPTION_USER,
    OPTION_PASSWORD,
    OPTION_CA,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_PREFIX,
    OPTION_REPLICAS,
    OPTION_TIMEOUT,
    OPTION_LEASE,
    OPTION_MACHINE,
    OPTION_READY,
    OPTION_CLUSTER,
    OPTION_SENTINEL,
    OPTION_SENTINEL_USER,
    OPTION_SENTINEL_PASSWORD,
    OPTIONS
};

static const char *const option_names[OPTIONS] = {
    [OPTION_USER] = "user=",
    [OPTION_PASSWORD] = "password=",
    [OPTION_CA] = "ca=",
    [OPTION_CERT] = "cert=",
    [OPTION_KEY] = "key=",
    [OPTION_PREFIX] = "prefix=",
    [OPTION_REPLICAS] = "replicas=",
    [OPTION_TIMEOUT] = "timeout=",
    [OPTION_LEASE] = "lease=",
    [OPTION_MACHINE] = "machine=",
    [OPTION_READY] = "ready=",
    [OPTION_CLUSTER] = "cluster=",
    [OPTION_SENTINEL] = "sentinel=",
    [OPTION_SENTINEL_USER] = "sentinel-user=",
    [OPTION_SENTINEL_PASSWORD] = "sentinel-password=",
};

static const char *set_option(struct reading *reading, enum option option, const char *value)
{
    struct mrc_transport_spec *spec = &reading->settings->spec;
    const char *name = option_names[option];

    switch (option) {
    case OPTION_USER:
        return set_user(reading, value);
    case OPTION_PASSWORD:
        return set_password(reading, name, value, &spec->engine.password);
    case OPTION_CA:
        return set_path(reading, name, value, &spec->engine.ca_file);
    case OPTION_CERT:
        return set_path(reading, name, value, &spec->engine.cert_file);
    case OPTION_KEY:
        return set_path(reading, name, value, &spec->engine.key_file);
    case OPTION_PREFIX:
        return set_name(reading, name, value, &spec->prefix);
    case OPTION_REPLICAS:
        return set_replicas(reading, value);
    case OPTION_TIMEOUT:
        return set_seconds(reading, name, value, 1, 30, &spec->engine.timeout_us);
    case OPTION_LEASE:
        return set_seconds(reading, name, value, 5, 300, &spec->lease_us);
    case OPTION_MACHINE:
        return set_name(reading, name, value, &spec->machine);
    case OPTION_CLUSTER:
        return set_cluster(reading, value);
    case OPTION_SENTINEL:
        return set_name(reading, name, value, &spec->engine.sentinel);
    case OPTION_SENTINEL_USER:
        spec->engine.sentinel_user = value;
        return NULL;
    case OPTION_SENTINEL_PASSWORD:
        return set_password(reading, name, value, &spec->engine.sentinel_password);
    default:
        return set_seconds(reading, name, value, 0, 86400, &spec->ready_us);
    }
}

/* The longest name of an option that a message shows. */
#define SHOWN_OPTION_MAX_BYTES 20

/* ARG, which is no option, as a message may show it: the rest may be a password in the wrong place.
 */
static const char *show_option(apr_pool_t *pool, const char *arg)
{
    size_t len = strspn(arg, "abcdefghijklmnopqrstuvwxyz-");

    return len <= SHOWN_OPTION_MAX_BYTES && arg[len] == '=' ? apr_pstrmemdup(pool, arg, len)
                                                            : "...";
}

static const char *read_option(struct reading *reading, const char *arg)
{
    for (int i = 0; i < OPTIONS; i++) {
        size_t len = strlen(option_names[i]);

        if (ap_cstr_casecmpn(arg, option_names[i], len))
            continue;
        if (reading->given & 1U << i)
            return refuse(reading, option_names[i], "", "is given twice: give it once");
        reading->given |= 1U << i;
        return set_option(reading, (enum option)i, apr_pstrdup(reading->pool, arg + len));
    }
    return refuse(reading, "the option ", show_option(reading->pool, arg),
                  "is unknown: user=, password=, ca=, cert=, key=, prefix=, replicas=, timeout=, "
                  "lease=, machine=, ready=, cluster=, sentinel=, sentinel-user= and "
                  "sentinel-password= are possible");
}

/* ---- the whole --------------------------------------------------------------------------------*/

/* A name for this machine that stays the same: its host name and runtime directory, hashed. */
static const char *make_machine(apr_pool_t *pool)
{
    char host[APRMAXHOSTLEN + 1] = "";
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha1;
    const char *text;
    char *machine = apr_palloc(pool, 17);

    apr_gethostname(host, sizeof(host), pool);
    text = apr_pstrcat(pool, host, " ", ap_runtime_dir_relative(pool, ""), NULL);
    apr_sha1_init(&sha1);
    apr_sha1_update(&sha1, text, (unsigned)strlen(text));
    apr_sha1_final(digest, &sha1);
    for (int i = 0; i < 8; i++)
        apr_snprintf(machine + 2 * i, 3, "%02x", digest[i]);
    return machine;
}

static const char *check_together(struct reading *reading)
{
    struct mrc_engine_spec *engine = &reading->settings->spec.engine;

    /* It may be a password without the colon before it. */
    if (engine->user && !engine->password.value && !engine->password.file)
        return refuse(reading, "the user", "",
                      "has no password: add password=env:NAME or password=file:PATH");
    if (engine->is_cluster && engine->db)
        return refuse(reading, "the database is not 0", "",
                      ": with cluster=on, only database 0 exists");
    if (engine->is_cluster && engine->sentinel)
        return refuse(reading, "cluster=on and sentinel= exclude each other", "",
                      ": remove one of the two");
    if ((engine->sentinel_user || engine->sentinel_password.value) && !engine->sentinel)
        return refuse(reading, "sentinel-user= and sentinel-password= need sentinel=", "",
                      ": add the name of the primary");
    if (!engine->cert_file != !engine->key_file)
        return refuse(reading, engine->cert_file ? "cert=" : "key=", "",
                      engine->cert_file ? "needs key=PATH" : "needs cert=PATH");
    return NULL;
}

/* Gives the hosts without a port the default one. */
static void set_ports(struct reading *reading)
{
    for (int i = 0; i < reading->hosts->nelts; i++) {
        struct mrc_engine_host *host = &APR_ARRAY_IDX(reading->hosts, i, struct mrc_engine_host);

        if (host->port == 0)
            host->port = reading->settings->spec.engine.sentinel ? SENTINEL_PORT : REDIS_PORT;
    }
}

const char *mrc_transport_read(apr_pool_t *pconf, int argc, char *const argv[],
                               const struct mrc_transport_settings **ret_transport)
{
    struct mrc_transport_settings *settings = apr_pcalloc(pconf, sizeof(*settings));
    bool is_variable = !strncmp(argv[0], "env:", 4);
    const char *variable = is_variable ? mrc_key_sources_show_variable(argv[0] + 4) : NULL;
    struct reading reading = {
        .pool = pconf, .settings = settings, .shown = variable ? argv[0] : "env:..."};
    const char *url = argv[0];
    const char *error = is_variable ? read_variable(&reading, argv[0] + 4, &url) : NULL;

    reading.hosts = apr_array_make(pconf, 1, sizeof(struct mrc_engine_host));
    settings->spec = (struct mrc_transport_spec){
        .engine = {.timeout_us = 2 * SECOND_US},
        .prefix = "mercure",
        .lease_us = 15 * SECOND_US,
    };
    if (!error)
        error = read_url(&reading, url);
    settings->has_password_in_url = !is_variable && settings->spec.engine.password.value;
    settings->spec.group = url;
    for (int i = 1; i < argc && !error; i++) {
        error = read_option(&reading, argv[i]);
        settings->spec.group = apr_pstrcat(pconf, settings->spec.group, " ", argv[i], NULL);
    }
    if (!error)
        error = check_together(&reading);
    if (error)
        return error;
    set_ports(&reading);
    settings->spec.engine.hosts = (const struct mrc_engine_host *)reading.hosts->elts;
    settings->spec.engine.hosts_count = (size_t)reading.hosts->nelts;
    if (!settings->spec.machine)
        settings->spec.machine = make_machine(pconf);
    *ret_transport = settings;
    return NULL;
}
