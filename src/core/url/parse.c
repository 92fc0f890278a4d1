#include "core/url/url.h"

#include <stdlib.h>

#include "core/base/percent.h"
#include "core/url/host.h"
#include "core/url/path.h"

/* The position of a part in the text of the new URL. */
struct span {
    size_t at;
    size_t len;
    bool is_given;
};

/*
 * The state of the parser. The functions below are the states of the standard's parser. Each one
 * reads IN from AT on, and moves AT past what it has read. The parts are written to TEXT in their
 * order, so that the path, which dot segments shorten, is the last part while it is written.
 */
struct parser {
    struct mrc_bytes in;
    size_t at;
    const struct mrc_url *base;
    struct mrc_error *error;
    bool is_special;
    bool has_opaque_path;
    struct mrc_buf text;
    struct span scheme, username, password, host, port, path, query, fragment;
};

/* ---- reading and writing ----------------------------------------------------------------------*/

static struct mrc_bytes rest_of(const struct parser *parser)
{
    return (struct mrc_bytes){parser->in.ptr + parser->at, parser->in.len - parser->at};
}

/* The byte AHEAD places on, or -1 at the end. */
static int peek(const struct parser *parser, size_t ahead)
{
    if (parser->in.len - parser->at <= ahead)
        return -1;
    return (unsigned char)parser->in.ptr[parser->at + ahead];
}

/* Whether C is a slash. With a special scheme, a backslash is one, too. */
static bool is_slash(const struct parser *parser, int c)
{
    return c == '/' || (c == '\\' && parser->is_special);
}

static bool is_authority_end(const struct parser *parser, int c)
{
    return c < 0 || c == '?' || c == '#' || is_slash(parser, c);
}

static void begin(struct parser *parser, struct span *span)
{
    span->at = parser->text.len;
    span->is_given = true;
}

static void end(struct parser *parser, struct span *span)
{
    span->len = parser->text.len - span->at;
}

/* Copies a part from the base. */
static void inherit(struct parser *parser, struct span *span, struct mrc_bytes value)
{
    if (!value.ptr)
        return;
    begin(parser, span);
    mrc_buf_add_bytes(&parser->text, value);
    end(parser, span);
}

static void inherit_authority(struct parser *parser)
{
    inherit(parser, &parser->username, parser->base->username);
    inherit(parser, &parser->password, parser->base->password);
    inherit(parser, &parser->host, parser->base->host);
    inherit(parser, &parser->port, parser->base->port);
}

static bool is_file(const struct parser *parser)
{
    return parser->scheme.len == 4 && !parser->text.err &&
           memcmp(parser->text.ptr + parser->scheme.at, "file", 4) == 0;
}

static enum mrc_err refuse(const struct parser *parser, const char *reason)
{
    return mrc_error_set(parser->error, MRC_EINVAL, "not a URL: %s", reason);
}

/* ---- path, query, fragment --------------------------------------------------------------------*/

/* The path state. The path may already hold a part of the base's path. */
static void parse_path(struct parser *parser)
{
    struct mrc_url_path_kind kind = {parser->is_special, is_file(parser), true};

    if (!parser->path.is_given)
        begin(parser, &parser->path);
    parser->at += mrc_url_path_parse(&parser->text, parser->path.at, rest_of(parser), kind);
    end(parser, &parser->path);
}

/* The path start state. */
static void parse_path_start(struct parser *parser)
{
    int c = peek(parser, 0);

    if (is_slash(parser, c))
        parser->at++;
    else if (!parser->is_special && (c < 0 || c == '?' || c == '#'))
        return;
    parse_path(parser);
}

static void parse_opaque_path(struct parser *parser)
{
    parser->has_opaque_path = true;
    begin(parser, &parser->path);
    parser->at += mrc_url_path_parse_opaque(&parser->text, rest_of(parser));
    end(parser, &parser->path);
}

/* The query and fragment states, which read the rest of the input. */
static void parse_query_and_fragment(struct parser *parser)
{
    struct mrc_bytes rest = rest_of(parser);

    if (rest.len && rest.ptr[0] == '?') {
        const char *hash = memchr(rest.ptr, '#', rest.len);
        size_t len = hash ? (size_t)(hash - rest.ptr) : rest.len;

        begin(parser, &parser->query);
        mrc_percent_encode(&parser->text, (struct mrc_bytes){rest.ptr + 1, len - 1},
                           parser->is_special ? MRC_PERCENT_SPECIAL_QUERY : MRC_PERCENT_QUERY);
        end(parser, &parser->query);
        parser->at += len;
        rest = rest_of(parser);
    }
    if (rest.len) {
        begin(parser, &parser->fragment);
        mrc_percent_encode(&parser->text, (struct mrc_bytes){rest.ptr + 1, rest.len - 1},
                           MRC_PERCENT_FRAGMENT);
        end(parser, &parser->fragment);
        parser->at = parser->in.len;
    }
}

