#include "httpd/htaccess/parse.h"

#include <openssl/crypto.h>

#include "apr_strings.h"
#include "http_config.h"

#include "httpd/base/module.h"
#include "httpd/base/pool.h"
#include "httpd/config/check.h"
#include "httpd/config/place.h"
#include "httpd/config/settings.h"
#include "httpd/htaccess/file.h"

/*
 * More than a step of the clock of any file system, and less than the delay with which a change may
 * take effect.
 */
#define YOUNG_NS INT64_C(1000000000)

/* The state of one reading. */
struct parsing {
    const struct mrc_htaccess_place *place;
    struct mrc_htaccess_reading *reading;
    uid_t owner;             /* of the .htaccess file */
    struct mrc_bytes rest;   /* of its content */
    struct mrc_error *error; /* why nothing can be read now */
    bool cannot_now;
};

static void fail_now(struct parsing *parsing, const char *path, const char *reason)
{
    if (!parsing->cannot_now)
        mrc_error_set(parsing->error, MRC_ENOMEM, "%.120s cannot be read: %.80s", path, reason);
    parsing->cannot_now = true;
}

/*
 * STAMP is from before the file was read. A file that was changed just before may change again
 * without another stamp, because the clock of file systems has steps: it is read once more.
 */
static void watch(struct mrc_htaccess_reading *reading, const char *path, bool is_through,
                  const struct mrc_file_stamp *stamp)
{
    struct mrc_htaccess_watch *watch = apr_array_push(reading->watches);
    int64_t age_ns = apr_time_now() * 1000 - stamp->changed_ns;

    *watch = (struct mrc_htaccess_watch){path, is_through, *stamp,
                                         age_ns > -YOUNG_NS && age_ns < YOUNG_NS};
}

/* The same for the .htaccess file PATH before it is read, which may be a link to another file, or
 * to none. */
static void watch_htaccess(struct mrc_htaccess_reading *reading, const char *path)
{
    struct mrc_file_stamp stamp = mrc_htaccess_file_look(path);
    struct mrc_file_stamp through = mrc_htaccess_file_look_through(path);

    watch(reading, path, false, &stamp);
    if (!mrc_file_stamp_eq(&stamp, &through))
        watch(reading, path, true, &through);
}

/* ---- the content, line by line ----------------------------------------------------------------*/

static apr_status_t get_char(char *ret, void *ctx)
{
    struct parsing *parsing = ctx;

    if (parsing->rest.len == 0)
        return APR_EOF;
    *ret = *parsing->rest.ptr++;
    parsing->rest.len--;
    return APR_SUCCESS;
}

/* As apr_file_gets(). */
static apr_status_t get_line(void *ret, apr_size_t size, void *ctx)
{
    char *line = ret;
    apr_size_t len = 0;

    while (len + 1 < size && get_char(&line[len], ctx) == APR_SUCCESS) {
        if (line[len++] == '\n')
            break;
    }
    line[len] = '\0';
    return len ? APR_SUCCESS : APR_EOF;
}

static apr_status_t close_content(void *ctx)
{
    return APR_SUCCESS;
}

/* ---- keys -------------------------------------------------------------------------------------*/

