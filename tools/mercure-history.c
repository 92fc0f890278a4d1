/*
 * mercure-history: lists, exports, imports and compacts the histories of MercureStore lmdb.
 *
 *     mercure-history list PATH           the hubs below PATH
 *     mercure-history list DIR            the updates of the hub whose directory is DIR
 *     mercure-history export DIR >FILE    all updates of the hub as JSON lines, the oldest first
 *     mercure-history import DIR <FILE    adds such lines after the hub's own updates
 *     mercure-history compact DIR         gives free space in the file back to the file system
 *
 * The hub may be running. Its subscribers get imported updates with the next publication. Started
 * by root, it acts as the user that owns the directory of the hub, which must not be a symbolic
 * link.
 *
 * Exit status: 0 done, 1 refused (the reason is on standard error), 2 wrong usage.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "apr_time.h"

#include "core/base/base64url.h"
#include "core/base/buf.h"
#include "core/base/utf8.h"
#include "core/protocol/form.h"
#include "core/protocol/update.h"
#include "store/base/status.h"
#include "store/lmdb/env.h"
#include "store/lmdb/files.h"
#include "store/lmdb/table.h"

#define ROWS_PER_TXN   500                          /* then other processes have their turn */
#define LINE_MAX_BYTES ((size_t)1200 * 1024 * 1024) /* more than the largest update needs */
#define TOPICS_MAX     100000

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

#define NO_HUB 3 /* of a directory: it holds no history */

static int usage(FILE *to)
{
    fprintf(to, "usage: mercure-history list PATH|DIR\n"
                "       mercure-history export DIR >FILE\n"
                "       mercure-history import DIR <FILE\n"
                "       mercure-history compact DIR\n"
                "PATH is the path of MercureStore lmdb, DIR the directory of one hub in it.\n");
    return EXIT_USAGE;
}

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "mercure-history: %s: %s\n", what, why);
    return EXIT_REFUSED;
}

static int refuse_status(const char *what, apr_status_t status)
{
    char reason[120];
    const char *text = mrc_status_text(status);

    return refuse(what, text ? text : apr_strerror(status, reason, sizeof(reason)));
}

/* PATH without slashes, and components `.`, at its end: with them, it would be the target of a
 * link. */
static const char *without_end(apr_pool_t *pool, const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && (path[len - 1] == '/' || (path[len - 1] == '.' && path[len - 2] == '/')))
        len--;
    return apr_pstrmemdup(pool, path, len);
}

/*
 * Makes DIR, a path below the directory AT, the current directory and, if root runs the program,
 * becomes the user that owns it: that user may exchange every file in it. A symbolic link is
 * refused, because that user may have chosen its target. NAME is the path for messages.
 */
static int enter(apr_pool_t *pool, int at, const char *dir, const char *name)
{
    const char *place = without_end(pool, dir);
    int fd = openat(at, place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int result = EXIT_DONE;

    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return refuse(name, fstatat(at, place, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)
                                ? "this is a symbolic link: name the directory itself"
                                : "this is not a directory");
    if (fd < 0)
        return refuse_status(name, errno);
    if (fstat(fd, &st) != 0 || fchdir(fd) != 0)
        result = refuse_status(name, errno);
    else if (geteuid() == 0 && st.st_uid != 0 &&
             (setgroups(1, &st.st_gid) != 0 || setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0))
        result = refuse(name, "cannot become the user that owns it");
    close(fd);
    return result;
}

/* Whether a directory in PATH has a history: then PATH is the path of a store, not of a hub. */
static bool is_store(apr_pool_t *pool, const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir)))
        found = entry->d_name[0] != '.' &&
                mrc_history_files_newest(apr_psprintf(pool, "%s/%s", path, entry->d_name)) != 0;
    if (dir)
        closedir(dir);
    return found;
}

