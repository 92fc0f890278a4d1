#include "core/protocol/batch.h"

#include <stdlib.h>

#include "core/base/json_scan.h"
#include "core/base/quote.h"
#include "core/base/utf8.h"

struct reader {
    struct mrc_json_scan scan;
    const struct mrc_update_limits *limits;
    struct mrc_error *error;
    struct mrc_batch *batch;
};

/* ---- values -----------------------------------------------------------------------------------*/

/* Refuses the next value, which is not WANTED, unless it breaks the grammar of JSON. */
static enum mrc_err refuse_value(struct reader *reader, const char *name, const char *wanted)
{
    struct mrc_bytes value;
    enum mrc_err err = mrc_json_scan_value(&reader->scan, &value);

    if (err)
        return err;
    if (mrc_bytes_eq_str(value, "null"))
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "the member %s is null: leave it out, or give it a value", name);
    return mrc_error_set(reader->error, MRC_EINVAL, "the member %s must be %s", name, wanted);
}

/* Reads a string; RET_VALUE is a view into the text, or into the strings of the batch. */
static enum mrc_err read_string(struct reader *reader, struct mrc_bytes *ret_value)
{
    struct mrc_buf *strings = &reader->batch->strings;
    struct mrc_bytes content;
    size_t before = strings->len;
    enum mrc_err err = mrc_json_scan_string(&reader->scan, &content);

    if (!err && content.len && memchr(content.ptr, '\\', content.len)) {
        if (!strings->cap) { /* all at once, so that it never moves */
            mrc_buf_extend(strings, reader->scan.text.len);
            strings->len = 0;
        }
        err = mrc_json_scan_add_text(strings, content, reader->error);
        if (!err)
            content = (struct mrc_bytes){strings->ptr + before, strings->len - before};
    }
    if (!err)
        *ret_value = content;
    return err;
}

/* data, id, type: strings. */
static enum mrc_err read_text(struct reader *reader, const char *name, struct mrc_update *update)
{
    struct mrc_bytes value;
    enum mrc_err err;

    if (mrc_json_scan_peek(&reader->scan) != '"')
        return refuse_value(reader, name, "a string");
    err = read_string(reader, &value);
    return err ? err
               : mrc_update_set_field(update, mrc_bytes_of(name), value, reader->limits,
                                      reader->error);
}

static enum mrc_err read_retry(struct reader *reader, const char *name, struct mrc_update *update)
{
    static const char wanted[] = "a whole number of milliseconds, in digits only";
    struct mrc_bytes value;
    enum mrc_err err;

    if (!strchr("0123456789", mrc_json_scan_peek(&reader->scan)))
        return refuse_value(reader, name, wanted);
    err = mrc_json_scan_value(&reader->scan, &value);
    if (err)
        return err;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return mrc_error_set(reader->error, MRC_EINVAL, "the member %s must be %s", name,
                                 wanted);
    return mrc_update_set_field(update, mrc_bytes_of(name), value, reader->limits, reader->error);
}

static enum mrc_err read_private(struct reader *reader, const char *name, struct mrc_update *update)
{
    struct mrc_bytes value;
    enum mrc_err err;

    if (!strchr("tf", mrc_json_scan_peek(&reader->scan)))
        return refuse_value(reader, name, "true or false");
    err = mrc_json_scan_value(&reader->scan, &value);
    if (!err)
        update->is_private = mrc_bytes_eq_str(value, "true");
    return err;
}

static enum mrc_err read_topic(struct reader *reader, const char *name, struct mrc_update *update)
{
    struct mrc_bytes value;
    enum mrc_err err;

    if (mrc_json_scan_peek(&reader->scan) != '"')
        return refuse_value(reader, name, "a string, or an array of strings");
    err = read_string(reader, &value);
    return err ? err : mrc_update_add_topic(update, value, reader->limits, reader->error);
}

static enum mrc_err read_topics(struct reader *reader, const char *name, struct mrc_update *update)
{
    struct mrc_json_scan *scan = &reader->scan;
    enum mrc_err err;

    if (!mrc_json_scan_take(scan, '['))
        return read_topic(reader, name, update);
    if (mrc_json_scan_take(scan, ']'))
        return MRC_OK; /* there is no topic then */
    do
        err = read_topic(reader, name, update);
    while (!err && mrc_json_scan_take(scan, ','));
    if (!err && !mrc_json_scan_take(scan, ']'))
        err = mrc_json_scan_refuse(scan);
    return err;
}

/* ---- updates ----------------------------------------------------------------------------------*/

