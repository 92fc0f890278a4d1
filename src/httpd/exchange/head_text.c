#include "httpd/exchange/head_text.h"

#include <stdlib.h>
#include <string.h>

/* What a head begins with, before the number of the version: scripts write SERVER_PROTOCOL. */
#define BEGINNING     "HTTP/"
#define BEGINNING_LEN (sizeof(BEGINNING) - 1)

/* The first block; most heads fit. */
#define CAP_MIN 1024

/* False: the head becomes too long, or there is no memory. */
static bool append(struct mrc_exchange_head_text *text, const char *bytes, size_t len)
{
    size_t cap = text->cap ? text->cap : CAP_MIN;
    char *grown;

    if (len > MRC_EXCHANGE_HEAD_TEXT_MAX - text->len)
        return false;
    while (cap < text->len + len + 1)
        cap *= 2;
    if (cap > text->cap) {
        grown = realloc(text->bytes, cap);
        if (!grown)
            return false;
        text->bytes = grown;
        text->cap = cap;
    }
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    text->bytes[text->len] = '\0';
    return true;
}

static bool may_be_head(const struct mrc_exchange_head_text *text)
{
    return !memcmp(text->bytes, BEGINNING, text->len < BEGINNING_LEN ? text->len : BEGINNING_LEN);
}

/* Whether the last line of TEXT, which has its end, is empty. Scripts may write "\n" alone. */
static bool ends_with_empty_line(const struct mrc_exchange_head_text *text)
{
    size_t len = text->len - 1;

    if (len > 0 && text->bytes[len - 1] == '\r')
        len--;
    return len > 0 && text->bytes[len - 1] == '\n';
}

size_t mrc_exchange_head_text_take(struct mrc_exchange_head_text *text, const char *bytes,
                                   size_t len)
{
    size_t taken = 0;

    while (taken < len && !text->is_whole && !text->is_bad) {
        const char *end = memchr(bytes + taken, '\n', len - taken);
        size_t part = end ? (size_t)(end + 1 - bytes) - taken : len - taken;

        text->is_bad = !append(text, bytes + taken, part) || !may_be_head(text);
        text->is_whole = !text->is_bad && end && ends_with_empty_line(text);
        taken += part;
    }
    return taken;
}

int mrc_exchange_head_text_status(const char *line)
{
    const char *at;

    if (strncmp(line, BEGINNING, BEGINNING_LEN) != 0)
        return 0;
    at = line + BEGINNING_LEN;
    at += strspn(at, "0123456789.");
    if (at == line + BEGINNING_LEN || *at != ' ')
        return 0;
    at += strspn(at, " ");
    if (strspn(at, "0123456789") != 3 || (at[3] && at[3] != ' '))
        return 0;
    return (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
}

void mrc_exchange_head_text_restart(struct mrc_exchange_head_text *text)
{
    text->len = 0;
    text->is_whole = text->is_bad = false;
}

void mrc_exchange_head_text_free(struct mrc_exchange_head_text *text)
{
    free(text->bytes);
    *text = (struct mrc_exchange_head_text){.bytes = NULL};
}