/* Opens the history in the current directory, whose path is NAME for the user. */
static int open_env(apr_pool_t *pool, const char *name,
                    const struct mrc_history_env_options *options, struct mrc_history_env **ret_env)
{
    struct mrc_error error = {""};

    if (mrc_history_files_newest(".") == 0 && (!options->key || is_store(pool, ".")))
        return refuse(name, "it has no history: name the directory of a hub, below the path of "
                            "MercureStore");
    return mrc_history_env_open(pool, ".", options, &error, ret_env) == APR_SUCCESS
               ? EXIT_DONE
               : refuse(name, apr_psprintf(pool, "cannot open the history: %s", error.text));
}

/* ---- list -------------------------------------------------------------------------------------*/

typedef int record_fn(const struct mrc_record *record, void *ctx);

/* Calls FN with every record, in short transactions. */
static int each_record(struct mrc_history_env *env, record_fn *fn, void *ctx)
{
    uint64_t next = 0;

    for (;;) {
        struct mrc_history_row first, row;
        struct mrc_history_txn txn;
        apr_status_t status = mrc_history_env_begin(env, false, &txn);
        int result = EXIT_DONE;

        if (status)
            return refuse_status("the history cannot be read", status);
        status = mrc_history_table_first(&txn, &first);
        if (!status && next < first.record.seq)
            next = first.record.seq;
        for (unsigned i = 0; !status && !result && i < ROWS_PER_TXN; i++) {
            status = mrc_history_table_get(&txn, next, &row);
            if (!status) {
                result = fn(&row.record, ctx);
                next++;
            }
        }
        mrc_history_env_abort(&txn);
        if (result || status)
            return result                   ? result
                   : status == APR_NOTFOUND ? EXIT_DONE
                                            : refuse_status("the history cannot be read", status);
    }
}

/* Prints BYTES without control and format characters, so that they stay on one line and cannot
 * affect a terminal. */
static void print_plain(struct mrc_bytes bytes)
{
    while (bytes.len) {
        uint32_t code_point;
        bool is_valid;
        size_t len = mrc_utf8_decode(bytes, &code_point, &is_valid);

        if (!is_valid || !mrc_utf8_is_printable(code_point))
            putchar('?');
        else
            fwrite(bytes.ptr, 1, len, stdout);
        bytes.ptr += len;
        bytes.len -= len;
    }
}

static int list_record(const struct mrc_record *record, void *ctx)
{
    time_t seconds = (time_t)(record->time_us / APR_USEC_PER_SEC);
    struct mrc_update update;
    char when[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    printf("%" PRIu64 " %s %" PRIu64 " ", record->seq, when, record->stored_bytes);
    print_plain(record->id);
    if (mrc_update_decode(record->id, record->payload, &update) == MRC_OK) {
        for (size_t i = 0; i < update.topics_count; i++) {
            putchar(' ');
            print_plain(update.topics[i]);
        }
        if (update.is_private)
            fputs(" (private)", stdout);
        mrc_update_clear(&update);
    }
    putchar('\n');
    return EXIT_DONE;
}

/* Prints the hub of the history in ENV, and its size. */
static int show_hub(struct mrc_history_env *env, const char *dir)
{
    struct mrc_history_row first, last;
    struct mrc_history_txn txn;
    MDB_val key = {.mv_size = 3, .mv_data = (void *)(uintptr_t) "key"};
    MDB_val value = {.mv_size = 0, .mv_data = NULL};
    struct stat st = {.st_size = 0};
    uint64_t count = 0, bytes = 0;
    apr_status_t status = mrc_history_env_begin(env, false, &txn);

    if (status)
        return refuse_status(dir, status);
    mdb_get(txn.txn, txn.dbs.about, &key, &value);
    if (mrc_history_table_first(&txn, &first) == APR_SUCCESS &&
        mrc_history_table_last(&txn, &last) == APR_SUCCESS) {
        count = last.record.seq - first.record.seq + 1;
        bytes = mrc_history_table_bytes(&first, &last);
    }
    stat(mrc_history_env_path(env), &st);
    printf("%s\n    hub ", dir);
    print_plain((struct mrc_bytes){value.mv_data, value.mv_size});
    printf("\n    %" PRIu64 " updates, %" PRIu64 " bytes; a file of %lld bytes\n", count, bytes,
           (long long)st.st_size);
    mrc_history_env_abort(&txn);
    return EXIT_DONE;
}

/* Shows the hub whose directory is ENTRY of the directory AT. */
static int show_entry(apr_pool_t *pool, int at, const char *entry, const char *name)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history_env *env;
    int result = enter(pool, at, entry, name);

    if (!result && mrc_history_files_newest(".") == 0)
        return NO_HUB;
    if (!result)
        result = open_env(pool, name, &options, &env);
    if (!result) {
        result = show_hub(env, name);
        mrc_history_env_close(env);
    }
    return result;
}

