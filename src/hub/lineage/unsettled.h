/*
 * Where the order of the updates may differ between machines.
 *
 * The engine has lost t1 t2 t3, which came after entry F. They are put back, in an order of their
 * own and among new ones, and no machine reads again what it has:
 *
 *     the log                  … F t2 n1 t1 t3 n2
 *     a machine with the tail  … F t1 t2 t3 n1 n2
 *     another one with a part  … F t1 t2 n1 t3 n2
 *                                  |_________| the window: other machines may have what is before
 *                                              one of these records after it
 *
 * So a cursor in the window counts as one at its beginning (history/engine.c): up to there, all
 * machines have the same records. The window begins where the machine finds that the engine has
 * lost what it has, and is open until all of that has come back; each entry that is put back says
 * where the fork was, for machines that had none of it.
 *
 * One thread, the leader of the hub's link.
 */
#ifndef MRC_HUB_LINEAGE_UNSETTLED_H
#define MRC_HUB_LINEAGE_UNSETTLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mrc_link;
struct mrc_ring;
struct mrc_update_origin;

/* The updates of more writers are not waited for one by one. */
#define MRC_UNSETTLED_WRITERS 64

struct mrc_unsettled {
    struct mrc_link *link;
    struct mrc_ring *ring;

    /* What has to come back before the open window ends: for each writer, its last lost update. */
    struct {
        uint64_t writer, counter;
    } awaited[MRC_UNSETTLED_WRITERS];
    size_t count;
    bool is_untracked; /* there may be more */

    bool has_fork; /* the fork of the last entry that had one, and the first record after it */
    uint64_t fork, first;
    uint64_t sought; /* the last writer whose updates were sought before that; 0: none */

    bool asks_end; /* nothing is to be put back any more: the next beat says which entry is last */
    bool has_end;
    uint64_t end; /* that entry */
};

/* A leader begins. The arguments outlive it. */
void mrc_unsettled_begin(struct mrc_unsettled *unsettled, struct mrc_link *link,
                         struct mrc_ring *ring);

/* The hub has joined its log. */
void mrc_unsettled_join(struct mrc_unsettled *unsettled);

/* The log begins anew: what is in the ring now stays as it is. */
void mrc_unsettled_forget(struct mrc_unsettled *unsettled);

/* The engine has lost what the ring has after the record SEQ. Call it before the next entry is
 * appended. */
void mrc_unsettled_lose(struct mrc_unsettled *unsettled, uint64_t seq);

/*
 * An entry of ORIGIN has come that was lost after the entry FORK; 0: or that was on its way when
 * the log began anew. Records up to SINCE_SEQ are of another log. IS_KNOWN: the ring has it,
 * perhaps among those; otherwise it is appended next.
 */
void mrc_unsettled_note(struct mrc_unsettled *unsettled, uint64_t fork, uint64_t since_seq,
                        const struct mrc_update_origin *origin, bool is_known);

/* The ring has the update COUNTER of WRITER, as it has come from the log. */
void mrc_unsettled_came(struct mrc_unsettled *unsettled, uint64_t writer, uint64_t counter);

/* The engine has all that any machine could put back. */
void mrc_unsettled_restored(struct mrc_unsettled *unsettled);

/*
 * The newest entry of the engine is NEWEST, according to a question that was sent after that call.
 */
void mrc_unsettled_take_newest(struct mrc_unsettled *unsettled, uint64_t newest);

/* The ring has everything up to the entry NUMBER. */
void mrc_unsettled_reached(struct mrc_unsettled *unsettled, uint64_t number);

#endif
