#include "hub/base/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

START_TEST(an_event_lies_in_its_chunk)
{
    struct mrc_event *event = mrc_event_create(mrc_bytes_of("data: seventeen b\n"));

    ck_assert_bytes_eq(mrc_event_bytes(event), "data: seventeen b\n");
    ck_assert_bytes_eq(mrc_event_chunk(event), "12\r\ndata: seventeen b\n\r\n");
    mrc_event_unref(event);
}
END_TEST

/* Lengths of one to six hexadecimal digits. */
START_TEST(chunks_of_all_lengths)
{
    for (size_t len = 1; len < 0x200000; len = len * 3 + 1) {
        char *text = malloc(len), head[32];
        size_t head_len = (size_t)snprintf(head, sizeof(head), "%zx\r\n", len);
        struct mrc_event *event;
        struct mrc_bytes chunk;

        memset(text, 'x', len);
        event = mrc_event_create((struct mrc_bytes){text, len});
        chunk = mrc_event_chunk(event);
        ck_assert_uint_eq(chunk.len, head_len + len + 2);
        ck_assert_mem_eq(chunk.ptr, head, head_len);
        ck_assert_mem_eq(chunk.ptr + head_len, text, len);
        ck_assert_mem_eq(chunk.ptr + head_len + len, "\r\n", 2);
        ck_assert_ptr_eq(mrc_event_bytes(event).ptr, chunk.ptr + head_len);
        ck_assert_uint_eq(mrc_event_bytes(event).len, len);
        mrc_event_unref(event);
        free(text);
    }
}
END_TEST

/* An empty chunk would end the HTTP message. */
START_TEST(an_empty_event_is_no_chunk)
{
    struct mrc_event *event = mrc_event_create((struct mrc_bytes){NULL, 0});

    ck_assert_uint_eq(mrc_event_bytes(event).len, 0);
    ck_assert_uint_eq(mrc_event_chunk(event).len, 0);
    mrc_event_unref(event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tcase = tcase_create("event");

    tcase_add_test(tcase, an_event_lies_in_its_chunk);
    tcase_add_test(tcase, chunks_of_all_lengths);
    tcase_add_test(tcase, an_empty_event_is_no_chunk);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
