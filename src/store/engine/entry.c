#include "store/engine/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BLOB_HEAD_BYTES 5
#define U32             sizeof(uint32_t)

/* ---- text -------------------------------------------------------------------------------------*/

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Takes a number below MAX in BASE from the front of TEXT. */
static bool take_number(struct mrc_bytes *text, unsigned base, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;

    for (; i < text->len; i++) {
        unsigned digit = (unsigned)digit_of(text->ptr[i]);

        if (digit >= base)
            break;
        if (number > (max - digit) / base)
            return false;
        number = number * base + digit;
    }
    if (i == 0)
        return false;
    text->ptr += i;
    text->len -= i;
    *ret_number = number;
    return true;
}

static bool take_char(struct mrc_bytes *text, char c)
{
    if (text->len == 0 || *text->ptr != c)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

bool mrc_entry_parse_head(struct mrc_bytes text, struct mrc_entry_head *ret_head)
{
    struct mrc_entry_head head;
    uint64_t time_us;

    if (!take_number(&text, 10, INT64_MAX, &time_us) || !take_char(&text, ' ') ||
        !take_number(&text, 10, UINT64_MAX, &head.sum_bytes) || !take_char(&text, ' ') ||
        !take_number(&text, 16, UINT64_MAX, &head.token.writer) || !take_char(&text, ' ') ||
        !take_number(&text, 10, UINT64_MAX, &head.token.counter) || text.len > 0 ||
        head.token.writer == 0 || head.token.counter == 0)
        return false;
    head.token.time_us = (int64_t)time_us;
    *ret_head = head;
    return true;
}

bool mrc_entry_parse_id(struct mrc_bytes text, uint64_t *ret_number, uint32_t *ret_generation)
{
    uint64_t number, generation;

    if (!take_number(&text, 10, UINT64_MAX, &number) || !take_char(&text, '-') ||
        !take_number(&text, 10, UINT64_MAX, &generation) || text.len > 0)
        return false;
    *ret_number = number;
    /* No generation is 0, so an entry of another program seems to be of another generation. */
    *ret_generation = generation > UINT32_MAX ? 0 : (uint32_t)generation;
    return true;
}

void mrc_entry_token_text(struct mrc_entry_token token, char ret_text[MRC_ENTRY_TOKEN_BYTES])
{
    ret_text[0] = '\0';
    if (token.writer)
        snprintf(ret_text, MRC_ENTRY_TOKEN_BYTES, "%" PRId64 " %016" PRIx64 " %" PRIu64,
                 token.time_us, token.writer, token.counter);
}

void mrc_entry_writer_text(uint64_t writer, char ret_text[MRC_ENTRY_WRITER_BYTES])
{
    snprintf(ret_text, MRC_ENTRY_WRITER_BYTES, "%016" PRIx64, writer);
}

/* ---- blobs ------------------------------------------------------------------------------------*/

void mrc_entry_add_blob(struct mrc_buf *buf, unsigned flags, struct mrc_bytes id,
                        struct mrc_bytes record)
{
    const unsigned char head[BLOB_HEAD_BYTES] = {
        (unsigned char)flags,          (unsigned char)id.len,         (unsigned char)(id.len >> 8),
        (unsigned char)(id.len >> 16), (unsigned char)(id.len >> 24),
    };

    mrc_buf_add(buf, head, sizeof(head));
    mrc_buf_add_bytes(buf, id);
    mrc_buf_add_bytes(buf, record);
}

bool mrc_entry_parse_blob(struct mrc_bytes blob, unsigned *ret_flags, struct mrc_bytes *ret_id,
                          struct mrc_bytes *ret_record)
{
    const unsigned char *head = (const unsigned char *)blob.ptr;
    size_t id_bytes;

    if (blob.len < BLOB_HEAD_BYTES)
        return false;
    id_bytes = head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
    if (id_bytes > blob.len - BLOB_HEAD_BYTES)
        return false;
    *ret_flags = head[0];
    *ret_id = (struct mrc_bytes){blob.ptr + BLOB_HEAD_BYTES, id_bytes};
    *ret_record = (struct mrc_bytes){blob.ptr + BLOB_HEAD_BYTES + id_bytes,
                                     blob.len - BLOB_HEAD_BYTES - id_bytes};
    return true;
}

/* ---- packages: they stay on one machine, so numbers have its byte order -----------------------*/

static void add_u32(struct mrc_buf *buf, size_t value)
{
    const uint32_t word = (uint32_t)value;

    mrc_buf_add(buf, &word, sizeof(word));
}

void mrc_entry_add_package(struct mrc_buf *buf, const struct mrc_record *records, size_t count)
{
    add_u32(buf, count);
    for (size_t i = 0; i < count; i++) {
        add_u32(buf, records[i].stored_bytes);
        add_u32(buf, BLOB_HEAD_BYTES + records[i].id.len + records[i].payload.len);
        mrc_entry_add_blob(buf, records[i].is_control ? MRC_ENTRY_CONTROL : 0, records[i].id,
                           records[i].payload);
        add_u32(buf, records[i].operation.len);
        mrc_buf_add_bytes(buf, records[i].operation);
    }
}

void mrc_entry_mark_again(char *package)
{
    package[3 * U32] |= MRC_ENTRY_AGAIN; /* after the count and two lengths */
}

static bool take_u32(struct mrc_bytes *rest, uint32_t *ret_value)
{
    if (rest->len < U32)
        return false;
    memcpy(ret_value, rest->ptr, U32);
    rest->ptr += U32;
    rest->len -= U32;
    return true;
}

/* Takes a length, and as many bytes. */
static bool take_bytes(struct mrc_bytes *rest, struct mrc_bytes *ret_bytes)
{
    uint32_t len;

    if (!take_u32(rest, &len) || len > rest->len)
        return false;
    *ret_bytes = (struct mrc_bytes){rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return true;
}

bool mrc_entry_next(struct mrc_bytes *rest, struct mrc_entry_part *ret_part)
{
    struct mrc_entry_part part;

    if (!take_u32(rest, &part.stored_bytes) || !take_bytes(rest, &part.blob) ||
        !take_bytes(rest, &part.operation))
        return false;
    *ret_part = part;
    return true;
}

uint32_t mrc_entry_package_count(struct mrc_bytes package)
{
    struct mrc_entry_part part;
    uint32_t count;

    if (!take_u32(&package, &count))
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!mrc_entry_next(&package, &part))
            return 0;
    }
    return package.len == 0 ? count : 0;
}
