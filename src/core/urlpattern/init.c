#include "core/urlpattern/init.h"

#include "core/base/utf8.h"
#include "core/url/url.h"
#include "core/urlpattern/part.h"

/* The position of a pattern string in the storage, which may move while it grows. */
struct span {
    size_t at;
    size_t len;
    bool is_given;
};

struct processor {
    const struct mrc_urlpattern_init *init;
    struct mrc_error *error;
    struct mrc_buf *storage;
    struct mrc_url *base; /* NULL: none */
    struct span result[MRC_URLPATTERN_COMPONENTS];
};

/* ---- from the base ----------------------------------------------------------------------------*/

/* Copies COMPONENT from the base. VALUE is not a pattern, so it is escaped. */
static void add_base_value(struct processor *processor, enum mrc_urlpattern_component_id component,
                           struct mrc_bytes value)
{
    struct span *span = &processor->result[component];

    *span = (struct span){.at = processor->storage->len, .is_given = true};
    if (value.ptr)
        mrc_urlpattern_part_escape(processor->storage, value);
    span->len = processor->storage->len - span->at;
}

/* Copies the components before the first given one. */
static void inherit(struct processor *processor)
{
    const struct mrc_url *base = processor->base;
    const struct {
        enum mrc_urlpattern_component_id id;
        struct mrc_bytes value;
    } components[] = {
        {MRC_URLPATTERN_PROTOCOL, base->scheme}, {MRC_URLPATTERN_HOSTNAME, base->host},
        {MRC_URLPATTERN_PORT, base->port},       {MRC_URLPATTERN_PATHNAME, base->path},
        {MRC_URLPATTERN_SEARCH, base->query},    {MRC_URLPATTERN_HASH, base->fragment},
    };

    for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++) {
        if (processor->init->components[components[i].id].ptr)
            return;
        add_base_value(processor, components[i].id, components[i].value);
    }
}

/* ---- from the dictionary ----------------------------------------------------------------------*/

/* VALUE without the punctuation that it may have at its end or at its front. */
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

static bool is_absolute_path(struct mrc_bytes path)
{
    if (path.len && path.ptr[0] == '/')
        return true;
    return path.len >= 2 && path.ptr[1] == '/' && (path.ptr[0] == '\\' || path.ptr[0] == '{');
}

/* Appends the directory of the base, which a relative path is relative to. */
static void add_directory(struct processor *processor)
{
    const struct mrc_url *base = processor->base;
    size_t slash = mrc_bytes_find_last(base->path, '/');

    if (slash < base->path.len)
        mrc_urlpattern_part_escape(processor->storage,
                                   (struct mrc_bytes){base->path.ptr, slash + 1});
}

static enum mrc_err add_component(struct processor *processor,
                                  enum mrc_urlpattern_component_id component)
{
    struct mrc_bytes value = processor->init->components[component];
    struct span *span = &processor->result[component];

    if (!value.ptr)
        return MRC_OK;
    if (value.len > MRC_URLPATTERN_MAX_BYTES)
        return mrc_error_set(processor->error, MRC_ELIMIT, "the pattern is longer than %d bytes",
                             MRC_URLPATTERN_MAX_BYTES);
    if (!mrc_utf8_valid(value))
        return mrc_error_set(processor->error, MRC_EINVAL, "the pattern is not valid UTF-8");
    *span = (struct span){.at = processor->storage->len, .is_given = true};
    if (component == MRC_URLPATTERN_PATHNAME && processor->base &&
        !processor->base->has_opaque_path && !is_absolute_path(value))
        add_directory(processor);
    mrc_buf_add_bytes(processor->storage, strip(component, value));
    span->len = processor->storage->len - span->at;
    return mrc_buf_error(processor->storage);
}

/* ---- the result -------------------------------------------------------------------------------*/

/* The pattern string of COMPONENT. Without a given value it is a wildcard. */
static struct mrc_bytes view_of(const struct processor *processor, int component)
{
    const struct span *span = &processor->result[component];

    if (!span->is_given)
        return mrc_bytes_of("*");
    return (struct mrc_bytes){processor->storage->ptr + span->at, span->len};
}

/* As in URLs, the default port of a scheme is dropped. */
static void drop_default_port(struct mrc_bytes strings[MRC_URLPATTERN_COMPONENTS])
{
    struct mrc_bytes port = mrc_url_default_port(strings[MRC_URLPATTERN_PROTOCOL]);

    if (port.ptr && mrc_bytes_eq(port, strings[MRC_URLPATTERN_PORT]))
        strings[MRC_URLPATTERN_PORT] = mrc_bytes_of("");
}

enum mrc_err mrc_urlpattern_init_complete(const struct mrc_urlpattern_init *init,
                                          struct mrc_error *error, struct mrc_buf *storage,
                                          struct mrc_bytes ret_strings[MRC_URLPATTERN_COMPONENTS])
{
    struct processor processor = {.init = init, .error = error, .storage = storage};
    enum mrc_err err = MRC_OK;

    if (!mrc_buf_extend(storage, 0)) /* so that views of it are never NULL */
        return mrc_buf_error(storage);
    if (init->base_url.ptr) {
        err = mrc_url_parse(init->base_url, NULL, error, &processor.base);
        if (err)
            return err;
        inherit(&processor);
        err = mrc_buf_error(storage);
    }
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++)
        err = add_component(&processor, (enum mrc_urlpattern_component_id)i);
    mrc_url_free(processor.base);
    if (err)
        return err;
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        ret_strings[i] = view_of(&processor, i);
    drop_default_port(ret_strings);
    return MRC_OK;
}