/* ---- authority --------------------------------------------------------------------------------*/

static void add_userinfo(struct parser *parser, struct span *span, struct mrc_bytes value)
{
    begin(parser, span);
    mrc_percent_encode(&parser->text, value, MRC_PERCENT_USERINFO);
    end(parser, span);
}

/* The authority state, up to the last `@` before AUTHORITY_END. */
static enum mrc_err parse_userinfo(struct parser *parser, size_t authority_end)
{
    struct mrc_bytes authority = {parser->in.ptr + parser->at, authority_end - parser->at};
    size_t at_sign = mrc_bytes_find_last(authority, '@');
    struct mrc_bytes userinfo = {authority.ptr, at_sign};
    const char *colon;

    if (at_sign == authority.len)
        return MRC_OK;
    if (at_sign + 1 == authority.len)
        return refuse(parser, "it has a user, but no host");
    colon = memchr(userinfo.ptr, ':', userinfo.len);
    if (colon)
        userinfo.len = (size_t)(colon - userinfo.ptr);
    add_userinfo(parser, &parser->username, userinfo);
    if (colon)
        add_userinfo(parser, &parser->password,
                     (struct mrc_bytes){colon + 1, at_sign - userinfo.len - 1});
    parser->at += at_sign + 1;
    return MRC_OK;
}

/* The port state. IN is the text after the colon. */
static enum mrc_err parse_port(struct parser *parser, struct mrc_bytes in)
{
    struct mrc_bytes scheme = {parser->text.ptr + parser->scheme.at, parser->scheme.len};

    for (size_t i = 0; i < in.len; i++)
        if (in.ptr[i] < '0' || in.ptr[i] > '9')
            return refuse(parser, "the port is not a number");
    if (!in.len)
        return MRC_OK;
    begin(parser, &parser->port);
    if (!mrc_url_add_port(&parser->text, in, scheme))
        return refuse(parser, "the port is more than 65535");
    end(parser, &parser->port);
    parser->port.is_given = parser->port.len > 0;
    return MRC_OK;
}

/* The authority, host and port states, and the path after them. */
static enum mrc_err parse_authority(struct parser *parser)
{
    size_t authority_end = parser->at, host_end;
    bool in_brackets = false;
    struct mrc_bytes host;
    enum mrc_err err;

    while (authority_end < parser->in.len &&
           !is_authority_end(parser, (unsigned char)parser->in.ptr[authority_end]))
        authority_end++;
    err = parse_userinfo(parser, authority_end);
    if (err)
        return err;
    for (host_end = parser->at; host_end < authority_end; host_end++) {
        char c = parser->in.ptr[host_end];

        if (c == ':' && !in_brackets)
            break;
        in_brackets = c == '[' || (in_brackets && c != ']');
    }
    host = (struct mrc_bytes){parser->in.ptr + parser->at, host_end - parser->at};
    if (!host.len && (parser->is_special || host_end < authority_end))
        return refuse(parser, "the host is empty");
    begin(parser, &parser->host);
    err = mrc_url_host_parse(host, !parser->is_special, parser->error, &parser->text);
    if (err)
        return err;
    end(parser, &parser->host);
    if (host_end < authority_end) {
        err = parse_port(parser, (struct mrc_bytes){parser->in.ptr + host_end + 1,
                                                    authority_end - host_end - 1});
        if (err)
            return err;
    }
    parser->at = authority_end;
    parse_path_start(parser);
    return MRC_OK;
}

/* The special authority (ignore) slashes states. */
static enum mrc_err parse_special_authority(struct parser *parser)
{
    while (is_slash(parser, peek(parser, 0)))
        parser->at++;
    return parse_authority(parser);
}

/* ---- file -------------------------------------------------------------------------------------*/

/* The file host state. */
static enum mrc_err parse_file_host(struct parser *parser)
{
    size_t start = parser->at, host_end = start;
    struct mrc_bytes host;
    enum mrc_err err;

    while (host_end < parser->in.len &&
           !is_authority_end(parser, (unsigned char)parser->in.ptr[host_end]))
        host_end++;
    host = (struct mrc_bytes){parser->in.ptr + start, host_end - start};
    if (host.len == 2 && mrc_url_path_starts_with_drive(host)) {
        begin(parser, &parser->host);
        end(parser, &parser->host);
        parse_path(parser); /* the drive letter is its first segment */
        return MRC_OK;
    }
    begin(parser, &parser->host);
    if (host.len) {
        err = mrc_url_host_parse(host, false, parser->error, &parser->text);
        if (err)
            return err;
    }
    end(parser, &parser->host);
    if (parser->host.len == 9 && memcmp(parser->text.ptr + parser->host.at, "localhost", 9) == 0) {
        parser->text.len = parser->host.at;
        parser->host.len = 0;
    }
    parser->at = host_end;
    parse_path_start(parser);
    return MRC_OK;
}

