/*
 * Entries: updates as the engine stores them, and as publishers stage them for it.
 *
 * An entry of the stream T:log has the id `number-generation` and two fields:
 *
 *     h    time_us cumulative_bytes writer counter        in decimal; the writer in hexadecimal
 *     b    flags (1 byte), length of the id (4 bytes, little endian), id, record
 *     f    the fork, in decimal: absent, unless the engine had lost this entry, or may have
 *
 * A writer is one incarnation of a machine, and counts what it publishes: an entry that is sent
 * twice has the same writer and counter, and readers take it once. With the time, they are the
 * token of the entry, which no other entry has.
 *
 * The fork is the number of an entry after which the engine had lost some. From there on, machines
 * that had read the lost ones have another order of the updates than the log.
 *
 * A package is what one publisher stages: one or more blobs that are stored together or not at all.
 *
 *     u32 count, then for each: u32 stored_bytes, u32 length of the blob, the blob,
 *                               u32 length of the operation, the operation
 *
 * An operation is what the engine does in the same step as it appends the entry
 * (scripts/publish.lua):
 *
 *     +MEMBER           enters an active subscription; no entry is appended if it is there already
 *     -MEMBER           removes one; no entry is appended if it is not there
 *     rTIME MEMBER      keeps a revocation until TIME (microseconds since 1970)
 *     lTIME MEMBER      lifts a revocation that would end at TIME
 */
#ifndef MRC_STORE_ENGINE_ENTRY_H
#define MRC_STORE_ENGINE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/bytes.h"
#include "store/base/record.h"

#define MRC_ENTRY_AGAIN   1u /* put back after the engine had lost it */
#define MRC_ENTRY_CONTROL 2u /* not an update */

/* A blob is this much longer than id and record together. */
#define MRC_ENTRY_BLOB_EXTRA_BYTES 5

/* A package of one record is this much longer than its blob. */
#define MRC_ENTRY_PACKAGE_EXTRA_BYTES 16

struct mrc_entry_token {
    uint64_t writer; /* 0: none */
    uint64_t counter;
    int64_t time_us; /* of the engine: an update that is put back gets another one */
};

/* Field h. */
struct mrc_entry_head {
    uint64_t sum_bytes; /* of all entries up to this one */
    struct mrc_entry_token token;
};

/* One entry, as it is read. */
struct mrc_entry {
    uint64_t number;
    uint32_t generation;
    bool is_ours; /* this program wrote it; otherwise the fields below are empty */
    struct mrc_entry_head head;
    struct mrc_bytes blob;
    bool has_fork;
    uint64_t fork; /* number of the last entry before what the engine had lost */
};

/* Parses field h. False: another program wrote it. */
bool mrc_entry_parse_head(struct mrc_bytes text, struct mrc_entry_head *ret_head);

/* Parses `number-generation`. */
bool mrc_entry_parse_id(struct mrc_bytes text, uint64_t *ret_number, uint32_t *ret_generation);

/* The text of TOKEN, for scripts/join.lua; empty if the writer is 0. */
#define MRC_ENTRY_TOKEN_BYTES 64
void mrc_entry_token_text(struct mrc_entry_token token, char ret_text[MRC_ENTRY_TOKEN_BYTES]);

/* The text of WRITER: 16 hexadecimal digits. */
#define MRC_ENTRY_WRITER_BYTES 17
void mrc_entry_writer_text(uint64_t writer, char ret_text[MRC_ENTRY_WRITER_BYTES]);

/* Field b: appends the blob of an update to BUF. */
void mrc_entry_add_blob(struct mrc_buf *buf, unsigned flags, struct mrc_bytes id,
                        struct mrc_bytes record);

/* Views into BLOB. False: it is too short, or its id makes no sense. */
bool mrc_entry_parse_blob(struct mrc_bytes blob, unsigned *ret_flags, struct mrc_bytes *ret_id,
                          struct mrc_bytes *ret_record);

/* Appends the package of COUNT RECORDS to BUF. */
void mrc_entry_add_package(struct mrc_buf *buf, const struct mrc_record *records, size_t count);

/* Marks the first blob of PACKAGE as put back. */
void mrc_entry_mark_again(char *package);

/* The number of blobs in PACKAGE; 0: it is damaged. Checks the whole package. */
uint32_t mrc_entry_package_count(struct mrc_bytes package);

/* One entry of a package; views into it. */
struct mrc_entry_part {
    uint32_t stored_bytes;
    struct mrc_bytes blob;
    struct mrc_bytes operation;
};

/* Takes the next entry from the front of REST, which begins as a package without its first 4 bytes.
 * False: there is none. */
bool mrc_entry_next(struct mrc_bytes *rest, struct mrc_entry_part *ret_part);

#endif
