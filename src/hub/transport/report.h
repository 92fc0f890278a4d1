/*
 * What the administrator should know about a link to an engine. Each event is reported once per
 * change, in the thread of the link.
 */
#ifndef MRC_HUB_TRANSPORT_REPORT_H
#define MRC_HUB_TRANSPORT_REPORT_H

#include <stdint.h>

#include "store/engine/engine.h"

enum mrc_link_event {
    MRC_LINK_EVENT_UP,       /* TEXT: address and version of the server */
    MRC_LINK_EVENT_DOWN,     /* REASON; TEXT: what happened */
    MRC_LINK_EVENT_POLICY,   /* the server may evict the keys of the hub; TEXT: its policy */
    MRC_LINK_EVENT_FORK,     /* the engine had lost A entries, of which this machine puts B back */
    MRC_LINK_EVENT_RESTORED, /* A entries of machines that did not do so themselves are put back */
    MRC_LINK_EVENT_GAP,      /* this machine has missed A entries */
    MRC_LINK_EVENT_RESET,    /* the engine has begun anew; this machine had read up to A */
    MRC_LINK_EVENT_REFUSED,  /* the hub cannot be joined; TEXT: why */
    MRC_LINK_EVENT_BOUNDS,   /* another machine has another MercureHistory */
    MRC_LINK_EVENT_FULL,     /* the engine accepts no updates; TEXT: why */
    MRC_LINK_EVENT_TAKES,    /* the engine accepts updates again */
    MRC_LINK_EVENT_DIED,     /* a machine has died and is removed; TEXT: its name */
    MRC_LINK_EVENT_REAPED,   /* other machines have declared this one dead */
    MRC_LINK_EVENT_STUCK,    /* this machine has no room for the next update; TEXT: why */
    MRC_LINK_EVENT_REVOCATIONS, /* the list of revocations is full: some tokens are not refused */
    MRC_LINK_EVENT_SKIPPED      /* an entry was passed over, number A; TEXT: why */
};

struct mrc_link_report {
    enum mrc_link_event event;
    size_t hub;  /* the index of the hub; the first one if the event concerns several */
    size_t hubs; /* the number of hubs that the event concerns */
    enum mrc_engine_reason reason;
    const char *text; /* NULL: none */
    uint64_t a, b;
};

typedef void mrc_link_report_fn(void *ctx, const struct mrc_link_report *report);

#endif
