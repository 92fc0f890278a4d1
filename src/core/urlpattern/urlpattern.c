#include "core/urlpattern/urlpattern.h"

#include <assert.h>
#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/urlpattern/component.h"
#include "core/urlpattern/constructor.h"
#include "core/urlpattern/init.h"

/* Room for the pattern strings of all components, escaped, and those of the base. */
#define MAX_STORAGE_BYTES (MRC_URL_MAX_BYTES * 16)

struct mrc_urlpattern {
    struct mrc_urlpattern_component components[MRC_URLPATTERN_COMPONENTS];
};

/* ---- compiling ---------------------------------------------------------------------------------
 */

/* Whether the pattern string of a hostname is of an IPv6 address. */
static bool is_ipv6(struct mrc_bytes hostname)
{
    if (hostname.len < 2)
        return false;
    return hostname.ptr[0] == '[' ||
           (hostname.ptr[1] == '[' && (hostname.ptr[0] == '{' || hostname.ptr[0] == '\\'));
}

/* A port that is the default of its scheme is no port at all, as in URLs. */
static void drop_default_port(struct mrc_urlpattern_init *init)
{
    struct mrc_bytes port = mrc_url_default_port(init->components[MRC_URLPATTERN_PROTOCOL]);

    if (port.ptr && mrc_bytes_eq(port, init->components[MRC_URLPATTERN_PORT]))
        init->components[MRC_URLPATTERN_PORT] = (struct mrc_bytes){"", 0};
}

/* How COMPONENT is canonicalized; those before it are compiled. */
static enum mrc_urlpattern_canon canon_of(const struct mrc_urlpattern *pattern,
                                          const struct mrc_urlpattern_init *init,
                                          enum mrc_urlpattern_component_id component)
{
    switch (component) {
    case MRC_URLPATTERN_PROTOCOL:
        return MRC_CANON_PROTOCOL;
    case MRC_URLPATTERN_HOSTNAME:
        return is_ipv6(init->components[component]) ? MRC_CANON_IPV6_HOSTNAME : MRC_CANON_HOSTNAME;
    case MRC_URLPATTERN_PORT:
        return MRC_CANON_PORT;
    case MRC_URLPATTERN_PATHNAME:
        return mrc_urlpattern_component_matches_special_scheme(
                   &pattern->components[MRC_URLPATTERN_PROTOCOL])
                   ? MRC_CANON_PATHNAME
                   : MRC_CANON_OPAQUE_PATHNAME;
    case MRC_URLPATTERN_SEARCH:
        return MRC_CANON_SEARCH;
    case MRC_URLPATTERN_HASH:
        return MRC_CANON_HASH;
    default:
        return MRC_CANON_USERINFO;
    }
}

enum mrc_err mrc_urlpattern_compile_init(const struct mrc_urlpattern_init *init,
                                         enum mrc_urlpattern_mode mode, struct mrc_error *error,
                                         struct mrc_urlpattern **ret_pattern)
{
    struct mrc_urlpattern *pattern = NULL;
    struct mrc_urlpattern_init whole;
    struct mrc_buf storage;
    enum mrc_err err;

    mrc_buf_init(&storage, MAX_STORAGE_BYTES);
    err = mrc_urlpattern_init_process(init, MRC_INIT_PATTERN, error, &storage, &whole);
    if (err)
        goto leave;
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (!whole.components[i].ptr)
            whole.components[i] = mrc_bytes_of("*");
    drop_default_port(&whole);
    pattern = calloc(1, sizeof(*pattern));
    if (!pattern) {
        err = MRC_ENOMEM;
        goto leave;
    }
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err; i++) {
        enum mrc_urlpattern_component_id component = (enum mrc_urlpattern_component_id)i;

        err = mrc_urlpattern_component_compile(component, whole.components[i],
                                               canon_of(pattern, &whole, component), mode, error,
                                               &pattern->components[i]);
    }
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
                                    enum mrc_urlpattern_mode mode, struct mrc_error *error,
                                    struct mrc_urlpattern **ret_pattern)
{
    struct mrc_urlpattern_init init;
    enum mrc_err err;

    if (text.len > MRC_URLPATTERN_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "a pattern longer than %d bytes",
                             MRC_URLPATTERN_MAX_BYTES);
    if (!mrc_utf8_valid(text))
        return mrc_error_set(error, MRC_EINVAL, "a pattern that is not UTF-8");
    err = mrc_urlpattern_constructor_parse(text, error, &init);
    if (err)
        return err;
    if (!base_url.ptr && !init.components[MRC_URLPATTERN_PROTOCOL].ptr)
        return mrc_error_set(error, MRC_EINVAL,
                             "not a URL Pattern: it has no scheme, and there is no base");
    init.base_url = base_url;
    return mrc_urlpattern_compile_init(&init, mode, error, ret_pattern);
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

bool mrc_urlpattern_has_regexp_groups(const struct mrc_urlpattern *pattern)
{
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (pattern->components[i].has_regexp_groups)
            return true;
    return false;
}

/* ---- matching ----------------------------------------------------------------------------------
 */

struct mrc_urlpattern_input mrc_urlpattern_input_of_url(const struct mrc_url *url)
{
    struct mrc_urlpattern_input input = {
        .components =
            {
                [MRC_URLPATTERN_PROTOCOL] = url->scheme,
                [MRC_URLPATTERN_USERNAME] = url->username,
                [MRC_URLPATTERN_PASSWORD] = url->password,
                [MRC_URLPATTERN_HOSTNAME] = url->host,
                [MRC_URLPATTERN_PORT] = url->port,
                [MRC_URLPATTERN_PATHNAME] = url->path,
                [MRC_URLPATTERN_SEARCH] = url->query,
                [MRC_URLPATTERN_HASH] = url->fragment,
            },
    };

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        if (!input.components[i].ptr)
            input.components[i] = (struct mrc_bytes){"", 0};
    return input;
}

enum mrc_err mrc_urlpattern_input_of_init(const struct mrc_urlpattern_init *init,
                                          struct mrc_error *error, struct mrc_buf *storage,
                                          struct mrc_urlpattern_input *ret_input)
{
    struct mrc_urlpattern_init whole;
    enum mrc_err err;

