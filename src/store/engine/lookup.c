#include "store/engine/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "mrc_config.h"

#include "store/base/clock.h"

/* The most lookups that have not ended. Each may have a thread. */
#define PENDING_MAX 8

/* A host name has at most 253 characters. */
#define NAME_BYTES 256

static struct addrinfo *fail(struct mrc_engine_error *error, enum mrc_engine_reason reason,
                             const char *text)
{
    error->reason = reason;
    mrc_error_set(&error->text, MRC_EINVAL, "%s", text);
    return NULL;
}

/*
 * Looks up HOST without a time limit, or at once with AI_NUMERICHOST in FLAGS. Returns an EAI_
 * code.
 */
static int look_up(const struct mrc_engine_host *host, int flags, struct addrinfo **ret_addresses)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    char port[8];

    snprintf(port, sizeof(port), "%u", (unsigned)host->port);
    return getaddrinfo(host->name, port, &hints, ret_addresses);
}

#ifdef HAVE_GETADDRINFO_A

/* The C library reads and writes it until the lookup has ended. */
struct lookup {
    struct gaicb request;
    struct addrinfo hints;
    char name[NAME_BYTES];
    char port[8];
    uint16_t number; /* of the port */
};

struct mrc_lookups {
    struct lookup *pending[PENDING_MAX];
    size_t count;
};

struct mrc_lookups *mrc_lookups_create(void)
{
    return calloc(1, sizeof(struct mrc_lookups));
}

static bool has_ended(struct lookup *lookup)
{
    return gai_error(&lookup->request) != EAI_INPROGRESS;
}

/* Frees LOOKUP, which has ended, and its result. */
static void drop(struct lookup *lookup)
{
    if (gai_error(&lookup->request) == 0)
        freeaddrinfo(lookup->request.ar_result);
    free(lookup);
}

void mrc_lookups_free(struct mrc_lookups *lookups)
{
    if (!lookups)
        return;
    for (size_t i = 0; i < lookups->count; i++) {
        struct lookup *lookup = lookups->pending[i];

        if (has_ended(lookup) || gai_cancel(&lookup->request) == EAI_CANCELED)
            drop(lookup);
    }
    free(lookups);
}

static bool is_for(const struct lookup *lookup, const struct mrc_engine_host *host)
{
    return !strcmp(lookup->name, host->name) && lookup->number == host->port;
}

/* The pending lookup of HOST; NULL: there is none. Forgets others that have ended. */
static struct lookup *find_pending(struct mrc_lookups *lookups, const struct mrc_engine_host *host)
{
    struct lookup *found = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < lookups->count; i++) {
        struct lookup *lookup = lookups->pending[i];

        if (!found && is_for(lookup, host)) {
            found = lookup;
        } else if (has_ended(lookup)) {
            drop(lookup);
            continue;
        }
        lookups->pending[kept++] = lookup;
    }
    lookups->count = kept;
    return found;
}

/* Starts a lookup. Returns an EAI_ code. */
static int start(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                 struct lookup **ret_lookup)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    struct gaicb *list[1];
    int err;

    if (!lookup)
        return EAI_MEMORY;
    snprintf(lookup->name, sizeof(lookup->name), "%s", host->name);
    snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)host->port);
    lookup->number = host->port;
    lookup->hints = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    lookup->request.ar_name = lookup->name;
    lookup->request.ar_service = lookup->port;
    lookup->request.ar_request = &lookup->hints;
    list[0] = &lookup->request;
    err = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (err) {
        free(lookup);
        return err;
    }
    lookups->pending[lookups->count++] = lookup;
    *ret_lookup = lookup;
    return 0;
}

/* Waits for the end of LOOKUP. False: it has not ended. */
static bool wait_for(struct lookup *lookup, int64_t timeout_us)
{
    const struct gaicb *list[] = {&lookup->request};
    int64_t until_us = mrc_clock_us() + timeout_us;

    while (!has_ended(lookup)) {
        int64_t left_us = until_us - mrc_clock_us();
        const struct timespec left = {left_us / 1000000, left_us % 1000000 * 1000};

        if (left_us <= 0)
            return false;
        gai_suspend(list, 1, &left); /* also ends at a signal */
    }
    return true;
}

/* Removes LOOKUP, which has ended, and returns its result. */
static struct addrinfo *take(struct mrc_lookups *lookups, struct lookup *lookup,
                             struct mrc_engine_error *error)
{
    struct addrinfo *addresses = lookup->request.ar_result;
    int err = gai_error(&lookup->request);

    for (size_t i = 0; i < lookups->count; i++) {
        if (lookups->pending[i] == lookup) {
            lookups->pending[i] = lookups->pending[--lookups->count];
            break;
        }
    }
    free(lookup);
    return err ? fail(error, MRC_ENGINE_REFUSED, gai_strerror(err)) : addresses;
}

static struct addrinfo *look_up_in_time(struct mrc_lookups *lookups,
                                        const struct mrc_engine_host *host, int64_t timeout_us,
                                        struct mrc_engine_error *error)
{
    struct lookup *lookup = find_pending(lookups, host);
    int err = 0;

    if (!lookup && (lookups->count == PENDING_MAX || strlen(host->name) >= NAME_BYTES))
        return fail(error, MRC_ENGINE_TIMEOUT, "earlier lookups of host names have not ended");
    if (!lookup)
        err = start(lookups, host, &lookup);
    if (err)
        return fail(error, MRC_ENGINE_REFUSED, gai_strerror(err));
    if (!wait_for(lookup, timeout_us))
        return fail(error, MRC_ENGINE_TIMEOUT, "the lookup of the host name takes too long");
    return take(lookups, lookup, error);
}

#else

struct mrc_lookups {
    char unused;
};

struct mrc_lookups *mrc_lookups_create(void)
{
    return calloc(1, sizeof(struct mrc_lookups));
}

void mrc_lookups_free(struct mrc_lookups *lookups)
{
    free(lookups);
}

static struct addrinfo *look_up_in_time(struct mrc_lookups *lookups,
                                        const struct mrc_engine_host *host, int64_t timeout_us,
                                        struct mrc_engine_error *error)
{
    struct addrinfo *addresses;
    int err = look_up(host, AI_ADDRCONFIG, &addresses);

    return err ? fail(error, MRC_ENGINE_REFUSED, gai_strerror(err)) : addresses;
}

#endif

struct addrinfo *mrc_lookups_find(struct mrc_lookups *lookups, const struct mrc_engine_host *host,
                                  int64_t timeout_us, struct mrc_engine_error *error)
{
    struct addrinfo *addresses;

    if (look_up(host, AI_NUMERICHOST, &addresses) == 0)
        return addresses;
    return look_up_in_time(lookups, host, timeout_us, error);
}
