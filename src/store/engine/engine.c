#include "store/engine/engine.h"

#include "mrc_config.h"

const char *mrc_engine_reason_text(enum mrc_engine_reason reason)
{
    static const char *const texts[] = {
        [MRC_ENGINE_REFUSED] = "refused", [MRC_ENGINE_TIMEOUT] = "timeout",
        [MRC_ENGINE_CLOSED] = "closed",   [MRC_ENGINE_READONLY] = "readonly",
        [MRC_ENGINE_AUTH] = "auth",       [MRC_ENGINE_TLS] = "tls",
        [MRC_ENGINE_LOADING] = "loading", [MRC_ENGINE_PROTOCOL] = "protocol",
        [MRC_ENGINE_RESET] = "reset",     [MRC_ENGINE_IDENTITY] = "identity",
        [MRC_ENGINE_FULL] = "full",
    };

    return texts[reason];
}

bool mrc_engine_is_built(void)
{
#ifdef HAVE_HIREDIS
    return true;
#else
    return false;
#endif
}
