#include "core/urlpattern/part.h"

#include <stdlib.h>

#include "core/base/quote.h"
#include "core/urlpattern/tokenize.h"

/* Room for the canonical text of a pattern. Percent-encoding triples text, IDNA may do more. */
#define MAX_TEXT_BYTES ((size_t)16 << 20)

struct parser {
    const struct mrc_urlpattern_token *tokens;
    size_t at;
    enum mrc_urlpattern_canon canon;
    struct mrc_error *error;
    struct mrc_urlpattern_part_list *list;
    struct mrc_buf pending; /* fixed text that is not a part yet */
    unsigned next_number;
};

/* ---- reading tokens ---------------------------------------------------------------------------*/

/* Takes the next token if its type is TYPE; NULL: it is not. */
static const struct mrc_urlpattern_token *take(struct parser *parser,
                                               enum mrc_urlpattern_token_type type)
{
    const struct mrc_urlpattern_token *token = &parser->tokens[parser->at];

    if (token->type != type)
        return NULL;
    parser->at++;
    return token;
}

static const struct mrc_urlpattern_token *take_regexp_or_wildcard(struct parser *parser,
                                                                  bool has_name)
{
    const struct mrc_urlpattern_token *token = take(parser, MRC_URLPATTERN_TOKEN_REGEXP);

    if (!token && !has_name)
        token = take(parser, MRC_URLPATTERN_TOKEN_ASTERISK);
    return token;
}

static enum mrc_urlpattern_part_modifier take_modifier(struct parser *parser)
{
    const struct mrc_urlpattern_token *token = take(parser, MRC_URLPATTERN_TOKEN_OTHER_MODIFIER);

    if (token)
        return *token->value.ptr == '?' ? MRC_URLPATTERN_PART_OPTIONAL
                                        : MRC_URLPATTERN_PART_ONE_OR_MORE;
    return take(parser, MRC_URLPATTERN_TOKEN_ASTERISK) ? MRC_URLPATTERN_PART_ZERO_OR_MORE
                                                       : MRC_URLPATTERN_PART_ONCE;
}

/* Appends the text up to the next token that is not text. */
static void take_text(struct parser *parser, struct mrc_buf *out)
{
    for (;;) {
        const struct mrc_urlpattern_token *token = take(parser, MRC_URLPATTERN_TOKEN_CHAR);

        if (!token)
            token = take(parser, MRC_URLPATTERN_TOKEN_ESCAPED_CHAR);
        if (!token)
            return;
        mrc_buf_add_bytes(out, token->value);
    }
}

/* ---- adding parts -----------------------------------------------------------------------------*/

static struct mrc_urlpattern_part_text add_text(struct parser *parser, struct mrc_bytes text)
{
    struct mrc_urlpattern_part_text added = {parser->list->text.len, text.len};

    mrc_buf_add_bytes(&parser->list->text, text);
    return added;
}

static enum mrc_err add_canonical(struct parser *parser, struct mrc_bytes text,
                                  struct mrc_urlpattern_part_text *ret_text)
{
    struct mrc_buf *out = &parser->list->text;
    size_t at = out->len;
    enum mrc_err err;

    err = mrc_urlpattern_canonicalize(parser->canon, text, parser->error, out);
    if (!err)
        *ret_text = (struct mrc_urlpattern_part_text){at, out->len - at};
    return err;
}

static enum mrc_err append(struct parser *parser, const struct mrc_urlpattern_part *part)
{
    struct mrc_urlpattern_part_list *list = parser->list;

    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 4;
        struct mrc_urlpattern_part *grown = reallocarray(list->parts, capacity, sizeof(*grown));

        if (!grown)
            return MRC_ENOMEM;
        list->parts = grown;
        list->capacity = capacity;
    }
    list->parts[list->count++] = *part;
    return MRC_OK;
}

static enum mrc_err add_fixed(struct parser *parser, struct mrc_bytes text,
                              enum mrc_urlpattern_part_modifier modifier)
{
    struct mrc_urlpattern_part part = {.type = MRC_URLPATTERN_PART_FIXED, .modifier = modifier};
    enum mrc_err err = add_canonical(parser, text, &part.value);

    return err ? err : append(parser, &part);
}

/* Makes a part from the pending text, if there is any. */
static enum mrc_err flush_pending(struct parser *parser)
{
    enum mrc_err err = mrc_buf_error(&parser->pending);

    if (err || !parser->pending.len)
        return err;
    err = add_fixed(parser, mrc_buf_bytes(&parser->pending), MRC_URLPATTERN_PART_ONCE);
    mrc_buf_reset(&parser->pending);
    return err;
}

/* The type of a group. A regular expression that is equal to a wildcard's is that wildcard. */
static enum mrc_urlpattern_part_type type_of(const struct parser *parser,
                                             const struct mrc_urlpattern_token *token)
{
    char segment[] = "[^\\?]+?";

    if (!token)
        return MRC_URLPATTERN_PART_SEGMENT;
    if (token->type == MRC_URLPATTERN_TOKEN_ASTERISK || mrc_bytes_eq_str(token->value, ".*"))
        return MRC_URLPATTERN_PART_FULL;
    segment[3] = parser->list->delimiter;
    if (mrc_bytes_eq_str(token->value, parser->list->delimiter ? segment : "[^]+?"))
        return MRC_URLPATTERN_PART_SEGMENT;
    return MRC_URLPATTERN_PART_REGEXP;
}

