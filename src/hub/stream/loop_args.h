/*
 * What a loop is given (loop.h): its arguments, and how it drains.
 */
#ifndef MRC_HUB_STREAM_LOOP_ARGS_H
#define MRC_HUB_STREAM_LOOP_ARGS_H

#include <stddef.h>
#include <stdint.h>

struct mrc_hub;
struct mrc_inquiry;
struct mrc_reader;
struct mrc_waiters;

/* A loop drains its streams over this time, so that the clients do not all come back at once. */
#define MRC_LOOP_DRAIN_US ((int64_t)2000 * 1000)

enum mrc_loop_drain {
    MRC_LOOP_DRAIN_NOT,
    MRC_LOOP_DRAIN_GRACEFULLY, /* over MRC_LOOP_DRAIN_US */
    MRC_LOOP_DRAIN_NOW
};

struct mrc_loop_args {
    _Atomic(struct mrc_hub *) const *hubs; /* of the child; NULL: not open (yet) */
    size_t hubs_count;                     /* the index of each hub is below it */
    unsigned number;              /* of the loop in its child, below MRC_NUMBERS_LOOPS_MAX */
    int look_ms;                  /* the loop looks at the rings at least this often */
    struct mrc_reader *reader;    /* reads histories from the disk; NULL: no hub has one there */
    struct mrc_inquiry *inquiry;  /* answers.h; NULL: none */
    unsigned slot;                /* the child's */
    unsigned loops;               /* of the child */
    struct mrc_waiters *waiters;  /* the loop answers for them; NULL: another one does */
    int notify_fd;                /* on_notify is called when it is readable; -1: none */
    void (*on_notify)(void *ctx); /* in the loop's thread */
    void *ctx;
};

#endif
