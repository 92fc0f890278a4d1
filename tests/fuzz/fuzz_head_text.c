/*
 * The input is a byte, which makes the sizes of the pieces, a byte, which makes the fill, and what
 * a script writes; each byte 0xff in it stands for as many thousand bytes as the second byte says.
 * The text has the same heads in whatever pieces it comes: those that a search in all of it finds.
 * Of a whole head, the status is that of a regular expression, and the fields can be given to the
 * session.
 *
 * Sources: src/httpd/exchange/head_text.c src/httpd/exchange/fields.c
 */
#include <regex.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "httpd/exchange/fields.h"
#include "httpd/exchange/head_text.h"

/* The most bytes of a text, so that one head and another one exceed their limit. */
#define TEXT_MAX (2 * MRC_EXCHANGE_HEAD_TEXT_MAX + 1)

/* The unit of the fill, with which a text comes close to any limit. */
#define FILL_BYTES 1000

/* The most pieces of a text, about. */
#define PIECES_MAX 2048

/* Longer lines are not compared with the regular expression, which is slow. */
#define COMPARED_MAX 200

/* ---- the text ---------------------------------------------------------------------------------*/

/* What the input stands for. */
static struct mrc_bytes expand(struct mrc_bytes input, size_t fill_bytes, struct mrc_buf *out)
{
    for (size_t i = 0; i < input.len && mrc_buf_bytes(out).len < TEXT_MAX; i++) {
        char *fill;

        if (input.ptr[i] != '\xff' || fill_bytes == 0) {
            mrc_buf_add_char(out, input.ptr[i]);
            continue;
        }
        fill = mrc_buf_extend(out, fill_bytes);
        if (fill)
            memset(fill, 'a', fill_bytes);
    }
    FUZZ_CHECK(!mrc_buf_error(out));
    return mrc_buf_bytes(out);
}

/* ---- what is expected -------------------------------------------------------------------------*/

/* The number of bytes up to the end of END in TEXT; SIZE_MAX: TEXT has no END. */
static size_t find_end(struct mrc_bytes text, const char *end)
{
    const char *at = text.ptr ? memmem(text.ptr, text.len, end, strlen(end)) : NULL;

    return at ? (size_t)(at - text.ptr) + strlen(end) : SIZE_MAX;
}

/* How TEXT begins. */
struct expected {
    size_t len; /* of the head; not whole: of TEXT, or more than a head may have */
    bool is_whole, is_bad;
};

static struct expected expect(struct mrc_bytes text)
{
    struct expected expected;
    size_t end, other;

    if (text.len > MRC_EXCHANGE_HEAD_TEXT_MAX + 1)
        text.len = MRC_EXCHANGE_HEAD_TEXT_MAX + 1;
    end = find_end(text, "\n\n");
    other = find_end(text, "\n\r\n");
    end = other < end ? other : end;
    expected.len = text.len;
    if (end != SIZE_MAX)
        expected.len = end;
    expected.is_bad = expected.len > MRC_EXCHANGE_HEAD_TEXT_MAX ||
                      memcmp(text.ptr, "HTTP/", text.len < 5 ? text.len : 5) != 0;
    expected.is_whole = end != SIZE_MAX && !expected.is_bad;
    return expected;
}

/* ---- what is done with a head -----------------------------------------------------------------*/

