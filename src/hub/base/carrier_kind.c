#include "hub/base/carrier_kind.h"

const char *mrc_carrier_kind_text(enum mrc_carrier_kind kind)
{
    static const char *const texts[] = {
        [MRC_CARRIER_DETACHED] = "detached", [MRC_CARRIER_TLS] = "tls",
        [MRC_CARRIER_HTTP2] = "http2",       [MRC_CARRIER_SUSPENDED] = "suspended",
        [MRC_CARRIER_THREADED] = "threaded",
    };

    return texts[kind];
}
