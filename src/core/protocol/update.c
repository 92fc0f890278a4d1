#include "core/protocol/update.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/percent.h"
#include "core/base/utf8.h"
#include "core/protocol/form.h"

/*
 * A record, in the byte order of the machine that wrote it:
 *
 *     +--------------+-----------------------+---------+------+-------+------+ - - - - +
 *     | fixed header | topics_count x uint32 | topics… | type | retry | data | origin  |
 *     +--------------+-----------------------+---------+------+-------+------+ - - - - +
 *
 * A topic takes four bytes more here, but six for "topic=" in the form, so a record is hardly
 * longer than the form.
 */
#define RECORD_VERSION 1u
#define RECORD_PRIVATE 1u
#define RECORD_ORIGIN  2u

struct record_header {
    uint32_t version;
    uint32_t flags;
    uint32_t topics_count;
    uint32_t type_len;
    uint32_t retry_len;
    uint32_t unused; /* 0 */
    uint64_t data_len;
};

_Static_assert(sizeof(struct record_header) == 32, "the header of a record has no padding");
_Static_assert(sizeof(struct record_header) <= MRC_UPDATE_RECORD_EXTRA_BYTES,
               "a record is at most this much longer than its form");

static enum mrc_err check_text(const char *field, struct mrc_bytes value, struct mrc_error *error)
{
    struct mrc_error why;
    enum mrc_err err = mrc_utf8_check_text(value, &why);

    if (err)
        return mrc_error_set(error, err, "the field %s is not valid: %s", field, why.text);
    return MRC_OK;
}