/* The same in a process of its own, because it becomes the owner of the directory for good. */
static int show_entry_apart(apr_pool_t *pool, int at, const char *entry, const char *name)
{
    int state;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        int result = show_entry(pool, at, entry, name);

        _exit(fflush(stdout) ? refuse("standard output", "cannot be written to") : result);
    }
    if (child < 0 || waitpid(child, &state, 0) != child)
        return refuse_status(name, errno);
    return WIFEXITED(state) ? WEXITSTATUS(state)
                            : refuse(name, "reading it ended with a signal: the file is damaged");
}

static int list_hubs(apr_pool_t *pool, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int result = EXIT_DONE;
    unsigned found = 0;

    if (!dir)
        return refuse(path, "this directory cannot be read");
    while ((entry = readdir(dir))) {
        const char *name = apr_psprintf(pool, "%s/%s", path, entry->d_name);
        struct stat st;
        int shown = NO_HUB;

        if (entry->d_name[0] != '.' &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (S_ISLNK(st.st_mode) ||
             (S_ISDIR(st.st_mode) && faccessat(dirfd(dir), entry->d_name, R_OK | X_OK, 0) == 0)))
            shown = show_entry_apart(pool, dirfd(dir), entry->d_name, name);
        if (shown != NO_HUB)
            found++;
        if (shown == EXIT_REFUSED)
            result = EXIT_REFUSED;
    }
    closedir(dir);
    return found ? result : refuse(path, "there is no history below it");
}

static int list(apr_pool_t *pool, const char *dir)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history_env *env;
    int result = open_env(pool, dir, &options, &env);

    if (result)
        return result;
    result = each_record(env, list_record, NULL);
    mrc_history_env_close(env);
    return result;
}

/* ---- export -----------------------------------------------------------------------------------*/

/* Sets NAME to BYTES as a string or, if BYTES are not UTF-8, NAME_base64url. */
static void set_bytes(json_t *object, const char *name, struct mrc_bytes bytes)
{
    json_t *string = json_stringn(bytes.ptr ? bytes.ptr : "", bytes.len);
    struct mrc_buf buf;
    char other[32];

    if (string) {
        json_object_set_new(object, name, string);
        return;
    }
    mrc_buf_init(&buf, SIZE_MAX);
    mrc_base64url_encode(bytes, &buf);
    snprintf(other, sizeof(other), "%s_base64url", name);
    json_object_set_new(object, other,
                        json_stringn(mrc_buf_bytes(&buf).ptr, mrc_buf_bytes(&buf).len));
    mrc_buf_free(&buf);
}

