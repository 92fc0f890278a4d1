#include "httpd/inside/interim_text.h"

#include <string.h>

#include "apr_lib.h"

#define INTERIM   "HTTP/1.1 1"
#define SWITCHING "HTTP/1.1 101"

/* The field and its colon, in lower case. */
static const char name[] = "mercure-publish:";

static bool begins_with(const char *bytes, size_t len, const char *prefix)
{
    return len >= strlen(prefix) && !memcmp(bytes, prefix, strlen(prefix));
}

static void begin(struct mrc_interim_text *text, const char *bytes, size_t len)
{
    text->place = begins_with(bytes, len, INTERIM) ? MRC_INTERIM_TEXT_LINE : MRC_INTERIM_TEXT_RAW;
    text->is_last = begins_with(bytes, len, SWITCHING);
}

/* Whether BYTE is held, because the line may be the field. */
static bool hold(struct mrc_interim_text *text, char byte)
{
    if (apr_tolower(byte) != name[text->held_len])
        return false;
    text->held[text->held_len++] = byte;
    if (text->held_len == MRC_INTERIM_TEXT_NAME_LEN) {
        text->held_len = 0;
        text->place = MRC_INTERIM_TEXT_DROPPED;
    }
    return true;
}

/* The place after BYTE, which was not held. */
static enum mrc_interim_text_place next_place(const struct mrc_interim_text *text, char byte)
{
    bool is_empty = text->place == MRC_INTERIM_TEXT_START && text->held_len == 0;

    if (text->place == MRC_INTERIM_TEXT_RAW)
        return text->place;
    if (byte == '\n' && is_empty)
        return text->is_last ? MRC_INTERIM_TEXT_RAW : MRC_INTERIM_TEXT_BETWEEN;
    if (byte == '\n' || (byte == '\r' && is_empty))
        return MRC_INTERIM_TEXT_START;
    return text->place == MRC_INTERIM_TEXT_START ? MRC_INTERIM_TEXT_LINE : text->place;
}

/* Writes what goes now that BYTE is there to TO; returns the end. */
static char *take_byte(struct mrc_interim_text *text, char byte, char *to)
{
    if (text->place == MRC_INTERIM_TEXT_START && hold(text, byte))
        return to;
    if (text->place != MRC_INTERIM_TEXT_DROPPED) {
        memcpy(to, text->held, text->held_len);
        to += text->held_len;
        *to++ = byte;
    }
    text->place = next_place(text, byte);
    text->held_len = 0;
    return to;
}

size_t mrc_interim_text_take(struct mrc_interim_text *text, const char *bytes, size_t len, char *to)
{
    char *end = to;

    for (size_t i = 0; i < len; i++) {
        if (text->place == MRC_INTERIM_TEXT_BETWEEN)
            begin(text, bytes + i, len - i);
        end = take_byte(text, bytes[i], end);
    }
    return (size_t)(end - to);
}
