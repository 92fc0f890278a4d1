#include "httpd/operator/question.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/topic/matcher.h"

/* ---- places -----------------------------------------------------------------------------------*/

void mrc_question_add_place(struct mrc_buf *out, const struct mrc_inquire_place *place)
{
    mrc_buf_printf(out, "%u.%ld.%u.%" PRIu32, place->slot, (long)place->pid, place->part,
                   place->serial);
}

bool mrc_question_read_place(const char *text, struct mrc_inquire_place *ret_place)
{
    static const uint64_t max[] = {UINT32_MAX, INT32_MAX, UINT32_MAX, UINT32_MAX};
    uint64_t numbers[4];

    for (int i = 0; i < 4; i++) {
        char *end;

        numbers[i] = strtoull(text, &end, 10);
        if (text[0] < '0' || text[0] > '9' || *end != (i < 3 ? '.' : '\0') || numbers[i] > max[i])
            return false;
        text = end + 1;
    }
    *ret_place = (struct mrc_inquire_place){.slot = (unsigned)numbers[0],
                                            .pid = (pid_t)numbers[1],
                                            .part = (unsigned)numbers[2],
                                            .has_serial = true,
                                            .serial = (uint32_t)numbers[3]};
    return true;
}

/* ---- questions --------------------------------------------------------------------------------*/

static void add_text(struct mrc_buf *out, const char *name, struct mrc_bytes text)
{
    if (!text.ptr)
        return;
    mrc_buf_printf(out, ",\"%s\":", name);
    mrc_json_add_string(out, text);
}

static void add_place(struct mrc_buf *out, const struct mrc_inquire_place *place)
{
    mrc_buf_add_str(out, ",\"after\":\"");
    mrc_question_add_place(out, place);
    mrc_buf_add_char(out, '"');
}

void mrc_question_encode(const struct mrc_question *question, struct mrc_buf *out)
{
    if (question->kind == MRC_QUESTION_STATS) {
        mrc_buf_add_str(out, "{\"ask\":\"stats\"}");
        return;
    }
    mrc_buf_printf(out, "{\"ask\":\"streams\",\"limit\":%" PRIu32, question->limit);
    add_text(out, "sub", question->order.sub);
    add_text(out, "match", question->order.match);
    add_text(out, "match_type", question->order.match_type);
    if (question->place.has_serial)
        add_place(out, &question->place);
    mrc_buf_add_char(out, '}');
}

/* Copies the member NAME of OBJECT to TEXTS, with a terminator. False: it is not a string, or
 * longer than a field. RET_TEXT gets its place there, or SIZE_MAX if there is none. */
static bool copy_text(const json_t *object, const char *name, struct mrc_buf *texts,
                      size_t *ret_text)
{
    const json_t *value = json_object_get(object, name);

    *ret_text = value ? texts->len : SIZE_MAX;
    if (!value)
        return true;
    if (!json_is_string(value) || json_string_length(value) > MRC_ORDER_FIELD_MAX)
        return false;
    mrc_buf_add(texts, json_string_value(value), json_string_length(value) + 1);
    return true;
}

static struct mrc_bytes text_at(const struct mrc_buf *texts, size_t at)
{
    return at == SIZE_MAX ? (struct mrc_bytes){NULL, 0} : mrc_bytes_of(texts->ptr + at);
}

static bool read_place(const json_t *object, struct mrc_inquire_place *ret_place)
{
    const json_t *value = json_object_get(object, "after");

    return !value ||
           (json_is_string(value) && mrc_question_read_place(json_string_value(value), ret_place));
}

static bool read_limit(const json_t *object, uint32_t *ret_limit)
{
    const json_t *value = json_object_get(object, "limit");
    json_int_t limit = json_integer_value(value);

    if (!json_is_integer(value) || limit < 0 || limit > MRC_QUESTION_LIMIT_MAX)
        return false;
    *ret_limit = (uint32_t)limit;
    return true;
}

static bool read_streams_question(const json_t *root, struct mrc_buf *texts,
                                  struct mrc_question *question)
{
    size_t sub, match, match_type;
    enum mrc_matcher_type unused;

