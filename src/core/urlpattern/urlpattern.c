#include "core/urlpattern/urlpattern.h"

#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/urlpattern/component.h"
#include "core/urlpattern/constructor.h"
#include "core/urlpattern/init.h"

/* Room for the pattern strings of all components, escaped, and for those of the base. */
#define MAX_STORAGE_BYTES (MRC_URL_MAX_BYTES * 16)

struct mrc_urlpattern {
    struct mrc_urlpattern_component components[MRC_URLPATTERN_COMPONENTS];
};

/* ---- compiling --------------------------------------------------------------------------------*/

static enum mrc_err compile_all(const struct mrc_bytes *strings, struct mrc_error *error,
                                struct mrc_urlpattern *pattern)
{
    bool is_special = false;
    enum mrc_err err = MRC_OK;

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++) {
        err = mrc_urlpattern_component_compile((enum mrc_urlpattern_component_id)i, strings[i],
                                               is_special, error, &pattern->components[i]);
        if (!err && i == MRC_URLPATTERN_PROTOCOL)
            is_special = mrc_urlpattern_component_matches_special_scheme(&pattern->components[i]);
    }
    return err;
}

enum mrc_err mrc_urlpattern_compile_init(const struct mrc_urlpattern_init *init,
                                         struct mrc_error *error,
                                         struct mrc_urlpattern **ret_pattern)
{
    struct mrc_bytes strings[MRC_URLPATTERN_COMPONENTS];
    struct mrc_urlpattern *pattern = NULL;
    struct mrc_buf storage;
    enum mrc_err err;

    mrc_buf_init(&storage, MAX_STORAGE_BYTES);
    err = mrc_urlpattern_init_complete(init, error, &storage, strings);
    if (err)
        goto leave;
    pattern = calloc(1, sizeof(*pattern));
    err = pattern ? compile_all(strings, error, pattern) : MRC_ENOMEM;
    if (!err) {
        *ret_pattern = pattern;
        pattern = NULL;
    }
leave:
    mrc_urlpattern_free(pattern);
    mrc_buf_free(&storage);
    return err;
}

enum mrc_err mrc_urlpattern_compile(struct mrc_bytes text, struct mrc_bytes base_url,
                                    struct mrc_error *error, struct mrc_urlpattern **ret_pattern)
{
    struct mrc_urlpattern_init init;
    enum mrc_err err;

    if (text.len > MRC_URLPATTERN_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the pattern is longer than %d bytes",
                             MRC_URLPATTERN_MAX_BYTES);
    if (!mrc_utf8_valid(text))
        return mrc_error_set(error, MRC_EINVAL, "the pattern is not valid UTF-8");
    err = mrc_urlpattern_constructor_parse(text, error, &init);
    if (err)
        return err;
    if (!base_url.ptr && !init.components[MRC_URLPATTERN_PROTOCOL].ptr)
        return mrc_error_set(error, MRC_EINVAL,
                             "not a URL Pattern: it has no scheme, and there is no base");
    init.base_url = base_url;
    return mrc_urlpattern_compile_init(&init, error, ret_pattern);
}

void mrc_urlpattern_free(struct mrc_urlpattern *pattern)
{
    if (!pattern)
        return;
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        mrc_urlpattern_component_clear(&pattern->components[i]);
    free(pattern);
}

size_t mrc_urlpattern_size(const struct mrc_urlpattern *pattern)
{
    size_t size = sizeof(*pattern);

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        size += mrc_urlpattern_component_size(&pattern->components[i]);
    return size;
}

void mrc_urlpattern_get_literals(const struct mrc_urlpattern *pattern,
                                 struct mrc_literal ret_literals[MRC_URLPATTERN_COMPONENTS])
{
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        ret_literals[i] = mrc_urlpattern_component_get_literal(&pattern->components[i]);
}

bool mrc_urlpattern_is_costly(const struct mrc_urlpattern *pattern)
{
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (mrc_urlpattern_component_is_costly(&pattern->components[i]))
            return true;
    return false;
}

/* ---- matching ---------------------------------------------------------------------------------*/

void mrc_urlpattern_get_components(const struct mrc_url *url,
                                   struct mrc_bytes ret_components[MRC_URLPATTERN_COMPONENTS])
{
    const struct mrc_bytes components[MRC_URLPATTERN_COMPONENTS] = {
        [MRC_URLPATTERN_PROTOCOL] = url->scheme,   [MRC_URLPATTERN_USERNAME] = url->username,
        [MRC_URLPATTERN_PASSWORD] = url->password, [MRC_URLPATTERN_HOSTNAME] = url->host,
        [MRC_URLPATTERN_PORT] = url->port,         [MRC_URLPATTERN_PATHNAME] = url->path,
        [MRC_URLPATTERN_SEARCH] = url->query,      [MRC_URLPATTERN_HASH] = url->fragment,
    };

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        ret_components[i] = components[i].ptr ? components[i] : mrc_bytes_of("");
}

/* The components in the order in which they are compared: those that differ most often first. */
static const enum mrc_urlpattern_component_id order[MRC_URLPATTERN_COMPONENTS] = {
    MRC_URLPATTERN_PATHNAME, MRC_URLPATTERN_HOSTNAME, MRC_URLPATTERN_SEARCH,
    MRC_URLPATTERN_HASH,     MRC_URLPATTERN_PORT,     MRC_URLPATTERN_PROTOCOL,
    MRC_URLPATTERN_USERNAME, MRC_URLPATTERN_PASSWORD,
};

/* Compares the components of one engine only: the programs, or the regular expressions. */
static enum mrc_err match_some(const struct mrc_urlpattern *pattern,
                               const struct mrc_bytes *subjects, bool is_regexp, bool *matches)
{
    enum mrc_err err = MRC_OK;

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err && *matches; i++) {
        const struct mrc_urlpattern_component *component = &pattern->components[order[i]];

        if (is_regexp == (component->regexp != NULL))
            err = mrc_urlpattern_component_match(component, subjects[order[i]], matches);
    }
    return err;
}

enum mrc_err mrc_urlpattern_match(const struct mrc_urlpattern *pattern, const struct mrc_url *url,
                                  bool *ret_matches)
{
    struct mrc_bytes subjects[MRC_URLPATTERN_COMPONENTS];
    bool matches = true;
    enum mrc_err err;

    mrc_urlpattern_get_components(url, subjects);
    err = match_some(pattern, subjects, false, &matches); /* they are cheap, so they come first */
    if (!err)
        err = match_some(pattern, subjects, true, &matches);
    if (!err)
        *ret_matches = matches;
    return err;
}
