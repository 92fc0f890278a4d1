/*
 * Replaces lmdb.c and check.c in a build without LMDB.
 */
#include "store/base/status.h"
#include "store/history/check.h"
#include "store/history/history.h"

bool mrc_history_has_lmdb(void)
{
    return false;
}

apr_status_t mrc_history_open_lmdb(apr_pool_t *pool, struct mrc_hub_segment *segment,
                                   const struct mrc_notify *notify, unsigned slot, const char *dir,
                                   enum mrc_history_sync sync, int64_t wait_us,
                                   struct mrc_error *error, struct mrc_history **ret_history)
{
    return mrc_status_set(error, APR_ENOTIMPL, "this build has no LMDB");
}

apr_status_t mrc_history_check(apr_pool_t *pool, const char *dir, struct mrc_error *error)
{
    return mrc_status_set(error, APR_ENOTIMPL, "this build has no LMDB");
}
