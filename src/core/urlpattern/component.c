#include "core/urlpattern/component.h"

#include <stdlib.h>

#include "core/pattern/automaton.h"
#include "core/urlpattern/program.h"
#include "core/urlpattern/regexp.h"

#define MAX_ENDS_BYTES ((size_t)32 << 20)

/* ---- compiling --------------------------------------------------------------------------------*/

/* Whether the pattern string of a hostname stands for an IPv6 address. */
static bool is_ipv6(struct mrc_bytes hostname)
{
    if (hostname.len < 2)
        return false;
    return hostname.ptr[0] == '[' ||
           (hostname.ptr[1] == '[' && (hostname.ptr[0] == '{' || hostname.ptr[0] == '\\'));
}

/* How the fixed text of a component is canonicalized. */
static enum mrc_urlpattern_canon canon_of(enum mrc_urlpattern_component_id id,
                                          struct mrc_bytes string, bool is_special)
{
    switch (id) {
    case MRC_URLPATTERN_PROTOCOL:
        return MRC_CANON_PROTOCOL;
    case MRC_URLPATTERN_HOSTNAME:
        return is_ipv6(string) ? MRC_CANON_IPV6_HOSTNAME : MRC_CANON_HOSTNAME;
    case MRC_URLPATTERN_PORT:
        return MRC_CANON_PORT;
    case MRC_URLPATTERN_PATHNAME:
        return is_special ? MRC_CANON_PATHNAME : MRC_CANON_OPAQUE_PATHNAME;
    case MRC_URLPATTERN_SEARCH:
        return MRC_CANON_SEARCH;
    case MRC_URLPATTERN_HASH:
        return MRC_CANON_HASH;
    default:
        return MRC_CANON_USERINFO;
    }
}

enum mrc_err mrc_urlpattern_component_parse(enum mrc_urlpattern_component_id id,
                                            struct mrc_bytes string, bool is_special,
                                            struct mrc_error *error,
                                            struct mrc_urlpattern_part_list *ret_list)
{
    enum mrc_urlpattern_canon canon = canon_of(id, string, is_special);
    char delimiter = 0, prefix = 0;

    if (id == MRC_URLPATTERN_HOSTNAME)
        delimiter = '.';
    else if (canon == MRC_CANON_PATHNAME)
        delimiter = prefix = '/';
    return mrc_urlpattern_part_list_parse(string, canon, delimiter, prefix, error, ret_list);
}

static bool has_regexp(const struct mrc_urlpattern_part_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->parts[i].type == MRC_URLPATTERN_PART_REGEXP)
            return true;
    return false;
}

static enum mrc_err keep_ends(const struct mrc_urlpattern_part_list *list,
                              struct mrc_urlpattern_component *component)
{
    struct mrc_buf buf;
    enum mrc_err err;

    mrc_buf_init(&buf, MAX_ENDS_BYTES);
    mrc_urlpattern_part_list_write_prefix(list, &buf);
    component->prefix_len = mrc_buf_bytes(&buf).len;
    mrc_urlpattern_part_list_write_suffix(list, &buf);
    component->suffix_len = mrc_buf_bytes(&buf).len - component->prefix_len;
    err = mrc_buf_error(&buf);
    component->ends = mrc_buf_take(&buf, NULL);
    mrc_buf_free(&buf);
    return component->ends || err ? err : MRC_ENOMEM;
}

enum mrc_err mrc_urlpattern_component_compile(enum mrc_urlpattern_component_id id,
                                              struct mrc_bytes string, bool is_special,
                                              struct mrc_error *error,
                                              struct mrc_urlpattern_component *ret_component)
{
    struct mrc_urlpattern_component made = {.program = NULL};
    struct mrc_urlpattern_part_list list;
    enum mrc_err err = mrc_urlpattern_component_parse(id, string, is_special, error, &list);

    if (!err && has_regexp(&list)) {
        err = mrc_urlpattern_regexp_compile(&list, error, &made.regexp);
        if (!err)
            err = keep_ends(&list, &made);
    } else if (!err) {
        err = mrc_urlpattern_program_compile(&list, &made.program);
    }
    mrc_urlpattern_part_list_free(&list);
    if (err)
        mrc_urlpattern_component_clear(&made);
    else
        *ret_component = made;
    return err;
}

void mrc_urlpattern_component_clear(struct mrc_urlpattern_component *component)
{
    mrc_automaton_free(component->program);
    mrc_urlpattern_regexp_free(component->regexp);
    free(component->ends);
    *component = (struct mrc_urlpattern_component){.program = NULL};
}

/* ---- matching ---------------------------------------------------------------------------------*/

enum mrc_err mrc_urlpattern_component_match(const struct mrc_urlpattern_component *component,
                                            struct mrc_bytes subject, bool *ret_matches)
{
    if (component->program)
        return mrc_automaton_match(component->program, subject, ret_matches);
    return mrc_urlpattern_regexp_match(component->regexp, subject, ret_matches);
}

bool mrc_urlpattern_component_matches_special_scheme(
    const struct mrc_urlpattern_component *component)
{
    static const char *const schemes[] = {"https", "http", "wss", "ws", "ftp", "file"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        bool matches;

        if (mrc_urlpattern_component_match(component, mrc_bytes_of(schemes[i]), &matches) ==
                MRC_OK &&
            matches)
            return true;
    }
    return false;
}

struct mrc_literal mrc_urlpattern_component_get_literal(
    const struct mrc_urlpattern_component *component)
{
    if (component->program)
        return mrc_automaton_get_literal(component->program);
    return (struct mrc_literal){
        .prefix = {component->ends, component->prefix_len},
        .suffix = {component->ends + component->prefix_len, component->suffix_len},
    };
}

bool mrc_urlpattern_component_is_costly(const struct mrc_urlpattern_component *component)
{
    return component->regexp || mrc_automaton_is_costly(component->program);
}

size_t mrc_urlpattern_component_size(const struct mrc_urlpattern_component *component)
{
    return (component->program ? mrc_automaton_size(component->program) : 0) +
           (component->regexp ? mrc_urlpattern_regexp_size(component->regexp) : 0) +
           component->prefix_len + component->suffix_len;
}
