/*
 * Takes the field Mercure-Publish out of the text of interim responses (1xx), which comes in pieces
 * that end anywhere:
 *
 *     HTTP/1.1 103 Early Hints
 *     Link: ...
 *     Mercure-Publish: ...         (is left out)
 *
 *     HTTP/1.1 103 ...             (the next response)
 *
 * Anything other than interim responses stays as it is: the text after a 101 (Switching Protocols),
 * and everything from a response on that does not begin like an interim one.
 */
#ifndef MRC_HTTPD_INSIDE_INTERIM_TEXT_H
#define MRC_HTTPD_INSIDE_INTERIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define MRC_INTERIM_TEXT_NAME_LEN (sizeof("Mercure-Publish:") - 1)

enum mrc_interim_text_place {
    MRC_INTERIM_TEXT_BETWEEN, /* before a response */
    MRC_INTERIM_TEXT_START,   /* in a line, all of whose bytes are held: they begin the name, or
                                 there are none */
    MRC_INTERIM_TEXT_LINE,    /* in another line */
    MRC_INTERIM_TEXT_DROPPED, /* in a line that has the name */
    MRC_INTERIM_TEXT_RAW      /* in bytes that are not an interim response */
};

/* Zeros are a text that has not begun. */
struct mrc_interim_text {
    enum mrc_interim_text_place place;
    bool is_last; /* the response is a 101 */
    char held[MRC_INTERIM_TEXT_NAME_LEN];
    size_t held_len;
};

/*
 * Writes to TO what remains of BYTES, and bytes of earlier pieces that may go now: at most LEN +
 * MRC_INTERIM_TEXT_NAME_LEN bytes. Returns their number. A response must begin with at least 12
 * bytes in one piece, as httpd writes it.
 */
size_t mrc_interim_text_take(struct mrc_interim_text *text, const char *bytes, size_t len,
                             char *to);

#endif
