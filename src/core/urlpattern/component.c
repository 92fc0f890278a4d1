#include "core/urlpattern/component.h"

#include <stdlib.h>

#define MAX_STRING_BYTES ((size_t)32 << 20)

/* The delimiter and the prefix of each kind of component. */
static void get_options(enum mrc_urlpattern_component_id component, enum mrc_urlpattern_canon canon,
                        char *ret_delimiter, char *ret_prefix)
{
    *ret_delimiter = 0;
    *ret_prefix = 0;
    if (component == MRC_URLPATTERN_HOSTNAME) {
        *ret_delimiter = '.';
    } else if (canon == MRC_CANON_PATHNAME) {
        *ret_delimiter = '/';
        *ret_prefix = '/';
    }
}

static enum mrc_err keep_string(struct mrc_urlpattern_component *component)
{
    struct mrc_buf buf;
    enum mrc_err err;

    mrc_buf_init(&buf, MAX_STRING_BYTES);
    mrc_urlpattern_part_list_write(&component->parts, &buf);
    err = mrc_buf_error(&buf);
    component->string = mrc_buf_take(&buf, &component->string_len);
    mrc_buf_free(&buf);
    return component->string || err ? err : MRC_ENOMEM;
}

static enum mrc_err keep_ends(struct mrc_urlpattern_component *component)
{
    struct mrc_buf buf;
    enum mrc_err err;

    mrc_buf_init(&buf, MAX_STRING_BYTES);
    mrc_urlpattern_part_list_write_literal(&component->parts, false, &buf);
    component->prefix_len = mrc_buf_bytes(&buf).len;
    mrc_urlpattern_part_list_write_literal(&component->parts, true, &buf);
    component->suffix_len = mrc_buf_bytes(&buf).len - component->prefix_len;
    err = mrc_buf_error(&buf);
    component->ends = mrc_buf_take(&buf, NULL);
    mrc_buf_free(&buf);
    return component->ends || err ? err : MRC_ENOMEM;
}

enum mrc_err mrc_urlpattern_component_compile(enum mrc_urlpattern_component_id component,
                                              struct mrc_bytes pattern,
                                              enum mrc_urlpattern_canon canon,
                                              enum mrc_urlpattern_mode mode,
                                              struct mrc_error *error,
                                              struct mrc_urlpattern_component *ret_component)
{
    struct mrc_urlpattern_component made = {.program = NULL};
    bool explains = mode == MRC_URLPATTERN_EXPLAIN;
    char delimiter, prefix;
    enum mrc_err err;

    get_options(component, canon, &delimiter, &prefix);
    err = mrc_urlpattern_part_list_parse(pattern, canon, delimiter, prefix, error, &made.parts);
    for (size_t i = 0; i < made.parts.count; i++)
        if (made.parts.parts[i].type == MRC_URLPATTERN_PART_REGEXP)
            made.has_regexp_groups = true;
    if (!err && (explains || made.has_regexp_groups))
        err = mrc_regexp_compile(&made.parts, explains, error, &made.regexp);
    else if (!err)
        err = mrc_urlpattern_program_compile(&made.parts, &made.program);
    if (!err && made.regexp)
        err = keep_ends(&made);
    if (!err && explains)
        err = keep_string(&made);
    if (err) {
        mrc_urlpattern_component_clear(&made);
        return err;
    }
    if (!explains)
        mrc_urlpattern_part_list_free(&made.parts);
    *ret_component = made;
    return MRC_OK;
}

void mrc_urlpattern_component_clear(struct mrc_urlpattern_component *component)
{
    mrc_automaton_free(component->program);
    mrc_regexp_free(component->regexp);
    free(component->ends);
    free(component->string);
    mrc_urlpattern_part_list_free(&component->parts);
    *component = (struct mrc_urlpattern_component){.program = NULL};
}

enum mrc_err mrc_urlpattern_component_match(const struct mrc_urlpattern_component *component,
                                            struct mrc_bytes subject, bool *ret_matches)
{
    if (component->program)
        return mrc_automaton_match(component->program, subject, ret_matches);
    return mrc_regexp_exec(component->regexp, subject, 0, NULL, ret_matches);
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
           (component->regexp ? mrc_regexp_size(component->regexp) : 0) + component->prefix_len +
           component->suffix_len;
}