static enum mrc_err check_topic(struct mrc_bytes topic, struct mrc_error *error)
{
    if (mrc_bytes_eq_str(topic, "*"))
        return mrc_error_set(error, MRC_EINVAL,
                             "the topic * is reserved for the wildcard matcher: publish to "
                             "another topic");
    return check_text("topic", topic, error);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/*
 * A client sends the id of its last event back in the field Last-Event-ID. HTTP removes spaces and
 * tabs around the value of a field, so an id that begins or ends with one would never be found.
 */
static enum mrc_err check_id(struct mrc_bytes id, const struct mrc_update_limits *limits,
                             struct mrc_error *error)
{
    if (id.len > limits->id_max_bytes)
        return mrc_error_set(error, MRC_ELIMIT,
                             "the id is longer than %zu bytes, so clients could not send it back",
                             limits->id_max_bytes);
    if (id.len > 0 && id.ptr[0] == '#')
        return mrc_error_set(error, MRC_EINVAL, "the id must not start with #");
    if (mrc_bytes_eq_str(id, "earliest"))
        return mrc_error_set(error, MRC_EINVAL, "the id earliest is reserved: choose another");
    if (id.len > 0 && !limits->is_import && (is_blank(id.ptr[0]) || is_blank(id.ptr[id.len - 1])))
        return mrc_error_set(error, MRC_EINVAL,
                             "the id begins or ends with a space or a tab: clients could not send "
                             "it back, so remove it");
    return check_text("id", id, error);
}

static enum mrc_err check_type(struct mrc_bytes type, const struct mrc_update_limits *limits,
                               struct mrc_error *error)
{
    if (mrc_bytes_eq_str(type, "mercure"))
        return mrc_error_set(error, MRC_EINVAL,
                             "the type mercure is reserved for the hub's own events");
    return check_text("type", type, error);
}

static enum mrc_err check_data(struct mrc_bytes data, const struct mrc_update_limits *limits,
                               struct mrc_error *error)
{
    if (!mrc_utf8_valid(data))
        return mrc_error_set(error, MRC_EINVAL, "the field data is not valid UTF-8");
    return MRC_OK;
}

static enum mrc_err check_retry(struct mrc_bytes retry, const struct mrc_update_limits *limits,
                                struct mrc_error *error)
{
    for (size_t i = 0; i < retry.len; i++) {
        if (retry.ptr[i] < '0' || retry.ptr[i] > '9')
            return mrc_error_set(error, MRC_EINVAL,
                                 "retry must be a number of milliseconds, in ASCII digits only");
    }
    if (retry.len == 0)
        return mrc_error_set(error, MRC_EINVAL,
                             "retry is empty: give a number of milliseconds, or leave it out");
    return MRC_OK;
}

/* The fields that may occur once: the member of struct mrc_update, and the rule of each. */
struct single_field {
    const char *name;
    size_t offset;
    enum mrc_err (*check)(struct mrc_bytes value, const struct mrc_update_limits *limits,
                          struct mrc_error *error);
};

static const struct single_field single_fields[] = {
    {"data", offsetof(struct mrc_update, data), check_data},
    {"id", offsetof(struct mrc_update, id), check_id},
    {"type", offsetof(struct mrc_update, type), check_type},
    {"retry", offsetof(struct mrc_update, retry), check_retry},
};

#define SINGLE_FIELDS (sizeof(single_fields) / sizeof(single_fields[0]))

enum mrc_err mrc_update_set_field(struct mrc_update *update, struct mrc_bytes name,
                                  struct mrc_bytes value, const struct mrc_update_limits *limits,
                                  struct mrc_error *error)
{
    for (size_t i = 0; i < SINGLE_FIELDS; i++) {
        const struct single_field *field = &single_fields[i];
        struct mrc_bytes *slot = (struct mrc_bytes *)((char *)update + field->offset);

        if (!mrc_bytes_eq_str(name, field->name) || slot->ptr)
            continue;
        if (value.len > limits->field_max_bytes)
            return mrc_error_set(error, MRC_ELIMIT, "the field %s is longer than %zu bytes",
                                 field->name, limits->field_max_bytes);
        *slot = value;
        return field->check(value, limits, error);
    }
    return MRC_OK;
}

/* Makes room for one more topic. The array has grown to a power of two. */
static bool reserve_topic(struct mrc_update *update)
{
    size_t count = update->topics_count;
    struct mrc_bytes *grown;

    if (count & (count - 1))
        return true;
    grown = realloc(update->topics, (count ? 2 * count : 1) * sizeof(*grown));
    if (!grown)
        return false;
    update->topics = grown;
    return true;
}

enum mrc_err mrc_update_add_topic(struct mrc_update *update, struct mrc_bytes value,
                                  const struct mrc_update_limits *limits, struct mrc_error *error)
{
    if (update->topics_count == limits->topics_max)
        return mrc_error_set(error, MRC_ELIMIT,
                             "a publication to this hub may have at most %zu topics",
                             limits->topics_max);
    if (value.len > limits->field_max_bytes)
        return mrc_error_set(error, MRC_ELIMIT, "the field topic is longer than %zu bytes",
                             limits->field_max_bytes);
    if (!reserve_topic(update))
        return MRC_ENOMEM;
    update->topics[update->topics_count++] = value;
    return check_topic(value, error);
}

enum mrc_err mrc_update_finish(struct mrc_update *update, struct mrc_error *error)
{
    if (update->topics_count == 0)
        return mrc_error_set(error, MRC_EINVAL,
                             "the field topic is missing: a publication needs at least one topic");
    if (update->id.len == 0)
        update->id = (struct mrc_bytes){NULL, 0};
    return MRC_OK;
}

/* The value of `private` has no meaning, but the rules for all fields apply to it. */
static enum mrc_err take_private(struct mrc_update *update, struct mrc_bytes value,
                                 const struct mrc_update_limits *limits, struct mrc_error *error)
{
    if (value.len > limits->field_max_bytes)
        return mrc_error_set(error, MRC_ELIMIT, "the field private is longer than %zu bytes",
                             limits->field_max_bytes);
    if (!mrc_utf8_valid(value))
        return mrc_error_set(error, MRC_EINVAL, "the field private is not valid UTF-8");
    update->is_private = true;
    return MRC_OK;
}

enum mrc_err mrc_update_parse(const struct mrc_form *form, const struct mrc_update_limits *limits,
                              struct mrc_error *error, struct mrc_update *ret_update)
{
    struct mrc_update update = {0};
    enum mrc_err err = MRC_OK;

