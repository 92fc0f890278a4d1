#include "httpd/route/paths.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SUBSCRIPTIONS "subscriptions"
#define CONTROL       "control/"

const char *mrc_paths_skip(const char *path, const char *prefix)
{
    for (; *prefix; prefix++) {
        int c = (unsigned char)*path;

        if (c == '%' && isxdigit((unsigned char)path[1]) && isxdigit((unsigned char)path[2])) {
            char hex[3] = {path[1], path[2], '\0'};

            c = (int)strtol(hex, NULL, 16);
            if (c == '/' || c == '\0')
                return NULL;
            path += 2;
        }
        if (c != (unsigned char)*prefix)
            return NULL;
        path++;
    }
    return path;
}

/*
 * The part of REST after NAME, which may have a slash before it; NULL: REST does not begin with
 * NAME.
 */
static const char *skip_name(const char *rest, const char *name)
{
    size_t len = strlen(name);

    rest += *rest == '/';
    return strncmp(rest, name, len) ? NULL : rest + len;
}

const char *mrc_paths_skip_debugger(const char *rest)
{
    const char *more = skip_name(rest, MRC_PATHS_DEBUGGER);

    return more && (*more == '\0' || *more == '/') ? more : NULL;
}

const char *mrc_paths_skip_control(const char *rest)
{
    return skip_name(rest, CONTROL);
}

bool mrc_paths_is_subscriptions(const char *rest)
{
    const char *more = skip_name(rest, SUBSCRIPTIONS);

    return more && (*more == '\0' || *more == '/');
}

bool mrc_paths_has_variables(const char *rest)
{
    const char *more = skip_name(rest, SUBSCRIPTIONS);

    return more && more[0] == '/' && more[1] != '/';
}
