/*
 * Fields of an HTTP/2 message, as one block of memory: those of a request as they have come, with
 * the pseudo fields (":path"), or those of a response. Independent of httpd, and without a lock:
 * the block has one owner at a time.
 */
#ifndef MRC_HTTPD_EXCHANGE_FIELDS_H
#define MRC_HTTPD_EXCHANGE_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* The most bytes of the fields of a response, as HTTP/2 sends them; browsers accept no more. */
#define MRC_EXCHANGE_BLOCK_BYTES_MAX ((size_t)256 * 1024)

/* Zeroed: empty. */
struct mrc_exchange_fields {
    char *bytes; /* name, NUL, value, NUL; and so on */
    size_t len, cap;
    unsigned count;
};

/* Adds a field, without the white space around its value. NAME is lower case. False: out of memory;
 * nothing has changed. */
bool mrc_exchange_fields_add(struct mrc_exchange_fields *fields, const char *name, size_t name_len,
                             const char *value, size_t value_len);

/*
 * Adds a field of a response, in lower case, and with a space in place of each line end. Skips
 * fields that HTTP/2 does not have, because they belong to a connection of HTTP/1.1 (RFC 9113,
 * 8.2.2). False: out of memory.
 */
bool mrc_exchange_fields_add_response(struct mrc_exchange_fields *fields, const char *name,
                                      const char *value);

/*
 * Iterates: AT is 0 at first. False: there are no more fields. The texts are valid until a field is
 * added.
 */
bool mrc_exchange_fields_next(const struct mrc_exchange_fields *fields, size_t *at,
                              const char **ret_name, const char **ret_value);

/* The value of the first field NAME; NULL: there is none. */
const char *mrc_exchange_fields_get(const struct mrc_exchange_fields *fields, const char *name);

/* The approximate bytes of a frame with the fields, for the counts in logs: HPACK has most names in
 * its tables, and encodes values in three quarters of their bytes. */
size_t mrc_exchange_fields_frame_bytes(const struct mrc_exchange_fields *fields);

/* Whether the fields of a response, with its status, surely fit into
 * MRC_EXCHANGE_BLOCK_BYTES_MAX: HPACK may need some bytes more for each. */
bool mrc_exchange_fields_fit(const struct mrc_exchange_fields *fields);

/* Makes FIELDS empty. */
void mrc_exchange_fields_free(struct mrc_exchange_fields *fields);

#endif