static int export_record(const struct mrc_record *record, void *ctx)
{
    struct mrc_update update;
    json_t *object, *topics;
    int failed;

    if (mrc_update_decode(record->id, record->payload, &update) != MRC_OK)
        return refuse("an update cannot be read", "no hub has written it");
    object = json_object();
    topics = json_array();
    for (size_t i = 0; i < update.topics_count; i++)
        json_array_append_new(topics, json_stringn(update.topics[i].ptr, update.topics[i].len));
    json_object_set_new(object, "time_us", json_integer(record->time_us));
    set_bytes(object, "id", update.id);
    json_object_set_new(object, "topic", topics);
    set_bytes(object, "data", update.data);
    if (update.type.len)
        set_bytes(object, "type", update.type);
    if (update.retry.len)
        set_bytes(object, "retry", update.retry);
    if (update.is_private)
        json_object_set_new(object, "private", json_true());
    failed = json_dumpf(object, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF;
    json_decref(object);
    mrc_update_clear(&update);
    return failed ? refuse("standard output", "cannot be written to") : EXIT_DONE;
}

static int export_all(apr_pool_t *pool, const char *dir)
{
    const struct mrc_history_env_options options = {.read_only = true};
    struct mrc_history_env *env;
    int result = open_env(pool, dir, &options, &env);

    if (result)
        return result;
    result = each_record(env, export_record, NULL);
    mrc_history_env_close(env);
    if (!result && fflush(stdout) != 0)
        result = refuse("standard output", "cannot be written to");
    return result;
}

/* ---- import -----------------------------------------------------------------------------------*/

static void add_field(struct mrc_buf *form, const char *name, struct mrc_bytes value)
{
    mrc_buf_printf(form, "%s%s=", mrc_buf_bytes(form).len ? "&" : "", name);
    for (size_t i = 0; i < value.len; i++)
        mrc_buf_printf(form, "%%%02X", (unsigned char)value.ptr[i]);
}

static struct mrc_bytes bytes_of(const json_t *string)
{
    return (struct mrc_bytes){json_string_value(string), json_string_length(string)};
}

/* Adds the member NAME of OBJECT, if there is one. False: it is not a string. */
static bool add_string(struct mrc_buf *form, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (value && !json_is_string(value))
        return false;
    if (value)
        add_field(form, name, bytes_of(value));
    return true;
}

static bool add_data(struct mrc_buf *form, const json_t *object)
{
    const json_t *coded = json_object_get(object, "data_base64url");
    struct mrc_buf data;
    bool is_well;

    if (!coded)
        return add_string(form, object, "data");
    mrc_buf_init(&data, SIZE_MAX);
    is_well = json_is_string(coded) && mrc_base64url_decode(bytes_of(coded), &data) == MRC_OK;
    if (is_well)
        add_field(form, "data", mrc_buf_bytes(&data));
    mrc_buf_free(&data);
    return is_well;
}

/* The type of updates that the hub itself publishes; no other publication may have it. */
#define OWN_TYPE "mercure"

static bool is_own(const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));

    return type && !strcmp(type, OWN_TYPE) && json_is_true(json_object_get(object, "private"));
}

/*
 * Makes a publication of OBJECT, which is then checked by the rules for publications. An update of
 * the hub itself loses its type, which those rules forbid. Returns a problem, or NULL.
 */
static const char *make_form(const json_t *object, struct mrc_buf *form)
{
    const json_t *topics = json_object_get(object, "topic");
    const json_t *private = json_object_get(object, "private");
    const json_t *id = json_object_get(object, "id");
    size_t i;
    json_t *topic;

    if (!json_is_string(id) || json_string_length(id) == 0)
        return "id must be a string and not empty";
    if (!json_is_array(topics))
        return "topic must be an array of strings";
    json_array_foreach(topics, i, topic)
    {
        if (!json_is_string(topic))
            return "topic must be an array of strings";
        add_field(form, "topic", bytes_of(topic));
    }
    if (!add_data(form, object) || !add_string(form, object, "id") ||
        (!is_own(object) && !add_string(form, object, "type")) ||
        !add_string(form, object, "retry"))
        return "data, type and retry must be strings";
    if (private && !json_is_boolean(private))
        return "private must be true or false";
    if (json_is_true(private))
        add_field(form, "private", mrc_bytes_of("on"));
    return mrc_buf_error(form) ? "out of memory" : NULL;
}

