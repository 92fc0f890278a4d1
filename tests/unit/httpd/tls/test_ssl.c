#include "httpd/tls/ssl.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_calls.h"
#include "httpd/tls/socket_bio.h"
#include "store_unit.h"
#include "tls_unit.h"
#include "unit.h"

/* The server's SSL is set up as mrc_takeover_switch() leaves one. */
#define RECORD_BYTES 2048
#define LARGE_BYTES  16384

static SSL *server, *client;
static int fds[2];
static apr_pool_t *pool;

static SSL *open_side(SSL_CTX *context, BIO *bio)
{
    SSL *ssl = SSL_new(context);

    SSL_set_bio(ssl, bio, bio);
    SSL_CTX_free(context);
    return ssl;
}

static void set_up(int max_version)
{
    SSL_CTX *client_context;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    pool = store_pool();
    server =
        open_side(tls_server_context(), mrc_socket_bio_create(mrc_socket_bio_method(pool), fds[0]));
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(client_context, max_version);
    client = open_side(client_context, BIO_new_socket(fds[1], BIO_NOCLOSE));
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    ck_assert(SSL_is_init_finished(server) && SSL_is_init_finished(client));
    SSL_set_mode(server, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    SSL_clear_mode(server, SSL_MODE_AUTO_RETRY);
    SSL_set_max_send_fragment(server, RECORD_BYTES);
}

static void set_up_1_2(void)
{
    set_up(TLS1_2_VERSION);
}

static void set_up_1_3(void)
{
    set_up(TLS1_3_VERSION);
}

static void tear_down(void)
{
    mrc_ssl_free(server);
    mrc_ssl_free(client);
    close(fds[0]);
    close(fds[1]);
    apr_pool_destroy(pool);
}

/* All bytes that the client can read now. */
static size_t drain_client(char *bytes, size_t size)
{
    size_t got = 0;
    int count;

    while ((count = SSL_read(client, bytes + got, (int)(size - got))) > 0)
        got += (size_t)count;
    return got;
}

START_TEST(all_messages_are_read)
{
    char bytes[100];
    size_t got, data = 0;
    enum mrc_ssl_result result;

    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(client), 1);
        ck_assert_int_eq(SSL_write(client, "x", 1), 1);
    }
    while ((result = mrc_ssl_read(server, bytes, sizeof(bytes), &got)) == MRC_SSL_DONE)
        data += got;
    ck_assert_int_eq(result, MRC_SSL_AGAIN);
    ck_assert_uint_eq(data, 50);
    ck_assert_int_eq(recv(fds[0], bytes, 1, MSG_PEEK | MSG_DONTWAIT),
                     -1); /* nothing is left in the socket */
}
END_TEST

START_TEST(one_read_takes_one_message)
{
    uint64_t before = mrc_ssl_wire_in(server);
    char bytes[100];
    size_t got;

    for (int i = 0; i < 50; i++) {
        ck_assert_int_eq(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(client), 1);
    }
    ck_assert_int_eq(mrc_ssl_read(server, bytes, sizeof(bytes), &got), MRC_SSL_DONE);
    ck_assert_uint_eq(got, 0);
    ck_assert(mrc_ssl_wire_in(server) - before < 1000);
}
END_TEST

/* A blocked record is sent again from another address, and nothing is lost, even when records of
 * both sizes take turns. */
START_TEST(blocked_write_goes_on)
{
    static char sent[400000], again[sizeof(sent)], got[sizeof(sent)];
    enum mrc_ssl_result result = MRC_SSL_DONE;
    size_t at = 0, count = 0, written;
    unsigned blocked = 0;
    const char *from = sent;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = again[i] = (char)(i * 7);
    for (unsigned turn = 0; at < sizeof(sent); turn++) {
        bool is_large = turn % 2 && mrc_ssl_raise_record_bytes(server, LARGE_BYTES);

        ck_assert(!is_large || result == MRC_SSL_DONE);
        result = mrc_ssl_write(server, from + at, sizeof(sent) - at, &written);
        if (result == MRC_SSL_DONE) {
            ck_assert_uint_le(written,
                              LARGE_BYTES + RECORD_BYTES); /* a sealed record, and another */
            at += written;
        }
        if (is_large)
            mrc_ssl_lower_record_bytes(server, RECORD_BYTES);
        if (result == MRC_SSL_DONE)
            continue;
        ck_assert_int_eq(result, MRC_SSL_AGAIN);
        blocked++;
        from = from == sent ? again : sent;
        count += drain_client(got + count, sizeof(got) - count);
    }
    count += drain_client(got + count, sizeof(got) - count);
    ck_assert_uint_eq(count, sizeof(sent));
    ck_assert_uint_gt(blocked, 1);
    ck_assert_mem_eq(got, sent, sizeof(sent));
}
END_TEST

/* An alert leaves its buffer behind, which is too small for a larger record. */
START_TEST(larger_record_after_an_alert)
{
    static char sent[LARGE_BYTES], got[2 * sizeof(sent)];
    size_t written, count, unused;

    SSL_set_options(server, SSL_OP_NO_RENEGOTIATION);
    ck_assert_int_eq(SSL_renegotiate(client), 1);
    SSL_do_handshake(client);
    while (mrc_ssl_read(server, got, sizeof(got), &unused) == MRC_SSL_DONE)
        ;
    ck_assert(mrc_ssl_raise_record_bytes(server, LARGE_BYTES));
    memset(sent, 'x', sizeof(sent));
    ck_assert_int_eq(mrc_ssl_write(server, sent, sizeof(sent), &written), MRC_SSL_DONE);
    ck_assert_uint_eq(written, sizeof(sent));
    count = drain_client(got, sizeof(got)); /* an alert: no renegotiation */
    count += drain_client(got + count, sizeof(got) - count);
    ck_assert_mem_eq(got, sent, count);
}
END_TEST

