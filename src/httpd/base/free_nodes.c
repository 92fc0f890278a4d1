#include "httpd/base/free_nodes.h"

#include <stdbool.h>

#include "apr_allocator.h"
#include "mpm_common.h"

/*
 * The sizes of an allocator's nodes. For a wanted size it takes any free node up to twice as large.
 */
#define NODE_BYTES_MIN ((size_t)8 * 1024)
#define NODE_BYTES_MAX ((size_t)128 * 1024)

/* The most free memory of a connection that is given back, if MaxMemFree sets no limit. */
#define FREE_BYTES_MAX ((size_t)2 * 1024 * 1024)

/* In a node that was in use, its user has written to one of the first bytes. */
#define USED_BYTES 32

/* Whether NODE has been in use: a node from the system is zero, and a freed one is not cleared. */
static bool was_used(const apr_memnode_t *node)
{
    const char *at = node->first_avail;

    for (size_t i = 0; i < USED_BYTES; i++) {
        if (at[i])
            return true;
    }
    return node->ref != NULL;
}

/*
 * Takes the free nodes of at least BYTES out of ALLOCATOR, at most COUNT, and returns them to the
 * system. When no free node is left, the allocator gets one from the system, which costs more than
 * anything else here: so the loop ends with the first unused node.
 */
static void drain(apr_allocator_t *allocator, size_t bytes, size_t count)
{
    apr_memnode_t *nodes = NULL;
    bool is_free = true;

    while (is_free && count-- > 0) {
        apr_memnode_t *node = apr_allocator_alloc(allocator, bytes - APR_MEMNODE_T_SIZE);

        if (!node)
            break;
        is_free = was_used(node);
        node->next = nodes;
        nodes = node;
    }
    if (nodes)
        apr_allocator_free(allocator, nodes);
}

void mrc_free_nodes_give_back(conn_rec *c)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(c->pool);
    size_t most =
        ap_max_mem_free && ap_max_mem_free < FREE_BYTES_MAX ? ap_max_mem_free : FREE_BYTES_MAX;

    apr_allocator_max_free_set(allocator, 1); /* less than a node; 0 would mean no limit */
    drain(allocator, NODE_BYTES_MIN, most / NODE_BYTES_MIN);
    if (c->keepalives == 0)
        return; /* this is its first request, so it has no large free node */
    for (size_t bytes = 2 * NODE_BYTES_MIN; bytes <= NODE_BYTES_MAX; bytes *= 2)
        drain(allocator, bytes, most / bytes);
}