/* Reads the key file NAME of a directive, for config/place.h. */
static const char *read_key(void *ctx, const char *name, struct mrc_bytes *ret_content)
{
    struct parsing *parsing = ctx;
    apr_pool_t *pool = parsing->reading->pool;
    const char *dir = parsing->place->dir, *slash = strrchr(dir, '/'), *path = NULL;
    const char *parent =
        slash == dir || !slash ? "/" : apr_pstrmemdup(pool, dir, (apr_size_t)(slash - dir));
    struct mrc_error error = {""};
    struct mrc_file_stamp stamp;
    struct mrc_buf buf;
    apr_status_t status;

    mrc_buf_init(&buf, MRC_HTACCESS_FILE_KEY_MAX_BYTES);
    status = mrc_htaccess_file_read_below(pool, parent, name, parsing->owner, &buf, &error, &path,
                                          &stamp);
    if (path)
        watch(parsing->reading, path, false, &stamp);
    if (mrc_htaccess_file_is_passing(status))
        fail_now(parsing, name, error.text);
    if (status)
        parsing->reading->is_unread = true;
    if (!status)
        *ret_content =
            (struct mrc_bytes){mrc_buf_bytes(&buf).len ? apr_pmemdup(pool, mrc_buf_bytes(&buf).ptr,
                                                                     mrc_buf_bytes(&buf).len)
                                                       : "",
                               mrc_buf_bytes(&buf).len};
    if (buf.ptr)
        OPENSSL_cleanse(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    return status ? apr_psprintf(pool, "the key file %s cannot be read: %s", name, error.text)
                  : NULL;
}

/* ---- directives -------------------------------------------------------------------------------*/

/* The directives of this module at the top level of TREE. Those in a section are about files. */
static ap_directive_t *pick_ours(ap_directive_t *tree)
{
    ap_directive_t *first = NULL, **last = &first;

    for (ap_directive_t *directive = tree; directive; directive = directive->next) {
        if (!ap_cstr_casecmpn(directive->directive, "Mercure", 7)) {
            *last = directive;
            last = &directive->next;
        }
    }
    *last = NULL;
    return first;
}

/*
 * The directives that httpd may execute while it reads the file: sections that include or leave out
 * their content. Macros are not among them, because mod_macro keeps them for all threads.
 */
static apr_table_t *conditions(apr_pool_t *pool)
{
    static const char *const names[] = {"<IfModule",    "<IfDefine",  "<IfVersion",
                                        "<IfDirective", "<IfSection", "<IfFile"};
    apr_table_t *table = apr_table_make(pool, sizeof(names) / sizeof(names[0]));

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        apr_table_setn(table, names[i], "1");
    return table;
}

/* Executes the directives of the file NAME. Returns NULL, or an error message. */
static const char *execute(struct parsing *parsing, const char *name)
{
    const struct mrc_htaccess_place *place = parsing->place;
    apr_pool_t *pool = parsing->reading->pool;
    ap_conf_vector_t *vector = ap_create_per_dir_config(pool);
    ap_directive_t *tree = NULL;
    cmd_parms parms = {
        .override = OR_NONE,
        .override_opts = place->override_opts,
        .override_list = conditions(pool),
        .limited = -1,
        .config_file = ap_pcfg_open_custom(pool, name, parsing, get_char, get_line, close_content),
        .pool = pool,
        .temp_pool = pool, /* this tells httpd that it is an .htaccess file */
        .server = place->server,
        .path = apr_pstrcat(pool, place->dir, "/", NULL),
    };
    const char *error = ap_build_config(&parms, pool, pool, &tree);
    const char *conflict;

    parms.override = place->override;
    parms.override_list = place->override_list;
    if (!error)
        error = ap_walk_config(pick_ours(tree), &parms, vector);
    if (error)
        return apr_psprintf(pool, "%s:%d: %s", name,
                            parms.err_directive ? parms.err_directive->line_num
                                                : (int)parms.config_file->line_number,
                            error);
    parsing->reading->settings = ap_get_module_config(vector, &mercure_module);
    if (!parsing->reading->settings)
        parsing->reading->settings = mrc_settings_create(pool);
    conflict = mrc_check_any_origin(parsing->reading->settings);
    return conflict ? apr_psprintf(pool,
                                   "%s: MercureCorsOrigins * allows other origins without "
                                   "credentials only, but %s is about the cookie: name the "
                                   "origins, or remove one of the two directives",
                                   name, conflict)
                    : NULL;
}

/* Reads the file PATH. APR_ENOENT: there is none. */
static apr_status_t read_file(struct parsing *parsing, const char *path)
{
    struct mrc_htaccess_reading *reading = parsing->reading;
    struct mrc_htaccess_found found;
    struct mrc_error error = {""};
    struct mrc_buf buf;
    apr_status_t status;
    unsigned line;

    mrc_buf_init(&buf, MRC_HTACCESS_FILE_MAX_BYTES);
    watch_htaccess(reading, path);
    status = mrc_htaccess_file_read(path, &buf, &error, &found);
    if (!status) {
        parsing->owner = found.owner;
        parsing->rest = mrc_buf_bytes(&buf);
        reading->error = mrc_htaccess_file_check(parsing->rest, &line, &error)
                             ? execute(parsing, path)
                             : apr_psprintf(reading->pool, "%s:%u: %s", path, line, error.text);
    } else if (mrc_htaccess_file_is_passing(status)) {
        fail_now(parsing, path, error.text);
    } else if (!APR_STATUS_IS_ENOENT(status)) {
        reading->error = apr_psprintf(reading->pool, "%s cannot be read: %s", path, error.text);
        reading->is_unread = true;
    }
    if (buf.ptr)
        OPENSSL_cleanse(buf.ptr, buf.cap);
    mrc_buf_free(&buf);
    return status;
}

struct mrc_htaccess_reading *mrc_htaccess_parse(const struct mrc_htaccess_place *place,
                                                uint64_t number, struct mrc_error *error)
{
    struct mrc_htaccess_reading *reading;
    struct parsing parsing = {.place = place, .error = error};
    struct mrc_place_site site = {.read_key = read_key,
                                  .ctx = &parsing,
                                  .number = number,
                                  .keys_left = MRC_HTACCESS_PARSE_KEYS_MAX};
    const char *names = place->names;
    apr_pool_t *pool;

    /* Readings are made and freed by any thread, so none has a parent. */
    if (mrc_pool_create_unmanaged(&pool) != APR_SUCCESS) {
        fail_now(&parsing, place->dir, mrc_strerror(MRC_ENOMEM));
        return NULL;
    }
    apr_pool_tag(pool, "mercure_htaccess");
    reading = apr_pcalloc(pool, sizeof(*reading));
    reading->pool = pool;
    reading->watches = apr_array_make(pool, 2, sizeof(struct mrc_htaccess_watch));
    parsing.reading = reading;
    mrc_place_set_site(pool, &site);
    while (*names) {
        const char *name = ap_getword_conf(pool, &names);

        if (!APR_STATUS_IS_ENOENT(
                read_file(&parsing, apr_pstrcat(pool, place->dir, "/", name, NULL))))
            break;
    }
    mrc_place_set_site(pool, NULL);
    if (site.lacks_memory)
        fail_now(&parsing, place->dir, mrc_strerror(MRC_ENOMEM));
    if (parsing.cannot_now) {
        mrc_htaccess_free(reading);
        return NULL;
    }
    return reading;
}

bool mrc_htaccess_is_valid(const struct mrc_htaccess_reading *reading)
{
    for (int i = 0; i < reading->watches->nelts; i++) {
        const struct mrc_htaccess_watch *watch =
            &APR_ARRAY_IDX(reading->watches, i, struct mrc_htaccess_watch);
        struct mrc_file_stamp now = watch->is_through ? mrc_htaccess_file_look_through(watch->path)
                                                      : mrc_htaccess_file_look(watch->path);

        if (watch->is_young || !mrc_file_stamp_eq(&watch->stamp, &now))
            return false;
    }
    return !reading->is_unread;
}

void mrc_htaccess_free(void *reading)
{
    apr_pool_destroy(((struct mrc_htaccess_reading *)reading)->pool);
}