START_TEST(both_say_goodbye)
{
    char bytes[100];
    size_t got;

    ck_assert_int_eq(SSL_shutdown(client), 0);
    ck_assert_int_eq(mrc_ssl_read(server, bytes, sizeof(bytes), &got), MRC_SSL_CLOSED);
    mrc_ssl_end(server);
    ck_assert_int_eq(SSL_shutdown(client), 1);
}
END_TEST

START_TEST(broken_record_fails)
{
    static const char record[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";
    enum mrc_ssl_result result;
    uint64_t before;
    char bytes[100];
    size_t got;

    ck_assert_int_eq(write(fds[1], record, sizeof(record) - 1), sizeof(record) - 1);
    do
        result = mrc_ssl_read(server, bytes, sizeof(bytes), &got);
    while (result == MRC_SSL_DONE);
    ck_assert_int_eq(result, MRC_SSL_FAILED);
    before = mrc_ssl_wire_out(server);
    mrc_ssl_end(server);
    ck_assert_uint_eq(mrc_ssl_wire_out(server), before); /* nothing follows the alert */
}
END_TEST

START_TEST(end_of_the_connection_fails)
{
    char bytes[100];
    size_t got;

    shutdown(fds[1], SHUT_WR);
    ck_assert_int_eq(mrc_ssl_read(server, bytes, sizeof(bytes), &got), MRC_SSL_FAILED);
}
END_TEST

/* ---- without memory ---------------------------------------------------------------------------*/

static void *take(size_t size, const char *file, int line)
{
    return malloc(size);
}

static void *take_again(void *block, size_t size, const char *file, int line)
{
    return realloc(block, size);
}

static void give_back(void *block, const char *file, int line)
{
    free(block);
}

/* The server reads a key update and data, and sends data and its close_notify. Whatever fails, no
 * error is left for the next connection of the thread, and the client gets what was sent or
 * nothing. */
static bool exchange(void)
{
    long left = fail_later(), before = alloc_bytes;
    char bytes[100];
    size_t got = 0, sent = 0;
    enum mrc_ssl_result read = MRC_SSL_DONE, written;

    set_up_1_3();
    ck_assert_int_eq(SSL_key_update(client, SSL_KEY_UPDATE_REQUESTED), 1);
    ck_assert_int_eq(SSL_write(client, "x", 1), 1);
    fail_again(left);
    while (got == 0 && read == MRC_SSL_DONE)
        read = mrc_ssl_read(server, bytes, sizeof(bytes), &got);
    written = mrc_ssl_write(server, "data", 4, &sent);
    mrc_ssl_end(server);
    left = fail_later();
    ck_assert(read == MRC_SSL_DONE || read == MRC_SSL_FAILED);
    ck_assert(written == MRC_SSL_DONE || written == MRC_SSL_FAILED);
    ck_assert_uint_eq(ERR_peek_error(), 0);
    ck_assert_uint_eq(drain_client(bytes, sizeof(bytes)), written == MRC_SSL_DONE ? 4 : 0);
    tear_down();
    alloc_bytes = before; /* without memory, OpenSSL itself loses some */
    fail_again(left);
    return read == MRC_SSL_DONE && written == MRC_SSL_DONE;
}

static bool make_bios(void)
{
    long left = fail_later();
    apr_pool_t *own = store_pool();
    struct mrc_ssl_output output = {.take = NULL};
    const BIO_METHOD *method;
    BIO_METHOD *output_method;
    BIO *bio = NULL;
    SSL *ssl = SSL_new(tls_server_context());
    bool has_begun = false;

    fail_again(left);
    method = mrc_socket_bio_method(own);
    if (method)
        bio = mrc_socket_bio_create(method, 0);
    output_method = mrc_ssl_output_method_create();
    if (output_method)
        has_begun = mrc_ssl_output_begin(ssl, output_method, &output);
    left = fail_later();
    if (has_begun)
        mrc_ssl_output_end(ssl);
    SSL_CTX_free(SSL_get_SSL_CTX(ssl));
    SSL_free(ssl);
    mrc_ssl_output_method_free(output_method);
    BIO_free(bio);
    apr_pool_destroy(own);
    ERR_clear_error();
    fail_again(left);
    return bio && has_begun;
}

START_TEST(each_allocation_may_fail)
{
    fail_in_turn("exchange", exchange, 3);
    fail_in_turn_strictly("BIOs", make_bios, 3, 0);
}
END_TEST

int main(void)
{
    TCase *without_memory = tcase_create("no memory");
    Suite *suite = suite_create("ssl");
    TCase *tcase = tcase_create("TLS 1.3"), *older = tcase_create("TLS 1.2");

    tcase_add_checked_fixture(older, set_up_1_2, tear_down);
    tcase_add_test(older, blocked_write_goes_on);
    tcase_add_test(older, larger_record_after_an_alert);
    suite_add_tcase(suite, older);
    tcase_add_checked_fixture(tcase, set_up_1_3, tear_down);
    tcase_add_test(tcase, all_messages_are_read);
    tcase_add_test(tcase, one_read_takes_one_message);
    tcase_add_test(tcase, blocked_write_goes_on);
    tcase_add_test(tcase, both_say_goodbye);
    tcase_add_test(tcase, broken_record_fails);
    tcase_add_test(tcase, end_of_the_connection_fails);
    suite_add_tcase(suite, tcase);
    tcase_add_test(without_memory, each_allocation_may_fail);
    suite_add_tcase(suite, without_memory);
    CRYPTO_set_mem_functions(take, take_again, give_back);
    return unit_run(suite);
}
