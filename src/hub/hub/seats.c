#include "hub/hub/seats.h"

#include <sched.h>
#include <stdbool.h>

#include "hub/hub/numbers.h"
#include "store/hub/segment.h"
#include "store/regions/link.h"

/* The kinds of clients in the census. */
#define KIND_ADDRESS 'a'
#define KIND_TOKEN   't'

struct mrc_seats {
    const struct mrc_link *link; /* NULL: the hub is on one machine */
    struct mrc_census *census;   /* NULL: no limit for a client */
    unsigned slot;
    struct mrc_numbers *numbers;
    const struct mrc_hub_limits *limits;
};

struct mrc_seats *mrc_seats_create(apr_pool_t *pool, struct mrc_hub_segment *segment, unsigned slot,
                                   struct mrc_numbers *numbers, const struct mrc_hub_limits *limits)
{
    struct mrc_seats *seats = apr_palloc(pool, sizeof(*seats));

    *seats = (struct mrc_seats){
        .link = mrc_hub_segment_link(segment),
        .census = mrc_hub_segment_census(segment),
        .slot = slot,
        .numbers = numbers,
        .limits = limits,
    };
    return seats;
}

/*
 * Counts one more stream of the client NAME, of which MAX are allowed. RET_KEY gets the key of the
 * client, or 0 if it is not counted. A caller that sees too many streams subtracts its own count
 * and checks again, as mrc_counters_gauge_take() does. So exactly as many of simultaneous
 * callers get a seat as there are seats.
 */
static bool count_client(struct mrc_seats *seats, char kind, struct mrc_bytes name, uint64_t max,
                         uint64_t *ret_key)
{
    uint64_t key;

    *ret_key = 0;
    if (!max || !name.ptr || !seats->census)
        return true;
    key = mrc_census_key(seats->census, kind, name);
    for (;;) {
        uint64_t sum = mrc_census_add(seats->census, seats->slot, key);

        if (sum == 0)
            return false;
        if (sum <= max) {
            *ret_key = key;
            return true;
        }
        mrc_census_sub(seats->census, seats->slot, key);
        if (mrc_census_sum(seats->census, key) >= max)
            return false;
        sched_yield();
    }
}

static void uncount_client(struct mrc_seats *seats, const struct mrc_hub_seat *seat)
{
    if (seat->address)
        mrc_census_sub(seats->census, seats->slot, seat->address);
    if (seat->token)
        mrc_census_sub(seats->census, seats->slot, seat->token);
}

/* The seats that this machine may take. */
static uint64_t own_max(const struct mrc_seats *seats)
{
    uint64_t max = seats->limits->subscribers_max;
    uint64_t others = seats->link ? mrc_link_get_others(seats->link) : 0;

    return others < max ? max - others : 0;
}

/* The limits of the client come first: a client above its own limits never takes a seat of the hub
 * from others, not even for a moment. */
apr_status_t mrc_seats_take(struct mrc_seats *seats, const struct mrc_hub_client *client,
                            struct mrc_hub_seat *ret_seat)
{
    const struct mrc_hub_limits *limits = seats->limits;
    struct mrc_hub_seat seat = {0};
    apr_status_t status = APR_SUCCESS;

    if (!count_client(seats, KIND_ADDRESS, client->address, limits->per_address_max, &seat.address))
        status = MRC_STATUS_ADDRESS_FULL;
    else if (!count_client(seats, KIND_TOKEN, client->token, limits->per_token_max, &seat.token))
        status = MRC_STATUS_TOKEN_FULL;
    else if (!limits->subscribers_max)
        mrc_numbers_gauge_add(seats->numbers, MRC_GAUGE_SUBSCRIBERS, 1);
    else if (!mrc_numbers_gauge_take(seats->numbers, MRC_GAUGE_SUBSCRIBERS, own_max(seats)))
        status = MRC_STATUS_FULL;
    if (status != APR_SUCCESS) {
        uncount_client(seats, &seat);
        return status;
    }
    *ret_seat = seat;
    return APR_SUCCESS;
}

void mrc_seats_give_back(struct mrc_seats *seats, const struct mrc_hub_seat *seat, enum mrc_end end)
{
    uncount_client(seats, seat);
    mrc_numbers_gauge_add(seats->numbers, MRC_GAUGE_SUBSCRIBERS, -1);
    mrc_numbers_count(seats->numbers, (enum mrc_counter)(MRC_COUNTER_ENDED + (int)end), 1);
}
