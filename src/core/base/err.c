#include "core/base/err.h"

#include <stdarg.h>
#include <stdio.h>

const char *mrc_strerror(enum mrc_err err)
{
    switch (err) {
    case MRC_OK:
        return "no error";
    case MRC_ENOMEM:
        return "out of memory";
    case MRC_EINVAL:
        return "invalid input";
    case MRC_ELIMIT:
        return "limit exceeded";
    case MRC_ENOTFOUND:
        return "not found";
    case MRC_EUNSUPPORTED:
        return "not supported";
    case MRC_EFULL:
        return "no room";
    case MRC_EPENDING:
        return "not known yet";
    }
    return "unknown error";
}

enum mrc_err mrc_error_set(struct mrc_error *error, enum mrc_err code, const char *fmt, ...)
{
    va_list args;

    if (error) {
        va_start(args, fmt);
        vsnprintf(error->text, sizeof(error->text), fmt, args);
        va_end(args);
    }
    return code;
}
