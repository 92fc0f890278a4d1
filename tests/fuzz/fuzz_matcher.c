/*
 * Matchers. The input is a byte for the type, a value, NUL, and a topic. Creating and matching must
 * return, and the matcher must return its value unchanged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/topic/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_matcher *matcher = NULL;
    struct mrc_error error;
    enum mrc_matcher_type type;
    struct mrc_bytes value, topic;
    const uint8_t *end;

    if (size < 1 || (end = memchr(data + 1, 0, size - 1)) == NULL)
        return 0;
    type = (enum mrc_matcher_type)(data[0] % 3);
    value = (struct mrc_bytes){(const char *)data + 1, (size_t)(end - data - 1)};
    topic = (struct mrc_bytes){(const char *)end + 1, size - value.len - 2};
    if (mrc_matcher_create(type, value, "https://example.com/", &error, &matcher) != MRC_OK)
        return 0;
    mrc_matcher_matches(matcher, topic);
    if (!mrc_bytes_eq(mrc_matcher_get_value(matcher), value))
        abort();
    mrc_matcher_free(matcher);
    return 0;
}
