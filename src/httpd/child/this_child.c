#include "httpd/child/this_child.h"

#include <unistd.h>

#include "ap_mpm.h"
#include "scoreboard.h"

#include "hub/child/child.h"
#include "hub/hub/hub.h"

/* NULL: this process has no hubs. */
static struct mrc_this_child *this_child;

void mrc_this_child_set(struct mrc_this_child *state)
{
    this_child = state;
}

struct mrc_start *mrc_this_child_start(void)
{
    return this_child ? this_child->start : NULL;
}

/* NULL: this process serves no hub. */
static const struct mrc_this_child *started(void)
{
    return this_child && atomic_load(&this_child->is_started) ? this_child : NULL;
}

struct mrc_child *mrc_this_child_get(void)
{
    return started() ? this_child->child : NULL;
}

bool mrc_this_child_is_forked(void)
{
    /* Each request asks several times, and getpid() is a system call. */
    return started() && this_child->forked_waiter && this_child->pid != getpid();
}

bool mrc_this_child_has_gone(void)
{
    return mrc_this_child_is_forked() && getppid() != this_child->pid;
}

struct mrc_hub *mrc_this_child_hub(int index)
{
    struct mrc_hub *hub = started() ? mrc_child_hub(this_child->child, (size_t)index) : NULL;

    /* No announcer reads the queue there. */
    if (hub && mrc_this_child_is_forked())
        mrc_hub_set_presence_queue(hub, NULL);
    return hub;
}

struct mrc_waiter *mrc_this_child_forked_waiter(void)
{
    return this_child->forked_waiter;
}

bool mrc_this_child_is_serving(void)
{
    if (!started() || mrc_child_is_draining(this_child->child))
        return false;
    return !mrc_this_child_has_gone() && mrc_this_child_is_current();
}

bool mrc_this_child_is_current(void)
{
    int generation = 0;
    int state = AP_MPMQ_RUNNING;

    /*
     * In a graceful restart, prefork only changes the generation and calls no hook in its children.
     */
    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    ap_mpm_query(AP_MPMQ_MPM_STATE, &state);
    return state != AP_MPMQ_STOPPING &&
           generation == ap_get_scoreboard_global()->running_generation;
}

struct mrc_keyring *mrc_this_child_keyring(void)
{
    return started() ? this_child->keyring : NULL;
}

struct mrc_token_cache *mrc_this_child_tokens(void)
{
    return started() ? this_child->tokens : NULL;
}

struct mrc_htaccess_cache *mrc_this_child_htaccess(void)
{
    return started() ? this_child->htaccess : NULL;
}

struct mrc_keeper *mrc_this_child_keeper(void)
{
    return this_child->keeper;
}

struct mrc_http2_child *mrc_this_child_http2(void)
{
    return this_child->http2;
}

struct mrc_mod_http2 *mrc_this_child_mod_http2(void)
{
    return this_child->mod_http2;
}

struct mrc_transport *mrc_this_child_transport(void)
{
    return this_child->transport;
}

const struct mrc_sizing *mrc_this_child_sizing(void)
{
    return &this_child->sizing;
}

bool mrc_this_child_may_log_anywhere(void)
{
    return this_child->may_log_anywhere;
}

const struct bio_method_st *mrc_this_child_socket_bio(void)
{
    return this_child->socket_bio;
}

const struct mrc_log_fields *mrc_this_child_log_fields(void)
{
    return this_child->log_fields;
}

struct mrc_interned_table *mrc_this_child_log_texts(void)
{
    return this_child->log_texts;
}

struct mrc_jobs *mrc_this_child_jobs(void)
{
    return this_child->jobs;
}

struct mrc_heap *mrc_this_child_heap(void)
{
    return &this_child->heap;
}