    for (size_t i = 0; i < mrc_form_count(form) && !err; i++) {
        struct mrc_form_pair pair = mrc_form_get(form, i);

        if (mrc_bytes_eq_str(pair.name, "topic"))
            err = mrc_update_add_topic(&update, pair.value, limits, error);
        else if (mrc_bytes_eq_str(pair.name, "private"))
            err = take_private(&update, pair.value, limits, error);
        else
            err = mrc_update_set_field(&update, pair.name, pair.value, limits, error);
    }
    if (!err)
        err = mrc_update_finish(&update, error);
    if (err) {
        mrc_update_clear(&update);
        return err;
    }
    *ret_update = update;
    return MRC_OK;
}

void mrc_update_clear(struct mrc_update *update)
{
    if (!update)
        return;
    free(update->topics);
    *update = (struct mrc_update){0};
}

uint64_t mrc_update_stored_bytes(const struct mrc_update *update)
{
    uint64_t bytes = update->id.len + update->type.len + update->data.len;

    for (size_t i = 0; i < update->topics_count; i++)
        bytes += update->topics[i].len;
    return bytes;
}

static size_t record_bytes(const struct mrc_update *update)
{
    size_t bytes =
        sizeof(struct record_header) + update->type.len + update->retry.len + update->data.len;

    for (size_t i = 0; i < update->topics_count; i++)
        bytes += sizeof(uint32_t) + update->topics[i].len;
    return bytes;
}

/* Copies BYTES to AT, and returns the position after them. */
static char *put(char *at, struct mrc_bytes bytes)
{
    if (bytes.len)
        memcpy(at, bytes.ptr, bytes.len);
    return at + bytes.len;
}

void mrc_update_encode(const struct mrc_update *update, struct mrc_buf *buf)
{
    struct record_header header = {
        .version = RECORD_VERSION,
        .flags = update->is_private ? RECORD_PRIVATE : 0,
        .topics_count = (uint32_t)update->topics_count,
        .type_len = (uint32_t)update->type.len,
        .retry_len = (uint32_t)update->retry.len,
        .data_len = update->data.len,
    };

    char *at = mrc_buf_extend(buf, record_bytes(update));

    if (!at)
        return;
    at = put(at, (struct mrc_bytes){(const char *)&header, sizeof(header)});
    for (size_t i = 0; i < update->topics_count; i++) {
        uint32_t len = (uint32_t)update->topics[i].len;

        at = put(at, (struct mrc_bytes){(const char *)&len, sizeof(len)});
    }
    for (size_t i = 0; i < update->topics_count; i++)
        at = put(at, update->topics[i]);
    at = put(at, update->type);
    at = put(at, update->retry);
    put(at, update->data);
}

/* Takes LEN bytes from the front of REST. False if it has fewer. */
static bool cut(struct mrc_bytes *rest, uint64_t len, struct mrc_bytes *ret_part)
{
    if (len > rest->len)
        return false;
    *ret_part = (struct mrc_bytes){rest->ptr, (size_t)len};
    rest->ptr += len;
    rest->len -= (size_t)len;
    return true;
}

/* Takes the header and the lengths of the topics from the front of REST. */
static bool cut_header(struct mrc_bytes *rest, struct record_header *ret_header,
                       struct mrc_bytes *ret_lengths)
{
    struct mrc_bytes part;

    if (!cut(rest, sizeof(*ret_header), &part))
        return false;
    memcpy(ret_header, part.ptr, sizeof(*ret_header));
    return ret_header->version == RECORD_VERSION && ret_header->topics_count > 0 &&
           cut(rest, (uint64_t)ret_header->topics_count * sizeof(uint32_t), ret_lengths);
}

static bool cut_topics(struct mrc_bytes *rest, struct mrc_bytes lengths, struct mrc_bytes *topics,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t len;

        memcpy(&len, lengths.ptr + i * sizeof(len), sizeof(len));
        if (!cut(rest, len, &topics[i]))
            return false;
    }
    return true;
}

static bool decode_parts(const struct record_header *header, struct mrc_bytes lengths,
                         struct mrc_bytes rest, struct mrc_update *update)
{
    return cut_topics(&rest, lengths, update->topics, update->topics_count) &&
           cut(&rest, header->type_len, &update->type) &&
           cut(&rest, header->retry_len, &update->retry) &&
           cut(&rest, header->data_len, &update->data) &&
           rest.len == (header->flags & RECORD_ORIGIN ? MRC_UPDATE_ORIGIN_BYTES : 0);
}

enum mrc_err mrc_update_decode(struct mrc_bytes id, struct mrc_bytes record,
                               struct mrc_update *ret_update)
{
    struct record_header header;
    struct mrc_update update = {.id = id};
    struct mrc_bytes rest = record;
    struct mrc_bytes lengths;

