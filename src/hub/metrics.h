/*
 * The numbers of a hub, and where each lies in its segment (store/hub_segment.h).
 */
#ifndef MRC_HUB_METRICS_H
#define MRC_HUB_METRICS_H

#include "hub/carrier.h"
#include "store/hub_layout.h"

/* Only grow. */
enum mrc_counter {
    MRC_COUNTER_UPDATES,     /* stored */
    MRC_COUNTER_SUBSCRIBERS, /* admitted */
    MRC_COUNTER_DELIVERIES,  /* events handed to a carrier */
    MRC_COUNTER_ENDED,       /* streams: one for each enum mrc_end from here on */
    MRC_COUNTER_COUNT = MRC_COUNTER_ENDED + MRC_END_ERROR + 1
};

/* Of the present. */
enum mrc_gauge {
    MRC_GAUGE_SUBSCRIBERS,
    MRC_GAUGE_THREADS,       /* held by streams; of the whole child, in its first hub */
    MRC_GAUGE_PATTERNS,      /* that the child holds for its subscribers */
    MRC_GAUGE_PATTERN_BYTES, /* what these occupy */
    MRC_GAUGE_PATTERNS_TOLD, /* 1: the child has told that the hub turns patterns away */
    MRC_GAUGE_COUNT
};

_Static_assert(MRC_COUNTER_COUNT <= (int)MRC_HUB_COUNTERS, "the segment has room for each counter");
_Static_assert(MRC_GAUGE_COUNT <= (int)MRC_HUB_GAUGES, "the segment has room for each gauge");

#endif
