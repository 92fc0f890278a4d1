#include "core/protocol/sse.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/protocol/update.h"

static void add_field(struct mrc_buf *buf, const char *name, struct mrc_bytes value)
{
    mrc_buf_add_str(buf, name);
    mrc_buf_add_str(buf, ": ");
    mrc_buf_add_bytes(buf, value);
    mrc_buf_add_char(buf, '\n');
}

/* The position of the first line end in DATA at or after FROM, or the length of DATA. */
static size_t find_line_end(struct mrc_bytes data, size_t from)
{
    while (from < data.len && data.ptr[from] != '\r' && data.ptr[from] != '\n')
        from++;
    return from;
}

static void add_data(struct mrc_buf *buf, struct mrc_bytes data)
{
    size_t start = 0;

    if (data.len == 0)
        data = mrc_bytes_of("");
    for (;;) {
        size_t end = find_line_end(data, start);

        add_field(buf, "data", (struct mrc_bytes){data.ptr + start, end - start});
        if (end == data.len)
            return;
        start = end + 1;
        if (data.ptr[end] == '\r' && start < data.len && data.ptr[start] == '\n')
            start++;
    }
}

/* 2^31 - 1 milliseconds, about 25 days. */
#define RETRY_MAX "2147483647"

/*
 * RETRY, which is ASCII digits, or RETRY_MAX if it is larger. Not all clients can count further: a
 * timer of JavaScript with a larger delay fires at once, so the client would reconnect in a loop.
 */
static struct mrc_bytes bound_retry(struct mrc_bytes retry)
{
    struct mrc_bytes max = mrc_bytes_of(RETRY_MAX);
    struct mrc_bytes digits = retry;

    while (digits.len > 1 && *digits.ptr == '0') {
        digits.ptr++;
        digits.len--;
    }
    return digits.len > max.len ||
                   (digits.len == max.len && memcmp(digits.ptr, max.ptr, max.len) > 0)
               ? max
               : retry;
}

void mrc_sse_add_event(struct mrc_buf *buf, const struct mrc_update *update)
{
    if (update->type.len)
        add_field(buf, "event", update->type);
    if (update->retry.len)
        add_field(buf, "retry", bound_retry(update->retry));
    add_field(buf, "id", update->id);
    add_data(buf, update->data);
    mrc_buf_add_char(buf, '\n');
}

void mrc_sse_add_comment(struct mrc_buf *buf)
{
    mrc_buf_add_str(buf, ":\n");
}

void mrc_sse_add_id(struct mrc_buf *buf, struct mrc_bytes id)
{
    add_field(buf, "id", id);
    mrc_buf_add_char(buf, '\n');
}

void mrc_sse_add_id_event(struct mrc_buf *buf, struct mrc_bytes id)
{
    add_field(buf, "event", mrc_bytes_of(MRC_SSE_ID_TYPE));
    add_field(buf, "id", id);
    add_data(buf, mrc_bytes_of(""));
    mrc_buf_add_char(buf, '\n');
}

void mrc_sse_add_retry(struct mrc_buf *buf, unsigned retry_ms)
{
    mrc_buf_printf(buf, "retry: %u\n\n", retry_ms);
}
