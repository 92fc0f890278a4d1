#include "httpd/base/environment.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "apr_strings.h"
#include "apr_tables.h"

#define ENVIRONMENT_KEY "mod_mercure:environment"

extern char **environ;

struct variable {
    const char *name, *value;
};

struct variables {
    apr_array_header_t *list; /* of struct variable, each name once */
    pid_t hidden_by;          /* 0: they are in the environment */
};

static apr_status_t set_again(void *data)
{
    const struct variables *variables = data;

    for (int i = 0; variables->hidden_by == getpid() && i < variables->list->nelts; i++) {
        const struct variable *variable = &APR_ARRAY_IDX(variables->list, i, const struct variable);

        setenv(variable->name, variable->value, 1);
    }
    return APR_SUCCESS;
}

/* Those that were read with PCONF. NULL: none was, and CREATE is false. */
static struct variables *find_variables(apr_pool_t *pconf, bool create)
{
    struct variables *variables;
    void *found = NULL;

    apr_pool_userdata_get(&found, ENVIRONMENT_KEY, pconf);
    if (found || !create)
        return found;
    variables = apr_pcalloc(pconf, sizeof(*variables));
    variables->list = apr_array_make(pconf, 2, sizeof(struct variable));
    apr_pool_userdata_setn(variables, ENVIRONMENT_KEY, apr_pool_cleanup_null, pconf);
    apr_pool_cleanup_register(pconf, variables, set_again, apr_pool_cleanup_null);
    return variables;
}

const char *mrc_environment_read(apr_pool_t *pconf, const char *name)
{
    const char *value = getenv(name);
    struct variables *variables;

    if (!value || !*value)
        return value ? "" : NULL;
    variables = find_variables(pconf, true);
    for (int i = 0; i < variables->list->nelts; i++) {
        const struct variable *known = &APR_ARRAY_IDX(variables->list, i, const struct variable);

        if (!strcmp(known->name, name))
            return known->value;
    }
    value = apr_pstrdup(pconf, value);
    APR_ARRAY_PUSH(variables->list, struct variable) =
        (struct variable){apr_pstrdup(pconf, name), value};
    return value;
}

/*
 * Whether TEXT is in the environment with which this program was started. Linux puts it at the
 * bottom of the stack, just above the functions that run and just below the name of the program.
 */
static bool is_initial(const char *text)
{
    uintptr_t at = (uintptr_t)text;

    return at > (uintptr_t)__builtin_frame_address(0) && at < (uintptr_t)getauxval(AT_EXECFN);
}

/* Wipes the values of NAME that the system shows. Strings of other origin may be constant. */
static void wipe(const char *name)
{
    size_t len = strlen(name);

    for (char **entry = environ; *entry; entry++)
        if (!strncmp(*entry, name, len) && (*entry)[len] == '=' && is_initial(*entry))
            OPENSSL_cleanse(*entry + len + 1, strlen(*entry + len + 1));
}

void mrc_environment_hide(apr_pool_t *pconf)
{
    struct variables *variables = find_variables(pconf, false);

    if (!variables)
        return;
    for (int i = 0; i < variables->list->nelts; i++) {
        const char *name = APR_ARRAY_IDX(variables->list, i, const struct variable).name;

        wipe(name);
        unsetenv(name);
    }
    variables->hidden_by = getpid();
}