    err = mrc_urlpattern_init_process(init, MRC_INIT_URL, error, storage, &whole);
    if (err)
        return err;
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS; i++)
        ret_input->components[i] = whole.components[i];
    return MRC_OK;
}

/* The order in which components are looked at: what differs most comes first. */
static const enum mrc_urlpattern_component_id order[MRC_URLPATTERN_COMPONENTS] = {
    MRC_URLPATTERN_PATHNAME, MRC_URLPATTERN_HOSTNAME, MRC_URLPATTERN_SEARCH,
    MRC_URLPATTERN_HASH,     MRC_URLPATTERN_PORT,     MRC_URLPATTERN_PROTOCOL,
    MRC_URLPATTERN_USERNAME, MRC_URLPATTERN_PASSWORD,
};

/* The components whose programs are cheap decide first; regular expressions run if all those match.
 */
static enum mrc_err match_input(const struct mrc_urlpattern *pattern,
                                const struct mrc_urlpattern_input *input, bool *ret_matches)
{
    bool matches = true;
    enum mrc_err err = MRC_OK;

    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err && matches; i++)
        if (pattern->components[order[i]].program)
            err = mrc_urlpattern_component_match(&pattern->components[order[i]],
                                                 input->components[order[i]], &matches);
    for (int i = 0; i < MRC_URLPATTERN_COMPONENTS && !err && matches; i++)
        if (pattern->components[order[i]].regexp)
            err = mrc_urlpattern_component_match(&pattern->components[order[i]],
                                                 input->components[order[i]], &matches);
    if (!err)
        *ret_matches = matches;
    return err;
}

bool mrc_urlpattern_matches_input(const struct mrc_urlpattern *pattern,
                                  const struct mrc_urlpattern_input *input)
{
    bool matches;

    return match_input(pattern, input, &matches) == MRC_OK && matches;
}

enum mrc_err mrc_urlpattern_match(const struct mrc_urlpattern *pattern, const struct mrc_url *url,
                                  bool *ret_matches)
{
    struct mrc_urlpattern_input input = mrc_urlpattern_input_of_url(url);

    return match_input(pattern, &input, ret_matches);
}

bool mrc_urlpattern_matches(const struct mrc_urlpattern *pattern, const struct mrc_url *url)
{
    bool matches;

    return mrc_urlpattern_match(pattern, url, &matches) == MRC_OK && matches;
}

/* ---- explaining --------------------------------------------------------------------------------
 */

struct mrc_bytes mrc_urlpattern_get_string(const struct mrc_urlpattern *pattern,
                                           enum mrc_urlpattern_component_id component)
{
    const struct mrc_urlpattern_component *it = &pattern->components[component];

    assert(it->string);
    return (struct mrc_bytes){it->string, it->string_len};
}

/* The group I of COMPONENT, or NULL behind the last one. */
static const struct mrc_urlpattern_part *find_group(
    const struct mrc_urlpattern_component *component, size_t i)
{
    for (size_t j = 0; j < component->parts.count; j++)
        if (component->parts.parts[j].type != MRC_URLPATTERN_PART_FIXED && i-- == 0)
            return &component->parts.parts[j];
    return NULL;
}

size_t mrc_urlpattern_count_groups(const struct mrc_urlpattern *pattern,
                                   enum mrc_urlpattern_component_id component)
{
    size_t count = 0;

    while (find_group(&pattern->components[component], count))
        count++;
    return count;
}

struct mrc_bytes mrc_urlpattern_get_group_name(const struct mrc_urlpattern *pattern,
                                               enum mrc_urlpattern_component_id component, size_t i)
{
    const struct mrc_urlpattern_component *it = &pattern->components[component];
    const struct mrc_urlpattern_part *part = find_group(it, i);

    assert(part);
    return mrc_urlpattern_part_text(&it->parts, part->name);
}

bool mrc_urlpattern_exec(const struct mrc_urlpattern *pattern,
                         enum mrc_urlpattern_component_id component, struct mrc_bytes subject,
                         struct mrc_bytes *ret_groups)
{
    const struct mrc_urlpattern_component *it = &pattern->components[component];
    bool matches;

    assert(it->string);
    return mrc_regexp_exec(it->regexp, subject, mrc_urlpattern_count_groups(pattern, component),
                           ret_groups, &matches) == MRC_OK &&
           matches;
}
