#include "httpd/carrier/transport.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "httpd/carrier/client_socket.h"
#include "httpd/tls/socket_bio.h"
#include "httpd/tls/ssl.h"
#include "hub/stream/carrier.h"
#include "store_unit.h"
#include "tls_unit.h"

#define RECORD_HEAD_BYTES 5
#define RECORD_MORE_BYTES 256 /* at most, what TLS adds to a record */

static SSL *server, *client;
static int fds[2];
static size_t room_bytes;
static apr_pool_t *pool;

/* The room of the socket is what the test says. */
size_t mrc_client_socket_room_bytes(int fd)
{
    return room_bytes;
}

void mrc_client_socket_drop_input(int fd)
{
}

/* Connects both descriptors over TCP, because other sockets do not know MSG_MORE. */
static void connect_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[1], (struct sockaddr *)&address, len), 0);
    fds[0] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[0], 0);
    close(listener);
    setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* as httpd does */
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
}

static SSL *open_side(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);
    BIO *bio = mrc_socket_bio_create(mrc_socket_bio_method(pool), fd);

    SSL_set_bio(ssl, bio, bio);
    SSL_CTX_free(context);
    return ssl;
}

/* Makes the client read everything into BYTES. Returns the number of bytes. */
static size_t read_all(char *bytes, size_t size)
{
    size_t count = 0;

    while (mrc_ssl_wire_in(client) < mrc_ssl_wire_out(server)) {
        int got = SSL_read(client, bytes + count, (int)(size - count));

        count += got > 0 ? (size_t)got : 0;
    }
    return count;
}

