/*
 * Preloaded into a server: names addresses without a resolver. A lookup waits until there is
 * another one at the same time. The name says whether both are about the same object of the
 * address, in whose pool APR allocates: "shared.example" or "own.example".
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

typedef struct apr_sockaddr_t apr_sockaddr_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t met = PTHREAD_COND_INITIALIZER;
static const apr_sockaddr_t *first; /* of the lookup that waits; NULL: none */
static bool are_shared;

int apr_getnameinfo(char **ret_name, apr_sockaddr_t *address, int32_t flags)
{
    (void)flags;
    if (gettid() == getpid()) { /* httpd looks up its own name at the start */
        *ret_name = NULL;
        return 1;
    }
    pthread_mutex_lock(&lock);
    if (first) {
        are_shared = first == address;
        first = NULL;
        pthread_cond_signal(&met);
    } else {
        first = address;
        while (first)
            pthread_cond_wait(&met, &lock);
    }
    *ret_name = strdup(are_shared ? "shared.example" : "own.example");
    pthread_mutex_unlock(&lock);
    return 0;
}