    if (!read_limit(root, &question->limit) || !read_place(root, &question->place) ||
        !copy_text(root, "sub", texts, &sub) || !copy_text(root, "match", texts, &match) ||
        !copy_text(root, "match_type", texts, &match_type) || mrc_buf_error(texts))
        return false;
    question->kind = MRC_QUESTION_STREAMS;
    question->order = mrc_order_init(MRC_ORDER_DISCONNECT);
    question->order.sub = text_at(texts, sub);
    question->order.match = text_at(texts, match);
    question->order.match_type = text_at(texts, match_type);
    return !question->order.match_type.ptr ||
           (question->order.match.ptr &&
            mrc_matcher_type_parse(question->order.match_type, &unused) == MRC_OK);
}

bool mrc_question_decode(struct mrc_bytes text, struct mrc_buf *ret_texts,
                         struct mrc_question *ret_question)
{
    struct mrc_question question = {.kind = MRC_QUESTION_STATS};
    struct mrc_error unused;
    const char *kind;
    json_t *root;
    bool is_good;

    if (mrc_json_parse_object(text, &unused, &root) != MRC_OK)
        return false;
    kind = json_string_value(json_object_get(root, "ask"));
    is_good =
        kind && (!strcmp(kind, "stats") ||
                 (!strcmp(kind, "streams") && read_streams_question(root, ret_texts, &question)));
    json_decref(root);
    if (is_good)
        *ret_question = question;
    return is_good;
}

/* ---- streams ----------------------------------------------------------------------------------*/

void mrc_question_add_streams(struct mrc_buf *out, struct mrc_bytes streams,
                              const struct mrc_question_streams *about)
{
    mrc_buf_add_str(out, "{\"streams\":[");
    mrc_buf_add_bytes(out, streams);
    mrc_buf_add_char(out, ']');
    if (about->count)
        add_place(out, &about->place);
    mrc_buf_printf(out, ",\"more\":%s,\"unanswered\":%u}", about->has_more ? "true" : "false",
                   about->silent);
}

/* Writes each stream again, so that nothing but JSON objects gets into the document. */
static bool add_objects(const json_t *streams, struct mrc_buf *out)
{
    for (size_t i = 0; i < json_array_size(streams); i++) {
        const json_t *stream = json_array_get(streams, i);
        char *text;

        if (!json_is_string(json_object_get(stream, "subscriber")) ||
            !json_is_array(json_object_get(stream, "matchers")) ||
            mrc_json_print(stream, &text) != MRC_OK)
            return false;
        if (out->len)
            mrc_buf_add_char(out, ',');
        mrc_buf_add_str(out, text);
        free(text);
    }
    return true;
}

static bool read_about(const json_t *root, uint32_t limit, struct mrc_question_streams *ret_about)
{
    const json_t *streams = json_object_get(root, "streams");
    json_int_t silent = json_integer_value(json_object_get(root, "unanswered"));

    if (!json_is_array(streams) || json_array_size(streams) > limit || silent < 0 ||
        silent > UINT16_MAX || !read_place(root, &ret_about->place))
        return false;
    ret_about->count = (uint32_t)json_array_size(streams);
    ret_about->silent = (unsigned)silent;
    ret_about->has_more = json_is_true(json_object_get(root, "more"));
    /* There is always room for one stream: a list that gets none would never end. */
    return ret_about->count ? ret_about->place.has_serial : !ret_about->has_more || limit == 0;
}

bool mrc_question_read_streams(struct mrc_bytes text, uint32_t limit, struct mrc_buf *out,
                               struct mrc_question_streams *ret_about)
{
    struct mrc_question_streams about = {0};
    size_t before = out->len;
    struct mrc_error unused;
    json_t *root;
    bool is_good;

    if (mrc_json_parse_object(text, &unused, &root) != MRC_OK)
        return false;
    is_good = read_about(root, limit, &about) && add_objects(json_object_get(root, "streams"), out);
    json_decref(root);
    if (is_good)
        *ret_about = about;
    else
        out->len = before;
    return is_good;
}
