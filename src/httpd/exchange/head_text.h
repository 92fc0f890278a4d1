/*
 * The head of a response as the text of HTTP/1.1: httpd writes interim responses (1xx) so, and a
 * script whose name begins with "nph-" writes all of its response so. The text comes in pieces that
 * end anywhere. Independent of httpd.
 */
#ifndef MRC_HTTPD_EXCHANGE_HEAD_TEXT_H
#define MRC_HTTPD_EXCHANGE_HEAD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes of a head; browsers accept no more. */
#define MRC_EXCHANGE_HEAD_TEXT_MAX ((size_t)256 * 1024)

/* Zeroed: nothing has come. */
struct mrc_exchange_head_text {
    char *bytes; /* of one head so far, and a NUL after them */
    size_t len, cap;
    bool is_whole; /* BYTES end with the empty line after the head */
    bool is_bad;   /* the text is no head, or too long, or there was no memory for it */
};

/* Takes as many of the LEN bytes as belong to the head. Returns their number, which is less than
 * LEN only if the head is whole or bad then. */
size_t mrc_exchange_head_text_take(struct mrc_exchange_head_text *text, const char *bytes,
                                   size_t len);

/* The status in LINE, the first one of a head, without its end; 0: it is no such line. */
int mrc_exchange_head_text_status(const char *line);

/* Another head begins. */
void mrc_exchange_head_text_restart(struct mrc_exchange_head_text *text);

/* Makes TEXT zero. */
void mrc_exchange_head_text_free(struct mrc_exchange_head_text *text);

#endif