static void set_up(void)
{
    char byte;

    pool = store_pool();
    connect_tcp();
    server = open_side(tls_server_context(), fds[0]);
    client = open_side(SSL_CTX_new(TLS_client_method()), fds[1]);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    while (!SSL_is_init_finished(server) || !SSL_is_init_finished(client)) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    SSL_set_mode(server, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
    SSL_set_max_send_fragment(server, (long)MRC_TRANSPORT_RECORD_BYTES);
    room_bytes = 2 * MRC_CARRIER_WRITE_BYTES + MRC_TRANSPORT_SPARE_BYTES;
    read_all(&byte, 1); /* the tickets */
}

static void tear_down(void)
{
    mrc_ssl_free(server);
    mrc_ssl_free(client);
    close(fds[0]);
    close(fds[1]);
    apr_pool_destroy(pool);
}

/* Writes COUNT parts. Returns how many bytes TLS has accepted. */
static size_t write_parts(const struct iovec *parts, size_t count)
{
    size_t sent = 0;

    ck_assert(mrc_transport_tls_write(server, fds[0], parts, count, &sent));
    return sent;
}

static size_t write_bytes(const char *bytes, size_t len)
{
    const struct iovec part = {.iov_base = (char *)bytes, .iov_len = len};

    return write_parts(&part, 1);
}

/* The number of bytes that the kernel does not send yet. */
static int held_back(void)
{
    int bytes;

    ck_assert_int_eq(ioctl(fds[0], SIOCOUTQNSD, &bytes), 0);
    return bytes;
}

/* Skips what the server has written since it had written BEFORE bytes. Returns the number of
 * records, and the size of the largest one. */
static unsigned count_records(uint64_t before, size_t *ret_largest)
{
    static unsigned char wire[64 * 1024];
    size_t len = (size_t)(mrc_ssl_wire_out(server) - before), largest = 0;
    unsigned count = 0;

    ck_assert_uint_le(len, sizeof(wire));
    fcntl(fds[1], F_SETFL, 0);
    ck_assert_int_eq(recv(fds[1], wire, len, MSG_WAITALL), len);
    for (size_t at = 0; at + RECORD_HEAD_BYTES <= len; count++) {
        size_t record = ((size_t)wire[at + 3] << 8) + wire[at + 4];

        largest = record > largest ? record : largest;
        at += RECORD_HEAD_BYTES + record;
        ck_assert_uint_le(at, len);
    }
    *ret_largest = largest;
    return count;
}

START_TEST(largest_write_is_two_records)
{
    static char bytes[MRC_CARRIER_WRITE_BYTES];
    char head[] = "7fe0\r\n", tail[] = "\r\n";
    const struct iovec parts[] = {{head, 6}, {bytes, sizeof(bytes)}, {tail, 2}};
    uint64_t before = mrc_ssl_wire_out(server);
    size_t largest;

    ck_assert_uint_eq(write_parts(parts, 3), sizeof(bytes) + 8);
    ck_assert_uint_eq(count_records(before, &largest), 2);
    ck_assert_uint_ge(largest, MRC_TRANSPORT_LARGE_RECORD_BYTES);
}
END_TEST

START_TEST(nothing_waits_after_a_write)
{
    static char bytes[MRC_TRANSPORT_LARGE_RECORD_BYTES + 1];

    ck_assert_uint_eq(write_bytes(bytes, sizeof(bytes)), sizeof(bytes));
    ck_assert_int_eq(held_back(), 0);
}
END_TEST

START_TEST(records_are_small_without_room)
{
    static char bytes[10 * MRC_TRANSPORT_RECORD_BYTES];
    uint64_t before = mrc_ssl_wire_out(server);
    size_t largest;

    room_bytes = MRC_TRANSPORT_SPARE_BYTES;
    ck_assert_uint_eq(write_bytes(bytes, sizeof(bytes)), sizeof(bytes));
    ck_assert_uint_eq(count_records(before, &largest), 10);
    ck_assert_uint_le(largest, MRC_TRANSPORT_RECORD_BYTES + RECORD_MORE_BYTES);
}
END_TEST

/* The kernel sends what it holds back after 200 ms, so a slow machine may need several attempts. It
 * also holds bytes back while it sends others, so nothing must be on its way. */
START_TEST(record_waits_for_the_next_one)
{
    bool has_waited = false;
    char bytes[2];

    for (int i = 0; i < 50 && !has_waited; i++) {
        size_t written;

        mrc_socket_bio_expect_more(server, true);
        ck_assert_int_eq(mrc_ssl_write(server, "a", 1, &written), MRC_SSL_DONE);
        has_waited = held_back() > 0;
        mrc_socket_bio_expect_more(server, false);
        ck_assert_int_eq(mrc_ssl_write(server, "b", 1, &written), MRC_SSL_DONE);
        ck_assert_uint_eq(read_all(bytes, sizeof(bytes)), 2);
    }
    ck_assert(has_waited);
}
END_TEST

/* Records that the socket has refused are sent later; nothing is lost in between. */
START_TEST(blocked_write_goes_on)
{
    static char sent[40 * MRC_CARRIER_WRITE_BYTES], got[sizeof(sent)];
    size_t at = 0, count = 0;
    unsigned blocked = 0;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7);
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){MRC_CARRIER_WRITE_BYTES}, sizeof(int));
    while (at < sizeof(sent)) {
        size_t len = sizeof(sent) - at < MRC_CARRIER_WRITE_BYTES ? sizeof(sent) - at
                                                                 : MRC_CARRIER_WRITE_BYTES;
        size_t taken = write_bytes(sent + at, len);
        int bytes = 1;

        at += taken;
        if (taken == len)
            continue;
        blocked++;
        while (bytes > 0) {
            bytes = SSL_read(client, got + count, (int)(sizeof(got) - count));
            count += bytes > 0 ? (size_t)bytes : 0;
        }
    }
    count += read_all(got + count, sizeof(got) - count);
    ck_assert_uint_eq(count, sizeof(sent));
    ck_assert_uint_gt(blocked, 1);
    ck_assert_mem_eq(got, sent, sizeof(sent));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("TLS");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_test(tcase, largest_write_is_two_records);
    tcase_add_test(tcase, nothing_waits_after_a_write);
    tcase_add_test(tcase, records_are_small_without_room);
    tcase_add_test(tcase, record_waits_for_the_next_one);
    tcase_add_test(tcase, blocked_write_goes_on);
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