/* Adds a group: PREFIX, a name or a regular expression or both, SUFFIX. */
static enum mrc_err add_group(struct parser *parser, struct mrc_bytes prefix,
                              const struct mrc_urlpattern_token *name,
                              const struct mrc_urlpattern_token *regexp, struct mrc_bytes suffix,
                              enum mrc_urlpattern_part_modifier modifier)
{
    struct mrc_urlpattern_part part = {.type = type_of(parser, regexp), .modifier = modifier};
    enum mrc_err err;

    if (name) {
        part.name = add_text(parser, name->value);
    } else {
        char number[16];

        snprintf(number, sizeof(number), "%u", parser->next_number++);
        part.name = add_text(parser, mrc_bytes_of(number));
    }
    if (part.type == MRC_URLPATTERN_PART_REGEXP)
        part.value = add_text(parser, regexp->value);
    err = add_canonical(parser, prefix, &part.prefix);
    if (!err)
        err = add_canonical(parser, suffix, &part.suffix);
    return err ? err : append(parser, &part);
}

/* ---- parsing ----------------------------------------------------------------------------------*/

/* Parses a group without braces. The character BEFORE it may be its prefix. */
static enum mrc_err parse_bare_group(struct parser *parser,
                                     const struct mrc_urlpattern_token *before,
                                     const struct mrc_urlpattern_token *name,
                                     const struct mrc_urlpattern_token *regexp)
{
    struct mrc_bytes prefix = before ? before->value : (struct mrc_bytes){"", 0};
    enum mrc_err err;

    if (prefix.len && (prefix.len != 1 || prefix.ptr[0] != parser->list->prefix)) {
        mrc_buf_add_bytes(&parser->pending, prefix);
        prefix.len = 0;
    }
    err = flush_pending(parser);
    if (err)
        return err;
    return add_group(parser, prefix, name, regexp, (struct mrc_bytes){"", 0},
                     take_modifier(parser));
}

/* Parses the text after an opening brace. */
static enum mrc_err parse_braces(struct parser *parser)
{
    const struct mrc_urlpattern_token *name, *regexp;
    enum mrc_urlpattern_part_modifier modifier;
    struct mrc_buf prefix, suffix;
    enum mrc_err err = MRC_OK;

    mrc_buf_init(&prefix, MAX_TEXT_BYTES);
    mrc_buf_init(&suffix, MAX_TEXT_BYTES);
    take_text(parser, &prefix);
    name = take(parser, MRC_URLPATTERN_TOKEN_NAME);
    regexp = take_regexp_or_wildcard(parser, name != NULL);
    take_text(parser, &suffix);
    if (!take(parser, MRC_URLPATTERN_TOKEN_CLOSE)) {
        err =
            mrc_error_set(parser->error, MRC_EINVAL,
                          "not a URL Pattern: braces are not closed, or hold more than one group");
        goto leave;
    }
    modifier = take_modifier(parser);
    err = mrc_buf_error(&prefix) ? mrc_buf_error(&prefix) : mrc_buf_error(&suffix);
    if (err)
        goto leave;
    if (!name && !regexp && modifier == MRC_URLPATTERN_PART_ONCE) {
        mrc_buf_add_bytes(&parser->pending, mrc_buf_bytes(&prefix));
        goto leave;
    }
    err = flush_pending(parser);
    if (err)
        goto leave;
    if (name || regexp)
        err = add_group(parser, mrc_buf_bytes(&prefix), name, regexp, mrc_buf_bytes(&suffix),
                        modifier);
    else if (prefix.len)
        err = add_fixed(parser, mrc_buf_bytes(&prefix), modifier);
leave:
    mrc_buf_free(&prefix);
    mrc_buf_free(&suffix);
    return err;
}

/* One step of the pattern parser. RET_DONE is set at the end. */
static enum mrc_err parse_next(struct parser *parser, bool *ret_done)
{
    const struct mrc_urlpattern_token *text = take(parser, MRC_URLPATTERN_TOKEN_CHAR);
    const struct mrc_urlpattern_token *name = take(parser, MRC_URLPATTERN_TOKEN_NAME);
    const struct mrc_urlpattern_token *regexp = take_regexp_or_wildcard(parser, name != NULL);
    enum mrc_err err;

    if (name || regexp)
        return parse_bare_group(parser, text, name, regexp);
    if (!text)
        text = take(parser, MRC_URLPATTERN_TOKEN_ESCAPED_CHAR);
    if (text) {
        mrc_buf_add_bytes(&parser->pending, text->value);
        return MRC_OK;
    }
    if (take(parser, MRC_URLPATTERN_TOKEN_OPEN))
        return parse_braces(parser);
    err = flush_pending(parser);
    if (err)
        return err;
    if (!take(parser, MRC_URLPATTERN_TOKEN_END))
        return mrc_error_set(parser->error, MRC_EINVAL,
                             "not a URL Pattern: a modifier or brace is in the wrong place");
    *ret_done = true;
    return MRC_OK;
}