    if (!cut_header(&rest, &header, &lengths))
        return MRC_EINVAL;
    update.topics = calloc(header.topics_count, sizeof(*update.topics));
    if (!update.topics)
        return MRC_ENOMEM;
    update.topics_count = header.topics_count;
    update.is_private = (header.flags & RECORD_PRIVATE) != 0;
    if (!decode_parts(&header, lengths, rest, &update)) {
        mrc_update_clear(&update);
        return MRC_EINVAL;
    }
    *ret_update = update;
    return MRC_OK;
}

enum mrc_err mrc_update_peek_topics(struct mrc_bytes record, struct mrc_bytes *ret_topics,
                                    size_t max, size_t *ret_count)
{
    struct record_header header;
    struct mrc_bytes lengths;

    if (!cut_header(&record, &header, &lengths))
        return MRC_EINVAL;
    if (header.topics_count > max)
        return MRC_ELIMIT;
    if (!cut_topics(&record, lengths, ret_topics, header.topics_count))
        return MRC_EINVAL;
    *ret_count = header.topics_count;
    return MRC_OK;
}

/* ---- the origin -------------------------------------------------------------------------------*/

_Static_assert(sizeof(struct mrc_update_origin) == MRC_UPDATE_ORIGIN_BYTES,
               "an origin has no padding");
_Static_assert(offsetof(struct record_header, flags) + sizeof(uint32_t) == MRC_UPDATE_FLAGS_END,
               "the flags end there");

bool mrc_update_add_origin(struct mrc_bytes record, const struct mrc_update_origin *origin,
                           struct mrc_buf *buf)
{
    struct record_header header;
    char *at;

    if (record.len < sizeof(header))
        return false;
    memcpy(&header, record.ptr, sizeof(header));
    if (header.version != RECORD_VERSION || header.flags & RECORD_ORIGIN)
        return false;
    at = mrc_buf_extend(buf, record.len + sizeof(*origin));
    if (!at)
        return false;
    header.flags |= RECORD_ORIGIN;
    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), record.ptr + sizeof(header), record.len - sizeof(header));
    memcpy(at + record.len, origin, sizeof(*origin));
    return true;
}

bool mrc_update_get_origin(struct mrc_bytes record, struct mrc_update_origin *ret_origin,
                           size_t *ret_len)
{
    struct record_header header;

    if (record.len < sizeof(header) + sizeof(*ret_origin))
        return false;
    memcpy(&header, record.ptr, sizeof(header));
    if (header.version != RECORD_VERSION || !(header.flags & RECORD_ORIGIN))
        return false;
    *ret_len = record.len - sizeof(*ret_origin);
    memcpy(ret_origin, record.ptr + *ret_len, sizeof(*ret_origin));
    return true;
}

void mrc_update_clear_origin(char *head)
{
    uint32_t flags;

    memcpy(&flags, head + offsetof(struct record_header, flags), sizeof(flags));
    flags &= ~RECORD_ORIGIN;
    memcpy(head + offsetof(struct record_header, flags), &flags, sizeof(flags));
}

void mrc_update_id_make(const unsigned char random[16], char ret_id[MRC_UPDATE_ID_BYTES])
{
    static const char prefix[] = "urn:uuid:";
    static const char hex[] = "0123456789abcdef";
    char *out = ret_id + sizeof(prefix) - 1;

    memcpy(ret_id, prefix, sizeof(prefix) - 1);
    for (int i = 0; i < 16; i++) {
        unsigned char byte = random[i];

        if (i == 6)
            byte = (unsigned char)((byte & 0x0f) | 0x40); /* version 4 */
        if (i == 8)
            byte = (unsigned char)((byte & 0x3f) | 0x80); /* the variant of RFC 9562 */
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = hex[byte >> 4];
        *out++ = hex[byte & 0x0f];
    }
    *out = '\0';
}

bool mrc_update_id_parse(struct mrc_bytes id, unsigned char ret_bytes[16])
{
    unsigned char bytes[16] = {0};
    char same[MRC_UPDATE_ID_BYTES];
    size_t digits = 0;

    for (size_t i = sizeof("urn:uuid:") - 1; i < id.len && digits < 2 * sizeof(bytes); i++) {
        int value = mrc_percent_hex_value((unsigned char)id.ptr[i]);

        if (value < 0)
            continue;
        bytes[digits / 2] = (unsigned char)(bytes[digits / 2] << 4 | value);
        digits++;
    }
    mrc_update_id_make(bytes, same);
    if (!mrc_bytes_eq_str(id, same))
        return false;
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return true;
}
