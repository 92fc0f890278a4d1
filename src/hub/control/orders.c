#include "hub/control/orders.h"

#include <stdlib.h>

#include "hub/control/order.h"
#include "store/base/status.h"
#include "store/ring/ring.h"

/* Marks from newer to older. */
struct marks {
    uint64_t *all; /* from malloc() */
    size_t count, cap;
};

static apr_status_t add(struct marks *marks, uint64_t mark)
{
    size_t cap = marks->cap ? marks->cap * 2 : 16;
    uint64_t *grown;

    if (marks->count == MRC_ORDERS_MAX)
        return MRC_STATUS_OVERRUN;
    if (marks->count == marks->cap) {
        grown = realloc(marks->all, cap * sizeof(*grown));
        if (!grown)
            return APR_ENOMEM;
        marks->all = grown;
        marks->cap = cap;
    }
    marks->all[marks->count++] = mark;
    return APR_SUCCESS;
}

/* The chain leads from newer to older records. */
static apr_status_t collect(const struct mrc_ring *ring, uint64_t after, uint64_t until,
                            struct marks *marks)
{
    apr_status_t status = APR_SUCCESS;
    uint64_t mark = until;

    while (mark > after && status == APR_SUCCESS) {
        uint64_t before = 0;

        status = add(marks, mark);
        if (status == APR_SUCCESS)
            status = mrc_ring_control_before(ring, mark, &before);
        if (status == APR_SUCCESS && before >= mark)
            status = MRC_STATUS_CORRUPT;
        mark = before;
    }
    return status;
}

static apr_status_t read_one(const struct mrc_ring *ring, uint64_t mark,
                             struct mrc_ring_record *record, mrc_orders_fn *fn, void *ctx)
{
    uint64_t pos = mark - 1;
    apr_status_t status = mrc_ring_read(ring, &pos, record);
    struct mrc_order order;

    if (status == APR_SUCCESS && mrc_order_decode(record->view.payload, &order) == MRC_OK &&
        order.kind != MRC_ORDER_LIFT)
        fn(ctx, &order);
    return status;
}

apr_status_t mrc_orders_read(const struct mrc_ring *ring, uint64_t after, uint64_t until,
                             mrc_orders_fn *fn, void *ctx)
{
    struct mrc_ring_record record = {.buf = NULL};
    struct marks marks = {.all = NULL};
    apr_status_t status = collect(ring, after, until, &marks);

    for (size_t i = marks.count; i-- > 0 && status == APR_SUCCESS;)
        status = read_one(ring, marks.all[i], &record, fn, ctx);
    mrc_ring_record_free(&record);
    free(marks.all);
    return status == APR_SUCCESS || status == APR_ENOMEM ? status : MRC_STATUS_OVERRUN;
}
