#include "core/urlpattern/constructor.h"

#include <stdlib.h>

#include "core/urlpattern/component.h"
#include "core/urlpattern/tokenize.h"

/*
 * The states. A state that reads a component has the number of that component, which is where its
 * text is stored. They follow each other in this order, and any of them may be skipped:
 *
 *     init -> protocol -> authority -> username -> password -> hostname -> port
 *          -> pathname -> search -> hash -> done
 *
 * Init and authority do not store anything: they only look ahead, to find out whether the string
 * has a protocol, and whether the authority has a user.
 */
enum state {
    STATE_PROTOCOL = MRC_URLPATTERN_PROTOCOL,
    STATE_USERNAME = MRC_URLPATTERN_USERNAME,
    STATE_PASSWORD = MRC_URLPATTERN_PASSWORD,
    STATE_HOSTNAME = MRC_URLPATTERN_HOSTNAME,
    STATE_PORT = MRC_URLPATTERN_PORT,
    STATE_PATHNAME = MRC_URLPATTERN_PATHNAME,
    STATE_SEARCH = MRC_URLPATTERN_SEARCH,
    STATE_HASH = MRC_URLPATTERN_HASH,
    STATE_INIT,
    STATE_AUTHORITY,
    STATE_DONE
};

struct parser {
    struct mrc_bytes in;
    const struct mrc_urlpattern_token *tokens;
    size_t count;
    size_t at;        /* the current token */
    size_t start;     /* the first token of the component */
    size_t increment; /* 0: the same token is read again, in another state */
    size_t group_depth;
    long bracket_depth; /* in an IPv6 address */
    bool is_special;
    enum state state;
    struct mrc_urlpattern_init *init;
    struct mrc_error *error;
};

static const struct mrc_bytes empty = {"", 0};

/* ---- looking at tokens ------------------------------------------------------------------------*/

static bool is_plain_char(const struct parser *parser, size_t at, char c)
{
    const struct mrc_urlpattern_token *token =
        &parser->tokens[at < parser->count ? at : parser->count - 1];

    if (token->value.len != 1 || token->value.ptr[0] != c)
        return false;
    return token->type == MRC_URLPATTERN_TOKEN_CHAR ||
           token->type == MRC_URLPATTERN_TOKEN_ESCAPED_CHAR ||
           token->type == MRC_URLPATTERN_TOKEN_INVALID_CHAR;
}

static bool is_at(const struct parser *parser, char c)
{
    return is_plain_char(parser, parser->at, c);
}

/* A question mark begins the search, unless it is the modifier of the token before it. */
static bool is_search_prefix(const struct parser *parser)
{
    const struct mrc_urlpattern_token *token = &parser->tokens[parser->at];

    if (is_at(parser, '?'))
        return true;
    if (!mrc_bytes_eq_str(token->value, "?"))
        return false;
    if (parser->at == 0)
        return true;
    switch (token[-1].type) {
    case MRC_URLPATTERN_TOKEN_NAME:
    case MRC_URLPATTERN_TOKEN_REGEXP:
    case MRC_URLPATTERN_TOKEN_CLOSE:
    case MRC_URLPATTERN_TOKEN_ASTERISK:
        return false;
    default:
        return true;
    }
}

/* The input from the beginning of the component to the current token. */
static struct mrc_bytes component_string(const struct parser *parser)
{
    size_t from =
        parser->tokens[parser->start < parser->count ? parser->start : parser->count - 1].at;

    return (struct mrc_bytes){parser->in.ptr + from, parser->tokens[parser->at].at - from};
}

/* ---- changing states --------------------------------------------------------------------------*/

/* Whether COMPONENT comes after the current state, and is not given. */
static bool is_skipped(const struct parser *parser, enum mrc_urlpattern_component_id component)
{
    return !parser->init->components[component].ptr &&
           (parser->state == STATE_AUTHORITY || (int)parser->state < (int)component);
}

/* A component between two given ones is empty, not a wildcard. */
static void fill_skipped(struct parser *parser, enum state next)
{
    struct mrc_bytes *components = parser->init->components;

    if (parser->state == STATE_INIT)
        return;
    if (next >= STATE_PORT && next <= STATE_HASH && is_skipped(parser, MRC_URLPATTERN_HOSTNAME))
        components[MRC_URLPATTERN_HOSTNAME] = empty;
    if ((next == STATE_SEARCH || next == STATE_HASH) && is_skipped(parser, MRC_URLPATTERN_PATHNAME))
        components[MRC_URLPATTERN_PATHNAME] = parser->is_special ? mrc_bytes_of("/") : empty;
    if (next == STATE_HASH && is_skipped(parser, MRC_URLPATTERN_SEARCH))
        components[MRC_URLPATTERN_SEARCH] = empty;
}

/* Ends the current component, skips SKIP tokens, and begins NEXT. */
static void change_state(struct parser *parser, enum state next, size_t skip)
{
    if (parser->state < STATE_INIT)
        parser->init->components[parser->state] = component_string(parser);
    if (next != STATE_DONE)
        fill_skipped(parser, next);
    parser->state = next;
    parser->at += skip;
    parser->start = parser->at;
    parser->increment = 0;
}

static void rewind_to_start(struct parser *parser)
{
    parser->at = parser->start;
    parser->increment = 0;
}

static void rewind_and_set(struct parser *parser, enum state state)
{
    rewind_to_start(parser);
    parser->state = state;
}

/* ---- the states -------------------------------------------------------------------------------*/

