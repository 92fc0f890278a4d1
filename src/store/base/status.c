#include "store/base/status.h"

#include <stdarg.h>
#include <stdio.h>

const char *mrc_status_text(apr_status_t status)
{
    switch (status) {
    case MRC_STATUS_SUPERSEDED:
        return "the hub has moved to a new segment or is gone";
    case MRC_STATUS_TOO_LARGE:
        return "the record is too large for the ring";
    case MRC_STATUS_OVERRUN:
        return "the ring has overwritten the position";
    case MRC_STATUS_CORRUPT:
        return "the bytes of the ring contradict each other";
    case MRC_STATUS_UNREACHABLE:
        return "the engine of the hub cannot be reached, or accepts no updates now";
    case MRC_STATUS_UNCONFIRMED:
        return "the engine of the hub has not confirmed the update in time";
    case MRC_STATUS_NO_ROOM:
        return "there is no room for more shared memory";
    default:
        return NULL;
    }
}

apr_status_t mrc_status_set(struct mrc_error *error, apr_status_t status, const char *fmt, ...)
{
    va_list args;

    if (error) {
        va_start(args, fmt);
        vsnprintf(error->text, sizeof(error->text), fmt, args);
        va_end(args);
    }
    return status;
}
