#include "hub/base/status.h"

#include "store/base/status.h"

apr_status_t mrc_status_of(enum mrc_err err)
{
    switch (err) {
    case MRC_OK:
        return APR_SUCCESS;
    case MRC_ENOMEM:
        return APR_ENOMEM;
    case MRC_ELIMIT:
        return MRC_STATUS_TOO_LARGE;
    case MRC_ENOTFOUND:
        return APR_NOTFOUND;
    case MRC_EUNSUPPORTED:
        return APR_ENOTIMPL;
    case MRC_EFULL:
        return APR_ENOSPC;
    case MRC_EPENDING:
        return APR_EAGAIN;
    case MRC_EINVAL:
        break;
    }
    return APR_EINVAL;
}