/* Ends the protocol. The next state depends on whether it matches a special scheme. */
static enum mrc_err end_protocol(struct parser *parser)
{
    struct mrc_urlpattern_component protocol;
    enum mrc_err err;

    err = mrc_urlpattern_component_compile(MRC_URLPATTERN_PROTOCOL, component_string(parser), false,
                                           parser->error, &protocol);
    if (err)
        return err;
    parser->is_special = mrc_urlpattern_component_matches_special_scheme(&protocol);
    mrc_urlpattern_component_clear(&protocol);
    if (is_plain_char(parser, parser->at + 1, '/') && is_plain_char(parser, parser->at + 2, '/'))
        change_state(parser, STATE_AUTHORITY, 3);
    else
        change_state(parser, parser->is_special ? STATE_AUTHORITY : STATE_PATHNAME, 1);
    return MRC_OK;
}

static bool is_authority_end(const struct parser *parser)
{
    return is_at(parser, '/') || is_search_prefix(parser) || is_at(parser, '#');
}

/* From hostname to search, the beginning of a later component ends the current one. */
static void look_for_later(struct parser *parser)
{
    if (parser->state < STATE_PATHNAME && is_at(parser, '/'))
        change_state(parser, STATE_PATHNAME, 0);
    else if (parser->state < STATE_SEARCH && is_search_prefix(parser))
        change_state(parser, STATE_SEARCH, 1);
    else if (is_at(parser, '#'))
        change_state(parser, STATE_HASH, 1);
}

static enum mrc_err look_at_token(struct parser *parser)
{
    switch (parser->state) {
    case STATE_INIT:
        if (is_at(parser, ':'))
            rewind_and_set(parser, STATE_PROTOCOL);
        break;
    case STATE_PROTOCOL:
        if (is_at(parser, ':'))
            return end_protocol(parser);
        break;
    case STATE_AUTHORITY:
        if (is_at(parser, '@'))
            rewind_and_set(parser, STATE_USERNAME);
        else if (is_authority_end(parser))
            rewind_and_set(parser, STATE_HOSTNAME);
        break;
    case STATE_USERNAME:
        if (is_at(parser, ':'))
            change_state(parser, STATE_PASSWORD, 1);
        else if (is_at(parser, '@'))
            change_state(parser, STATE_HOSTNAME, 1);
        break;
    case STATE_PASSWORD:
        if (is_at(parser, '@'))
            change_state(parser, STATE_HOSTNAME, 1);
        break;
    case STATE_HOSTNAME:
        if (is_at(parser, '['))
            parser->bracket_depth++;
        else if (is_at(parser, ']'))
            parser->bracket_depth--;
        else if (is_at(parser, ':') && !parser->bracket_depth)
            change_state(parser, STATE_PORT, 1);
        else
            look_for_later(parser);
        break;
    case STATE_PORT:
    case STATE_PATHNAME:
    case STATE_SEARCH:
        look_for_later(parser);
        break;
    case STATE_HASH:
    case STATE_DONE:
        break;
    }
    return MRC_OK;
}

/* Handles the end of the input. True: it has to be read again, in another state. */
static bool look_at_end(struct parser *parser)
{
    if (parser->state == STATE_AUTHORITY) {
        rewind_and_set(parser, STATE_HOSTNAME);
        return true;
    }
    if (parser->state != STATE_INIT) {
        change_state(parser, STATE_DONE, 0);
        return false;
    }
    rewind_to_start(parser); /* without a protocol it is relative */
    if (is_at(parser, '#'))
        change_state(parser, STATE_HASH, 1);
    else if (is_search_prefix(parser))
        change_state(parser, STATE_SEARCH, 1);
    else
        change_state(parser, STATE_PATHNAME, 0);
    return true;
}

/* Whether the current token is in braces, in which no component ends. */
static bool is_in_group(struct parser *parser)
{
    enum mrc_urlpattern_token_type type = parser->tokens[parser->at].type;

    if (type == MRC_URLPATTERN_TOKEN_OPEN) {
        parser->group_depth++;
        return true;
    }
    if (!parser->group_depth)
        return false;
    if (type != MRC_URLPATTERN_TOKEN_CLOSE)
        return true;
    parser->group_depth--;
    return false;
}

static enum mrc_err parse(struct parser *parser)
{
    while (parser->at < parser->count) {
        parser->increment = 1;
        if (parser->tokens[parser->at].type == MRC_URLPATTERN_TOKEN_END) {
            if (!look_at_end(parser))
                return MRC_OK;
        } else if (!is_in_group(parser)) {
            enum mrc_err err = look_at_token(parser);

            if (err)
                return err;
        }
        parser->at += parser->increment;
    }
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_constructor_parse(struct mrc_bytes input, struct mrc_error *error,
                                              struct mrc_urlpattern_init *ret_init)
{
    struct mrc_urlpattern_init init = {.base_url = {NULL, 0}};
    struct parser parser = {.in = input, .state = STATE_INIT, .init = &init, .error = error};
    struct mrc_urlpattern_token *tokens = NULL;
    enum mrc_err err;

    err = mrc_urlpattern_tokenize(input, true, error, &tokens, &parser.count);
    if (err)
        return err;
    parser.tokens = tokens;
    err = parse(&parser);
    free(tokens);
    if (err)
        return err;
    if (init.components[MRC_URLPATTERN_HOSTNAME].ptr && !init.components[MRC_URLPATTERN_PORT].ptr)
        init.components[MRC_URLPATTERN_PORT] = empty;
    *ret_init = init;
    return MRC_OK;
}
