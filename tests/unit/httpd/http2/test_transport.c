#include "httpd/http2/transport.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

#define BLOCK_BYTES ((size_t)40 * 1000)

/* A transport without TLS, and the client's end of its socket. */
struct pair {
    struct mrc_http2_transport transport;
    int client;
};

static void open_pair(struct pair *pair)
{
    int fds[2], bytes = 16384;

    memset(pair, 0, sizeof(*pair));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    ck_assert(mrc_http2_transport_init(&pair->transport, fds[0], NULL, NULL));
    pair->client = fds[1];
}

static void close_pair(struct pair *pair)
{
    mrc_http2_transport_free(&pair->transport);
    close(pair->transport.fd);
    close(pair->client);
}

/* The byte at AT of the text that is sent. */
static char byte_at(size_t at)
{
    return (char)(at * 2654435761u >> 24);
}

/* Reads and checks what has come after GOT bytes. Returns the number of all bytes so far. */
static size_t read_all(const struct pair *pair, size_t got)
{
    char bytes[4096];
    ssize_t count;

    while ((count = read(pair->client, bytes, sizeof(bytes))) > 0) {
        ssize_t good = 0; /* an assertion for each byte would take seconds */

        while (good < count && bytes[good] == byte_at(got + (size_t)good))
            good++;
        ck_assert_int_eq(good, count);
        got += (size_t)count;
    }
    return got;
}

START_TEST(bytes_come_in_order)
{
    static struct mrc_http2_batch batch;
    static char block[BLOCK_BYTES];
    struct pair pair;
    size_t sent = 0, got = 0;

    open_pair(&pair);
    for (int turn = 0; turn < 10; turn++) {
        if (turn % 2)
            mrc_http2_transport_gather(&pair.transport, &batch);
        for (size_t len = 1; len <= BLOCK_BYTES; len = len * 5 + 3) {
            for (size_t i = 0; i < len; i++)
                block[i] = byte_at(sent + i);
            ck_assert(mrc_http2_transport_write(&pair.transport, block, len));
            sent += len;
        }
        ck_assert(mrc_http2_transport_flush(&pair.transport));
        got = turn % 3 ? got : read_all(&pair, got);
    }
    ck_assert(pair.transport.rest); /* or nothing was kept in this test */
    while (pair.transport.rest) {
        got = read_all(&pair, got);
        ck_assert(mrc_http2_transport_flush(&pair.transport));
    }
    ck_assert_uint_eq(read_all(&pair, got), sent);
    close_pair(&pair);
}
END_TEST

START_TEST(client_that_takes_nothing)
{
    static const char block[BLOCK_BYTES];
    struct pair pair;
    size_t sent = 0;

    open_pair(&pair);
    while (mrc_http2_transport_write(&pair.transport, block, sizeof(block))) {
        sent += sizeof(block);
        ck_assert_uint_lt(sent, 4 * 1024 * 1024);
    }
    ck_assert_uint_gt(sent, 512 * 1024);
    ck_assert(!mrc_http2_transport_flush(&pair.transport));
    close_pair(&pair);
}
END_TEST

START_TEST(client_that_is_gone)
{
    struct pair pair;

    open_pair(&pair);
    close(pair.client);
    ck_assert(!mrc_http2_transport_write(&pair.transport, "x", 1));
    close_pair(&pair);
}
END_TEST

START_TEST(input_and_its_end)
{
    struct pair pair;
    char bytes[8];
    size_t len;

    open_pair(&pair);
    ck_assert_int_eq(mrc_http2_transport_read(&pair.transport, bytes, sizeof(bytes), &len),
                     MRC_SSL_AGAIN);
    ck_assert_int_eq(write(pair.client, "abc", 3), 3);
    ck_assert_int_eq(mrc_http2_transport_read(&pair.transport, bytes, sizeof(bytes), &len),
                     MRC_SSL_DONE);
    ck_assert(len == 3 && !memcmp(bytes, "abc", 3));
    ck_assert(!mrc_http2_transport_has_pending(&pair.transport));
    shutdown(pair.client, SHUT_WR);
    ck_assert_int_eq(mrc_http2_transport_read(&pair.transport, bytes, sizeof(bytes), &len),
                     MRC_SSL_CLOSED);
    close_pair(&pair);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("transport");

    tcase_add_test(tcase, bytes_come_in_order);
    tcase_add_test(tcase, client_that_takes_nothing);
    tcase_add_test(tcase, client_that_is_gone);
    tcase_add_test(tcase, input_and_its_end);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
