#include "core/urlpattern/tokenize.h"

#include <stdlib.h>

#include "mrc_config.h"

#include "core/base/utf8.h"

#ifdef HAVE_ICU
#include <unicode/uchar.h>
#endif

struct tokenizer {
    struct mrc_bytes in;
    size_t at; /* where the next token begins */
    struct mrc_error *error;
    struct mrc_urlpattern_token *tokens; /* room for one token per byte, and for the end */
    size_t count;
};

bool mrc_urlpattern_is_name_cp(uint32_t cp, bool is_first)
{
    if ((cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z') || cp == '_' || cp == '$')
        return true;
    if (cp < 0x80)
        return !is_first && cp >= '0' && cp <= '9';
#ifdef HAVE_ICU
    if (!is_first && (cp == 0x200C || cp == 0x200D))
        return true;
    return u_hasBinaryProperty((UChar32)cp, is_first ? UCHAR_ID_START : UCHAR_ID_CONTINUE);
#else
    return false;
#endif
}

static enum mrc_err refuse(const struct tokenizer *tokenizer, size_t at, const char *reason)
{
    return mrc_error_set(tokenizer->error, MRC_EINVAL, "not a URL Pattern: %s (byte %zu)", reason,
                         at);
}

/* Adds a token that ends before NEXT. Its value is the VALUE_LEN bytes from VALUE_AT on. */
static void add_token(struct tokenizer *tokenizer, enum mrc_urlpattern_token_type type,
                      size_t value_at, size_t value_len, size_t next)
{
    tokenizer->tokens[tokenizer->count++] = (struct mrc_urlpattern_token){
        .type = type,
        .at = tokenizer->at,
        .value = {tokenizer->in.ptr + value_at, value_len},
    };
    tokenizer->at = next;
}

/* Reads the code point at AT, and returns its length. */
static size_t cp_at(const struct tokenizer *tokenizer, size_t at, uint32_t *ret_cp)
{
    struct mrc_bytes rest = {tokenizer->in.ptr + at, tokenizer->in.len - at};

    return mrc_utf8_decode(rest, ret_cp, NULL);
}

static enum mrc_err read_name(struct tokenizer *tokenizer, bool is_lenient)
{
    size_t start = tokenizer->at + 1, end = start;

    while (end < tokenizer->in.len) {
        uint32_t cp;
        size_t len = cp_at(tokenizer, end, &cp);

#ifndef HAVE_ICU
        if (cp >= 0x80) /* only ICU knows whether this belongs to the name */
            return mrc_error_set(tokenizer->error, MRC_EUNSUPPORTED,
                                 "this build has no ICU, so names must be ASCII");
#endif
        if (!mrc_urlpattern_is_name_cp(cp, end == start))
            break;
        end += len;
    }
    if (end > start)
        add_token(tokenizer, MRC_URLPATTERN_TOKEN_NAME, start, end - start, end);
    else if (is_lenient)
        add_token(tokenizer, MRC_URLPATTERN_TOKEN_INVALID_CHAR, tokenizer->at, 1, start);
    else
        return refuse(tokenizer, tokenizer->at, "a colon without a name");
    return MRC_OK;
}

static enum mrc_err read_regexp(struct tokenizer *tokenizer)
{
    const char *in = tokenizer->in.ptr;
    size_t len = tokenizer->in.len;
    size_t start = tokenizer->at + 1, at = start;
    size_t depth = 1;

    for (; at < len; at++) {
        if ((unsigned char)in[at] >= 0x80)
            return refuse(tokenizer, at, "a group is not ASCII");
        if (at == start && in[at] == '?')
            return refuse(tokenizer, at, "a group begins with ?");
        if (in[at] == '\\') {
            at++;
            if (at == len || (unsigned char)in[at] >= 0x80)
                return refuse(tokenizer, at, "a group is not ASCII, or is not closed");
        } else if (in[at] == ')') {
            depth--;
            if (!depth)
                break;
        } else if (in[at] == '(') {
            depth++;
            if (at + 1 == len || in[at + 1] != '?')
                return refuse(tokenizer, at, "a capturing group inside a group");
        }
    }
    if (at == len)
        return refuse(tokenizer, tokenizer->at, "a group is not closed");
    if (at == start)
        return refuse(tokenizer, tokenizer->at, "a group is empty");
    add_token(tokenizer, MRC_URLPATTERN_TOKEN_REGEXP, start, at - start, at + 1);
    return MRC_OK;
}

/* Reads one token. */
static enum mrc_err read_token(struct tokenizer *tokenizer, bool is_lenient)
{
    size_t at = tokenizer->at;
    enum mrc_urlpattern_token_type type;
    uint32_t cp;
    size_t len;

    switch (tokenizer->in.ptr[at]) {
    case '*':
        type = MRC_URLPATTERN_TOKEN_ASTERISK;
        break;
    case '+':
    case '?':
        type = MRC_URLPATTERN_TOKEN_OTHER_MODIFIER;
        break;
    case '{':
        type = MRC_URLPATTERN_TOKEN_OPEN;
        break;
    case '}':
        type = MRC_URLPATTERN_TOKEN_CLOSE;
        break;
    case ':':
        return read_name(tokenizer, is_lenient);
    case '(':
        return read_regexp(tokenizer);
    case '\\':
        if (at + 1 == tokenizer->in.len)
            return refuse(tokenizer, at, "a backslash at the end");
        len = cp_at(tokenizer, at + 1, &cp);
        add_token(tokenizer, MRC_URLPATTERN_TOKEN_ESCAPED_CHAR, at + 1, len, at + 1 + len);
        return MRC_OK;
    default:
        type = MRC_URLPATTERN_TOKEN_CHAR;
        break;
    }
    len = cp_at(tokenizer, at, &cp);
    add_token(tokenizer, type, at, len, at + len);
    return MRC_OK;
}

enum mrc_err mrc_urlpattern_tokenize(struct mrc_bytes input, bool is_lenient,
                                     struct mrc_error *error,
                                     struct mrc_urlpattern_token **ret_tokens, size_t *ret_count)
{
    struct tokenizer tokenizer = {.in = input, .error = error};
    enum mrc_err err = MRC_OK;

    tokenizer.tokens = calloc(input.len + 1, sizeof(*tokenizer.tokens));
    if (!tokenizer.tokens)
        return MRC_ENOMEM;
    while (tokenizer.at < input.len && !err)
        err = read_token(&tokenizer, is_lenient);
    if (err) {
        free(tokenizer.tokens);
        return err;
    }
    add_token(&tokenizer, MRC_URLPATTERN_TOKEN_END, input.len, 0, input.len);
    *ret_tokens = tokenizer.tokens;
    *ret_count = tokenizer.count;
    return MRC_OK;
}
