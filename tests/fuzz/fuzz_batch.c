/*
 * The input is a publication in JSON. The parser agrees with Jansson: what it accepts is one JSON
 * value, and the updates have its strings, in its order.
 */
#include "core/base/utf8.h"
#include "core/protocol/batch.h"
#include "fuzz.h"

#define TOPICS_MAX 10
#define FIELD_MAX  1000

const char *const fuzz_vectors[] = {"batch/batch.json", NULL};

void fuzz_seed(const json_t *entry, struct mrc_buf *out)
{
    const json_t *body = json_object_get(entry, "body");

    mrc_buf_add(out, json_string_value(body), json_string_length(body));
}

/* Checks that FIELD is the string VALUE; NULL: that it is empty. */
static void check_string(const json_t *value, struct mrc_bytes field)
{
    struct mrc_bytes text = {json_string_value(value), json_string_length(value)};

    FUZZ_CHECK(!value || json_is_string(value));
    FUZZ_CHECK(mrc_bytes_eq(field, text));
    FUZZ_CHECK(field.len <= FIELD_MAX);
}

static void check_update(const json_t *object, const struct mrc_update *update)
{
    const json_t *topic = json_object_get(object, "topic");
    const json_t *retry = json_object_get(object, "retry");

    FUZZ_CHECK(json_is_object(object));
    FUZZ_CHECK(update->topics_count >= 1 && update->topics_count <= TOPICS_MAX);
    FUZZ_CHECK(update->topics_count == (json_is_array(topic) ? json_array_size(topic) : 1));
    for (size_t i = 0; i < update->topics_count; i++) {
        check_string(json_is_array(topic) ? json_array_get(topic, i) : topic, update->topics[i]);
        FUZZ_CHECK(mrc_utf8_check_text(update->topics[i], NULL) == MRC_OK);
    }
    check_string(json_object_get(object, "data"), update->data);
    check_string(json_object_get(object, "id"), update->id);
    check_string(json_object_get(object, "type"), update->type);
    FUZZ_CHECK(update->is_private == json_is_true(json_object_get(object, "private")));
    FUZZ_CHECK((retry != NULL) == (update->retry.len > 0));
    for (size_t i = 0; i < update->retry.len; i++)
        FUZZ_CHECK(update->retry.ptr[i] >= '0' && update->retry.ptr[i] <= '9');
}

/* Jansson does not read integers of more than 64 bits, except as real numbers. */
static void check_accepted(struct mrc_bytes text, const struct mrc_batch *batch)
{
    json_error_t error;
    json_t *value =
        json_loadb(text.ptr, text.len,
                   JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);

    if (!value) {
        FUZZ_CHECK(json_error_code(&error) == json_error_numeric_overflow);
        return;
    }
    FUZZ_CHECK(json_is_array(value) == batch->is_array);
    FUZZ_CHECK(batch->count == (batch->is_array ? json_array_size(value) : 1));
    for (size_t i = 0; i < batch->count; i++)
        check_update(batch->is_array ? json_array_get(value, i) : value, &batch->updates[i]);
    json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mrc_update_limits limits = {
        .topics_max = TOPICS_MAX, .field_max_bytes = FIELD_MAX, .id_max_bytes = 100};
    struct mrc_bytes text = {(const char *)data, size};
    struct mrc_error error = {""};
    struct mrc_batch batch;
    enum mrc_err err = mrc_batch_parse(text, &limits, &error, &batch);

    FUZZ_CHECK(batch.count <= MRC_BATCH_MAX);
    FUZZ_CHECK(!batch.has_bad || batch.is_array);
    if (err) {
        FUZZ_CHECK(error.text[0] && (err == MRC_EINVAL || err == MRC_ELIMIT));
    } else {
        FUZZ_CHECK(!batch.has_bad && batch.count >= 1);
        check_accepted(text, &batch);
    }
    mrc_batch_clear(&batch);
    return 0;
}
