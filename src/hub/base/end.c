#include "hub/base/end.h"

const char *mrc_end_text(enum mrc_end end)
{
    static const char *const texts[] = {
        [MRC_END_CLIENT] = "client",
        [MRC_END_EXPIRED] = "expired",
        [MRC_END_LIFETIME] = "lifetime",
        [MRC_END_SLOW] = "slow",
        [MRC_END_OVERRUN] = "overrun",
        [MRC_END_DRAINING] = "draining",
        [MRC_END_REFUSED] = "refused",
        [MRC_END_ERROR] = "error",
        [MRC_END_DISCONNECTED] = "disconnected",
        [MRC_END_REVOKED] = "revoked",
    };

    return texts[end];
}