static const struct member {
    const char *name;
    enum mrc_err (*read)(struct reader *reader, const char *name, struct mrc_update *update);
} members[] = {
    {"topic", read_topics}, {"data", read_text},   {"id", read_text},
    {"type", read_text},    {"retry", read_retry}, {"private", read_private},
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

/* Reads a member. SEEN has a bit for each member that has been read. */
static enum mrc_err read_member(struct reader *reader, unsigned *seen, struct mrc_update *update)
{
    struct mrc_bytes name;
    struct mrc_quote quote;
    size_t i = 0;
    enum mrc_err err = mrc_json_scan_string(&reader->scan, &name);

    if (err)
        return err;
    if (!mrc_json_scan_take(&reader->scan, ':'))
        return mrc_json_scan_refuse(&reader->scan);
    while (i < MEMBERS && !mrc_json_scan_equals(name, members[i].name))
        i++;
    if (i == MEMBERS)
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "the member %s is unknown: an update has topic, data, private, id, "
                             "type and retry",
                             mrc_quote(&quote, name));
    if (*seen & 1u << i)
        return mrc_error_set(reader->error, MRC_EINVAL, "the member %s is repeated",
                             members[i].name);
    *seen |= 1u << i;
    return members[i].read(reader, members[i].name, update);
}

static enum mrc_err read_object(struct reader *reader, struct mrc_update *update)
{
    struct mrc_json_scan *scan = &reader->scan;
    unsigned seen = 0;
    enum mrc_err err = MRC_OK;

    mrc_json_scan_take(scan, '{');
    if (!mrc_json_scan_take(scan, '}')) {
        do
            err = read_member(reader, &seen, update);
        while (!err && mrc_json_scan_take(scan, ','));
        if (!err && !mrc_json_scan_take(scan, '}'))
            err = mrc_json_scan_refuse(scan);
    }
    return err ? err : mrc_update_finish(update, reader->error);
}

/* Makes room for one more update. The array has grown to a power of two. */
static bool reserve(struct mrc_batch *batch)
{
    struct mrc_update *grown;

    if (batch->count & (batch->count - 1))
        return true;
    grown = realloc(batch->updates, (batch->count ? 2 * batch->count : 1) * sizeof(*grown));
    if (!grown)
        return false;
    batch->updates = grown;
    return true;
}

static enum mrc_err read_update(struct reader *reader)
{
    struct mrc_update update = {0};
    enum mrc_err err;

    if (!reserve(reader->batch))
        return MRC_ENOMEM;
    if (mrc_json_scan_peek(&reader->scan) == '{')
        err = read_object(reader, &update);
    else
        err = refuse_value(reader, "of the array", "an object: each of them is one update");
    if (err)
        mrc_update_clear(&update);
    else
        reader->batch->updates[reader->batch->count++] = update;
    return err;
}

static enum mrc_err read_array(struct reader *reader)
{
    struct mrc_json_scan *scan = &reader->scan;
    struct mrc_batch *batch = reader->batch;
    enum mrc_err err;

    batch->is_array = true;
    if (mrc_json_scan_take(scan, ']'))
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "the array is empty: a batch has at least one update");
    do {
        if (batch->count == MRC_BATCH_MAX)
            return mrc_error_set(reader->error, MRC_ELIMIT,
                                 "a batch has at most %d updates: send several batches",
                                 MRC_BATCH_MAX);
        err = read_update(reader);
        batch->has_bad = err != MRC_OK;
    } while (!err && mrc_json_scan_take(scan, ','));
    if (!err && !mrc_json_scan_take(scan, ']'))
        err = mrc_json_scan_refuse(scan);
    return err;
}

/* ---- the text ---------------------------------------------------------------------------------*/

static enum mrc_err read_body(struct reader *reader)
{
    struct mrc_json_scan *scan = &reader->scan;
    enum mrc_err err;

    if (mrc_json_scan_take(scan, '['))
        err = read_array(reader);
    else if (mrc_json_scan_peek(scan) == '{')
        err = read_update(reader);
    else
        return mrc_error_set(reader->error, MRC_EINVAL,
                             "the body must be a JSON object, or an array of objects");
    mrc_json_scan_peek(scan);
    if (!err && scan->at < scan->text.len)
        err = mrc_error_set(reader->error, MRC_EINVAL,
                            "not valid JSON: text after the value at byte %zu", scan->at);
    return err;
}

enum mrc_err mrc_batch_parse(struct mrc_bytes text, const struct mrc_update_limits *limits,
                             struct mrc_error *error, struct mrc_batch *ret_batch)
{
    struct reader reader = {.limits = limits, .error = error, .batch = ret_batch};
    enum mrc_err err;

    *ret_batch = (struct mrc_batch){.updates = NULL};
    mrc_buf_init(&ret_batch->strings, text.len);
    if (!mrc_utf8_valid(text))
        return mrc_error_set(error, MRC_EINVAL, "not valid JSON: invalid UTF-8");
    mrc_json_scan_begin(text, error, &reader.scan);
    err = read_body(&reader);
    mrc_json_scan_end(&reader.scan);
    return err;
}

void mrc_batch_clear(struct mrc_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        mrc_update_clear(&batch->updates[i]);
    free(batch->updates);
    mrc_buf_free(&batch->strings);
    *batch = (struct mrc_batch){.updates = NULL};
}
