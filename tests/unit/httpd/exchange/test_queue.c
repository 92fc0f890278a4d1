#include "httpd/exchange/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static void add(struct mrc_exchange_queue *queue, const char *text)
{
    ck_assert(mrc_exchange_queue_add(queue, text, strlen(text)));
}

START_TEST(bytes_come_out_as_they_went_in)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    char out[8];

    add(&queue, "abc");
    add(&queue, "");
    add(&queue, "defgh");
    ck_assert_uint_eq(queue.bytes, 8);
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 5), 5);
    ck_assert(!memcmp(out, "abcde", 5));
    add(&queue, "ij");
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, sizeof(out)), 5);
    ck_assert(!memcmp(out, "fghij", 5));
    ck_assert_uint_eq(queue.bytes, 0);
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, sizeof(out)), 0);
}
END_TEST

START_TEST(long_bytes_span_chunks)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    static char in[5000], out[5000];

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)('a' + i % 26);
    for (size_t at = 0; at < sizeof(in); at += 500)
        ck_assert(mrc_exchange_queue_add(&queue, in + at, 500));
    for (size_t at = 0; at < sizeof(out); at += 7)
        mrc_exchange_queue_read(&queue, out + at, sizeof(out) - at < 7 ? sizeof(out) - at : 7);
    ck_assert(!memcmp(in, out, sizeof(in)));
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

START_TEST(peek_leaves_the_bytes)
{
    struct mrc_exchange_queue queue = {.bytes = 0};
    struct mrc_exchange_chunk *chunk = mrc_exchange_chunk_create("12345", 5);
    char out[8];

    add(&queue, "ab");
    mrc_exchange_queue_append(&queue, chunk);
    ck_assert_uint_eq(mrc_exchange_queue_peek(&queue, out, 4), 4);
    ck_assert(!memcmp(out, "ab12", 4));
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 8), 7);
    ck_assert(!memcmp(out, "ab12345", 7));
}
END_TEST

START_TEST(line_ends_are_found_across_chunks)
{
    struct mrc_exchange_queue queue = {.bytes = 0};

    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 0);
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create("ab", 2));
    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 2);
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create("c\r\nd\n", 5));
    ck_assert_uint_eq(mrc_exchange_queue_line_bytes(&queue), 5);
    mrc_exchange_queue_clear(&queue);
    ck_assert_uint_eq(queue.bytes, 0);
}
END_TEST

/* A file without a name that holds TEXT. */
static int make_file(const char *text)
{
    FILE *file = tmpfile();
    int fd;

    ck_assert(file && fputs(text, file) >= 0 && fflush(file) == 0);
    fd = dup(fileno(file));
    fclose(file);
    return fd;
}

/* Reads QUEUE as a session does. Returns false if it is broken. */
static bool read_all(struct mrc_exchange_queue *queue, char *ret_bytes, size_t *ret_len)
{
    off_t offset;
    size_t len;
    int fd;

    for (*ret_len = 0; queue->bytes > 0 && !queue->is_broken;) {
        *ret_len += mrc_exchange_queue_read(queue, ret_bytes + *ret_len, 4);
        if (!queue->is_blocked)
            continue;
        len = mrc_exchange_queue_peek_file(queue, 3, &fd, &offset);
        ck_assert(len >= 1 && len <= 3);
        mrc_exchange_queue_unblock(queue, mrc_exchange_chunk_create_read(fd, offset, len));
    }
    return !queue->is_broken;
}

START_TEST(files_are_read_when_they_are_needed)
{
    struct mrc_exchange_files files = {.max = 2};
    struct mrc_exchange_queue queue = {.bytes = 0};
    int fd = make_file("0123456789");
    char out[32];
    size_t len;

    add(&queue, "<");
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_file(&files, fd, 2, 7));
    add(&queue, ">"); /* not into the chunk of a file */
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_file(&files, fd, 0, 1));
    close(fd); /* the chunks have their own descriptors */
    ck_assert_uint_eq(queue.bytes, 10);
    ck_assert_uint_eq(queue.file_bytes, 8);
    ck_assert_uint_eq(files.count, 2);
    ck_assert(read_all(&queue, out, &len));
    ck_assert_uint_eq(len, 10);
    ck_assert(!memcmp(out, "<2345678>0", 10));
    ck_assert_uint_eq(queue.file_bytes, 0);
    ck_assert_uint_eq(files.count, 0);
}
END_TEST