/* The state of an import. */
struct import {
    struct mrc_history_env *env;
    struct mrc_history_txn txn;
    bool is_open;          /* the transaction */
    unsigned rows;         /* in it */
    uint64_t added, known; /* in total */
};

static apr_status_t end_txn(struct import *import)
{
    apr_status_t status = APR_SUCCESS;

    if (import->is_open)
        status = mrc_history_env_commit(&import->txn);
    import->is_open = false;
    import->rows = 0;
    return status;
}

/* Adds RECORD with the next number. APR_EEXIST: the history has its id already. */
static apr_status_t add_record(const struct import *import, struct mrc_record *record)
{
    struct mrc_history_row last = {.sum_bytes = 0};
    apr_status_t status = mrc_history_table_find(&import->txn, record->id, 0, &record->seq);

    if (status != APR_NOTFOUND)
        return status ? status : APR_EEXIST;
    status = mrc_history_table_last(&import->txn, &last);
    if (status && status != APR_NOTFOUND)
        return status;
    record->seq = last.record.seq + 1;
    return mrc_history_table_append(&import->txn, record);
}

static apr_status_t import_record(struct import *import, struct mrc_record *record)
{
    apr_status_t status = APR_SUCCESS;

    if (!import->is_open) {
        status = mrc_history_env_begin(import->env, true, &import->txn);
        import->is_open = status == APR_SUCCESS;
    }
    if (!status)
        status = add_record(import, record);
    if (status && status != APR_EEXIST)
        return status;
    if (status)
        import->known++;
    else
        import->added++;
    return ++import->rows >= ROWS_PER_TXN ? end_txn(import) : APR_SUCCESS;
}

static apr_status_t import_update(struct import *import, const struct mrc_update *update,
                                  int64_t time_us)
{
    struct mrc_record record = {
        .time_us = time_us,
        .stored_bytes = mrc_update_stored_bytes(update),
        .id = update->id,
    };
    struct mrc_buf payload;
    apr_status_t status;

    mrc_buf_init(&payload, UINT32_MAX / 2);
    mrc_update_encode(update, &payload);
    record.payload = mrc_buf_bytes(&payload);
    status = mrc_buf_error(&payload) ? MRC_STATUS_TOO_LARGE : import_record(import, &record);
    mrc_buf_free(&payload);
    return status;
}

/* Imports the publication in BODY; OWN: the hub itself has published it. Returns a problem, perhaps
 * in ERROR, or NULL. */
static const char *import_form(struct import *import, struct mrc_bytes body, bool own,
                               int64_t time_us, struct mrc_error *error)
{
    const struct mrc_update_limits limits = {
        .topics_max = TOPICS_MAX,
        .field_max_bytes = SIZE_MAX,
        .id_max_bytes = SIZE_MAX,
        .is_import = true,
    };
    struct mrc_update update;
    struct mrc_form *form;
    apr_status_t status;

    if (mrc_form_parse(body, TOPICS_MAX + 16, error, &form) != MRC_OK)
        return error->text;
    if (mrc_update_parse(form, &limits, error, &update) != MRC_OK) {
        mrc_form_free(form);
        return error->text;
    }
    if (own)
        update.type = mrc_bytes_of(OWN_TYPE);
    status = import_update(import, &update, time_us);
    mrc_update_clear(&update);
    mrc_form_free(form);
    if (status)
        mrc_status_set(error, status, "it cannot be stored (%s)",
                       status == MRC_STATUS_MAP_FULL ? "the file is full"
                                                     : "there is no room, or the file is damaged");
    return status ? error->text : NULL;
}

static const char *import_object(struct import *import, const json_t *object,
                                 struct mrc_error *error)
{
    const json_t *time_us = json_object_get(object, "time_us");
    const char *why;
    struct mrc_buf form;

