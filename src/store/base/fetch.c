#include "store/base/fetch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <curl/curl.h>

#include "core/base/buf.h"
#include "mrc_config.h"
#include "store/base/fork.h"

/* The transfer of one document. */
struct transfer {
    CURL *easy; /* NULL: this entry is unused */
    size_t tag;
    struct mrc_buf body;
    bool too_long;
    char problem[CURL_ERROR_SIZE];
};

struct mrc_fetcher {
    struct mrc_fetcher_args args;
    CURLM *multi;
    struct curl_slist *headers;
    struct transfer transfers[MRC_FETCH_MAX_ACTIVE];
};

/* ---- Descriptors, which no program that httpd starts may inherit ------------------------------*/

static curl_socket_t open_socket(void *unused, curlsocktype purpose, struct curl_sockaddr *address)
{
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Whether FD is half of a socketpair() that programs inherit. Returns its inode; 0: it is not. */
static ino_t pair_inode(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    struct stat st;

    if (flags < 0 || flags & FD_CLOEXEC || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode) ||
        getpeername(fd, (struct sockaddr *)&address, &len) != 0 || address.ss_family != AF_UNIX)
        return 0;
    return st.st_ino;
}

/* Sets FD_CLOEXEC on FD, and on the other half if it is half of a pair: curl returns only the half
 * that it reads. The system numbers the two halves one after the other. */
static void keep_from_programs(int fd)
{
    ino_t inode = pair_inode(fd);
    DIR *fds = inode ? opendir("/proc/self/fd") : NULL;
    struct dirent *entry;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    while (fds && (entry = readdir(fds))) {
        int other = (int)strtol(entry->d_name, NULL, 10);
        ino_t found = pair_inode(other);

        if (found && (found == inode + 1 || found + 1 == inode))
            fcntl(other, F_SETFD, FD_CLOEXEC);
    }
    if (fds)
        closedir(fds);
}

/*
 * A pool of transfers. curl_multi_init() uses the two lowest free descriptors for the pair that
 * wakes it, so they are known beforehand. Only this thread may open descriptors meanwhile.
 */
static CURLM *open_multi(void)
{
    int pair[2];
    CURLM *multi;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return NULL;
    close(pair[0]);
    close(pair[1]);
    mrc_fork_hold();
    multi = curl_multi_init();
    if (pair_inode(pair[0]))
        keep_from_programs(pair[0]);
    mrc_fork_release();
    return multi;
}

/*
 * Advances all transfers. While curl looks up a name, it has a pair for each lookup, and reports
 * only pairs below FD_SETSIZE. A program that inherits one of the others can end curl's wait early.
 */
static void perform(CURLM *multi)
{
    fd_set reads, writes, unused_set;
    int unused, max = -1;

    FD_ZERO(&reads);
    FD_ZERO(&writes);
    FD_ZERO(&unused_set);
    mrc_fork_hold();
    curl_multi_perform(multi, &unused);
    curl_multi_fdset(multi, &reads, &writes, &unused_set, &max);
    for (int fd = 0; fd <= max; fd++) {
        if (FD_ISSET(fd, &reads) && pair_inode(fd))
            keep_from_programs(fd);
    }
    mrc_fork_release();
}

apr_status_t mrc_fetcher_create(const struct mrc_fetcher_args *args,
                                struct mrc_fetcher **ret_fetcher)
{
    struct mrc_fetcher *fetcher;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return APR_EGENERAL;
    fetcher = calloc(1, sizeof(*fetcher));
    if (!fetcher)
        return APR_ENOMEM;
    fetcher->args = *args;
    fetcher->multi = open_multi();
    fetcher->headers =
        curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
    if (!fetcher->multi || !fetcher->headers) {
        mrc_fetcher_free(fetcher);
        return APR_ENOMEM;
    }
    *ret_fetcher = fetcher;
    return APR_SUCCESS;
}

