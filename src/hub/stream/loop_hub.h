/*
 * What a loop keeps of each hub: the pages that its replays share, and which orders of operators
 * (hub/control) it has carried out.
 *
 * All functions are for the thread of the loop.
 */
#ifndef MRC_HUB_STREAM_LOOP_HUB_H
#define MRC_HUB_STREAM_LOOP_HUB_H

#include <stdbool.h>

struct mrc_loop;
struct mrc_stream;

/* Makes STREAM replay with the pages of its hub, which it shares. False: out of memory. */
bool mrc_loop_hub_share_pages(struct mrc_loop *loop, struct mrc_stream *stream);

/* Forgets the pages if no stream has replayed for a while. Call it in each turn. */
void mrc_loop_hub_forget_pages(struct mrc_loop *loop);

/* Carries out the new orders of all hubs: ends the streams that they are for. */
void mrc_loop_hub_take_orders(struct mrc_loop *loop);

/*
 * Prepares STREAM, which is new, for orders, and carries out those that were given since its
 * subscriber was opened. False: out of memory.
 */
bool mrc_loop_hub_take_old_orders(struct mrc_loop *loop, struct mrc_stream *stream);

/* Frees what the loop keeps of its hubs. */
void mrc_loop_hub_free_all(struct mrc_loop *loop);

#endif
