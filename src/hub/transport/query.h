/*
 * Questions to the engine that a thread may wait for: the active subscriptions of all machines,
 * questions of operators to other machines, and the removal of a machine that is dead. They have a
 * connection of their own, which a child opens when it needs one, and closes when it has not been
 * used for a while.
 *
 * Any thread except a dispatcher's and the link's. The statuses are MRC_STATUS_UNREACHABLE if the
 * engine cannot be asked, and APR_ENOMEM.
 */
#ifndef MRC_HUB_TRANSPORT_QUERY_H
#define MRC_HUB_TRANSPORT_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_tables.h"

#include "core/base/buf.h"
#include "core/base/bytes.h"

struct mrc_hub;
struct mrc_query;
struct mrc_query_line;
struct mrc_record;

/* ---- for the transport ------------------------------------------------------------------------*/

/* A connection that the hubs of one link share. It lives in POOL, which closes it. NULL: there is
 * no memory. */
struct mrc_query_line *mrc_query_line_create(apr_pool_t *pool);

/* Closes the connection if it was not used for a minute. Never blocks. */
void mrc_query_line_rest(struct mrc_query_line *line);

/* For HUB, which mrc_hub_get_query() then returns. */
void mrc_query_create(apr_pool_t *pool, struct mrc_query_line *line, struct mrc_hub *hub);

/* Notes that MACHINE is dead, with the VALUE that it reported last. Only the link. */
void mrc_query_post_dead(struct mrc_query *query, const char *machine, const char *value);

/* ---- lists ------------------------------------------------------------------------------------*/

/* Appends the names of all machines to NAMES, an array of const char * in POOL. */
apr_status_t mrc_query_machines(struct mrc_query *query, apr_pool_t *pool,
                                apr_array_header_t *names);

/* Returns false to stop. */
typedef bool mrc_query_fn(void *ctx, struct mrc_bytes member);

/*
 * Calls EACH for some active subscriptions of MACHINE (listed.h) that begin with PREFIX and come
 * after AFTER, if that is not empty. RET_COUNT: their number; 0: there are no more. The connection
 * is held meanwhile.
 */
apr_status_t mrc_query_subscriptions(struct mrc_query *query, const char *machine,
                                     struct mrc_bytes prefix, struct mrc_bytes after,
                                     mrc_query_fn *each, void *ctx, size_t *ret_count);

/* ---- what other machines know -----------------------------------------------------------------*/

#define MRC_QUERY_NONCE_MAX  32
#define MRC_QUERY_ANSWER_MAX ((size_t)512 * 1024)

/* The name of this machine in that list. */
const char *mrc_query_own_name(const struct mrc_query *query);

/* Puts QUESTION to the machine TO; "*": to all others. NONCE, at most MRC_QUERY_NONCE_MAX
 * hexadecimal digits, identifies the answers. */
apr_status_t mrc_query_ask(struct mrc_query *query, const char *to, const char *nonce,
                           struct mrc_bytes question);

/* Answers the question NONCE for this machine. */
apr_status_t mrc_query_answer(struct mrc_query *query, const char *nonce, struct mrc_bytes answer);

/* Appends the answer of MACHINE to RET_ANSWER, which stays empty while there is none, and removes
 * it from the engine. If it is longer than MRC_QUERY_ANSWER_MAX, it is of no use. */
apr_status_t mrc_query_get_answer(struct mrc_query *query, const char *machine, const char *nonce,
                                  struct mrc_buf *ret_answer);

/* ---- the dead ---------------------------------------------------------------------------------*/

#define MRC_QUERY_TEXT_BYTES 160

/* A machine that is dead and still has subscriptions. */
struct mrc_query_dead {
    char machine[MRC_QUERY_TEXT_BYTES];
    char value[MRC_QUERY_TEXT_BYTES];
};

/* Takes the dead machine that was posted last. False: there is none. */
bool mrc_query_take_dead(struct mrc_query *query, struct mrc_query_dead *ret_dead);

/* The most ends of one call. */
#define MRC_QUERY_REAP_MAX 64

/*
 * Removes COUNT subscriptions, MEMBERS, of the machine DEAD. ENDS are the events that they have
 * ended, which are published if they were still listed; a record without a payload stands for none.
 * RET_LEFT: the number of subscriptions that are left; 0 even if another machine has removed it, or
 * it lives after all.
 */
apr_status_t mrc_query_reap(struct mrc_query *query, const struct mrc_query_dead *dead,
                            const struct mrc_bytes *members, const struct mrc_record *ends,
                            size_t count, uint64_t *ret_left);

#endif
