/*
 * An update: what a publisher sends and subscribers receive; draft-dunglas-mercure-08,
 * "Publication".
 *
 * A publication's form becomes a struct mrc_update of views into the form; the update becomes a
 * record, the flat bytes that the ring, the history and the transport carry; the record becomes
 * views again in every process that delivers it. Nothing here is shared between threads.
 */
#ifndef MRC_CORE_PROTOCOL_UPDATE_H
#define MRC_CORE_PROTOCOL_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

struct mrc_buf;
struct mrc_form;

struct mrc_update {
    struct mrc_bytes *topics; /* the first is the canonical topic; malloc()ed array of views */
    size_t topics_count;      /* at least 1 */
    struct mrc_bytes data;    /* empty if the publisher gave none */
    struct mrc_bytes id;      /* { NULL, 0 } while the hub has given none yet */
    struct mrc_bytes type;    /* empty: no `event` field */
    struct mrc_bytes retry;   /* ASCII digits; empty: none */
    bool is_private;
};

/* What a publication may ask for; a publication past one is refused with MRC_ELIMIT. */
struct mrc_update_limits {
    size_t topics_max;      /* number of topics */
    size_t field_max_bytes; /* length of each field's value */
};

/*
 * Reads the fields of a publication and holds them against the draft's rules, but for the reserved
 * namespace, which needs the hub's URL (core/topic/reserved.h). UPDATE gets views into FORM, which
 * must outlive it. Of a field that may appear once the first counts; unknown fields are ignored; an
 * empty id counts as not given. MRC_EINVAL or MRC_ELIMIT with the mend in ERROR; MRC_ENOMEM.
 */
enum mrc_err mrc_update_parse(const struct mrc_form *form, const struct mrc_update_limits *limits,
                              struct mrc_error *error, struct mrc_update *ret_update);

/* Gives the array of topics back; what the views point to is not the update's. Accepts NULL. */
void mrc_update_clear(struct mrc_update *update);

/* The bytes that count for MercureHistory bytes=: topics, id, type and data. */
uint64_t mrc_update_stored_bytes(const struct mrc_update *update);

/*
 * Appends the record of UPDATE to BUF: all of it but the id, which the ring and the history keep as
 * the record's key. It is at most MRC_UPDATE_RECORD_EXTRA_BYTES longer than the form it came from.
 * Errors are the buffer's.
 */
void mrc_update_encode(const struct mrc_update *update, struct mrc_buf *buf);

#define MRC_UPDATE_RECORD_EXTRA_BYTES 64

/*
 * Reads a record and its ID. UPDATE gets views into both. Every length is checked: MRC_EINVAL for
 * bytes that mrc_update_encode() did not make; MRC_ENOMEM.
 */
enum mrc_err mrc_update_decode(struct mrc_bytes id, struct mrc_bytes record,
                               struct mrc_update *ret_update);

/*
 * The topics alone, as views into RECORD, without taking memory. MRC_ELIMIT: there are more than
 * MAX. MRC_EINVAL: as above; what follows the topics is not looked at.
 */
enum mrc_err mrc_update_peek_topics(struct mrc_bytes record, struct mrc_bytes *ret_topics,
                                    size_t max, size_t *ret_count);

/* Room for an id that the hub makes, with its terminator: "urn:uuid:" and 36 characters. */
#define MRC_UPDATE_ID_BYTES 46

/*
 * Writes a fresh id, `urn:uuid:` and a version 4 UUID made of 16 RANDOM bytes (RFC 9562, section
 * 5.4): random, since an id that tells time tells subscribers of updates that they may not read.
 */
void mrc_update_id_make(const unsigned char random[16], char ret_id[MRC_UPDATE_ID_BYTES]);

#endif
