#include "httpd/base/hooks.h"

#include <stdbool.h>
#include <string.h>

const struct mrc_hook *mrc_hooks_find(const apr_array_header_t *hooks, const char *file)
{
    for (int i = 0; hooks && i < hooks->nelts; i++) {
        const struct mrc_hook *hook = &APR_ARRAY_IDX(hooks, i, struct mrc_hook);

        if (hook->file && !strcmp(hook->file, file))
            return hook;
    }
    return NULL;
}

static bool is_in(const char *file, const char *const *files)
{
    while (file && *files && strcmp(file, *files) != 0)
        files++;
    return file && *files;
}

const struct mrc_hook *mrc_hooks_find_other(const apr_array_header_t *hooks,
                                            const char *const *files)
{
    for (int i = 0; hooks && i < hooks->nelts; i++) {
        const struct mrc_hook *hook = &APR_ARRAY_IDX(hooks, i, struct mrc_hook);

        if (!is_in(hook->file, files))
            return hook;
    }
    return NULL;
}