/* The file slash state. The first slash has been read. */
static enum mrc_err parse_file_slash(struct parser *parser)
{
    const struct mrc_url *base = parser->base;

    if (is_slash(parser, peek(parser, 0))) {
        parser->at++;
        return parse_file_host(parser);
    }
    if (base) {
        inherit(parser, &parser->host, base->host);
        if (!mrc_url_path_starts_with_drive(rest_of(parser)) && base->path.len >= 3 &&
            base->path.ptr[2] == ':' && (base->path.len == 3 || base->path.ptr[3] == '/') &&
            mrc_url_path_starts_with_drive((struct mrc_bytes){base->path.ptr + 1, 2}))
            inherit(parser, &parser->path, (struct mrc_bytes){base->path.ptr, 3});
    } else {
        begin(parser, &parser->host);
        end(parser, &parser->host);
    }
    parse_path(parser);
    return MRC_OK;
}

/* ---- relative ---------------------------------------------------------------------------------*/

/*
 * The common end of the relative and file states: copies the path of the base. If the input has a
 * path, it replaces the last segment.
 */
static void parse_relative_path(struct parser *parser)
{
    int c = peek(parser, 0);

    inherit(parser, &parser->path, parser->base->path);
    if (c == '?')
        return;
    if (c < 0 || c == '#') {
        inherit(parser, &parser->query, parser->base->query);
        return;
    }
    if (is_file(parser) && mrc_url_path_starts_with_drive(rest_of(parser)))
        parser->text.len = parser->path.at;
    else
        mrc_url_path_shorten(&parser->text, parser->path.at, is_file(parser));
    parse_path(parser);
}

/* The file state. A base with another scheme than file does not count. */
static enum mrc_err parse_file(struct parser *parser)
{
    if (parser->base && !mrc_bytes_eq_str(parser->base->scheme, "file"))
        parser->base = NULL;
    if (is_slash(parser, peek(parser, 0))) {
        parser->at++;
        return parse_file_slash(parser);
    }
    if (parser->base) {
        inherit(parser, &parser->host, parser->base->host);
        parse_relative_path(parser);
    } else {
        begin(parser, &parser->host);
        end(parser, &parser->host);
        parse_path(parser);
    }
    return MRC_OK;
}

/* The relative and relative slash states. */
static enum mrc_err parse_relative(struct parser *parser)
{
    if (!is_slash(parser, peek(parser, 0))) {
        inherit_authority(parser);
        parse_relative_path(parser);
        return MRC_OK;
    }
    parser->at++;
    if (is_slash(parser, peek(parser, 0))) {
        parser->at++;
        return parser->is_special ? parse_special_authority(parser) : parse_authority(parser);
    }
    inherit_authority(parser);
    parse_path(parser);
    return MRC_OK;
}

/* The no scheme state. */
static enum mrc_err parse_without_scheme(struct parser *parser)
{
    const struct mrc_url *base = parser->base;

    if (!base)
        return refuse(parser, "it has no scheme, and there is no base");
    if (base->has_opaque_path && peek(parser, 0) != '#')
        return refuse(parser, "it is relative, and the path of the base is opaque");
    inherit(parser, &parser->scheme, base->scheme);
    parser->is_special = mrc_url_is_special_scheme(base->scheme);
    if (base->has_opaque_path) {
        parser->has_opaque_path = true;
        inherit(parser, &parser->path, base->path);
        inherit(parser, &parser->query, base->query);
        return MRC_OK;
    }
    if (mrc_bytes_eq_str(base->scheme, "file"))
        return parse_file(parser);
    return parse_relative(parser);
}

/* ---- scheme -----------------------------------------------------------------------------------*/

