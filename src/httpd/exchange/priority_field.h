/*
 * The field Priority (RFC 9218, 4): a dictionary such as "u=2, i" (RFC 8941, 3.2).
 */
#ifndef MRC_HTTPD_EXCHANGE_PRIORITY_FIELD_H
#define MRC_HTTPD_EXCHANGE_PRIORITY_FIELD_H

#include <stdbool.h>
#include <stddef.h>

/* The urgency of a request whose client gives none; 0 is the most urgent, 7 the least. */
#define MRC_PRIORITY_URGENCY_DEFAULT 3
#define MRC_PRIORITY_URGENCY_LEAST   7

struct mrc_priority {
    unsigned urgency;
    bool is_incremental; /* its bytes are of use before all have come */
};

/* Sets in RET_PRIORITY what the LEN bytes of FIELD give; other members, and values of the wrong
 * type, change nothing. */
void mrc_priority_field_parse(const char *field, size_t len, struct mrc_priority *ret_priority);

#endif
