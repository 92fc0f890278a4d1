#include "httpd/exchange/fields.h"

#include <stdlib.h>
#include <string.h>

/* RFC 9113, 4.1. */
#define FRAME_HEAD_BYTES 9

/* nghttp2 reckons with this much for the two lengths of a field, and for the rest of a block. */
#define FIELD_EXTRA_BYTES 12
#define BLOCK_EXTRA_BYTES 17
#define STATUS_BYTES      (sizeof(":status200") - 1)

/* The first block; most requests of browsers fit. */
#define CAP_MIN 512

static bool reserve(struct mrc_exchange_fields *fields, size_t len)
{
    size_t cap = fields->cap ? fields->cap : CAP_MIN;
    char *bytes;

    if (len <= fields->cap - fields->len)
        return true;
    while (cap < fields->len + len)
        cap *= 2;
    bytes = realloc(fields->bytes, cap);
    if (!bytes)
        return false;
    fields->bytes = bytes;
    fields->cap = cap;
    return true;
}

static void put(struct mrc_exchange_fields *fields, const char *text, size_t len)
{
    if (len > 0)
        memcpy(fields->bytes + fields->len, text, len);
    fields->len += len;
    fields->bytes[fields->len++] = '\0';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

bool mrc_exchange_fields_add(struct mrc_exchange_fields *fields, const char *name, size_t name_len,
                             const char *value, size_t value_len)
{
    while (value_len > 0 && is_space(*value)) {
        value++;
        value_len--;
    }
    while (value_len > 0 && is_space(value[value_len - 1]))
        value_len--;
    if (!reserve(fields, name_len + value_len + 2))
        return false;
    put(fields, name, name_len);
    put(fields, value, value_len);
    fields->count++;
    return true;
}

static bool is_of_connection(const char *name)
{
    static const char *const names[] = {"connection", "keep-alive", "proxy-connection",
                                        "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (!strcmp(name, names[i]))
            return true;
    }
    return false;
}

bool mrc_exchange_fields_add_response(struct mrc_exchange_fields *fields, const char *name,
                                      const char *value)
{
    size_t start = fields->len, name_len = strlen(name);

    if (!mrc_exchange_fields_add(fields, name, name_len, value, strlen(value)))
        return false;
    for (char *c = fields->bytes + start; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    }
    for (char *c = fields->bytes + start + name_len + 1; *c; c++) {
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    }
    if (is_of_connection(fields->bytes + start)) {
        fields->len = start;
        fields->count--;
    }
    return true;
}

bool mrc_exchange_fields_next(const struct mrc_exchange_fields *fields, size_t *at,
                              const char **ret_name, const char **ret_value)
{
    if (*at >= fields->len)
        return false;
    *ret_name = fields->bytes + *at;
    *ret_value = *ret_name + strlen(*ret_name) + 1;
    *at = (size_t)(*ret_value + strlen(*ret_value) + 1 - fields->bytes);
    return true;
}

const char *mrc_exchange_fields_get(const struct mrc_exchange_fields *fields, const char *name)
{
    const char *other, *value;
    size_t at = 0;

    while (mrc_exchange_fields_next(fields, &at, &other, &value)) {
        if (!strcmp(name, other))
            return value;
    }
    return NULL;
}

size_t mrc_exchange_fields_frame_bytes(const struct mrc_exchange_fields *fields)
{
    size_t at = 0, total = FRAME_HEAD_BYTES;
    const char *name, *value;

    while (mrc_exchange_fields_next(fields, &at, &name, &value))
        total += 2 + strlen(value) * 3 / 4;
    return total;
}

bool mrc_exchange_fields_fit(const struct mrc_exchange_fields *fields)
{
    size_t bytes = fields->len - (size_t)2 * fields->count; /* without the NULs */

    return bytes + STATUS_BYTES + BLOCK_EXTRA_BYTES +
               ((size_t)fields->count + 1) * FIELD_EXTRA_BYTES <=
           MRC_EXCHANGE_BLOCK_BYTES_MAX;
}

void mrc_exchange_fields_free(struct mrc_exchange_fields *fields)
{
    free(fields->bytes);
    *fields = (struct mrc_exchange_fields){.bytes = NULL};
}