static int compare_names(const void *a, const void *b)
{
    const struct mrc_bytes *left = a, *right = b;
    size_t len = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->ptr, right->ptr, len);

    if (order)
        return order;
    return (left->len > right->len) - (left->len < right->len);
}

/* Checks that no two groups share a name. Sorts the names, because there may be thousands. */
static enum mrc_err check_names(const struct mrc_urlpattern_part_list *list,
                                struct mrc_error *error)
{
    struct mrc_bytes *names = calloc(list->count + 1, sizeof(*names));
    struct mrc_quote quote;
    enum mrc_err err = MRC_OK;
    size_t count = 0;

    if (!names)
        return MRC_ENOMEM;
    for (size_t i = 0; i < list->count; i++)
        if (list->parts[i].type != MRC_URLPATTERN_PART_FIXED)
            names[count++] = mrc_urlpattern_part_text(list, list->parts[i].name);
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 1; i < count && !err; i++)
        if (mrc_bytes_eq(names[i - 1], names[i]))
            err = mrc_error_set(error, MRC_EINVAL, "not a URL Pattern: two groups are named %s",
                                mrc_quote(&quote, names[i]));
    free(names);
    return err;
}

enum mrc_err mrc_urlpattern_part_list_parse(struct mrc_bytes pattern,
                                            enum mrc_urlpattern_canon canon, char delimiter,
                                            char prefix, struct mrc_error *error,
                                            struct mrc_urlpattern_part_list *ret_list)
{
    struct parser parser = {.canon = canon, .error = error, .list = ret_list};
    struct mrc_urlpattern_token *tokens = NULL;
    bool is_done = false;
    size_t count;
    enum mrc_err err;

    *ret_list = (struct mrc_urlpattern_part_list){.delimiter = delimiter, .prefix = prefix};
    mrc_buf_init(&ret_list->text, MAX_TEXT_BYTES);
    mrc_buf_init(&parser.pending, MAX_TEXT_BYTES);
    if (!mrc_buf_extend(&ret_list->text, 0)) /* so that views of it are never NULL */
        return mrc_buf_error(&ret_list->text);
    err = mrc_urlpattern_tokenize(pattern, false, error, &tokens, &count);
    parser.tokens = tokens;
    while (!err && !is_done)
        err = parse_next(&parser, &is_done);
    if (!err)
        err = mrc_buf_error(&ret_list->text);
    if (!err)
        err = check_names(ret_list, error);
    mrc_buf_free(&parser.pending);
    free(tokens);
    return err;
}

void mrc_urlpattern_part_list_free(struct mrc_urlpattern_part_list *list)
{
    free(list->parts);
    mrc_buf_free(&list->text);
    *list = (struct mrc_urlpattern_part_list){.parts = NULL};
}

/* ---- writing ----------------------------------------------------------------------------------*/

void mrc_urlpattern_part_escape(struct mrc_buf *out, struct mrc_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("+*?:{}()\\", text.ptr[i], 9))
            mrc_buf_add_char(out, '\\');
        mrc_buf_add_char(out, text.ptr[i]);
    }
}

/* Whether PART is text that occurs exactly once. */
static bool is_plain(const struct mrc_urlpattern_part *part)
{
    return part->type == MRC_URLPATTERN_PART_FIXED && part->modifier == MRC_URLPATTERN_PART_ONCE;
}

static bool occurs(const struct mrc_urlpattern_part *part)
{
    return part->modifier == MRC_URLPATTERN_PART_ONCE ||
           part->modifier == MRC_URLPATTERN_PART_ONE_OR_MORE;
}

void mrc_urlpattern_part_list_write_prefix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out)
{
    const struct mrc_urlpattern_part *part = list->parts, *end = list->parts + list->count;

    for (; part < end && is_plain(part); part++)
        mrc_buf_add_bytes(out, mrc_urlpattern_part_text(list, part->value));
    if (part < end && occurs(part))
        mrc_buf_add_bytes(
            out, mrc_urlpattern_part_text(
                     list, part->type == MRC_URLPATTERN_PART_FIXED ? part->value : part->prefix));
}

void mrc_urlpattern_part_list_write_suffix(const struct mrc_urlpattern_part_list *list,
                                           struct mrc_buf *out)
{
    size_t first = list->count; /* of the plain parts at the end */

    while (first && is_plain(&list->parts[first - 1]))
        first--;
    if (first && occurs(&list->parts[first - 1])) {
        const struct mrc_urlpattern_part *part = &list->parts[first - 1];

        mrc_buf_add_bytes(
            out, mrc_urlpattern_part_text(
                     list, part->type == MRC_URLPATTERN_PART_FIXED ? part->value : part->suffix));
    }
    for (size_t i = first; i < list->count; i++)
        mrc_buf_add_bytes(out, mrc_urlpattern_part_text(list, list->parts[i].value));
}
