#include "core/urlpattern/init.h"

#include "core/base/utf8.h"
#include "core/url/url.h"
#include "core/urlpattern/canon.h"
#include "core/urlpattern/part.h"

/* Where a value stands in the storage. */
struct span {
    size_t at;
    size_t len;
    bool is_given;
};

struct processor {
    const struct mrc_urlpattern_init *init;
    enum mrc_urlpattern_init_type type;
    struct mrc_error *error;
    struct mrc_buf *storage;
    struct mrc_url *base;
    struct span result[MRC_URLPATTERN_COMPONENTS];
};

static bool gives(const struct processor *processor, enum mrc_urlpattern_component_id component)
{
    return processor->init->components[component].ptr != NULL;
}

static struct mrc_bytes view_of(const struct processor *processor, const struct span *span)
{
    return (struct mrc_bytes){processor->storage->ptr + span->at, span->len};
}

/* ---- what the base gives -----------------------------------------------------------------------
 */

/* VALUE of the base, which is no pattern even if it looks like one. */
static struct span add_base_value(struct processor *processor, struct mrc_bytes value)
{
    struct span span = {.at = processor->storage->len, .is_given = true};

    if (processor->type == MRC_INIT_PATTERN)
        mrc_urlpattern_part_escape(processor->storage, value);
    else
        mrc_buf_add_bytes(processor->storage, value);
    span.len = processor->storage->len - span.at;
    return span;
}

/*
 * The base gives COMPONENT if INIT gives neither it nor one of the components before it in LIST,
 * from the least specific one on.
 */
static void inherit(struct processor *processor, const enum mrc_urlpattern_component_id *list,
                    size_t count, struct mrc_bytes value)
{
    for (size_t i = 0; i < count; i++)
        if (gives(processor, list[i]))
            return;
    processor->result[list[count - 1]] =
        add_base_value(processor, value.ptr ? value : (struct mrc_bytes){"", 0});
}

static void inherit_all(struct processor *processor)
{
    static const enum mrc_urlpattern_component_id path[] = {
        MRC_URLPATTERN_PROTOCOL, MRC_URLPATTERN_HOSTNAME, MRC_URLPATTERN_PORT,
        MRC_URLPATTERN_PATHNAME, MRC_URLPATTERN_SEARCH,   MRC_URLPATTERN_HASH,
    };
    static const enum mrc_urlpattern_component_id user[] = {
        MRC_URLPATTERN_PROTOCOL, MRC_URLPATTERN_HOSTNAME, MRC_URLPATTERN_PORT,
        MRC_URLPATTERN_USERNAME, MRC_URLPATTERN_PASSWORD,
    };
    const struct mrc_url *base = processor->base;

    if (processor->type == MRC_INIT_URL) {
        inherit(processor, user, 4, base->username);
        inherit(processor, user, 5, base->password);
    }
    inherit(processor, path, 1, base->scheme);
    inherit(processor, path, 2, base->host);
    inherit(processor, path, 3, base->port);
    inherit(processor, path, 4, base->path);
    inherit(processor, path, 5, base->query);
    inherit(processor, path, 6, base->fragment);
}

/* ---- what the dictionary gives -----------------------------------------------------------------
 */

/* VALUE without the punctuation that may stand at its end, or its front. */
static struct mrc_bytes strip(enum mrc_urlpattern_component_id component, struct mrc_bytes value)
{
    if (component == MRC_URLPATTERN_PROTOCOL && value.len && value.ptr[value.len - 1] == ':')
        value.len--;
    if ((component == MRC_URLPATTERN_SEARCH && value.len && value.ptr[0] == '?') ||
        (component == MRC_URLPATTERN_HASH && value.len && value.ptr[0] == '#')) {
        value.ptr++;
        value.len--;
    }
    return value;
}

static bool is_absolute_path(const struct processor *processor, struct mrc_bytes path)
{
    if (path.len && path.ptr[0] == '/')
        return true;
    return processor->type == MRC_INIT_PATTERN && path.len >= 2 && path.ptr[1] == '/' &&
           (path.ptr[0] == '\\' || path.ptr[0] == '{');
}

/* Appends a relative PATH behind the directory of the base; any other as it is. */
static void add_path(struct processor *processor, struct mrc_bytes path, struct mrc_buf *out)
{
    const struct mrc_url *base = processor->base;

    if (base && !base->has_opaque_path && !is_absolute_path(processor, path)) {
        size_t slash = mrc_bytes_find_last(base->path, '/');

        if (slash < base->path.len) {
            struct mrc_bytes directory = {base->path.ptr, slash + 1};

            if (processor->type == MRC_INIT_PATTERN)
                mrc_urlpattern_part_escape(out, directory);
            else
                mrc_buf_add_bytes(out, directory);
        }
    }
    mrc_buf_add_bytes(out, path);
}

