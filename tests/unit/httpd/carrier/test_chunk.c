#include "httpd/carrier/chunk.h"

#include <stdint.h>
#include <string.h>

#include "hub/base/event.h"
#include "unit.h"

/* FRAME around BODY, as one text. */
static const char *framed(const struct mrc_chunk_frame *frame, const char *body)
{
    static char text[200];
    size_t len = frame->head_len;

    ck_assert_uint_eq(frame->body_len, strlen(body));
    memcpy(text, frame->head, len);
    memcpy(text + len, body, frame->body_len);
    len += frame->body_len;
    memcpy(text + len, frame->tail, frame->tail_len);
    text[len + frame->tail_len] = '\0';
    return text;
}

START_TEST(pieces_together_are_one_chunk)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("0123456789abcdef"));
    const struct mrc_piece pieces[] = {{event, 8, 8}, {event, 0, 16}, {event, 0, 3}};
    struct mrc_chunk_frame frame;

    mrc_chunk_frame(pieces, 3, true, &frame);
    ck_assert_str_eq(framed(&frame, "89abcdef0123456789abcdef012"),
                     "1b\r\n89abcdef0123456789abcdef012\r\n");
    mrc_event_unref(event);
}
END_TEST

START_TEST(response_without_chunks_has_no_frame)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("0123"));
    const struct mrc_piece piece = {event, 1, 2};
    struct mrc_chunk_frame frame;

    mrc_chunk_frame(&piece, 1, false, &frame);
    ck_assert_str_eq(framed(&frame, "12"), "12");
    mrc_event_unref(event);
}
END_TEST

/* An empty chunk would end the message. */
START_TEST(pieces_without_bytes_have_no_frame)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("0123"));
    const struct mrc_piece pieces[] = {{event, 0, 0}, {event, 4, 0}};
    struct mrc_chunk_frame frame;

    mrc_chunk_frame(pieces, 2, true, &frame);
    ck_assert_str_eq(framed(&frame, ""), "");
    mrc_event_unref(event);
}
END_TEST

START_TEST(largest_number_fits)
{
    const struct mrc_piece piece = {NULL, 0, SIZE_MAX};
    struct mrc_chunk_frame frame;

    mrc_chunk_frame(&piece, 1, true, &frame);
    ck_assert_uint_eq(frame.head_len, 2 * sizeof(size_t) + 2);
    ck_assert_uint_lt(frame.head_len, MRC_CHUNK_HEAD_BYTES);
    ck_assert_str_eq(frame.head + frame.head_len - 3, "f\r\n");
}
END_TEST

START_TEST(whole_event_is_recognized)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("0123"));
    const struct mrc_piece whole[] = {{event, 0, 4}, {event, 0, 4}};
    const struct mrc_piece part = {event, 1, 3};

    ck_assert(mrc_chunk_is_whole_event(whole, 1));
    ck_assert(!mrc_chunk_is_whole_event(whole, 2));
    ck_assert(!mrc_chunk_is_whole_event(&part, 1));
    mrc_event_unref(event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chunk");
    TCase *tcase = tcase_create("chunk");

    tcase_add_test(tcase, pieces_together_are_one_chunk);
    tcase_add_test(tcase, response_without_chunks_has_no_frame);
    tcase_add_test(tcase, pieces_without_bytes_have_no_frame);
    tcase_add_test(tcase, largest_number_fits);
    tcase_add_test(tcase, whole_event_is_recognized);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
