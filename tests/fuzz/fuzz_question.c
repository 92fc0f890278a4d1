/*
 * The input is a byte, which is the limit of the question, and what another machine asks or answers
 * for an operator. A question that is accepted is encoded to one that means the same. An answer
 * that is accepted adds JSON objects, at most as many as were asked for; any other answer adds
 * nothing.
 *
 * Packages: apr-1
 * Sources: src/httpd/operator/question.c src/hub/control/order.c
 */
#include <stdint.h>
#include <string.h>

#include "core/base/json.h"
#include "fuzz.h"
#include "httpd/operator/question.h"

static void check_field(struct mrc_bytes field, struct mrc_bytes again)
{
    FUZZ_CHECK(!field.ptr == !again.ptr && mrc_bytes_eq(field, again));
    FUZZ_CHECK(field.len <= MRC_ORDER_FIELD_MAX);
}

static void check_place(const struct mrc_inquire_place *place,
                        const struct mrc_inquire_place *again)
{
    FUZZ_CHECK(place->slot == again->slot && place->pid == again->pid);
    FUZZ_CHECK(place->part == again->part && place->serial == again->serial);
    FUZZ_CHECK(place->has_serial == again->has_serial && place->pid >= 0);
}

static void check_question(struct mrc_bytes input)
{
    struct mrc_question question, again;
    struct mrc_buf texts, more_texts, out;

    mrc_buf_init(&texts, SIZE_MAX);
    mrc_buf_init(&more_texts, SIZE_MAX);
    mrc_buf_init(&out, SIZE_MAX);
    if (mrc_question_decode(input, &texts, &question)) {
        mrc_question_encode(&question, &out);
        FUZZ_CHECK(!mrc_buf_error(&out));
        FUZZ_CHECK(mrc_question_decode(mrc_buf_bytes(&out), &more_texts, &again));
        FUZZ_CHECK(question.kind == again.kind && question.limit == again.limit);
        FUZZ_CHECK(question.limit <= MRC_QUESTION_LIMIT_MAX);
        check_field(question.order.sub, again.order.sub);
        check_field(question.order.match, again.order.match);
        check_field(question.order.match_type, again.order.match_type);
        check_place(&question.place, &again.place);
    }
    mrc_buf_free(&texts);
    mrc_buf_free(&more_texts);
    mrc_buf_free(&out);
}

/* Fails unless TEXT is COUNT objects with commas between them. */
static void check_objects(struct mrc_bytes text, size_t count)
{
    struct mrc_error unused;
    struct mrc_buf array;
    json_t *read;

    mrc_buf_init(&array, SIZE_MAX);
    mrc_buf_add_char(&array, '[');
    mrc_buf_add_bytes(&array, text);
    mrc_buf_add_char(&array, ']');
    FUZZ_CHECK(mrc_json_parse(mrc_buf_bytes(&array), &unused, &read) == MRC_OK);
    FUZZ_CHECK(json_array_size(read) == count);
    for (size_t i = 0; i < count; i++)
        FUZZ_CHECK(json_is_object(json_array_get(read, i)));
    json_decref(read);
    mrc_buf_free(&array);
}

static void check_answer(struct mrc_bytes input, uint32_t limit)
{
    struct mrc_question_streams about;
    struct mrc_buf out;

    mrc_buf_init(&out, SIZE_MAX);
    mrc_buf_add_str(&out, "{}");
    if (mrc_question_read_streams(input, limit, &out, &about)) {
        FUZZ_CHECK(about.count <= limit);
        FUZZ_CHECK(about.count == 0 || about.place.has_serial);
        check_objects(mrc_buf_bytes(&out), 1 + about.count);
    } else {
        FUZZ_CHECK(mrc_bytes_eq_str(mrc_buf_bytes(&out), "{}"));
    }
    mrc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mrc_bytes input = {(const char *)data + 1, size - 1};

    if (size == 0)
        return 0;
    check_question(input);
    check_answer(input, data[0] % 8);
    return 0;
}
