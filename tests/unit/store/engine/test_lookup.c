/* Lookups of host names, with a name server that answers when the test tells it to. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mrc_config.h"
#include "store/engine/lookup.h"
#include "store_unit.h"

#define PORT    6379
#define SOON_US (50 * 1000)
#define LONG_US ((int64_t)30 * 1000 * 1000)

static struct mrc_lookups *lookups;
static struct mrc_engine_error error;

static void setup(void)
{
    lookups = mrc_lookups_create();
    ck_assert_ptr_nonnull(lookups);
}

static void tear_down(void)
{
    mrc_lookups_free(lookups);
}

static struct addrinfo *find(const char *name, int64_t timeout_us)
{
    const struct mrc_engine_host host = {name, PORT};

    return mrc_lookups_find(lookups, &host, timeout_us, &error);
}

START_TEST(addresses_need_no_lookup)
{
    static const char *const names[] = {"127.0.0.1", "::1"};

    for (int i = 0; i < 2; i++) {
        struct addrinfo *found = find(names[i], 0);

        ck_assert_ptr_nonnull(found);
        freeaddrinfo(found);
    }
}
END_TEST

START_TEST(names_are_looked_up)
{
    struct addrinfo *found = find("localhost", LONG_US);

    ck_assert_msg(found != NULL, "%s", error.text.text);
    ck_assert_int_eq(ntohs(((struct sockaddr_in *)(void *)found->ai_addr)->sin_port), PORT);
    freeaddrinfo(found);
}
END_TEST

#ifdef HAVE_GETADDRINFO_A

/* ---- the name server --------------------------------------------------------------------------*/

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool is_good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return is_good;
}

/*
 * Gives the process a network and an /etc/resolv.conf of its own. Returns -1 if the system does not
 * allow that.
 */
static int start_name_server(const char *dir)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    char path[200], map[40];
    int fd;

    snprintf(path, sizeof(path), "%s/resolv.conf", dir);
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)getuid());
    if (!write_file(path, "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n") ||
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0 ||
        !write_file("/proc/self/uid_map", map) ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) != 0)
        return -1;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return -1;
    return fd;
}

/* Answers the next question: with an address if it asks for IPv4, otherwise that there is none. */
static void answer(int fd)
{
    static const unsigned char record[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 7};
    unsigned char packet[600];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    ssize_t n = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&from, &len);
    size_t end = 12; /* of the question */

    ck_assert_int_gt(n, 12);
    while (packet[end])
        end += 1u + packet[end];
    end += 5;
    packet[2] |= 0x80; /* a response */
    packet[3] = 0x80;
    memset(packet + 6, 0, 6); /* without other sections */
    if (packet[end - 3] == 1) {
        packet[7] = 1;
        memcpy(packet + end, record, sizeof(record));
        end += sizeof(record);
    }
    ck_assert_int_eq(sendto(fd, packet, end, 0, (struct sockaddr *)&from, len), (ssize_t)end);
}

START_TEST(a_lookup_that_takes_long_serves_the_next_one)
{
    const char *dir = store_dir();
    int fd = start_name_server(dir);
    struct addrinfo *found;
    char path[200];

    if (fd < 0)
        return;                    /* without the privileges nothing can be tested */
    for (int i = 0; i < 20; i++) { /* more than may be pending */
        ck_assert_ptr_null(find("slow.example", SOON_US));
        ck_assert_int_eq(error.reason, MRC_ENGINE_TIMEOUT);
    }
    answer(fd);
    answer(fd);
    found = find("slow.example", LONG_US);
    ck_assert_msg(found != NULL, "%s", error.text.text);
    ck_assert_uint_eq(((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr.s_addr,
                      inet_addr("127.0.0.7"));
    freeaddrinfo(found);
    for (int i = 0; i < 20; i++) {
        char name[24];

        snprintf(name, sizeof(name), "slow%d.example", i);
        ck_assert_ptr_null(find(name, SOON_US / 10));
        ck_assert_int_eq(error.reason, MRC_ENGINE_TIMEOUT);
        ck_assert_int_eq(!strcmp(error.text.text, "earlier lookups of host names have not ended"),
                         i >= 8);
    }
    close(fd);
    snprintf(path, sizeof(path), "%s/resolv.conf", dir);
    unlink(path);
    rmdir(dir);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("lookup");
    TCase *tcase = tcase_create("lookup");

    tcase_add_checked_fixture(tcase, setup, tear_down);
    tcase_add_test(tcase, addresses_need_no_lookup);
    tcase_add_test(tcase, names_are_looked_up);
#ifdef HAVE_GETADDRINFO_A
    tcase_add_test(tcase, a_lookup_that_takes_long_serves_the_next_one);
#endif
    suite_add_tcase(suite, tcase);
    return unit_run(suite);
}