static void check_status(const char *line)
{
    int status = mrc_exchange_head_text_status(line), expected = 0;
    static bool is_compiled;
    static regex_t regex;
    regmatch_t parts[2];

    FUZZ_CHECK(status >= 0 && status <= 999);
    if (strlen(line) > COMPARED_MAX)
        return;
    if (!is_compiled)
        FUZZ_CHECK(!regcomp(&regex, "^HTTP/[0-9.]+ +([0-9]{3})( |$)", REG_EXTENDED));
    is_compiled = true;
    if (!regexec(&regex, line, 2, parts, 0))
        expected = (int)strtol(line + parts[1].rm_so, NULL, 10);
    FUZZ_CHECK(status == expected);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Fails unless the fields are NAME with VALUE, or none. */
static void check_field(const struct mrc_exchange_fields *fields, const char *name,
                        const char *value)
{
    const char *sent_name, *sent_value;
    size_t at = 0, len;

    FUZZ_CHECK(fields->len <= fields->cap && fields->count <= 1);
    if (!mrc_exchange_fields_next(fields, &at, &sent_name, &sent_value)) {
        FUZZ_CHECK(fields->len == 0 && fields->count == 0);
        FUZZ_CHECK(!strcasecmp(name, "connection") || !strcasecmp(name, "keep-alive") ||
                   !strcasecmp(name, "proxy-connection") ||
                   !strcasecmp(name, "transfer-encoding") || !strcasecmp(name, "upgrade"));
        return;
    }
    len = strlen(sent_value);
    FUZZ_CHECK(fields->count == 1 && at == fields->len);
    FUZZ_CHECK(!strcasecmp(sent_name, name));
    for (const char *c = sent_name; *c; c++)
        FUZZ_CHECK(*c < 'A' || *c > 'Z');
    FUZZ_CHECK(len == 0 || (!is_space(sent_value[0]) && !is_space(sent_value[len - 1])));
    FUZZ_CHECK(strstr(value, sent_value));
    FUZZ_CHECK(mrc_exchange_fields_frame_bytes(fields) >= len / 2);
}

static void check_line(struct mrc_exchange_fields *all, char *line)
{
    struct mrc_exchange_fields one = {.bytes = NULL};
    char *value = strchr(line, ':');
    unsigned before = all->count;

    if (!value || value == line)
        return;
    *value++ = '\0';
    FUZZ_CHECK(mrc_exchange_fields_add_response(&one, line, value));
    check_field(&one, line, value);
    FUZZ_CHECK(mrc_exchange_fields_add_response(all, line, value));
    FUZZ_CHECK(all->count == before + one.count);
    mrc_exchange_fields_free(&one);
}

/* Reads the lines of the head as far as a NUL byte, as the worker does. */
static void check_head(const struct mrc_exchange_head_text *text)
{
    struct mrc_exchange_fields fields = {.bytes = NULL};
    char *copy = strdup(text->bytes), *line = copy;
    const char *name, *value;
    unsigned count = 0;
    size_t at = 0;

    FUZZ_CHECK(copy);
    for (char *next; *line; line = next) {
        size_t len = strcspn(line, "\r\n");

        next = line + len + strspn(line + len, "\r\n");
        line[len] = '\0';
        if (line == copy)
            check_status(line);
        else
            check_line(&fields, line);
    }
    while (mrc_exchange_fields_next(&fields, &at, &name, &value))
        count++;
    FUZZ_CHECK(at == fields.len && count == fields.count);
    mrc_exchange_fields_free(&fields);
    free(copy);
}

/* ---- the pieces -------------------------------------------------------------------------------*/

/* The sizes of pieces, which depend on the input only. */
struct pieces {
    uint32_t state;
    size_t min, max;
};

static size_t next_size(struct pieces *pieces)
{
    pieces->state = pieces->state * 1664525 + 1013904223;
    return pieces->min + (pieces->state >> 8) % (pieces->max - pieces->min + 1);
}

/* A copy, so that a read past the end of BYTES is noticed. */
static size_t take_piece(struct mrc_exchange_head_text *text, const char *bytes, size_t len)
{
    char *copy = malloc(len);
    size_t taken;

    FUZZ_CHECK(copy);
    memcpy(copy, bytes, len);
    taken = mrc_exchange_head_text_take(text, copy, len);
    FUZZ_CHECK(taken <= len);
    FUZZ_CHECK(taken == len || text->is_whole || text->is_bad);
    FUZZ_CHECK(!text->is_whole || !text->is_bad);
    FUZZ_CHECK(text->len <= MRC_EXCHANGE_HEAD_TEXT_MAX);
    FUZZ_CHECK(text->cap <= 2 * MRC_EXCHANGE_HEAD_TEXT_MAX);
    FUZZ_CHECK(text->is_bad || (text->cap > text->len && text->bytes[text->len] == '\0'));
    if (text->is_whole || text->is_bad)
        FUZZ_CHECK(mrc_exchange_head_text_take(text, copy, len) == 0);
    free(copy);
    return taken;
}

/* Takes the head at the front of BYTES. Returns how many bytes were taken. */
static size_t take_head(struct mrc_exchange_head_text *text, struct mrc_bytes bytes,
                        struct pieces *pieces)
{
    size_t at = 0;

    while (at < bytes.len && !text->is_whole && !text->is_bad) {
        size_t size = next_size(pieces);

        at += take_piece(text, bytes.ptr + at, size < bytes.len - at ? size : bytes.len - at);
    }
    return at;
}

static void check_text(struct mrc_bytes rest, struct pieces pieces)
{
    struct mrc_exchange_head_text text = {.bytes = NULL};
    struct expected expected = {.is_whole = true};

    while (rest.len > 0 && expected.is_whole) {
        size_t taken = take_head(&text, rest, &pieces);

        expected = expect(rest);
        FUZZ_CHECK(text.is_whole == expected.is_whole && text.is_bad == expected.is_bad);
        if (!text.is_bad) {
            FUZZ_CHECK(taken == expected.len && text.len == expected.len);
            FUZZ_CHECK(!memcmp(text.bytes, rest.ptr, text.len));
        }
        if (text.is_whole)
            check_head(&text);
        rest.ptr += taken;
        rest.len -= taken;
        mrc_exchange_head_text_restart(&text);
        FUZZ_CHECK(text.len == 0 && !text.is_whole && !text.is_bad);
    }
    mrc_exchange_head_text_free(&text);
    FUZZ_CHECK(!text.bytes && text.cap == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pieces pieces = {.state = 1};
    struct mrc_bytes text;
    struct mrc_buf buf;

    if (size < 2)
        return 0;
    mrc_buf_init(&buf, SIZE_MAX);
    text = expand((struct mrc_bytes){(const char *)data + 2, size - 2},
                  (size_t)data[1] * FILL_BYTES, &buf);
    pieces.min = 1 + text.len / PIECES_MAX;
    pieces.max = pieces.min + ((size_t)1 << data[0] % 16) - 1;
    pieces.state = data[0];
    check_text(text, pieces);
    pieces.min = pieces.max = TEXT_MAX + (size_t)UINT8_MAX * FILL_BYTES;
    check_text(text, pieces);
    mrc_buf_free(&buf);
    return 0;
}