/* A file system that does not say what is in memory leaves the whole file to the worker. */
START_TEST(bytes_from_a_disk_take_the_place_of_those_of_the_file)
{
    struct mrc_exchange_files files = {.max = 1};
    struct mrc_exchange_queue queue = {.bytes = 0};
    int fd = make_file("0123456789"), got;
    char out[32];
    off_t offset;
    size_t len;

    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_file(&files, fd, 1, 9));
    queue.is_blocked = true;
    ck_assert_uint_eq(mrc_exchange_queue_read(&queue, out, 8), 0);
    ck_assert_uint_eq(mrc_exchange_queue_peek_file(&queue, 4, &got, &offset), 4);
    ck_assert_int_eq(offset, 1);
    mrc_exchange_queue_unblock(&queue, mrc_exchange_chunk_create_read(got, offset, 4));
    ck_assert_uint_eq(queue.bytes, 9);
    ck_assert_uint_eq(queue.file_bytes, 5);
    ck_assert(read_all(&queue, out, &len));
    ck_assert(len == 9 && !memcmp(out, "123456789", 9));

    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_file(&files, fd, 0, 10));
    queue.is_blocked = true;
    mrc_exchange_queue_unblock(&queue, mrc_exchange_chunk_create_read(fd, 0, 10));
    ck_assert_uint_eq(files.count, 0); /* nothing is left of the file */
    add(&queue, "x");
    ck_assert(read_all(&queue, out, &len));
    ck_assert(len == 11 && !memcmp(out, "0123456789x", 11));
    close(fd);
}
END_TEST

START_TEST(file_that_has_become_shorter)
{
    struct mrc_exchange_files files = {.max = 1};
    struct mrc_exchange_queue queue = {.bytes = 0};
    int fd = make_file("0123456789");
    char out[32];
    size_t len;

    ck_assert_ptr_null(mrc_exchange_chunk_create_read(fd, 5, 6));
    mrc_exchange_queue_append(&queue, mrc_exchange_chunk_create_file(&files, fd, 0, 10));
    ck_assert_int_eq(ftruncate(fd, 5), 0);
    ck_assert(!read_all(&queue, out, &len));
    ck_assert_uint_le(len, 5);
    mrc_exchange_queue_clear(&queue);
    ck_assert_uint_eq(files.count, 0);
    close(fd);
}
END_TEST

START_TEST(number_of_files_is_limited)
{
    struct mrc_exchange_files files = {.max = 2};
    struct mrc_exchange_chunk *chunks[2];
    int fd = make_file("0123456789");

    for (int i = 0; i < 2; i++) {
        chunks[i] = mrc_exchange_chunk_create_file(&files, fd, 0, 10);
        ck_assert_ptr_nonnull(chunks[i]);
    }
    ck_assert_ptr_null(mrc_exchange_chunk_create_file(&files, fd, 0, 10));
    mrc_exchange_chunk_destroy(chunks[0]);
    ck_assert_ptr_null(mrc_exchange_chunk_create_file(&files, -1, 0, 10));
    ck_assert_uint_eq(files.count, 1);
    mrc_exchange_chunk_destroy(chunks[1]);
    mrc_exchange_chunk_destroy(NULL);
    close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tcase = tcase_create("queue");

    tcase_add_test(tcase, bytes_come_out_as_they_went_in);
    tcase_add_test(tcase, long_bytes_span_chunks);
    tcase_add_test(tcase, peek_leaves_the_bytes);
    tcase_add_test(tcase, line_ends_are_found_across_chunks);
    tcase_add_test(tcase, files_are_read_when_they_are_needed);
    tcase_add_test(tcase, bytes_from_a_disk_take_the_place_of_those_of_the_file);
    tcase_add_test(tcase, file_that_has_become_shorter);
    tcase_add_test(tcase, number_of_files_is_limited);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
