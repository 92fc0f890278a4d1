/*
 * An update, which a publisher sends and subscribers receive (draft-dunglas-mercure-08,
 * "Publication").
 *
 *     form --------> struct mrc_update --------> record --------> struct mrc_update
 *           parse    (views of the form)  encode         decode   (views of the record)
 *
 * A record is flat bytes: the ring, the history and the transport carry it, and each process that
 * delivers the update decodes it. Nothing here is shared between threads.
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
    struct mrc_bytes *topics; /* malloc()ed array of views; the first is the canonical topic */
    size_t topics_count;      /* at least 1 */
    struct mrc_bytes data;    /* empty: none */
    struct mrc_bytes id;      /* { NULL, 0 }: the hub has not assigned one yet */
    struct mrc_bytes type;    /* empty: no `event` field */
    struct mrc_bytes retry;   /* ASCII digits; empty: none */
    bool is_private;
};

/* The longest id: a client sends it back in a field of its request, along with other fields. */
#define MRC_UPDATE_ID_MAX_BYTES 4096

/* Limits for a publication. One that exceeds a limit is refused with MRC_ELIMIT. */
struct mrc_update_limits {
    size_t topics_max;      /* number of topics */
    size_t field_max_bytes; /* length of the value of each field */
    size_t id_max_bytes;    /* length of the id */
    bool is_import;         /* from an older hub: the id may begin or end with a space */
};

/*
 * Parses a publication and checks the rules of the draft, except for the reserved namespace, which
 * needs the hub's URL (core/topic/reserved.h). Of a field that may occur once, the first one
 * counts. Unknown fields are ignored, and an empty id counts as missing. RET_UPDATE gets views into
 * FORM, which must outlive it; the caller clears it. MRC_EINVAL or MRC_ELIMIT, and ERROR says how
 * to fix the publication; MRC_ENOMEM.
 */
enum mrc_err mrc_update_parse(const struct mrc_form *form, const struct mrc_update_limits *limits,
                              struct mrc_error *error, struct mrc_update *ret_update);

/*
 * Parts of a parser. Each checks VALUE, which has a pointer even if it is empty, with the same
 * rules and errors. UPDATE starts as {0}, gets a view of VALUE, and is cleared by the caller.
 *
 *     add_topic     a topic
 *     set_field     the field NAME, which is data, id, type or retry; another one is ignored, and
 *                   so is one that UPDATE already has
 *     finish        after the last field: there must be a topic; an empty id counts as missing
 */
enum mrc_err mrc_update_add_topic(struct mrc_update *update, struct mrc_bytes value,
                                  const struct mrc_update_limits *limits, struct mrc_error *error);
enum mrc_err mrc_update_set_field(struct mrc_update *update, struct mrc_bytes name,
                                  struct mrc_bytes value, const struct mrc_update_limits *limits,
                                  struct mrc_error *error);
enum mrc_err mrc_update_finish(struct mrc_update *update, struct mrc_error *error);

/* Frees the array of topics. The views belong to others. Accepts NULL. */
void mrc_update_clear(struct mrc_update *update);

/* The size that counts for MercureHistory bytes=: topics, id, type and data. */
uint64_t mrc_update_stored_bytes(const struct mrc_update *update);

/*
 * Appends the record of UPDATE to BUF. It holds everything but the id, which the ring and the
 * history store as the key of the record. The record is at most MRC_UPDATE_RECORD_EXTRA_BYTES
 * longer than the form of the update. Errors are the buffer's.
 */
void mrc_update_encode(const struct mrc_update *update, struct mrc_buf *buf);

#define MRC_UPDATE_RECORD_EXTRA_BYTES 64

/*
 * Decodes RECORD. RET_UPDATE gets views into RECORD and ID; the caller clears it. Every length is
 * checked: MRC_EINVAL for bytes that mrc_update_encode() has not written; MRC_ENOMEM.
 */
enum mrc_err mrc_update_decode(struct mrc_bytes id, struct mrc_bytes record,
                               struct mrc_update *ret_update);

/*
 * Decodes only the topics, as views into RECORD, and allocates nothing. MRC_ELIMIT: there are more
 * than MAX. MRC_EINVAL as above, but the bytes after the topics are not checked.
 */
enum mrc_err mrc_update_peek_topics(struct mrc_bytes record, struct mrc_bytes *ret_topics,
                                    size_t max, size_t *ret_count);

/*
 * Where a record comes from, on a machine that is one of several (store/engine/entry.h). It stands
 * at the end of the record; mrc_update_decode() passes over it.
 */
struct mrc_update_origin {
    uint64_t number; /* in the log that all machines share */
    uint64_t writer;
    uint64_t counter; /* of that writer */
};

#define MRC_UPDATE_ORIGIN_BYTES 24

/*
 * Appends RECORD with ORIGIN to BUF. False, and nothing is appended: RECORD has an origin, or is
 * not a record.
 */
bool mrc_update_add_origin(struct mrc_bytes record, const struct mrc_update_origin *origin,
                           struct mrc_buf *buf);

/* False: RECORD has no origin. RET_LEN gets its length without the origin. */
bool mrc_update_get_origin(struct mrc_bytes record, struct mrc_update_origin *ret_origin,
                           size_t *ret_len);

/*
 * Turns HEAD, a copy of at least the first MRC_UPDATE_FLAGS_END bytes of a record with an origin,
 * into the beginning of the same record without its origin.
 */
#define MRC_UPDATE_FLAGS_END 8
void mrc_update_clear_origin(char *head);

/* The size of an id that the hub makes: "urn:uuid:", 36 characters and the terminator. */
#define MRC_UPDATE_ID_BYTES 46

/*
 * Writes a new id: `urn:uuid:` and a version 4 UUID made from 16 RANDOM bytes (RFC 9562, section
 * 5.4). It is random because an id that holds a time or a number would show subscribers that there
 * are updates that they may not read.
 */
void mrc_update_id_make(const unsigned char random[16], char ret_id[MRC_UPDATE_ID_BYTES]);

/*
 * Gets the 16 bytes from which mrc_update_id_make() makes ID. False: it does not make such an id.
 */
bool mrc_update_id_parse(struct mrc_bytes id, unsigned char ret_bytes[16]);

#endif
