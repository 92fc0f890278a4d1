#include "store/history.h"

#include "store/history_private.h"
#include "store/ring.h"

void mrc_history_close(struct mrc_history *history)
{
    if (history && history->ops->close)
        history->ops->close(history);
}

struct mrc_ring *mrc_history_ring(const struct mrc_history *history)
{
    return history->ring;
}

apr_status_t mrc_history_append(struct mrc_history *history, struct mrc_bytes id,
                                struct mrc_bytes payload, uint64_t stored_bytes, int64_t now_us)
{
    return history->ops->append(history, id, payload, stored_bytes, now_us);
}

void mrc_history_head(const struct mrc_history *history, struct mrc_place *ret_place)
{
    *ret_place = (struct mrc_place){.pos = mrc_ring_head(history->ring)};
}

apr_status_t mrc_history_newest(const struct mrc_history *history, struct mrc_ring_record *record,
                                struct mrc_place *ret_place)
{
    for (;;) {
        struct mrc_place place;
        apr_status_t status;

        mrc_history_head(history, &place);
        status = mrc_ring_newest(history->ring, record);
        if (mrc_ring_head(history->ring) != place.pos)
            continue; /* another has come in between */
        *ret_place = place;
        return status;
    }
}

apr_status_t mrc_history_oldest(struct mrc_history *history, int64_t now_us,
                                struct mrc_place *ret_place)
{
    return history->ops->oldest(history, now_us, ret_place);
}

apr_status_t mrc_history_find(struct mrc_history *history, struct mrc_bytes id, int64_t now_us,
                              struct mrc_place *ret_place)
{
    return history->ops->find(history, id, now_us, ret_place);
}
