/*
 * Converts an error of the core into a status. The hub returns only apr_status_t
 * (store/base/status.h has the codes that APR lacks).
 */
#ifndef MRC_HUB_BASE_STATUS_H
#define MRC_HUB_BASE_STATUS_H

#include "apr_errno.h"

#include "core/base/err.h"

/* MRC_OK is APR_SUCCESS, MRC_ENOMEM is APR_ENOMEM, MRC_ELIMIT is MRC_STATUS_TOO_LARGE. */
apr_status_t mrc_status_of(enum mrc_err err);

#endif
