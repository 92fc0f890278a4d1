/*
 * The bytes of the link region of a hub with a transport: what the machine knows about the engine.
 *
 * One thread of one child, the leader, holds the lock and writes everything that is marked "by the
 * leader". If it dies, the next leader continues from here and from the ring.
 */
#ifndef MRC_STORE_REGIONS_LINK_LAYOUT_H
#define MRC_STORE_REGIONS_LINK_LAYOUT_H

#include <stdint.h>

#include "store/base/lock.h"

#define MRC_LINK_MAGIC    UINT64_C(0x314b4e4c4c43524d) /* "MRCLLNK1", little endian */
#define MRC_LINK_VERSION  2
#define MRC_LINK_COUNTERS 64
#define MRC_LINK_KEY_MAX  64
#define MRC_LINK_WINDOWS  4

/*
 * A part of the ring in which the order of the records may differ from that on other machines.
 * Written by the leader, before it appends the records that make it differ. Each end of a window
 * moves with one store. Before the place of a window is used for another one, the window that it
 * was joined with covers it.
 */
struct mrc_link_window {
    _Atomic uint64_t first; /* seq */
    _Atomic uint64_t last;  /* seq; 0: there is no window; UINT64_MAX: it has not ended */
    _Atomic uint64_t dead;  /* seq; up to it, the numbers are of a log that is gone */
};

struct mrc_link_layout {
    /* Constant: written by the parent before any child exists. */
    uint64_t magic;
    uint32_t version;
    uint32_t reserved0;
    uint64_t writer; /* random: the name under which this segment publishes */
    uint8_t reserved1[40];

    union mrc_lock leader;

    /* Where the ring stands in the log of the engine; by the leader. */
    _Atomic uint64_t generation;   /* 0: it has not joined yet, or these words are being written */
    _Atomic uint64_t number;       /* of the last entry that was read */
    _Atomic uint64_t token_writer; /* the token of that entry; 0: it has none */
    _Atomic uint64_t token_counter;
    _Atomic int64_t token_time_us;
    _Atomic uint64_t since_seq;      /* last seq of the ring before this generation */
    _Atomic uint64_t old_generation; /* before the last reset; 0: none, or compared already */
    _Atomic uint64_t old_number;     /* of the last entry read of that generation */
    _Atomic uint64_t counter;        /* the last one given to an update; before it is sent */
    _Atomic uint64_t newest;   /* number of the newest entry that the engine is known to have */
    _Atomic uint64_t gap;      /* how often entries were missing in the ring */
    _Atomic uint64_t machines; /* that take part, this one included */

    /* By the leader; read by everybody. */
    _Atomic int64_t since_us; /* the time of day since which STATE holds */
    _Atomic uint64_t joined;  /* 1: it has joined the hub once */
    _Atomic uint32_t state;   /* enum mrc_link_state */
    _Atomic uint32_t napping; /* 1: the leader sleeps, and must be woken for a staged update */

    /* Readers that wait until the ring has what the engine has. */
    _Atomic uint32_t asked;    /* the number of requests */
    _Atomic uint32_t answered; /* the number of the last one that is answered; a futex */

    /* The key for positions, which all machines share; by the leader. The lowest byte of its state
     * is the length, 0 while KEY changes; the others count the changes. */
    _Atomic uint64_t key_state;
    _Atomic uint64_t key[MRC_LINK_KEY_MAX / 8];

    /* By the leader. */
    _Atomic uint64_t has_beaten; /* 1: the engine lists this machine unless others removed it */
    _Atomic uint64_t reaped;     /* how often other machines have declared this one dead */
    _Atomic uint64_t others;     /* subscribers of the other machines */

    _Atomic uint64_t refusal; /* enum mrc_link_refusal: why publications are refused now */

    /*
     * The engine has lost entries that are in the ring after this seq, and other machines may still
     * have to put some of them back; by the leader. One more than the seq; 0: nothing is lost.
     */
    _Atomic uint64_t fork;
    _Atomic uint64_t fork_number; /* of the last entry before them; written before FORK */

    struct mrc_link_window windows[MRC_LINK_WINDOWS]; /* see mrc_link_unsettle() */
    _Atomic uint64_t joinings; /* grows when the place of a window is used for another one */

    _Atomic int64_t back_us; /* when it was last up again with the same log; by the leader */

    _Atomic uint64_t lost_after; /* seq: what the ring had after it, the engine had lost */
    _Atomic uint64_t losses;     /* how often that was found; written after LOST_AFTER */

    _Atomic uint64_t debts; /* bits of enum mrc_link_debt; by the leader */

    _Atomic uint64_t counters[MRC_LINK_COUNTERS]; /* enum mrc_link_counter; by anybody */
};
_Static_assert(sizeof(struct mrc_link_layout) == 1024, "a link has 1024 bytes");

#endif