    if (time_us && !json_is_integer(time_us))
        return "time_us must be a whole number";
    mrc_buf_init(&form, LINE_MAX_BYTES * 3);
    why = make_form(object, &form);
    if (!why)
        why = import_form(import, mrc_buf_bytes(&form), is_own(object),
                          time_us ? json_integer_value(time_us) : apr_time_now(), error);
    mrc_buf_free(&form);
    return why;
}

static int import_lines(struct import *import)
{
    char *line = NULL;
    size_t cap = 0;
    unsigned long number = 0;
    int result = EXIT_DONE;
    ssize_t len;

    while (!result && (len = getline(&line, &cap, stdin)) >= 0) {
        struct mrc_error error = {""};
        json_error_t json_error;
        const char *why = "this is not a JSON object";
        json_t *object;

        number++;
        if (len > 0 && strspn(line, " \t\r\n") == (size_t)len)
            continue;
        object =
            json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &json_error);
        if (json_is_object(object))
            why = import_object(import, object, &error);
        json_decref(object);
        if (why) {
            char where[40];

            snprintf(where, sizeof(where), "line %lu", number);
            result = refuse(where, why);
        }
    }
    free(line);
    return result;
}

static int import_all(apr_pool_t *pool, const char *dir)
{
    /* Enough address space: a map cannot grow in the middle of a transaction. */
    const struct mrc_history_env_options options = {.key = "imported",
                                                    .map_bytes = MRC_HISTORY_ENV_MAP_TOOL_BYTES};
    struct import import = {.is_open = false};
    apr_status_t status;
    int result = open_env(pool, dir, &options, &import.env);

    if (result)
        return result;
    result = import_lines(&import);
    status = end_txn(&import); /* keeps the lines before a bad one */
    if (status)
        result = refuse_status("the updates cannot be stored", status);
    mrc_history_env_close(import.env);
    fprintf(stderr, "mercure-history: %" PRIu64 " updates added, %" PRIu64 " were there already\n",
            import.added, import.known);
    return result;
}

/* ---- compact ----------------------------------------------------------------------------------*/

static long long size_of(const struct mrc_history_env *env)
{
    struct stat st;

    return stat(mrc_history_env_path(env), &st) == 0 ? (long long)st.st_size : 0;
}

static int compact(apr_pool_t *pool, const char *dir)
{
    const struct mrc_history_env_options options = {.key = NULL};
    struct mrc_history_env *env;
    struct mrc_history_txn txn;
    struct mrc_error error = {""};
    long long before;
    int result = open_env(pool, dir, &options, &env);

    if (result)
        return result;
    before = size_of(env);
    if (mrc_history_env_compact(env, &error) != APR_SUCCESS) {
        result = refuse(dir, apr_psprintf(pool, "the history cannot be compacted: %s", error.text));
    } else if (mrc_history_env_begin(env, false, &txn) == APR_SUCCESS) { /* opens the new file */
        mrc_history_env_abort(&txn);
        fprintf(stderr, "mercure-history: %lld bytes before, %lld now\n", before, size_of(env));
    }
    mrc_history_env_close(env);
    return result;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(apr_pool_t *pool, const char *dir); /* in DIR, as its owner */
    } commands[] = {
        {"list", list}, {"export", export_all}, {"import", import_all}, {"compact", compact}};
    apr_pool_t *pool;
    int result;

    if (argc == 2 && !strcmp(argv[1], "--help")) {
        usage(stdout);
        return EXIT_DONE;
    }
    if (argc != 3 || apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        return usage(stderr);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (i == 0 && mrc_history_files_newest(argv[2]) == 0)
            return list_hubs(pool, argv[2]);
        result = enter(pool, AT_FDCWD, argv[2], argv[2]);
        return result ? result : commands[i].run(pool, argv[2]);
    }
    return usage(stderr);
}