/* The scheme states: reads a scheme and its colon. False, and nothing is read, if there is none. */
static bool parse_scheme(struct parser *parser)
{
    size_t len = 0;

    for (;; len++) {
        int c = peek(parser, len);
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';

        if (!is_letter && !(is_other && len))
            break;
    }
    if (!len || peek(parser, len) != ':')
        return false;
    begin(parser, &parser->scheme);
    for (size_t i = 0; i < len; i++) {
        char c = (char)peek(parser, i);

        mrc_buf_add_char(&parser->text, c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    end(parser, &parser->scheme);
    parser->at = len + 1;
    return true;
}

static enum mrc_err parse_url(struct parser *parser)
{
    struct mrc_bytes scheme;

    if (!parse_scheme(parser))
        return parse_without_scheme(parser);
    if (mrc_buf_error(&parser->text))
        return mrc_buf_error(&parser->text);
    scheme = mrc_buf_bytes(&parser->text);
    parser->is_special = mrc_url_is_special_scheme(scheme);
    if (is_file(parser))
        return parse_file(parser);
    if (parser->is_special) {
        bool is_relative = parser->base && mrc_bytes_eq(parser->base->scheme, scheme) &&
                           (peek(parser, 0) != '/' || peek(parser, 1) != '/');

        return is_relative ? parse_relative(parser) : parse_special_authority(parser);
    }
    if (peek(parser, 0) == '/') {
        parser->at++;
        if (peek(parser, 0) == '/') {
            parser->at++;
            return parse_authority(parser);
        }
        parse_path(parser);
        return MRC_OK;
    }
    parse_opaque_path(parser);
    return MRC_OK;
}

/* ---- interface --------------------------------------------------------------------------------*/

/* Whether IN is ASCII that mrc_url_add_clean() would not change, as nearly all URLs are. */
static bool is_clean(struct mrc_bytes in)
{
    for (size_t i = 0; i < in.len; i++)
        if ((unsigned char)in.ptr[i] < ' ' || (unsigned char)in.ptr[i] >= 0x80)
            return false;
    return true;
}

/* IN without C0 controls and spaces at both ends. */
static struct mrc_bytes trim(struct mrc_bytes in)
{
    while (in.len && (unsigned char)in.ptr[in.len - 1] <= ' ')
        in.len--;
    while (in.len && (unsigned char)in.ptr[0] <= ' ') {
        in.ptr++;
        in.len--;
    }
    return in;
}

static struct mrc_bytes view_of(const struct span *span, const char *text, bool is_optional)
{
    if (!span->is_given)
        return is_optional ? (struct mrc_bytes){NULL, 0} : (struct mrc_bytes){"", 0};
    return (struct mrc_bytes){text + span->at, span->len};
}

/* Makes the URL from the parts. */
static enum mrc_err finish(struct parser *parser, struct mrc_url **ret_url)
{
    enum mrc_err err = mrc_buf_error(&parser->text);
    struct mrc_url *url;
    char *text;

    if (err)
        return err;
    url = malloc(sizeof(*url));
    if (!url)
        return MRC_ENOMEM;
    text = mrc_buf_take(&parser->text, NULL);
    if (!text) {
        free(url);
        return MRC_ENOMEM;
    }
    *url = (struct mrc_url){
        .scheme = view_of(&parser->scheme, text, false),
        .username = view_of(&parser->username, text, false),
        .password = view_of(&parser->password, text, false),
        .host = view_of(&parser->host, text, true),
        .port = view_of(&parser->port, text, true),
        .path = view_of(&parser->path, text, false),
        .query = view_of(&parser->query, text, true),
        .fragment = view_of(&parser->fragment, text, true),
        .has_opaque_path = parser->has_opaque_path,
        .text = text,
    };
    *ret_url = url;
    return MRC_OK;
}

enum mrc_err mrc_url_parse(struct mrc_bytes input, const struct mrc_url *base,
                           struct mrc_error *error, struct mrc_url **ret_url)
{
    struct parser parser = {.base = base, .error = error};
    struct mrc_buf clean;
    enum mrc_err err;

    if (input.len > MRC_URL_MAX_BYTES)
        return mrc_error_set(error, MRC_ELIMIT, "the URL is longer than %zu bytes",
                             MRC_URL_MAX_BYTES);
    mrc_buf_init(&clean, input.len * 3);
    parser.in = input.len ? trim(input) : (struct mrc_bytes){"", 0};
    if (!is_clean(parser.in)) {
        mrc_url_add_clean(&clean, parser.in);
        err = mrc_buf_error(&clean);
        if (err)
            goto leave;
        parser.in = mrc_buf_bytes(&clean);
    }
    /*
     * Percent-encoding makes text three times as long, IDNA a host longer, and a base adds parts.
     */
    mrc_buf_init(&parser.text, MRC_URL_MAX_BYTES * 12);
    err = parse_url(&parser);
    if (err) { /* the cause may be that the text is incomplete */
        if (mrc_buf_error(&parser.text))
            err = mrc_buf_error(&parser.text);
        goto leave;
    }
    parse_query_and_fragment(&parser);
    err = finish(&parser, ret_url);
leave:
    mrc_buf_free(&parser.text);
    mrc_buf_free(&clean);
    return err;
}
