#include "httpd/carrier/client_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "apr_portable.h"
#include "http_core.h"

/* The kernel's buffer for a client that reads slowly; without a limit, it grows to megabytes. */
#define SEND_BUFFER_BYTES (128 * 1024)

/* A client that acknowledges nothing for this time, or for a longer dispatch timeout, is gone. The
 * kernel also counts the time in which the window is too small for its next segment: a shorter
 * limit would end clients that read slowly. */
#define USER_TIMEOUT_MS 20000

/* The most input that is dropped. A client that sends more may have its connection reset. */
#define INPUT_BYTES_MAX (64 * 1024)

apr_status_t mrc_client_socket_dup(conn_rec *c, int *ret_fd)
{
    apr_os_sock_t fd = -1;
    int copy;

    apr_os_sock_get(&fd, ap_get_conn_socket(c));
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return APR_FROM_OS_ERROR(errno);
    *ret_fd = copy;
    return APR_SUCCESS;
}

void mrc_client_socket_set_options(int fd, int64_t dispatch_timeout_us)
{
    int send_buffer = SEND_BUFFER_BYTES;
    int64_t wanted_ms = dispatch_timeout_us / 1000 + 1000;
    unsigned timeout_ms = USER_TIMEOUT_MS;

    /* A client that does not read does not acknowledge either. The hub ends its stream after the
     * dispatch timeout, so the kernel must not give up before. */
    if (wanted_ms > USER_TIMEOUT_MS)
        timeout_ms = wanted_ms < INT_MAX ? (unsigned)wanted_ms : INT_MAX;
    /* The stream works without them, so errors are ignored. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

size_t mrc_client_socket_unsent_bytes(int fd)
{
    int bytes = 0;

    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

size_t mrc_client_socket_room_bytes(int fd)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof(info);

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0 ||
        info[SK_MEMINFO_SNDBUF] < info[SK_MEMINFO_WMEM_QUEUED])
        return 0;
    return info[SK_MEMINFO_SNDBUF] - info[SK_MEMINFO_WMEM_QUEUED];
}

void mrc_client_socket_drop_input(int fd)
{
    char bytes[4096];
    size_t left = INPUT_BYTES_MAX;
    ssize_t got;

    while (left >= sizeof(bytes) && (got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        left -= (size_t)got;
}
