/*
 * The input is the body of a publication. An accepted update must be unchanged after encoding and
 * decoding its record, and must give exactly one event with its fields.
 */
#include "core/protocol/form.h"
#include "core/protocol/sse.h"
#include "core/protocol/update.h"
#include "fuzz.h"

#define ID "urn:uuid:00000000-0000-4000-8000-000000000000"

const char *const fuzz_vectors[] = {"wpt-url/urlencoded-parser-data.json", NULL};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const char *input = json_string_value(json_object_get(entry, "input"));

    mrc_buf_add_str(
        out, "topic=https%3A%2F%2Fexample.com%2Fa&id=1&type=t&retry=5&private=on&data=a%0Ab&");
    mrc_buf_add_str(out, input ? input : "");
}

static bool is_same(const struct mrc_update *a, const struct mrc_update *b)
{
    bool same = a->topics_count == b->topics_count && a->is_private == b->is_private &&
                mrc_bytes_eq(a->id, b->id) && mrc_bytes_eq(a->data, b->data) &&
                mrc_bytes_eq(a->type, b->type) && mrc_bytes_eq(a->retry, b->retry);

    for (size_t i = 0; same && i < a->topics_count; i++)
        same = mrc_bytes_eq(a->topics[i], b->topics[i]);
    return same;
}

/* Finds the value of LINE, if it begins with NAME. */
static bool is_field(struct mrc_bytes line, const char *name, struct mrc_bytes *ret_value)
{
    struct mrc_bytes start = mrc_bytes_of(name);

    if (!mrc_bytes_starts_with(line, start))
        return false;
    *ret_value = (struct mrc_bytes){line.ptr + start.len, line.len - start.len};
    return true;
}

/* Reads EVENT as a client does: CR, LF and CRLF end a line. */
static void check_event(struct mrc_bytes event, const struct mrc_update *update)
{
    unsigned ids = 0, types = 0, retries = 0, ends = 0;
    size_t data = 0; /* how much of the update's data has been read */

    FUZZ_CHECK(!memchr(event.ptr, '\r', event.len));
    for (size_t at = 0; at < event.len;) {
        const char *end = memchr(event.ptr + at, '\n', event.len - at);
        struct mrc_bytes line = {event.ptr + at, 0}, value;

        FUZZ_CHECK(end);
        line.len = (size_t)(end - line.ptr);
        at += line.len + 1;
        if (!line.len) {
            ends++;
        } else if (is_field(line, "id: ", &value)) {
            ids++;
            FUZZ_CHECK(mrc_bytes_eq(value, update->id));
        } else if (is_field(line, "event: ", &value)) {
            types++;
            FUZZ_CHECK(mrc_bytes_eq(value, update->type));
        } else if (is_field(line, "retry: ", &value)) {
            retries++;
            FUZZ_CHECK(mrc_bytes_eq(value, update->retry) ||
                       (mrc_bytes_eq(value, mrc_bytes_of("2147483647")) &&
                        update->retry.len >= value.len));
        } else {
            FUZZ_CHECK(is_field(line, "data: ", &value));
            FUZZ_CHECK(update->data.len - data >= value.len);
            FUZZ_CHECK(!value.len || !memcmp(update->data.ptr + data, value.ptr, value.len));
            data += value.len;
            if (data < update->data.len) /* the line end */
                data += update->data.len - data > 1 && !memcmp(update->data.ptr + data, "\r\n", 2)
                            ? 2
                            : 1;
        }
    }
    FUZZ_CHECK(ids == 1 && ends == 1 && types == (update->type.len > 0) &&
               retries == (update->retry.len > 0) && data == update->data.len);
}

static void check_update(struct mrc_update *update)
{
    struct mrc_update decoded;
    struct mrc_buf record, event;

    if (!update->id.ptr)
        update->id = mrc_bytes_of(ID);
    mrc_buf_init(&record, 1 << 20);
    mrc_buf_init(&event, 1 << 20);
    mrc_update_encode(update, &record);
    FUZZ_CHECK(mrc_update_decode(update->id, mrc_buf_bytes(&record), &decoded) == MRC_OK);
    FUZZ_CHECK(is_same(update, &decoded));
    mrc_sse_add_event(&event, &decoded);
    check_event(mrc_buf_bytes(&event), update);
    mrc_update_clear(&decoded);
    mrc_buf_free(&event);
    mrc_buf_free(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mrc_update_limits limits = {
        .topics_max = 10, .field_max_bytes = 1000, .id_max_bytes = 100};
    struct mrc_bytes body = {(const char *)data, size};
    struct mrc_error error = {""};
    struct mrc_form *form = NULL;
    struct mrc_update update;
    enum mrc_err err;

    /* A ring may hold anything, too. */
    if (mrc_update_decode(mrc_bytes_of(ID), body, &update) == MRC_OK)
        mrc_update_clear(&update);
    if (mrc_form_parse(body, 100, NULL, &form) != MRC_OK)
        return 0;
    err = mrc_update_parse(form, &limits, &error, &update);
    if (err) {
        FUZZ_CHECK(error.text[0]);
    } else {
        FUZZ_CHECK(update.topics_count >= 1 && update.topics_count <= limits.topics_max);
        check_update(&update);
        mrc_update_clear(&update);
    }
    mrc_form_free(form);
    return 0;
}