static enum mrc_urlpattern_canon canon_of(const struct processor *processor,
                                          enum mrc_urlpattern_component_id component)
{
    struct mrc_bytes protocol;

    switch (component) {
    case MRC_URLPATTERN_PROTOCOL:
        return MRC_CANON_PROTOCOL;
    case MRC_URLPATTERN_HOSTNAME:
        return MRC_CANON_HOSTNAME;
    case MRC_URLPATTERN_PORT:
        return MRC_CANON_PORT;
    case MRC_URLPATTERN_PATHNAME:
        protocol = view_of(processor, &processor->result[MRC_URLPATTERN_PROTOCOL]);
        return !protocol.len || mrc_url_is_special_scheme(protocol) ? MRC_CANON_PATHNAME
                                                                    : MRC_CANON_OPAQUE_PATHNAME;
    case MRC_URLPATTERN_SEARCH:
        return MRC_CANON_SEARCH;
    case MRC_URLPATTERN_HASH:
        return MRC_CANON_HASH;
    default:
        return MRC_CANON_USERINFO;
    }
}

/* Appends VALUE, canonical if it is of a URL. */
static enum mrc_err add_value(struct processor *processor,
                              enum mrc_urlpattern_component_id component, struct mrc_bytes value)
{
    struct span span = {.at = processor->storage->len, .is_given = true};
    struct mrc_buf protocol;
    enum mrc_err err = MRC_OK;

    if (processor->type == MRC_INIT_PATTERN) {
        mrc_buf_add_bytes(processor->storage, value);
    } else {
        enum mrc_urlpattern_canon canon = canon_of(processor, component);

        mrc_buf_init(&protocol, MRC_URL_MAX_BYTES); /* the storage may move */
        mrc_buf_add_bytes(&protocol,
                          view_of(processor, &processor->result[MRC_URLPATTERN_PROTOCOL]));
        err = mrc_urlpattern_canonicalize(canon, value, mrc_buf_bytes(&protocol), processor->error,
                                          processor->storage);
        mrc_buf_free(&protocol);
    }
    span.len = processor->storage->len - span.at;
    processor->result[component] = span;
    return err ? err : mrc_buf_error(processor->storage);
}

static enum mrc_err add_component(struct processor *processor,
                                  enum mrc_urlpattern_component_id component)
{
    struct mrc_bytes value = processor->init->components[component];
    struct mrc_buf path;
    enum mrc_err err;

    if (!value.ptr)
        return MRC_OK;
    if (value.len > MRC_URLPATTERN_MAX_BYTES)
        return mrc_error_set(processor->error, MRC_ELIMIT, "a pattern longer than %d bytes",
                             MRC_URLPATTERN_MAX_BYTES);
    if (!mrc_utf8_valid(value))
        return mrc_error_set(processor->error, MRC_EINVAL, "a pattern that is not UTF-8");
    if (component != MRC_URLPATTERN_PATHNAME)
        return add_value(processor, component, strip(component, value));
    mrc_buf_init(&path, MRC_URL_MAX_BYTES);
    add_path(processor, value, &path);
    err = mrc_buf_error(&path);
    if (!err)
        err = add_value(processor, component, mrc_buf_bytes(&path));
    mrc_buf_free(&path);
    return err;
}

enum mrc_err mrc_urlpattern_init_process(const struct mrc_urlpattern_init *init,
                                         enum mrc_urlpattern_init_type type,
                                         struct mrc_error *error, struct mrc_buf *storage,
                                         struct mrc_urlpattern_init *ret_init)
{
    struct processor processor = {.init = init, .type = type, .error = error, .storage = storage};
    enum mrc_err err = MRC_OK;

    if (!mrc_buf_extend(storage, 0)) /* so that views of it are never NULL */
        return mrc_buf_error(storage);
    if (init->base_url.ptr) {
        err = mrc_url_parse(init->base_url, NULL, error, &processor.base);
        if (err)
            return err;
        inherit_all(&processor);
        err = mrc_buf_error(storage);
    }
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++)
        err = add_component(&processor, (enum mrc_urlpattern_component_id)i);
    mrc_url_free(processor.base);
    if (err)
        return err;
    *ret_init = (struct mrc_urlpattern_init){.base_url = {NULL, 0}};
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (processor.result[i].is_given)
            ret_init->components[i] = view_of(&processor, &processor.result[i]);
        else if (type == MRC_INIT_URL)
            ret_init->components[i] = (struct mrc_bytes){"", 0};
    return MRC_OK;
}