static void end_transfer(struct mrc_fetcher *fetcher, struct transfer *transfer)
{
    curl_multi_remove_handle(fetcher->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    mrc_buf_free(&transfer->body);
    transfer->easy = NULL;
}

void mrc_fetcher_free(struct mrc_fetcher *fetcher)
{
    if (!fetcher)
        return;
    for (int i = 0; i < MRC_FETCH_MAX_ACTIVE; i++) {
        if (fetcher->transfers[i].easy)
            end_transfer(fetcher, &fetcher->transfers[i]);
    }
    curl_multi_cleanup(fetcher->multi);
    curl_slist_free_all(fetcher->headers);
    free(fetcher);
}

static size_t take_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;

    mrc_buf_add(&transfer->body, data, size * count);
    transfer->too_long = mrc_buf_error(&transfer->body) == MRC_ELIMIT;
    return mrc_buf_error(&transfer->body) ? 0 : size * count; /* 0 ends the transfer */
}

/*
 * Ends a transfer that has received more than a document may have. take_body() ends one that grows
 * when it is decoded, but would never end one that shrinks.
 */
static int check_progress(void *ctx, curl_off_t expected, curl_off_t arrived, curl_off_t to_upload,
                          curl_off_t uploaded)
{
    struct transfer *transfer = ctx;

    transfer->too_long = transfer->too_long || (uint64_t)arrived > transfer->body.max;
    return transfer->too_long ? 1 : 0; /* 1 ends the transfer */
}

static void set_options(const struct mrc_fetcher *fetcher, struct transfer *transfer,
                        const char *url)
{
    CURL *easy = transfer->easy;

#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                     1L); /* a hanging name server does not delay the end */
#endif
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)MRC_FETCH_MAX_REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (fetcher->args.ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, fetcher->args.ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fetcher->headers);
    /* All encodings that libcurl knows. It decodes any of them, even one that was not asked for. */
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, MRC_FETCH_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, MRC_FETCH_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, check_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->problem);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

static struct transfer *find_transfer(struct mrc_fetcher *fetcher)
{
    for (int i = 0; i < MRC_FETCH_MAX_ACTIVE; i++) {
        if (!fetcher->transfers[i].easy)
            return &fetcher->transfers[i];
    }
    return NULL;
}

bool mrc_fetcher_start(struct mrc_fetcher *fetcher, const char *url, size_t tag)
{
    struct transfer *transfer = find_transfer(fetcher);

    if (!transfer)
        return false;
    *transfer = (struct transfer){.easy = curl_easy_init(), .tag = tag};
    if (!transfer->easy)
        return false;
    mrc_buf_init(&transfer->body, fetcher->args.max_bytes);
    set_options(fetcher, transfer, url);
    if (curl_multi_add_handle(fetcher->multi, transfer->easy) == CURLM_OK)
        return true;
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    return false;
}

bool mrc_fetcher_is_active(const struct mrc_fetcher *fetcher, size_t tag)
{
    for (int i = 0; i < MRC_FETCH_MAX_ACTIVE; i++) {
        if (fetcher->transfers[i].easy &&
            (tag == MRC_FETCH_ANY || fetcher->transfers[i].tag == tag))
            return true;
    }
    return false;
}

/* Reports how TRANSFER ended. */
static void report(struct mrc_fetcher *fetcher, struct transfer *transfer, CURLcode result)
{
    char problem[CURL_ERROR_SIZE + 64] = "";
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer->too_long)
        snprintf(problem, sizeof(problem), "it is longer than %zu bytes", fetcher->args.max_bytes);
    else if (result != CURLE_OK)
        snprintf(problem, sizeof(problem), "%s",
                 transfer->problem[0] ? transfer->problem : curl_easy_strerror(result));
    else if (status != 200)
        snprintf(problem, sizeof(problem), "the server answered with status %ld", status);
    fetcher->args.done(fetcher->args.ctx, transfer->tag, mrc_buf_bytes(&transfer->body),
                       problem[0] ? problem : NULL);
}

void mrc_fetcher_turn(struct mrc_fetcher *fetcher, int wake_fd, int timeout_ms)
{
    struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    CURLMsg *message;
    int unused;

    perform(fetcher->multi);
    curl_multi_poll(fetcher->multi, &wake, 1, timeout_ms, &unused);
    perform(fetcher->multi);
    while ((message = curl_multi_info_read(fetcher->multi, &unused))) {
        struct transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        report(fetcher, transfer, message->data.result);
        end_transfer(fetcher, transfer);
    }
}
