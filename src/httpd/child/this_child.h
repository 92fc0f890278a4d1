/*
 * The state of this child process: the only writable variable of the module, and its accessors.
 *
 * The child_init hook sets the state once, before the child serves a request; any thread reads it
 * afterwards. A process without a state serves no hub, and neither does a child that could not
 * start: it may start later (start.h), and serves from then on.
 */
#ifndef MRC_HTTPD_CHILD_THIS_CHILD_H
#define MRC_HTTPD_CHILD_THIS_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "httpd/config/sizing.h"
#include "hub/base/heap.h"
#include "hub/transport/respond.h"

struct bio_method_st; /* OpenSSL's BIO_METHOD */
struct mrc_child;
struct mrc_htaccess_cache;
struct mrc_http2_child;
struct mrc_hub;
struct mrc_interned_table;
struct mrc_jobs;
struct mrc_keeper;
struct mrc_keyring;
struct mrc_log_fields;
struct mrc_mod_http2;
struct mrc_start;
struct mrc_waiter;
struct mrc_token_cache;
struct mrc_transport;

/* Lives in the child's pool, and what it points to lives as long. */
struct mrc_this_child {
    atomic_bool is_started;  /* set last; until then, only the thread that sets it reads the rest */
    struct mrc_start *start; /* for attempts after one that has failed */
    pid_t pid;               /* of the process that called child_init */
    struct mrc_child *child; /* the hubs and their dispatchers */
    struct mrc_token_cache *tokens;
    struct mrc_htaccess_cache *htaccess; /* NULL: no hub reads .htaccess files */
    struct mrc_keyring *keyring;
    struct mrc_keeper *keeper; /* NULL: no key can change */
    struct mrc_sizing sizing;
    const struct mrc_log_fields *log_fields;
    struct mrc_interned_table *log_texts;
    struct mrc_jobs *jobs;
    struct mrc_transport *transport;  /* NULL: no hub has one */
    struct mrc_waiter *forked_waiter; /* NULL: connections stay in this process */
    struct mrc_heap heap;             /* only the thread of the jobs uses it */
    bool may_log_anywhere;
    mrc_respond_fn *respond; /* answers the operators of other machines; NULL: nothing does */
    const struct bio_method_st *socket_bio; /* NULL: TLS stays in mod_ssl */
    struct mrc_mod_http2 *mod_http2;
    struct mrc_http2_child *http2; /* NULL: no virtual host speaks HTTP/2 through this module */
    bool has_requests; /* the child ends, but requests over HTTP/2 still run; of the main thread */
};

/* Sets the state of this process: once, before other threads run, and NULL before its memory is
 * freed. */
void mrc_this_child_set(struct mrc_this_child *state);

/* How to start this process again; NULL: it has no state. */
struct mrc_start *mrc_this_child_start(void);

/* The hubs and dispatchers of this process; NULL if it serves no hub. */
struct mrc_child *mrc_this_child_get(void);

/* The hub with the number INDEX; NULL if this process does not serve it. */
struct mrc_hub *mrc_this_child_hub(int index);

/*
 * Whether this is a process that mpm-itk has forked off the child for one connection. It has the
 * memory and descriptors of the child, and none of its threads: no dispatcher, keeper or announcer.
 * The child waits until it ends, and the child's threads continue.
 */
bool mrc_this_child_is_forked(void);

/*
 * Whether this is such a process, and the child has ended. What this process has counted in the
 * child's slot is folded, and the slot may belong to another child, so nothing is given back.
 */
bool mrc_this_child_has_gone(void);

/* In such a process: a waiter of the child, which the child's dispatcher wakes. */
struct mrc_waiter *mrc_this_child_forked_waiter(void);

/* Whether this process still serves; false as soon as the MPM wants it to end. */
bool mrc_this_child_is_serving(void);

/* Whether the MPM does not want processes of this generation to end. */
bool mrc_this_child_is_current(void);

/* The keys in use, and the cache of verified tokens; NULL if this process serves no hub. */
struct mrc_keyring *mrc_this_child_keyring(void);
struct mrc_token_cache *mrc_this_child_tokens(void);

/* What this process has read of .htaccess files; NULL: it reads none. */
struct mrc_htaccess_cache *mrc_this_child_htaccess(void);

/* The functions below require a process that serves hubs. */

/* The thread that updates the keys; NULL: no key can change. */
struct mrc_keeper *mrc_this_child_keeper(void);

/* What the HTTP/2 sessions of this process need; NULL: no virtual host has any. */
struct mrc_http2_child *mrc_this_child_http2(void);

/* The connections of mod_http2 that have streams. */
struct mrc_mod_http2 *mrc_this_child_mod_http2(void);

/* NULL: no hub has one. Only if this process serves hubs. */
struct mrc_transport *mrc_this_child_transport(void);

/* How many streams this process may hold. */
const struct mrc_sizing *mrc_this_child_sizing(void);

/* Whether threads other than httpd's own may write access logs. */
bool mrc_this_child_may_log_anywhere(void);

/* For BIOs on clients' sockets (httpd/tls/socket_bio.h). NULL: TLS connections cannot be taken over
 * from mod_ssl (httpd/tls/library.h). */
const struct bio_method_st *mrc_this_child_socket_bio(void);

/* The fields of requests that the access logs need, and the texts that several requests share. */
const struct mrc_log_fields *mrc_this_child_log_fields(void);
struct mrc_interned_table *mrc_this_child_log_texts(void);

/* The thread that does the work for which a dispatcher must not wait. */
struct mrc_jobs *mrc_this_child_jobs(void);

/* Only for that thread. */
struct mrc_heap *mrc_this_child_heap(void);

#endif
